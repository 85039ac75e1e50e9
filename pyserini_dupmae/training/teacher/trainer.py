"""The training loop of a cross-encoder: groups of a positive and negatives, a softmax over each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.data import Dataset, Sampler
from transformers import Trainer
from transformers.utils import SAFE_WEIGHTS_NAME

from pyserini_dupmae.evaluation import Run, mean, measure
from pyserini_dupmae.modeling.weights import quiet_transformers
from pyserini_dupmae.training.data import CombinedTrainingSet, EpochSampling
from pyserini_dupmae.training.sampler import EpochSampler, SetEpoch

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

METRICS = {"mrr@10": "RR@10", "map": "AP", "ndcg@10": "nDCG@10"}
HELD_OUT_NEGATIVES = 20
"""What a held-out query's positives are ranked among: its hardest negatives."""

Pairs = list[tuple[str, str]]
"""Query and document."""


class GroupsOfPairs(Dataset):
    """Key ``epoch * len + index`` is what ``queries[index]`` is trained with in an epoch: the positive's pair first."""

    def __init__(self, data: CombinedTrainingSet, queries: np.ndarray, sampling: EpochSampling):
        self.data, self.queries, self.sampling = data, queries, sampling

    def __len__(self) -> int:
        return len(self.queries)

    def __getitem__(self, key: int) -> Pairs:
        epoch, index = divmod(key, len(self))
        query = int(self.queries[index])
        draw = self.sampling.draw(query, epoch)
        texts = self.data.texts([draw.positive, *draw.negatives])
        return [(self.data.query(query), text) for text in texts]


class PairCollator:
    """Groups to tensors, one pair after another, as the cross-encoder tokenises pairs when it scores."""

    def __init__(self, cross_encoder: CrossEncoder):
        self.cross_encoder = cross_encoder

    def __call__(self, groups: Sequence[Pairs]) -> dict[str, Tensor]:
        features = self.cross_encoder.preprocess([pair for group in groups for pair in group])
        return {name: features[name] for name in self.cross_encoder.tokenizer.model_input_names if name in features}


class HeldOut:
    """Queries that are not trained on: how their positives are ranked among their hardest negatives."""

    def __init__(self, data: CombinedTrainingSet, queries: np.ndarray):
        self.pairs: Pairs = []
        self.owners: list[str] = []
        self.qrels: dict[str, dict[str, int]] = {}
        for query in queries.tolist():
            positives, negatives = data.positives(query)[0], data.negatives(query)[0][:HELD_OUT_NEGATIVES]
            self.qrels[str(query)] = {str(len(self.pairs) + place): 1 for place in range(len(positives))}
            self.pairs += [(data.query(query), text) for text in data.texts(np.concatenate([positives, negatives]))]
            self.owners += [str(query)] * (len(self.pairs) - len(self.owners))

    def measure(self, cross_encoder: CrossEncoder, batch_size: int) -> dict[str, float]:
        """`METRICS` of the cross-encoder's ranking."""
        logits = cross_encoder.predict(
            self.pairs, batch_size=batch_size, activation_fn=nn.Identity(), show_progress_bar=False
        )
        scores: dict[str, dict[str, float]] = {query: {} for query in self.qrels}
        for number, (owner, logit) in enumerate(zip(self.owners, logits.tolist(), strict=True)):
            scores[owner][str(number)] = logit
        values = measure(Run(scores), self.qrels, tuple(METRICS.values()))
        return {name: mean(values[metric]) for name, metric in METRICS.items()}


def listwise(logits: Tensor, group: int) -> Tensor:
    """The cross-entropy of each group's first pair among its ``group`` pairs, (Q x group,): the mean over groups."""
    scores = logits.float().view(-1, group)  # (Q, group)
    return F.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long, device=scores.device))


class TeacherTrainer(Trainer):
    """Trains the transformer of a ``cross_encoder`` on `GroupsOfPairs` of ``group`` pairs.

    A query's loss depends on its own group alone, so that accumulated batches have the gradients of one large batch.
    """

    def __init__(self, cross_encoder: CrossEncoder, held_out: HeldOut | None, group: int, **kwargs: Any):
        super().__init__(model=cross_encoder.model, **kwargs)
        self.model_accepts_loss_kwargs = False
        self.cross_encoder, self.held_out, self.group = cross_encoder, held_out, group
        train: Any = self.train_dataset
        self._sampler = EpochSampler(train, self.args.seed if self.args.data_seed is None else self.args.data_seed)
        self.add_callback(SetEpoch(self._sampler))

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler:
        return self._sampler

    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Tensor:
        return listwise(model(**inputs).logits, self.group)

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: list[str] | None = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Rank what is held out: ``eval_mrr@10`` and so on."""
        assert self.held_out is not None, "without held-out queries nothing asks for this"
        with self.accelerator.autocast():
            found = self.held_out.measure(self.cross_encoder, self.args.per_device_eval_batch_size)
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in found.items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Tensor] | None = None) -> None:
        if self.args.should_save:  # one process of all
            with quiet_transformers():
                self.cross_encoder.save_pretrained(str(output_dir or self.args.output_dir), create_model_card=False)

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(output_dir)
        self.accelerator.wait_for_everyone()  # the state that marks a checkpoint as complete is written after this

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        weights = load_file(Path(resume_from_checkpoint) / SAFE_WEIGHTS_NAME)
        self.accelerator.unwrap_model(self.model).load_state_dict(weights)

    def _load_best_model(self) -> None:
        assert self.state.best_model_checkpoint is not None, "the Trainer asks for the best when it has saved one"
        self._load_from_checkpoint(self.state.best_model_checkpoint)
