"""What pre-training optimises, as data: the points where the paper and the authors' released code differ are fields.

The command line is made from these fields; ``docs/pretraining.md`` says what each changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from pyserini_dupmae.errors import UserError
from pyserini_dupmae.modeling.configuration import OT_HEADS

METHODS = ("dupmae", "retromae", "cls-only", "ot-only")


def _choice(default: str, choices: tuple[str, ...], text: str) -> Any:
    return field(default=default, metadata={"choices": choices, "help": text})


def _number(default: float, low: float, high: float, text: str) -> Any:
    return field(default=default, metadata={"low": low, "high": high, "help": text})


@dataclass(frozen=True)
class PretrainSettings:
    """The objective of Eq. 9 and how its inputs are masked. The defaults are the preset ``released``.

    Raises:
        UserError: a value is not one of its choices or out of range.
    """

    method: str = _choice(
        "dupmae", METHODS, "decoders used beside masked LM: both, [CLS] only (retromae is cls-only), or OT only"
    )
    ot_head: str = _choice("mlm", OT_HEADS, "W^O of Eq. 6: the masked-LM head, or one matrix of its own")
    bow_tokens: str = _choice(
        "all", ("all", "visible"), "tokens pooled into mu: all but [CLS], or ordinary tokens that are not masked"
    )
    bow_target: str = _choice("mean", ("mean", "sum"), "weight of a unique token in Eq. 8: 1/length of the text, or 1")
    bow_weight: float = _number(0.1, 0.0, 1e6, "weight of L_BoW in Eq. 9")
    token_loss: str = _choice(
        "mean", ("mean", "sum"), "L_mlm and L_dec: mean over the batch's predictions, or the sum of a text as in Eq. 4"
    )
    encoder_mask: float = _number(0.3, 0.0, 1.0, "fraction of a text's tokens that the encoder predicts")
    decoder_mask: float = _number(0.5, 0.0, 1.0, "fraction of a text's tokens hidden from each position of the decoder")
    mask_unit: str = _choice("word", ("word", "token"), "what is masked at a time")
    mask_replacement: str = _choice(
        "bert", ("bert", "mask"), "a masked token becomes: [MASK] 80%%, a random token 10%%, itself 10%%; or [MASK]"
    )
    decoder_patterns: int = _number(
        256, 0, 1 << 20, "mask patterns drawn for a text, of which each position takes one; 0: a fresh one a position"
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            value, limits = getattr(self, item.name), item.metadata
            if "choices" in limits and value not in limits["choices"]:
                raise UserError(f"{item.name} must be one of {', '.join(limits['choices'])}, got {value!r}")
            if "low" in limits and not limits["low"] <= value <= limits["high"]:
                raise UserError(f"{item.name} must be from {limits['low']:g} to {limits['high']:g}, got {value!r}")

    @property
    def decodes_cls(self) -> bool:
        """Whether L_dec (Eq. 4) is part of the objective."""
        return self.method != "ot-only"

    @property
    def decodes_ot(self) -> bool:
        """Whether L_BoW (Eq. 8) is part of the objective."""
        return self.method in ("dupmae", "ot-only")

    @property
    def own_projection(self) -> bool:
        """Whether W^O is a matrix beside the masked LM."""
        return self.decodes_ot and self.ot_head == "linear"


PRESETS: dict[str, PretrainSettings] = {
    "released": PretrainSettings(),
    "paper": PretrainSettings(
        ot_head="linear",
        bow_tokens="visible",
        bow_target="sum",
        bow_weight=1.0,
        token_loss="sum",
        mask_unit="token",
        mask_replacement="mask",
        decoder_patterns=0,
    ),
}


def from_preset(preset: str, changes: Mapping[str, Any]) -> PretrainSettings:
    """The settings of ``preset`` (a key of `PRESETS`) with some fields changed; raises `UserError`."""
    if preset not in PRESETS:
        raise UserError(f"unknown preset {preset!r}; choose one of {', '.join(PRESETS)}")
    return replace(PRESETS[preset], **changes)
