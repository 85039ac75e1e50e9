"""The training loop: a DupMAE model in, one that follows the pair out."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pyserini_dupmae.evaluation.results import TRAINING_LOG
from pyserini_dupmae.modeling.loading import load_model
from pyserini_dupmae.modeling.model import DupMAEModel
from pyserini_dupmae.modeling.weights import quiet_transformers, reading
from pyserini_dupmae.training.finetune.model import FinetuneModel
from pyserini_dupmae.training.pair.batches import Batches, Drawn
from pyserini_dupmae.training.pair.objective import pair_loss
from pyserini_dupmae.training.pair.prepare import Prepared, load_prepared
from pyserini_dupmae.training.pair.settings import PairOptions, PairSettings
from pyserini_dupmae.training.run_folder import write_log
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_path, remove, require_replaceable, write_json
from pyserini_dupmae.util.lock import alone_with
from pyserini_dupmae.util.log import logger
from pyserini_dupmae.util.resume import begin

RESULT = "pair.json"
"""In the output folder: the record of the run, written last."""

TEXTS_AT_ONCE = 32
"""So many texts are padded to one length."""

SETTINGS, STATE = "settings.json", "state.pt"
"""In the folder of a run that goes on, ``OUTPUT.unfinished``."""


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

    A run that was stopped goes on from where it last kept its state, and ends with the same weights.

    Raises:
        UserError: the model's dense vectors have another width than the pair's bi-encoder, or a folder cannot be used.
    """
    with alone_with(require_replaceable(output, is_a_result)):
        return _train(source, prepared, output, options or PairOptions(), settings or PairSettings())


def is_a_result(folder: Path) -> bool:
    """Whether a folder is one that `train` wrote."""
    return (folder / RESULT).exists()


def _train(source: str, prepared: Path, output: Path, options: PairOptions, settings: PairSettings) -> PairResult:
    data, dupmae = load_prepared(prepared), load_model(source, options.device).model
    width = data.pair.query_vectors.shape[1]
    if dupmae.config.cls_dim != width:
        raise UserError(
            f"the pair's bi-encoder has {width} dimensions, but {source} {dupmae.config.cls_dim}; make the model with "
            f"--cls-dim {width}, or prepare with another bi-encoder"
        )
    record = {"source": source, "prepared": str(prepared), "options": asdict(options), "settings": asdict(settings)}
    unfinished = output.with_name(output.name + ".unfinished")
    unfinished.mkdir(parents=True, exist_ok=True)
    begin(unfinished / SETTINGS, record, work=f"the run in {unfinished}", mend=f"delete {unfinished} to begin again")
    torch.manual_seed(options.seed)
    trainer = PairTrainer(dupmae, data, options, settings)
    trainer.resume(unfinished / STATE)
    saved = time.monotonic()
    while trainer.number < options.steps:
        trainer.step()
        if time.monotonic() - saved > 60 * options.save_minutes:
            trainer.keep(unfinished / STATE)
            saved = time.monotonic()
    dupmae.load_state_dict(trainer.averaged.state_dict())
    last = trainer.history[-max(1, options.steps // 10) :]
    means = {name: sum(part[name] for part in last) / len(last) for name in last[0]}
    result = PairResult(output, options.steps, trainer.seconds, means)
    with atomic_path(output) as folder, quiet_transformers():
        dupmae.save_pretrained(folder)
        write_log(folder / TRAINING_LOG, map(_logged, range(1, options.steps + 1), trainer.history))
        write_json(folder / RESULT, {**record, "seconds": result.seconds, "losses": means})
    remove(unfinished)
    return result


def _logged(step: int, parts: dict[str, float]) -> dict[str, float]:
    return {"step": step, "loss": sum(parts.values()), **{f"loss_{name}": part for name, part in parts.items()}}


class PairTrainer:
    """One step after another; `averaged` is the model to keep, ``number`` the steps taken, ``history`` their losses."""

    def __init__(self, dupmae: DupMAEModel, data: Prepared, options: PairOptions, settings: PairSettings):
        self.data, self.options, self.settings = data, options, settings
        self.model = FinetuneModel(dupmae.train())
        if options.device == "cpu":
            dupmae.encoder.set_attn_implementation("eager")  # half as long a backward pass there as the fused one
        for module in dupmae.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # the teacher's scores are what is learned, a few passes over them are not too many
        self.averaged = copy.deepcopy(dupmae)
        self.number, self.seconds = 0, 0.0
        self.history: list[dict[str, float]] = []
        self.batches = Batches(data, options.groups, options.group_size, options.passages_per_query, options.seed)
        dupmae.cls_projection.requires_grad_(False)  # its gradients would add up, and count where they are clipped
        self.encoder = list(dupmae.encoder.parameters())
        self.optimizer = torch.optim.AdamW(self._parameter_groups(), weight_decay=0.0, betas=(0.9, 0.98))
        self.peaks = [group["lr"] for group in self.optimizer.param_groups]

    def keep(self, path: Path) -> None:
        """Write all that the coming steps depend on to ``path``."""
        state = {
            "model": self.model.dupmae.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "batches": self.batches.state(),
            "steps": (self.number, self.seconds, self.history),
        }
        with atomic_path(path) as temporary:
            torch.save(state, temporary)

    def resume(self, path: Path) -> None:
        """Go on from what `keep` wrote to ``path``, if it is there."""
        if not path.exists():
            return
        with reading(f"the state of the run in {path}"):  # weights_only: a pickle may run any code
            state = torch.load(path, map_location=self.options.device, weights_only=True)
        self.model.dupmae.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.batches.set_state(state["batches"])
        self.number, self.seconds, self.history = state["steps"]
        logger.info("going on from step %d", self.number)

    def step(self) -> None:
        """Take the next step."""
        start, number, options = time.monotonic(), self.number, self.options
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
        self.history.append(shown)
        self.number += 1
        self.seconds += time.monotonic() - start
        if self.number % 10 == 0:
            last = self.history[-10:]
            means = ", ".join(f"{name} {sum(part[name] for part in last) / len(last):.3f}" for name in shown)
            logger.info("step %d, %.0f s: %s", self.number, self.seconds, means)

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
            asked = self._represented([query.text for query in queries], options.query_length, query=True)
            found = self._represented([data.passages[number] for number in drawn.passages], options.passage_length)
        teacher = data.pair.scores(drawn.queries, drawn.passages)
        for row, query in enumerate(queries):
            bonus = self.settings.labelled_bonus if query.kind == "labelled" else self.settings.made_bonus
            teacher[row, [passage in query.positives for passage in drawn.passages]] += bonus
        vectors = data.pair.query_vectors[drawn.queries], data.pair.passage_vectors[drawn.passages]
        device = asked[0].device
        wanted, of_queries, of_passages = (torch.from_numpy(a).float().to(device) for a in (teacher, *vectors))
        return pair_loss(*asked, *found, wanted, of_queries, of_passages, self.settings)

    def _represented(self, texts: list[str], length: int, query: bool = False) -> tuple[Tensor, Tensor]:
        """Both representations of ``texts``, in their order; those of like length are computed together."""
        tokenizer = self.model.dupmae.tokenizer
        ids = tokenizer(texts, max_length=length, truncation=True, verbose=False)["input_ids"]
        order = sorted(range(len(texts)), key=lambda i: len(ids[i]))
        parts = []
        for start in range(0, len(order), TEXTS_AT_ONCE):
            some = {"input_ids": [ids[i] for i in order[start : start + TEXTS_AT_ONCE]]}
            batch = tokenizer.pad(some, return_tensors="pt").to(self.model.dupmae.device)
            parts.append(self.model.represent({name: batch[name] for name in ("input_ids", "attention_mask")}, query))
        back = torch.tensor(order, device=parts[0][0].device).argsort()
        dense, mu = (torch.cat(part)[back] for part in zip(*parts, strict=True))
        return dense, mu

    def _parameter_groups(self) -> list[dict]:
        """The encoder, W^O's matrices, and what is one number a term or one in all; W^cls stays as it is."""
        model, options = self.model.dupmae, self.options
        of_head = dict(model.ot_head.named_parameters())
        small = [of_head.pop("output.bias", None), model.log_dense_scale, model.log_ot_scale, model.ot_power]
        small = [part for part in small if part is not None]
        small += [] if model.own_words is None else model.own_words.parameters()
        head = [part for part in of_head.values() if not any(part is other for other in self.encoder)]
        rates = (options.learning_rate, options.head_rate, options.bias_rate)
        return [{"params": part, "lr": rate} for part, rate in zip((self.encoder, head, small), rates, strict=True)]
