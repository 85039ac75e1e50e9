"""The command that runs recipes, and the two that their steps run; `pyserini_dupmae.experiments` does the work."""
