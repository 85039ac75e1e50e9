"""Finding and loading a DupMAE model, with errors that say what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from transformers.utils import logging

from pyserini_dupmae.modeling.configuration import DupMAEConfig
from pyserini_dupmae.modeling.default import where
from pyserini_dupmae.modeling.identity import ModelIdentity
from pyserini_dupmae.modeling.model import DupMAEModel
from pyserini_dupmae.util.errors import UserError, first_line

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
AUTO = "auto"


@dataclass
class LoadedModel:
    """A model ready to encode, and the identity it had before its dtype was changed."""

    model: DupMAEModel
    identity: ModelIdentity


def default_device() -> str:
    """``cuda`` if there is a GPU, else ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def resolve_dtype(dtype: str, device: str) -> str:
    """``dtype``, for ``"auto"`` what suits the device: bfloat16 on a GPU that computes in it natively, else float32.

    Also on a CPU that has bfloat16: what is encoded there in float32 is all but equal on every machine.
    """
    if dtype != AUTO:
        return dtype
    native = device.startswith("cuda") and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if native else "float32"


def load_model(name: str, device: str = "cpu", dtype: str = "float32") -> LoadedModel:
    """Load the DupMAE model in a folder or on the Hugging Face Hub, or `DEFAULT_MODEL`, in evaluation mode.

    Raises:
        UserError: there is no such model, it is not a DupMAE model, or the device or dtype is unknown.
    """
    if dtype not in DTYPES:
        raise UserError(f"unknown dtype {dtype!r}; choose one of {', '.join(DTYPES)}")
    try:
        target = torch.device(device)
        torch.empty(0, device=target)
    except (RuntimeError, AssertionError) as error:
        raise UserError(
            f"cannot use the device {device!r} ({first_line(error)}); give cpu, or a device that this machine has"
        ) from None
    folder = where(name)
    _require_dupmae(folder)
    try:
        with quiet_transformers():
            model = DupMAEModel.from_pretrained(folder, dtype=torch.float32).eval()
        _ = model.tokenizer
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"cannot load the DupMAE model {name!r}: {first_line(error)}") from None
    identity = replace(ModelIdentity.of(model), name=name)
    return LoadedModel(model.to(device=target, dtype=DTYPES[dtype]), identity)


def _require_dupmae(name: str) -> None:
    try:
        config, _ = DupMAEConfig.get_config_dict(name)
    except (OSError, ValueError) as error:
        raise no_model(name, error) from None
    kind = config.get("model_type")
    if kind is None:
        raise UserError(f"{name!r} holds no model (no config.json that says which)")
    if kind != DupMAEConfig.model_type:
        raise UserError(
            f"{name!r} is a model of type {kind!r}, not a DupMAE model; make one from it with: "
            f"python -m pyserini_dupmae.init --from {name} --output DIR"
        )


def no_model(name: str, error: Exception) -> UserError:
    """What to raise when transformers found no model ``name``."""
    if Path(name).is_dir():
        return UserError(f"the folder {name!r} holds no model ({first_line(error)})")
    return UserError(
        f"no model {name!r}: there is no such folder, and it cannot be had from the Hugging Face Hub "
        f"({first_line(error)})"
    )


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


def is_dupmae_model(name: str) -> bool:
    """Whether ``name`` is a folder that holds a DupMAE model, or a model of the Hugging Face Hub that says it is one.

    The Hub is asked only for a name of the form OWNER/MODEL that is no file or folder here; without a network, or with
    ``HF_HUB_OFFLINE``, the answer is that of the local cache. What cannot be read is no DupMAE model; never raises.
    """
    if Path(where(name)).exists() or name.count("/") != 1:
        return is_dupmae_folder(name)
    try:
        with quiet_transformers():
            config, _ = DupMAEConfig.get_config_dict(name)
    except (OSError, ValueError):
        return False
    return config.get("model_type") == DupMAEConfig.model_type


def is_dupmae_folder(name: str) -> bool:
    """Whether ``name`` is a folder that holds a DupMAE model; never raises."""
    try:
        return (
            json.loads((Path(where(name)) / "config.json").read_text(encoding="utf-8")).get("model_type")
            == DupMAEConfig.model_type
        )
    except (OSError, ValueError, AttributeError):
        return False
