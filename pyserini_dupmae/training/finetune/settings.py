"""What fine-tuning optimises, as data: the command's options are made from these fields; see ``docs/finetuning.md``."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyserini_dupmae.training.command import RunDefaults
from pyserini_dupmae.training.settings import Settings, choice, number, text

STAGES = (1, 2, 3)
DISTILLATIONS = ("cross-entropy", "kl", "margin-mse")
SPARSITIES = ("none", "flops", "l1")


@dataclass(frozen=True)
class FinetuneSettings(Settings):
    """The loss of a step, for all three stages. Its fields default to the preset ``paper``; the preset that is taken
    when none is named is ``default``, which differs in the fields that `PRESETS` shows.

    Raises:
        UserError: a value is not one of its choices or out of range.
    """

    group_size: int = number(16, 2, 1 << 12, "documents of a query in stages 2 and 3: one positive, the rest negatives")
    depth: int = number(200, 0, 1 << 20, "negatives are drawn from this many of a query's hardest; 0: from all")
    temperature: float = number(1.0, 1e-4, 1e6, "what the scores of Eq. 12 are divided by before the softmax")
    sum_weight: float = number(1.0, 1e-6, 1e6, "weight of the loss of the sum of Eq. 12")
    cls_weight: float = number(0.0, 0.0, 1e6, "weight of the same loss of [CLS] alone")
    ot_weight: float = number(0.0, 0.0, 1e6, "weight of the same loss of the bag of words alone")
    distillation: str = choice(
        "cross-entropy", DISTILLATIONS, "how stage 3 follows the teacher; Eq. 15 is cross-entropy"
    )
    teacher_temperature: float = number(1.0, 1e-4, 1e6, "what the teacher's scores are divided by in stage 3")
    contrastive_weight: float = number(
        0.0, 0.0, 1e6, "weight of stage 2's loss (Eq. 14) beside the teacher's in stage 3"
    )
    sparsity: str = choice(
        "none", SPARSITIES, "regulariser on the bags of words: all of a query's, the top k of a document's"
    )
    query_sparsity: float = number(1e-3, 0.0, 1e6, "its weight on queries")
    doc_sparsity: float = number(1e-3, 0.0, 1e6, "its weight on documents")
    embedding_teacher: str = text(
        "", "a sentence-transformers model whose embedding of a text [CLS] follows, by cosine"
    )
    embedding_weight: float = number(1.0, 0.0, 1e6, "weight of that loss")


PRESETS: dict[str, FinetuneSettings] = {
    # Measured in docs/training.md: the sum is as good as with the paper's plain loss, and each part is better.
    "default": FinetuneSettings(cls_weight=0.5, ot_weight=0.5),
    "paper": FinetuneSettings(),
}


@dataclass
class FinetuneDefaults(RunDefaults):
    """The Trainer's most used options with defaults for fine-tuning."""

    learning_rate: float = field(default=2e-5, metadata={"help": "peak learning rate"})
    num_train_epochs: float = field(default=4.0, metadata={"help": "passes over the queries"})
    per_device_train_batch_size: int = field(default=16, metadata={"help": "queries a process and step"})
    dataloader_drop_last: bool = field(default=True, metadata={"help": "leave out an epoch's last, smaller batch"})
    eval_steps: float | None = field(default=500, metadata={"help": "steps between searches of the dev set"})
    save_steps: float = field(default=500, metadata={"help": "steps between checkpoints"})
    metric_for_best_model: str | None = field(
        default="hybrid_mrr@10", metadata={"help": "cls, ot or hybrid, and _mrr@10 or _ndcg@10"}
    )
    greater_is_better: bool | None = field(default=True, metadata={"help": "of two values the greater is the better"})
