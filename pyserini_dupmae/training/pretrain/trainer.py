"""The Hugging Face Trainer with a loss in three parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler
from transformers import Trainer

from pyserini_dupmae.training.pretrain import checkpoint
from pyserini_dupmae.training.pretrain.objective import PARTS, PretrainModel
from pyserini_dupmae.training.sampler import EpochSampler, SetEpoch


class PretrainTrainer(Trainer):
    """Trains a `PretrainModel` on `Segments` and logs L_mlm, L_dec and L_BoW apart.

    Every part is divided by its count over the whole step: all accumulated batches of all processes. A step is thus
    the same however its batch is divided.
    """

    def __init__(self, model: PretrainModel, tokenizer: Any, **kwargs: Any):
        super().__init__(model=model, processing_class=tokenizer, **kwargs)
        # The loss below is divided by counts over the accumulated batches; the Trainer must not divide it again.
        self.model_accepts_loss_kwargs = True
        self.loss_is_scaled_for_ga = True
        args = self.args
        group = args.train_batch_size * args.world_size if args.train_sampling_strategy == "group_by_length" else 0
        train: Any = self.train_dataset
        self._sampler = EpochSampler(train, args.seed if args.data_seed is None else args.data_seed, group)
        self.add_callback(SetEpoch(self._sampler))
        self._used = [i for i, used in enumerate((True, model.settings.decodes_cls, model.settings.decodes_ot)) if used]
        self._parts = torch.zeros(len(PARTS), device=args.device)
        self._parts_since = 0

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler:
        return self._sampler

    def _get_num_items_in_batch(self, batch_samples: list[dict[str, Tensor]], device: torch.device) -> Tensor | None:
        """The counts of one step, (3,)."""
        if not batch_samples:
            return None
        counts = torch.stack([self._model.counts(batch) for batch in batch_samples]).sum(dim=0)
        return self.accelerator.reduce(counts.to(device), "sum")

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor:
        losses = model(**inputs) / num_items_in_batch.clamp_min(1)
        self._parts += losses.detach()
        # Processes' gradients are averaged, but their parts add up to the step's loss.
        return (losses * self._model.weights.to(losses)).sum() * self.args.world_size

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        steps = self.state.global_step - self._parts_since
        if "loss" in logs and steps:
            parts = self.accelerator.reduce(self._parts, "sum") / steps
            logs |= self._named(parts, "")
            self._parts.zero_()
            self._parts_since = self.state.global_step
        super().log(logs, start_time)

    @torch.no_grad()
    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """The three losses on the held-out segments, masked the same way each time, over all processes."""
        segments: Any = self.eval_dataset if eval_dataset is None else eval_dataset
        args, model = self.args, self._model
        loader = DataLoader(
            segments,
            batch_size=args.per_device_eval_batch_size,
            sampler=range(args.process_index, len(segments), args.world_size),
            collate_fn=self.data_collator,
            num_workers=args.dataloader_num_workers,
            generator=torch.Generator(),  # the default one would be drawn from, and training with it
        )
        model.eval()
        sums, counts = (torch.zeros(len(PARTS), device=args.device) for _ in range(2))
        for batch in loader:
            batch = self._prepare_inputs(batch)
            with self.accelerator.autocast():
                sums += model(**batch)
            counts += model.counts(batch)
        losses = self.accelerator.reduce(sums, "sum") / self.accelerator.reduce(counts, "sum").clamp_min(1)
        total = (losses * model.weights.to(losses)).sum()
        metrics = {f"{metric_key_prefix}_loss": total.item(), **self._named(losses, f"{metric_key_prefix}_")}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(args, self.state, self.control, metrics)
        return metrics

    @property
    def _model(self) -> PretrainModel:
        return self.accelerator.unwrap_model(self.model)

    def _named(self, losses: Tensor, prefix: str) -> dict[str, float]:
        return {f"{prefix}loss_{PARTS[i]}": losses[i].item() for i in self._used}

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Tensor] | None = None) -> None:
        if self.args.should_save:  # one process of all
            checkpoint.save_model(self._model, self.processing_class, Path(output_dir or str(self.args.output_dir)))

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)
        self.accelerator.wait_for_everyone()  # the state that marks a checkpoint as complete is written after this

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        checkpoint.restore(self._model, Path(resume_from_checkpoint))
