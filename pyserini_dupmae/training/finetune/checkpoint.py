"""Saving a model in training, and going back to what was saved."""

from __future__ import annotations

from pathlib import Path

from pyserini_dupmae.modeling.loading import quiet_transformers
from pyserini_dupmae.modeling.model import DupMAEModel


def save_model(model: DupMAEModel, folder: Path) -> None:
    """Write a DupMAE model and its tokenizer to ``folder``; every command of the package takes it."""
    with quiet_transformers():
        model.save_pretrained(folder)


def restore(model: DupMAEModel, folder: Path) -> None:
    """Load the weights that `save_model` wrote to ``folder`` into ``model``."""
    with quiet_transformers():
        model.load_state_dict(DupMAEModel.from_pretrained(folder, dtype=next(model.parameters()).dtype).state_dict())
