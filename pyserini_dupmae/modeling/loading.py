"""Finding and loading a DupMAE model, with errors that say what to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from pyserini_dupmae.modeling.configuration import DupMAEConfig
from pyserini_dupmae.modeling.default import where
from pyserini_dupmae.modeling.identity import ModelIdentity
from pyserini_dupmae.modeling.model import DupMAEModel
from pyserini_dupmae.modeling.weights import load_config, load_pretrained, load_tokenizer, read_config
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
    load_config(folder, name)
    model = load_pretrained(DupMAEModel, folder, name, whole=True, dtype=torch.float32)[0].eval()
    _require_tokenizer(model, name)
    identity = replace(ModelIdentity.of(model), name=name)
    return LoadedModel(model.to(device=target, dtype=DTYPES[dtype]), identity)


def _require_tokenizer(model: DupMAEModel, name: str) -> None:
    """Raise `UserError` unless the model's tokenizer is there and the one that it was made with.

    transformers makes an empty one where files are missing, and every word is unknown to that.
    """
    config = model.config
    tokenizer = model.tokenizer = load_tokenizer(str(config.name_or_path), name)
    if len(tokenizer) < config.vocab_limit or tokenizer.cls_token_id != config.cls_token_id:
        raise UserError(
            f"the tokenizer of {name!r} has {len(tokenizer)} tokens and [CLS] as {tokenizer.cls_token_id}, but the "
            f"model {config.vocab_limit} and {config.cls_token_id}; its files are missing, or another model's"
        )


def _require_dupmae(name: str) -> None:
    kind = read_config(name).get("model_type")
    if kind is None:
        raise UserError(f"{name!r} holds no model (no config.json that says which)")
    if kind != DupMAEConfig.model_type:
        raise UserError(
            f"{name!r} is a model of type {kind!r}, not a DupMAE model; make one from it with: "
            f"python -m pyserini_dupmae.init --from {name} --output DIR"
        )


def is_dupmae_model(name: str) -> bool:
    """Whether ``name`` is a folder that holds a DupMAE model, or a model of the Hugging Face Hub that says it is one.

    The Hub is asked only for a name of the form OWNER/MODEL that is no file or folder here; without a network, or with
    ``HF_HUB_OFFLINE``, the answer is that of the local cache. What cannot be read is no DupMAE model; never raises.
    """
    if Path(where(name)).exists() or name.count("/") != 1:
        return is_dupmae_folder(name)
    return _says_dupmae(name)


def is_dupmae_folder(name: str) -> bool:
    """Whether ``name`` is a folder that holds a DupMAE model; never raises."""
    return Path(where(name)).is_dir() and _says_dupmae(where(name))


def _says_dupmae(place: str) -> bool:
    try:
        return read_config(place).get("model_type") == DupMAEConfig.model_type
    except UserError:
        return False
