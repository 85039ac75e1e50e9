"""The two places where training meets the whole vocabulary, without the logits of a batch."""

from pyserini_dupmae.training.kernels.cross_entropy import linear_cross_entropy
from pyserini_dupmae.training.kernels.max_pool import vocabulary_max_pool

__all__ = ["linear_cross_entropy", "vocabulary_max_pool"]
