"""DupMAE for Pyserini: one encoder, a dense and a sparse representation, exact hybrid search.

Importing this package loads neither torch nor Java nor FAISS; each name below is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyserini_dupmae.encoders import DupMAEDocumentEncoder, DupMAEImpactQueryEncoder, DupMAEQueryEncoder
    from pyserini_dupmae.modeling import DupMAEConfig, DupMAEModel
    from pyserini_dupmae.search import DupMAESearcher
    from pyserini_dupmae.util.errors import UserError

__version__ = "0.2.0"

_EXPORTS = {
    "DupMAEConfig": "pyserini_dupmae.modeling",
    "DupMAEModel": "pyserini_dupmae.modeling",
    "DupMAESearcher": "pyserini_dupmae.search",
    "DupMAEQueryEncoder": "pyserini_dupmae.encoders",
    "DupMAEImpactQueryEncoder": "pyserini_dupmae.encoders",
    "DupMAEDocumentEncoder": "pyserini_dupmae.encoders",
    "UserError": "pyserini_dupmae.util.errors",
}
__all__ = [
    "DupMAEConfig",
    "DupMAEDocumentEncoder",
    "DupMAEImpactQueryEncoder",
    "DupMAEModel",
    "DupMAEQueryEncoder",
    "DupMAESearcher",
    "UserError",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)
