"""DupMAE's training: pre-training (section 3.1-3.2 of the paper). Imports nothing of the package above the model."""
