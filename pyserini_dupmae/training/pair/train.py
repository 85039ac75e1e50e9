"""The training loop: a DupMAE model in, one that follows the pair out."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pyserini_dupmae.modeling.loading import load_model, quiet_transformers
from pyserini_dupmae.modeling.model import DupMAEModel
from pyserini_dupmae.training.finetune.model import FinetuneModel, Texts
from pyserini_dupmae.training.pair.batches import Batches, Drawn
from pyserini_dupmae.training.pair.objective import PairSettings, pair_loss
from pyserini_dupmae.training.pair.prepare import Prepared, load_prepared
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import write_json
from pyserini_dupmae.util.log import logger

RESULT = "pair.json"
"""In the output folder: the record of the run, written last."""


@dataclass(frozen=True)
class PairOptions:
    """How long and how fast to train.

    Attributes:
        steps: of the optimiser.
        frozen_steps: of these, the first in which only the head and the scale learn, at half the cost.
        rise: steps in which the learning rates rise, from the first and again from where the encoder begins to learn;
            then they fall along a cosine to 3 % of their peaks.
        learning_rate: of the encoder; ``head_rate`` of W^O's matrices, ``bias_rate`` of its bias and the dense scale.
        groups, group_size: a batch has groups x group_size queries; those of a group resemble each other.
        passages_per_query: drawn for each; all are scored for all queries of the batch.
        query_length, passage_length: tokens kept.
        average: how much of the averaged weights, which are the result, each step keeps.
        bf16: compute in bfloat16 where that is safe.
        seed: of what is drawn.
    """

    steps: int = 600
    frozen_steps: int = 50
    rise: int = 20
    learning_rate: float = 3e-5
    head_rate: float = 3e-4
    bias_rate: float = 3e-3
    groups: int = 4
    group_size: int = 4
    passages_per_query: int = 4
    query_length: int = 112
    passage_length: int = 128
    average: float = 0.99
    bf16: bool = True
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True)
class PairResult:
    """``folder`` holds the model; ``losses`` are the parts' means over the last tenth of the steps."""

    folder: Path
    steps: int
    seconds: float
    losses: dict[str, float]

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {value:.3f}" for name, value in self.losses.items())
        return f"{self.folder}: {self.steps} steps in {self.seconds:.0f} s; {parts}"


def train(
    source: str, prepared: Path, output: Path, options: PairOptions | None = None, settings: PairSettings | None = None
) -> PairResult:
    """Teach the DupMAE model ``source`` what the pair says of what `prepare` wrote, and save it to ``output``.

    Raises:
        UserError: the model's dense vectors have another width than the pair's bi-encoder, or a folder cannot be used.
    """
    options, settings = options or PairOptions(), settings or PairSettings()
    data, dupmae = load_prepared(prepared), load_model(source, options.device).model
    width = data.pair.query_vectors.shape[1]
    if dupmae.config.cls_dim != width:
        raise UserError(
            f"the pair's bi-encoder has {width} dimensions, but {source} {dupmae.config.cls_dim}; make the model with "
            f"--cls-dim {width}, or prepare with another bi-encoder"
        )
    start = time.monotonic()
    torch.manual_seed(options.seed)
    trainer = PairTrainer(dupmae, data, options, settings)
    losses = [trainer.step(number) for number in range(options.steps)]
    dupmae.load_state_dict(trainer.averaged.state_dict())
    with quiet_transformers():
        dupmae.save_pretrained(output)
    last = losses[-max(1, options.steps // 10) :]
    means = {name: sum(part[name] for part in last) / len(last) for name in last[0]}
    result = PairResult(output, options.steps, time.monotonic() - start, means)
    record = {"source": source, "prepared": str(prepared), "options": asdict(options), "settings": asdict(settings)}
    write_json(output / RESULT, {**record, "seconds": result.seconds, "losses": means})
    return result


class PairTrainer:
    """One step after another; `averaged` is the model to keep."""

    def __init__(self, dupmae: DupMAEModel, data: Prepared, options: PairOptions, settings: PairSettings):
        self.data, self.options, self.settings = data, options, settings
        self.model = FinetuneModel(dupmae.train())
        for module in dupmae.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # the teacher's scores are what is learned, a few passes over them are not too many
        self.averaged = copy.deepcopy(dupmae)
        self.batches = Batches(data, options.groups, options.group_size, options.passages_per_query, options.seed)
        self.encoder = list(dupmae.encoder.parameters())
        self.optimizer = torch.optim.AdamW(self._parameter_groups(), weight_decay=0.0, betas=(0.9, 0.98))
        self.peaks = [group["lr"] for group in self.optimizer.param_groups]

    def step(self, number: int) -> dict[str, float]:
        """Take step ``number``, from 0; the parts of its loss."""
        options = self.options
        frozen = number < options.frozen_steps
        for parameter in self.encoder:
            parameter.requires_grad_(not frozen)
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * self.rate(number)
        parts = self.losses(self.batches.draw())
        self.optimizer.zero_grad()
        sum(parts.values(), torch.zeros(())).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 2.0)
        self.optimizer.step()
        keep = min(options.average, (number + 2) / (number + 11))
        with torch.no_grad():
            for mean, new in zip(self.averaged.parameters(), self.model.dupmae.parameters(), strict=True):
                mean.lerp_(new, 1 - keep)
        shown = {name: part.item() for name, part in parts.items()}
        if (number + 1) % 10 == 0:
            logger.info("step %d: %s", number + 1, ", ".join(f"{name} {value:.3f}" for name, value in shown.items()))
        return shown

    def rate(self, number: int) -> float:
        """The learning rate of step ``number`` as a share of the peak."""
        since = number - self.options.frozen_steps if number >= self.options.frozen_steps else number
        rising = min(1.0, (since + 1) / self.options.rise)
        return rising * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * number / self.options.steps)))

    def losses(self, drawn: Drawn) -> dict[str, Tensor]:
        """The parts of the loss of a batch."""
        data, options = self.data, self.options
        queries = [data.queries[number] for number in drawn.queries]
        with torch.autocast(torch.device(options.device).type, torch.bfloat16, enabled=options.bf16):
            asked = self.model.represent(self._tokenised([query.text for query in queries], options.query_length))
            passages = [data.passages[number] for number in drawn.passages]
            found = self.model.represent(self._tokenised(passages, options.passage_length))
        teacher = data.pair.scores(drawn.queries, drawn.passages)
        for row, query in enumerate(queries):
            bonus = self.settings.labelled_bonus if query.kind == "labelled" else self.settings.made_bonus
            teacher[row, [passage in query.positives for passage in drawn.passages]] += bonus
        vectors = data.pair.query_vectors[drawn.queries], data.pair.passage_vectors[drawn.passages]
        device = asked[0].device
        wanted, of_queries, of_passages = (torch.from_numpy(a).float().to(device) for a in (teacher, *vectors))
        return pair_loss(*asked, *found, wanted, of_queries, of_passages, self.settings)

    def _tokenised(self, texts: list[str], length: int) -> Texts:
        batch = self.model.dupmae.tokenizer(
            texts, max_length=length, truncation=True, padding=True, return_tensors="pt"
        ).to(self.model.dupmae.device)
        return {name: batch[name] for name in ("input_ids", "attention_mask")}

    def _parameter_groups(self) -> list[dict]:
        """The encoder, W^O's matrices, and what is one number a term or one in all; W^cls stays as it is."""
        model, options = self.model.dupmae, self.options
        of_head = dict(model.ot_head.named_parameters())
        small = [part for part in (of_head.pop("output.bias", None), model.log_dense_scale) if part is not None]
        head = [part for part in of_head.values() if not any(part is other for other in self.encoder)]
        rates = (options.learning_rate, options.head_rate, options.bias_rate)
        return [{"params": part, "lr": rate} for part, rate in zip((self.encoder, head, small), rates, strict=True)]
