"""The Hugging Face Trainer with Eq. 12 as the similarity, one batch of all processes, and a dev set to search."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.data import Sampler
from transformers import Trainer
from transformers.trainer_utils import SaveStrategy

from pyserini_dupmae.modeling.model import DupMAEModel
from pyserini_dupmae.modeling.weights import load_pretrained, quiet_transformers
from pyserini_dupmae.training.finetune.batches import Groups, Tokeniser
from pyserini_dupmae.training.finetune.dev import DevSet
from pyserini_dupmae.training.finetune.embedding_teacher import EmbeddingTeacher
from pyserini_dupmae.training.finetune.grad_cache import Batch, cached_step, pieces
from pyserini_dupmae.training.finetune.model import FinetuneModel, Represented
from pyserini_dupmae.training.finetune.objective import Objective, Targets
from pyserini_dupmae.training.sampler import EpochSampler, SetEpoch


class FinetuneTrainer(Trainer):
    """Trains a `FinetuneModel` on `Groups`.

    The loss is that of the joined batch of all processes. With a ``chunk`` queries (and their documents) are taken
    that many at a time (GradCache); the loss and its gradients are the same.
    """

    objective: Objective

    def __init__(
        self,
        model: FinetuneModel,
        objective: Objective,
        dev: DevSet | None,
        teacher: EmbeddingTeacher | None,
        chunk: int | None,
        **kwargs: Any,
    ):
        super().__init__(model=model, **kwargs)
        self.model_accepts_loss_kwargs = False
        self.objective = objective
        self.dev, self.teacher, self.chunk = dev, teacher, chunk
        train: Any = self.train_dataset
        self._groups: Groups = train
        args = self.args
        self._sampler = EpochSampler(train, args.seed if args.data_seed is None else args.data_seed)
        self.add_callback(SetEpoch(self._sampler))
        self._parts: dict[str, Tensor] = {}
        self._batches = 0

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler:
        return self._sampler

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor:
        targets = self._targets(inputs)
        return self._loss(model(inputs["queries"], inputs["documents"]), targets)

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        if not self.chunk:
            return super().training_step(model, inputs, num_items_in_batch)
        model.train()
        inputs = self._prepare_inputs(inputs)
        targets = self._targets(inputs)

        def represent(piece: Batch) -> Represented:
            with self.compute_loss_context_manager():
                return model(piece["queries"], piece["documents"])

        def exchange(last: bool) -> AbstractContextManager[None]:
            return nullcontext() if last else self.accelerator.no_sync(model)

        return cached_step(
            pieces(inputs, self.chunk),
            represent,
            lambda joined: self._loss(joined, targets) / self.current_gradient_accumulation_steps,
            self.accelerator.backward,
            exchange,
        )

    def _targets(self, inputs: dict[str, Any]) -> Targets:
        queries, rows = gather(inputs["query"]), gather(inputs["rows"])
        excluded = self._groups.other_positives(queries.cpu().numpy(), rows.cpu().numpy())
        scores = inputs.get("scores")
        embeddings = None
        if self.teacher is not None:
            own = self.teacher.embed(inputs["texts"])
            own_queries, own_documents = own[: len(inputs["query"])], own[len(inputs["query"]) :]
            embeddings = torch.cat([gather(own_queries), gather(own_documents)])
        return Targets(
            torch.from_numpy(excluded).to(rows.device), None if scores is None else gather(scores), embeddings
        )

    def _loss(self, represented: Represented, targets: Targets) -> Tensor:
        """The loss of the joined batch, times the number of processes, whose gradients are averaged."""
        with torch.autocast(self.args.device.type, enabled=False):
            parts = self.objective(gather_all(represented), targets)
        for name, value in parts.items():
            self._parts[name] = self._parts.get(name, 0.0) + value.detach()
        self._batches += 1
        return sum(parts.values()) * self.args.world_size

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs and self._batches:
            parts = {f"loss_{name}": (value / self._batches).item() for name, value in self._parts.items()}
            logs |= {"loss": sum(parts.values()), **parts}
            self._parts, self._batches = {}, 0
        super().log(logs, start_time)

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Search the dev set: ``eval_hybrid_mrr@10`` and so on."""
        assert self.dev is not None, "without a dev set nothing asks for this"
        model = self.accelerator.unwrap_model(self.model)
        model.eval()
        tokenise = Tokeniser(model.dupmae)
        with self.accelerator.autocast():
            found = self.dev.evaluate(model, lambda texts, queries: self._prepare_inputs(tokenise(texts, queries)))
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in found.items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        """Whether this is the best so far; it is saved then, as only a checkpoint can be gone back to."""
        best = super()._determine_best_metric(metrics, trial)
        if best and self.args.load_best_model_at_end and self.args.save_strategy != SaveStrategy.NO:
            self.control.should_save = True
        return best

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Tensor] | None = None) -> None:
        if self.args.should_save:  # one process of all
            model = self.accelerator.unwrap_model(self.model)
            save_model(model.dupmae, Path(output_dir or str(self.args.output_dir)))

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)
        self.accelerator.wait_for_everyone()  # the state that marks a checkpoint as complete is written after this

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        restore(self.accelerator.unwrap_model(self.model).dupmae, Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        assert self.state.best_model_checkpoint is not None, "the Trainer asks for the best when it has saved one"
        self._load_from_checkpoint(self.state.best_model_checkpoint)


def gather(tensor: Tensor) -> Tensor:
    """The rows of every process, in the order of ranks; only one's own carry a gradient. Sizes must be equal.

    Every process then computes the loss of the joined batch, and its gradient with respect to its own rows: the sum of
    these over processes, which is what a loss times the number of processes gives under DDP's mean, is the gradient of
    the joined batch.
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return tensor
    parts = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, tensor.detach().contiguous())
    parts[dist.get_rank()] = tensor
    return torch.cat(parts)


def gather_all(batch: Represented) -> Represented:
    """`gather` each part of ``batch``."""
    return Represented(*(gather(part) for part in batch))


def save_model(model: DupMAEModel, folder: Path) -> None:
    """Write a DupMAE model and its tokenizer to ``folder``; every command of the package takes it."""
    with quiet_transformers():
        model.save_pretrained(folder)


def restore(model: DupMAEModel, folder: Path) -> None:
    """Load the weights that `save_model` wrote to ``folder`` into ``model``."""
    dtype = next(model.parameters()).dtype
    model.load_state_dict(
        load_pretrained(DupMAEModel, str(folder), str(folder), whole=True, dtype=dtype)[0].state_dict()
    )
