"""What a training set holds, as a hash: work that was begun on it goes on only with the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

import numpy as np

from pyserini_dupmae.training.data import TrainingSet


def content_digest(data: TrainingSet, *columns: Iterable[np.ndarray]) -> str:
    """A hash of the documents of ``data``, its queries, and ``columns`` that give an array for each query."""
    digest = hashlib.sha256(data.documents.folder.name.encode())  # the folder is named by its content
    digest.update(json.dumps([data.query_ids, data.queries]).encode())
    for column in columns:
        for array in column:
            digest.update(f"{array.dtype}{len(array)}".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()
