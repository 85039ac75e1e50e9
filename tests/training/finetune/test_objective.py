"""The loss of a step, part by part, and through the whole model."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from pyserini_dupmae.modeling.equations import sparsify
from pyserini_dupmae.training.finetune.batches import Tokeniser
from pyserini_dupmae.training.finetune.model import FinetuneModel, Represented
from pyserini_dupmae.training.finetune.objective import Objective, Targets, document_bags
from pyserini_dupmae.training.finetune.settings import DISTILLATIONS, PRESETS, FinetuneSettings
from pyserini_dupmae.util.errors import UserError

from . import naive
from .conftest import Task, without_dropout

QUERIES, GROUP, DIM, VOCABULARY, K = 3, 2, 4, 11, 5
DISTIL = {"cross-entropy": naive.soft_cross_entropy, "kl": naive.kl, "margin-mse": naive.margin_mse}
EVERYTHING = {"cls_weight": 0.5, "ot_weight": 0.25, "sum_weight": 2.0, "temperature": 3.0, "sparsity": "flops"}
EVERYTHING |= {"query_sparsity": 0.2, "doc_sparsity": 0.1, "embedding_weight": 0.7}


def _targets(group: int, dtype: torch.dtype = torch.float64, embeddings: bool = True) -> Targets:
    excluded = torch.zeros(QUERIES, QUERIES * group, dtype=torch.bool)
    excluded[0, -1] = True
    vectors = torch.randn(QUERIES * (1 + group), DIM, dtype=dtype) if embeddings else None
    return Targets(excluded, torch.randn(QUERIES, group, dtype=dtype), vectors)


def _written_out(
    stage: int, chosen: dict[str, Any], batch: Represented, scores: tuple[torch.Tensor, torch.Tensor], targets: Targets
) -> dict[str, torch.Tensor]:
    """The parts that ``chosen`` (and the defaults of the paper) ask for; ``scores`` are those of cls and ot."""
    settings = vars(PRESETS["paper"]) | chosen
    group = scores[0].shape[1] // QUERIES

    def ranking(matrix: torch.Tensor) -> torch.Tensor:
        matrix = matrix / settings["temperature"]
        contrastive = naive.contrastive(matrix, group, targets.excluded)
        if stage < 3:
            return contrastive
        own = torch.stack([row[query * group : (query + 1) * group] for query, row in enumerate(matrix)])
        distil = DISTIL[settings["distillation"]](own, targets.teacher / settings["teacher_temperature"])
        return distil + settings["contrastive_weight"] * contrastive

    cls, ot = scores
    parts = {"sum": settings["sum_weight"] * ranking(cls + ot)}
    for name, matrix in (("cls", cls), ("ot", ot)):
        if settings[f"{name}_weight"]:
            parts[name] = settings[f"{name}_weight"] * ranking(matrix)
    if settings["sparsity"] != "none":
        penalty = {"flops": naive.flops, "l1": naive.l1}[settings["sparsity"]]
        parts["query_sparsity"] = settings["query_sparsity"] * penalty(batch.query_mu)
        parts["doc_sparsity"] = settings["doc_sparsity"] * penalty(document_bags(batch))
    if targets.embeddings is not None:
        vectors = torch.cat([batch.query_cls, batch.doc_cls])
        parts["embedding"] = settings["embedding_weight"] * naive.cosine_distance(vectors, targets.embeddings)
    return parts


@pytest.mark.parametrize(
    ("stage", "group", "chosen"),
    [
        (1, 1, {}),
        (2, GROUP, {}),
        (3, GROUP, {}),
        (1, 1, EVERYTHING),
        (2, GROUP, EVERYTHING | {"sparsity": "l1"}),
        *(
            (3, GROUP, EVERYTHING | {"distillation": name, "contrastive_weight": 0.4, "teacher_temperature": 2.0})
            for name in DISTILLATIONS
        ),
    ],
)
def test_parts_and_gradients_are_those_written_out(stage: int, group: int, chosen: dict[str, Any]) -> None:
    torch.manual_seed(0)
    shapes = ((QUERIES, DIM), (QUERIES, VOCABULARY), (QUERIES * group, DIM), (QUERIES * group, VOCABULARY))
    leaves = [torch.rand(shape, dtype=torch.float64).requires_grad_() for shape in shapes]
    query_cls, query_mu, doc_cls, doc_mu = leaves
    batch = Represented(query_cls, query_mu, doc_cls, *sparsify(doc_mu, K))
    targets = _targets(group, embeddings="embedding_weight" in chosen)
    found = Objective(stage, FinetuneSettings(**chosen))(batch, targets)
    expected = _written_out(stage, chosen, batch, naive.parts_of_eq12(*leaves, K), targets)
    assert found.keys() == expected.keys()
    for name, part in found.items():
        torch.testing.assert_close(part, expected[name])
    gradients = torch.autograd.grad(sum(expected.values()), leaves, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(sum(found.values()), leaves), gradients)


@pytest.mark.parametrize("head", ["mlm", "linear"])
@pytest.mark.parametrize(("stage", "chosen"), [(1, {}), (2, EVERYTHING), (3, {"contrastive_weight": 0.5})])
def test_the_gradient_of_every_parameter_is_that_of_the_plain_model(
    head: str, stage: int, chosen: dict[str, Any], tiny_model_dir: Path, linear_model_dir: Path, task: Task
) -> None:
    torch.manual_seed(0)
    plain = without_dropout(tiny_model_dir if head == "mlm" else linear_model_dir)
    ours = FinetuneModel(copy.deepcopy(plain))
    plain = plain.double()
    group = 1 if stage == 1 else GROUP
    data = task.load()
    tokenise = Tokeniser(plain)
    queries, documents = data.queries[:QUERIES], data.documents.texts(range(QUERIES * group))
    texts = tokenise(queries, True), tokenise(documents, False)
    targets = _targets(group, embeddings=False)
    objective = Objective(stage, FinetuneSettings(**{"temperature": 20.0} | chosen))
    found = objective(ours(*texts), Targets(targets.excluded, targets.teacher.float()))
    sum(found.values()).backward()

    batch = naive.represent(plain, *texts)
    query, document = plain(**texts[0]), plain(**texts[1])
    scores = naive.parts_of_eq12(query.cls, query.mu, document.cls, document.mu, plain.config.top_k)
    expected = _written_out(stage, {"temperature": 20.0} | chosen, batch, scores, targets)
    sum(expected.values()).backward()
    for name, part in found.items():
        torch.testing.assert_close(part.double(), expected[name], rtol=1e-5, atol=1e-6)
    wanted = dict(plain.named_parameters())
    largest = max(parameter.grad.abs().max().item() for parameter in wanted.values())
    for name, parameter in ours.dupmae.named_parameters():
        gradient = wanted[name].grad
        scale = gradient.abs().max().item()
        tolerance = 1e-4 * scale + 1e-6 * largest
        torch.testing.assert_close(parameter.grad.double(), gradient, rtol=1e-4, atol=tolerance, msg=name)
        assert scale > 1e-6 * largest or name.endswith("key.bias")  # the one that a softmax ignores


def test_settings_out_of_range_are_refused() -> None:
    for wrong in ({"temperature": 0.0}, {"group_size": 1}, {"distillation": "none"}, {"sum_weight": 0.0}):
        with pytest.raises(UserError, match=next(iter(wrong))):
            FinetuneSettings(**wrong)
