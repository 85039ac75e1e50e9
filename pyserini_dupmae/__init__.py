"""DupMAE for Pyserini: one encoder, a dense and a lexical representation, exact hybrid search.

Importing this package loads neither torch nor Java nor FAISS; each name below is imported when it is first used.
"""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"

_EXPORTS = {
    "DupMAEConfig": "pyserini_dupmae.modeling",
    "DupMAEModel": "pyserini_dupmae.modeling",
    "DupMAESearcher": "pyserini_dupmae.search",
    "DupMAEQueryEncoder": "pyserini_dupmae.encoders",
    "DupMAEImpactQueryEncoder": "pyserini_dupmae.encoders",
    "DupMAEDocumentEncoder": "pyserini_dupmae.encoders",
}
__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)
