"""The command that runs conditions, and the three that its steps run; `pyserini_dupmae.experiments` does the work."""
