"""``dupmae.json``: what an index holds and which store it was built from."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pyserini_dupmae.modeling.identity import ModelIdentity
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.fields import require_types
from pyserini_dupmae.util.files import write_json
from pyserini_dupmae.util.json_text import read_json

INFO_JSON = "dupmae.json"
FORMAT = 1
KINDS = ("faiss", "lucene", "postings", "jsonl")
"""The indexes that can be built; each lies in a folder of its name."""
DEFAULT_KINDS = ("faiss", "lucene")
"""What is built unless something else is asked for, and what a hybrid search needs."""
DENSE_INDEXES: dict[str, dict[str, Any]] = {
    "FLAT": {},
    "HNSW": {"M": 16, "efConstruction": 200},
    "IVF_FLAT": {"nlist": 128},
}
"""Milvus's index of the dense vectors -> its parameters; all but FLAT are approximate, so that nothing is proved."""


@dataclass(frozen=True)
class IndexInfo:
    """The facts that a searcher checks before it trusts an index.

    Args:
        kind: one of `KINDS`.
        model: the model that encoded the documents.
        documents: how many there are.
        collection: sha256 over the docids in order, one a line; equal for indexes of the same rows.
        stores: the forward stores it was built from, as paths relative to the index folder.
        factory, flat: of a FAISS index: its factory string, and whether its search is exhaustive.
        top_k, bits, scale: of a Lucene index or jsonl: weights kept a document, and their quantisation. Postings have
            ``top_k`` alone.
        largest_norm: of postings and of a flat FAISS index: the largest Euclidean norm of a document's dense vector.
        contents: `ForwardStore.digest` of the stores, by which one of the same docids with other numbers is told.
        files: the SHA-256 of each file of the index.
        largest_error: of postings: the largest norm of what the rounding of a document's dense vector has taken away.
    """

    kind: str
    model: ModelIdentity
    documents: int
    collection: str
    stores: list[str]
    factory: str | None = None
    flat: bool | None = None
    top_k: int | None = None
    bits: int | None = None
    scale: float | None = None
    largest_norm: float | None = None
    largest_error: float | None = None
    contents: str | None = None
    files: dict[str, str] | None = None

    def write(self, folder: Path) -> None:
        """Write ``dupmae.json`` into an index folder; what does not apply to the kind is left out."""
        values = {name: value for name, value in asdict(self).items() if value is not None}
        write_json(folder / INFO_JSON, {"format": FORMAT, **values})

    @classmethod
    def read(cls, folder: str | os.PathLike) -> IndexInfo:
        """Read the ``dupmae.json`` of an index folder.

        Raises:
            UserError: there is no such folder, it holds no index of ours, or the file is damaged.
        """
        path = Path(folder) / INFO_JSON
        try:
            value: dict[str, Any] = dict(read_json(path))
            if value.pop("format") != FORMAT:
                raise UserError(f"{path} is of another format version; {_rebuild(folder)}")
            info = cls(**{**value, "model": ModelIdentity(**value["model"])})
            require_types(info)
            require_types(info.model)
            return info
        except (FileNotFoundError, NotADirectoryError):
            what = f"has no {INFO_JSON}" if Path(folder).is_dir() else "does not exist"
            raise UserError(f"no DupMAE index in {folder}: it {what}; {_rebuild(folder)}") from None
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror}") from None
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path} is damaged ({error}); {_rebuild(folder)}") from None

    def store_folders(self, folder: str | os.PathLike) -> list[Path]:
        """The forward stores of the index that lies in ``folder``."""
        return [Path(os.path.normpath(Path(folder).resolve() / store)) for store in self.stores]


def _rebuild(folder: str | os.PathLike) -> str:
    return f"build it with: python -m pyserini_dupmae.index --index {Path(folder).parent}"
