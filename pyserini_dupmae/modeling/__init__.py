"""The DupMAE model and its configuration."""

from pyserini_dupmae.modeling.configuration import DupMAEConfig
from pyserini_dupmae.modeling.model import DupMAEModel, DupMAEOutput, TextRepresentation

__all__ = ["DupMAEConfig", "DupMAEModel", "DupMAEOutput", "TextRepresentation"]
