"""What pre-training optimises, as data: the points where the paper and the authors' released code differ are fields.

The command line is made from these fields; ``docs/pretraining.md`` says what each changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pyserini_dupmae.modeling.choices import OT_HEADS
from pyserini_dupmae.training.command import RunDefaults
from pyserini_dupmae.training.settings import Settings, choice, number

PACKINGS = ("never", "auto", "always")
METHODS = ("dupmae", "retromae", "cls-only", "ot-only")


@dataclass(frozen=True)
class PretrainSettings(Settings):
    """The objective of Eq. 9 and how its inputs are masked. The defaults are the preset ``released``.

    Raises:
        UserError: a value is not one of its choices or out of range.
    """

    method: str = choice(
        "dupmae", METHODS, "decoders used beside masked LM: both, [CLS] only (retromae is cls-only), or OT only"
    )
    ot_head: str = choice("mlm", OT_HEADS, "W^O of Eq. 6: the masked-LM head, or one matrix of its own")
    bow_tokens: str = choice(
        "all", ("all", "visible"), "tokens pooled into mu: all but [CLS], or ordinary tokens that are not masked"
    )
    bow_target: str = choice("mean", ("mean", "sum"), "weight of a unique token in Eq. 8: 1/length of the text, or 1")
    bow_weight: float = number(0.1, 0.0, 1e6, "weight of L_BoW in Eq. 9")
    token_loss: str = choice(
        "mean", ("mean", "sum"), "L_mlm and L_dec: mean over the batch's predictions, or the sum of a text as in Eq. 4"
    )
    encoder_mask: float = number(0.3, 0.0, 1.0, "fraction of a text's tokens that the encoder predicts")
    decoder_mask: float = number(0.5, 0.0, 1.0, "fraction of a text's tokens hidden from each position of the decoder")
    mask_unit: str = choice("word", ("word", "token"), "what is masked at a time")
    mask_replacement: str = choice(
        "bert", ("bert", "mask"), "a masked token becomes: [MASK] 80%%, a random token 10%%, itself 10%%; or [MASK]"
    )
    decoder_patterns: int = number(
        256, 0, 1 << 20, "mask patterns drawn for a text, of which each position takes one; 0: a fresh one a position"
    )

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


@dataclass
class PretrainDefaults(RunDefaults):
    """The Trainer's most used options with defaults for pre-training."""

    learning_rate: float = field(default=1e-4, metadata={"help": "peak learning rate"})
    per_device_train_batch_size: int = field(default=32, metadata={"help": "texts a process and step"})
    per_device_eval_batch_size: int = field(default=32, metadata={"help": "held-out texts a process and step"})
    eval_steps: float | None = field(default=1000, metadata={"help": "steps between evaluations"})
    save_steps: float = field(default=1000, metadata={"help": "steps between checkpoints"})
