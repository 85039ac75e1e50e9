"""The words of a collection: a finished store's weights are multiplied by each word's idf there over its general one.

Only a model with own words (``lexical: bm25``) asks for it; see `pyserini_dupmae.modeling.own_words`. Queries stay as
they are, and so does everything that reads a store: FAISS, Lucene, scans and mining see the weights that were written.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pyserini_dupmae.encode.pipeline import WrittenShard, shard_path
from pyserini_dupmae.modeling.model import DupMAEModel
from pyserini_dupmae.modeling.own_words import collection_factors
from pyserini_dupmae.store import ForwardStore, Shard
from pyserini_dupmae.store.shard import weigh_shard
from pyserini_dupmae.util.errors import UserError

COLLECTION, GENERAL = "collection", "general"
OF_A_PART = (
    "a part of a collection does not know how many documents have a word: give --idf with the folder of an encoding of "
    "the whole or of a sample of it, or --idf general, the same for all parts"
)


@dataclass(frozen=True)
class Idf:
    """Which idf a store's weights get: that of ``general`` text (|V|,), over which another is put if there is one.

    ``setting`` is how an encoding is told from others; ``factors`` (|V|,) come from another collection, else they are
    of the store itself.
    """

    setting: str
    general: np.ndarray
    factors: np.ndarray | None = None

    def weigh(self, folder: Path, written: Sequence[WrittenShard]) -> tuple[list[WrittenShard], str | None]:
        """Multiply the weights of the shards of ``folder``, and say by which factors; None where by none.

        Where this was interrupted it goes on: a shard says by what its weights were multiplied.
        """
        if self.setting == GENERAL:
            return list(written), None
        factors = self.factors
        if factors is None:
            documents = sum(shard.documents for shard in written)
            factors = collection_factors(_total(folder, written), documents, self.general)
        name = _name(factors)
        return list(_weighed(folder, written, factors, name)), name


def choose_idf(idf: str | os.PathLike | None, model: DupMAEModel, whole: bool) -> Idf | None:
    """What ``--idf`` asks for with ``model``; None for a model without own words, which has nothing to weigh.

    ``whole`` says whether all of a collection is encoded.

    Raises:
        UserError: the model has no own words, only a part is encoded, or the folder has no encoding of this model.
    """
    if model.own_words is None:
        if idf is not None:
            raise UserError(f"--idf {os.fspath(idf)} is for models with own words (init --lexical bm25); leave it out")
        return None
    general = model.own_words.general_idf()
    if idf is None or idf == COLLECTION:
        if not whole:
            raise UserError(OF_A_PART)
        return Idf(COLLECTION, general)
    if idf == GENERAL:
        return Idf(GENERAL, general)
    store = ForwardStore(Path(idf) / "store")
    frequencies = store.frequencies()
    if frequencies is None or len(frequencies) != len(general):
        raise UserError(f"--idf {os.fspath(idf)} was encoded with a model without these words; encode it with this one")
    factors = collection_factors(frequencies, len(store), general)
    return Idf(_name(factors), general, factors)


def _total(folder: Path, written: Sequence[WrittenShard]) -> np.ndarray:
    found = (Shard(shard_path(folder, shard.number)).frequencies for shard in written)
    return np.sum([part for part in found if part is not None], axis=0)


def _weighed(folder: Path, written: Sequence[WrittenShard], factors: np.ndarray, name: str) -> Iterator[WrittenShard]:
    for one in written:
        shard = Shard(shard_path(folder, one.number))
        if shard.weighed == name:
            yield one
            continue
        if shard.weighed is not None:
            raise UserError(f"the weights in {shard.path} are of another collection; begin again with --overwrite")
        checksum = weigh_shard(shard, factors, name)
        yield replace(one, checksum=checksum, max_weight=float(Shard(shard.path).weights[:, 0].max()))


def _name(factors: np.ndarray) -> str:
    return hashlib.sha256(factors.tobytes()).hexdigest()[:16]
