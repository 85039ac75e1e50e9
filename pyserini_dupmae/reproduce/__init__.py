"""The command that runs conditions, and the two that its steps run; `pyserini_dupmae.experiments` does the work."""
