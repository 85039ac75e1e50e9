"""Queries, their positives and hard negatives, and the documents they are rows of: what fine-tuning reads.

`sources` finds documents, topics and qrels of a source (`inline` turns files of texts into one), `negatives` and
`scores` read the files beside it, `training_set` puts them together, `combined` makes several into one and `sampling`
draws from it.
"""

from pyserini_dupmae.data.judged_collection import SOURCE_HELP
from pyserini_dupmae.training.data.combined import CombinedTrainingSet
from pyserini_dupmae.training.data.documents import Documents
from pyserini_dupmae.training.data.sampling import Draw, EpochSampling
from pyserini_dupmae.training.data.training_set import TrainingSet, load_training_set, load_training_sets

__all__ = [
    "SOURCE_HELP",
    "CombinedTrainingSet",
    "Documents",
    "Draw",
    "EpochSampling",
    "TrainingSet",
    "load_training_set",
    "load_training_sets",
]
