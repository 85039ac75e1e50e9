"""Pre-training: Eq. 1-9, on the Hugging Face Trainer. ``python -m pyserini_dupmae.training.pretrain --help``."""
