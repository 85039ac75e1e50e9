"""What pre-training reads and writes: a plain masked LM, with the decoder's weights in a file beside it.

A folder, be it a run's result or one of its checkpoints, loads with ``AutoModelForMaskedLM`` and is a ``--from`` of
``pyserini_dupmae.init`` and of pre-training itself. ``pretrain.safetensors`` holds ``decoder.*`` and, when W^O is a
matrix of its own, ``projection`` (|V|, d).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModelForMaskedLM, PreTrainedModel

from pyserini_dupmae.modeling.masked_lm import MASKED_LM_HEADS, PRETRAINING_WEIGHTS
from pyserini_dupmae.modeling.weights import load_config, load_pretrained
from pyserini_dupmae.training.pretrain.objective import PretrainModel
from pyserini_dupmae.training.pretrain.settings import PretrainSettings
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_path, share_weights
from pyserini_dupmae.util.log import logger

TYPES = ("bert", "roberta", "xlm-roberta", "distilbert")
"""Architectures that can be pre-trained."""


def load_model(name: str, settings: PretrainSettings, from_scratch: bool = False) -> PretrainModel:
    """The masked LM in a folder or on the Hub, with the decoder that lies beside it or a new one.

    ``from_scratch`` takes the configuration of ``name`` and random weights. Says what was newly initialised.

    Raises:
        UserError: there is no such model, or it is not one that can be pre-trained.
    """
    config = load_config(name, name)
    if config.model_type not in TYPES:
        raise UserError(
            f"{name!r} is a model of type {config.model_type!r}; pre-training takes one of type {', '.join(TYPES)}"
        )
    if from_scratch:
        return PretrainModel(AutoModelForMaskedLM.from_config(config), settings)
    lm, missing = load_pretrained(AutoModelForMaskedLM, name, name)
    if missing:
        logger.info("newly initialised, since %s has none: %s", name, ", ".join(missing))
        _pass_through(lm, missing)
    model = PretrainModel(lm, settings)
    beside = Path(name) / PRETRAINING_WEIGHTS
    if beside.exists():
        _load_beside(model, beside)
    elif settings.decodes_cls or settings.own_projection:
        logger.info("no %s beside the encoder: the decoder starts anew", PRETRAINING_WEIGHTS)
    return model


def _pass_through(lm: PreTrainedModel, missing: list[str]) -> None:
    """Let a head that a checkpoint lacks begin as the identity: its tied decoder then knows most tokens at once."""
    dense = MASKED_LM_HEADS[lm.config.model_type].dense
    if f"{dense}.weight" in missing:
        nn.init.eye_(lm.get_parameter(f"{dense}.weight"))


def save_model(model: PretrainModel, tokenizer: Any, folder: Path) -> None:
    """Write the masked LM, its tokenizer and the weights beside it to ``folder``."""
    model.lm.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    with atomic_path(folder / PRETRAINING_WEIGHTS) as temporary:
        save_file(_beside(model), temporary)
    share_weights(folder)


def restore(model: PretrainModel, folder: Path) -> None:
    """Load what `save_model` wrote into ``model``, for a run that goes on."""
    lm, _ = load_pretrained(type(model.lm), str(folder), str(folder), whole=True)
    model.lm.load_state_dict(lm.state_dict())
    _load_beside(model, folder / PRETRAINING_WEIGHTS)


def _beside(model: PretrainModel) -> dict[str, Tensor]:
    return {name: value.contiguous() for name, value in model.state_dict().items() if not name.startswith("lm.")}


def _load_beside(model: PretrainModel, path: Path) -> None:
    """Load the decoder (and W^O) from ``path``; a part that only one side has is said, a wrong shape is an error."""
    try:
        saved = load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot read {path} ({error}); delete it to start with a new decoder") from None
    wanted = _beside(model)
    for name in saved.keys() & wanted.keys():
        if saved[name].shape != wanted[name].shape:
            raise UserError(
                f"{path}: {name} has the shape {tuple(saved[name].shape)}, but this encoder needs "
                f"{tuple(wanted[name].shape)}; delete the file to start with a new decoder"
            )
    new = sorted({name.split(".")[0] for name in wanted.keys() - saved.keys()})
    unused = sorted({name.split(".")[0] for name in saved.keys() - wanted.keys()})
    if new:
        logger.info("not in %s and newly initialised: %s", path, ", ".join(new))
    if unused:
        logger.info("in %s but not used by these settings: %s", path, ", ".join(unused))
    model.load_state_dict({name: value for name, value in saved.items() if name in wanted}, strict=False)
