"""Fine-tuning: Eq. 12-15, on the Hugging Face Trainer. ``python -m pyserini_dupmae.training.finetune --help``."""
