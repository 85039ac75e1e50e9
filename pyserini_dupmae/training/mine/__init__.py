"""Hard negatives from an index of the current model. ``python -m pyserini_dupmae.training.mine --help``."""
