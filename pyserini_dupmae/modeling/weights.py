"""Reading a model's files so that what is damaged is a sentence: from safetensors alone, and no tensor made up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoTokenizer, PretrainedConfig
from transformers.utils import CONFIG_NAME, logging

from pyserini_dupmae.util.errors import UserError, first_line, is_disk_full
from pyserini_dupmae.util.json_text import read_json, require_shallow

# What transformers says where its reason stands in another message, or in lines of advice about itself.
_EMPTY_REASONS = {
    "from one of:": "its files are missing or damaged",
    "above report": "its tensors cannot be read into such a model",
}


LONGEST_REASON = 200
"""Characters of a library's message that are shown: some list every type of model that there is."""


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers from reporting on the weights that it loads; what matters of it the package says itself."""
    verbosity, progress = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if progress:
            logging.enable_progress_bar()


def no_model(name: str, error: Exception) -> UserError:
    """What to raise when transformers found no model ``name``."""
    if Path(name).is_dir():
        return UserError(f"the folder {name!r} holds no model ({_reason(error)})")
    return UserError(
        f"no model {name!r}: there is no such folder, and it cannot be had from the Hugging Face Hub ({_reason(error)})"
    )


def read_config(place: str) -> dict[str, Any]:
    """What the ``config.json`` in a folder, or of a name on the Hub, says; raises `UserError` for what is none."""
    try:
        with quiet_transformers():
            if (file := Path(place) / CONFIG_NAME).is_file():
                read_json(file)  # bounds its nesting; transformers does not
            return dict(PretrainedConfig.get_config_dict(place)[0])
    except Exception as error:
        raise no_model(place, error) from None


def load_config(place: str, name: str) -> PretrainedConfig:
    """The configuration of the model in a folder or of a name on the Hub; raises `UserError` as `read_config`."""
    read_config(place)
    try:
        with quiet_transformers():
            return AutoConfig.from_pretrained(place, trust_remote_code=False)
    except Exception as error:
        raise no_model(name, error) from None


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Raise `UserError` for whatever libraries raise over the files of ``what``, such as ``"the model 'DIR'"``.

    They raise nearly anything over files of another form: KeyError, TypeError, Rust's panics as plain exceptions.
    """
    try:
        with quiet_transformers():
            yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        if is_disk_full(error):
            raise
        raise UserError(f"cannot load {what}: {_reason(error)}") from None


def load_pretrained(kind: Any, place: str, name: str, *, whole: bool = False, **options: Any) -> tuple[Any, list[str]]:
    """A model of transformers, and the names of the parameters that its weights do not have.

    Args:
        kind: what has ``from_pretrained``.
        place: a folder, or a name on the Hugging Face Hub.
        name: what the user calls it.
        whole: nothing may be missing, and nothing may be there that the model does not have.
        options: other arguments of ``from_pretrained``.

    Raises:
        UserError: there are no safetensors, they are damaged, or a tensor is missing (with ``whole``), has another
            shape, or has NaN or infinity; it is named.
    """
    with reading(f"{name!r} (only safetensors are read)"):
        model, info = kind.from_pretrained(
            place, use_safetensors=True, ignore_mismatched_sizes=True, output_loading_info=True, **options
        )
    missing, unexpected = sorted(info["missing_keys"]), sorted(info["unexpected_keys"])
    for tensor, saved, wanted in sorted(info["mismatched_keys"]):
        raise UserError(
            f"the weights of {name!r} do not fit its config.json: {tensor} is {tuple(saved)}, not {tuple(wanted)}"
        )
    if whole and missing:
        raise UserError(f"the weights of {name!r} are not complete: {_shown(missing)} missing")
    if whole and unexpected:
        raise UserError(f"the weights of {name!r} do not fit its config.json: it has no place for {_shown(unexpected)}")
    require_finite(model, name)
    return model, missing


def require_finite(model: nn.Module, name: str) -> None:
    """Raise `UserError` for the first tensor of ``model``, which the user calls ``name``, with NaN or infinity."""
    for tensor, value in model.state_dict().items():
        if not _is_finite(value):
            raise UserError(f"the weights of {name!r} are damaged: {tensor} has NaN or infinity")


def load_tokenizer(place: str, name: str) -> Any:
    """The tokenizer in a folder or of a name on the Hub; raises `UserError`, which calls it that of ``name``."""
    with reading(f"the tokenizer of {name!r}"):
        for file in Path(place).glob("*.json"):
            require_shallow(file.read_text(encoding="utf-8"))
        return AutoTokenizer.from_pretrained(place, trust_remote_code=False)


def _is_finite(value: Tensor) -> bool:
    return not value.is_floating_point() or bool(torch.isfinite(value).all())


def _shown(names: list[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def _reason(error: Exception) -> str:
    reason = first_line(error)
    empty = next((plain for phrase, plain in _EMPTY_REASONS.items() if phrase in reason), None)
    if empty is None and isinstance(error, KeyError):
        empty = f"there is no {reason}"
    return (empty or reason)[:LONGEST_REASON].rstrip(":")
