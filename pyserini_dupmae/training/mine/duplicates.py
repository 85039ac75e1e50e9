"""Which documents say the same: hashes of normalised texts."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from tqdm import tqdm

from pyserini_dupmae.training.data import Documents

TEXTS_AT_A_TIME = 10_000


def text_hashes(documents: Documents) -> np.ndarray:
    """A hash of each document's text without case and with white space collapsed, by row: (N,) uint64.

    64 bits make an accidental duplicate among the 8.8 million passages of MS MARCO improbable (2e-6).
    """
    hashes = np.empty(len(documents), np.uint64)
    with tqdm(total=len(documents), unit="document", desc="looking for duplicates") as progress:
        for start in range(0, len(documents), TEXTS_AT_A_TIME):
            rows = range(start, min(start + TEXTS_AT_A_TIME, len(documents)))
            digests = b"".join(_digest(text) for text in documents.texts(rows))
            hashes[rows.start : rows.stop] = np.frombuffer(digests, np.uint64)
            progress.update(len(rows))
    return hashes


def _digest(text: str) -> bytes:
    return blake2b(" ".join(text.casefold().split()).encode(errors="surrogatepass"), digest_size=8).digest()
