"""Queries, their positives and hard negatives, and the documents they are rows of: what fine-tuning reads.

`training_set` turns a source, and the files beside it, into arrays in the cache: `inline` reads files with the texts in
them, `listings` negatives and scores, `documents` holds the texts, `arrays` puts all together. `sampling` makes several
sets one and draws from it.
"""

from pyserini_dupmae.data.judged_collection import SOURCE_HELP
from pyserini_dupmae.training.data.documents import DocumentFiles
from pyserini_dupmae.training.data.sampling import CombinedTrainingSet, Draw, EpochSampling
from pyserini_dupmae.training.data.training_set import (
    TrainingSet,
    default_cache,
    listed,
    load_training_set,
    load_training_sets,
)

__all__ = [
    "SOURCE_HELP",
    "CombinedTrainingSet",
    "DocumentFiles",
    "Draw",
    "EpochSampling",
    "TrainingSet",
    "default_cache",
    "listed",
    "load_training_set",
    "load_training_sets",
]
