"""Cross-encoders as teachers of stage 3 (Eq. 15). ``python -m pyserini_dupmae.training.teacher --help``."""
