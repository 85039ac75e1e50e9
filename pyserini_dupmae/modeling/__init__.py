"""The DupMAE model and its configuration; torch is loaded when one of them is first used, not to read an index."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyserini_dupmae.modeling.configuration import DupMAEConfig
    from pyserini_dupmae.modeling.model import DupMAEModel, DupMAEOutput, TextRepresentation

__all__ = ["DupMAEConfig", "DupMAEModel", "DupMAEOutput", "TextRepresentation"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # From the model's module even for the configuration: importing it registers both with transformers' Auto classes.
    return getattr(import_module("pyserini_dupmae.modeling.model"), name)
