"""A batch taken in chunks has the loss and the gradients of the whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pyserini_dupmae.modeling.loading import load_model
from pyserini_dupmae.training.finetune.batches import Tokeniser
from pyserini_dupmae.training.finetune.grad_cache import Batch, cached_step, pieces
from pyserini_dupmae.training.finetune.model import FinetuneModel, Represented
from pyserini_dupmae.training.finetune.objective import Objective, Targets
from pyserini_dupmae.training.finetune.settings import FinetuneSettings

from .conftest import Task, without_dropout

QUERIES, GROUP = 5, 2
SETTINGS = FinetuneSettings(temperature=20.0, cls_weight=0.5, sparsity="flops")


@pytest.fixture(scope="module")
def batch(tiny_model_dir: Path, task: Task) -> Batch:
    data, tokenise = task.load(), Tokeniser(load_model(str(tiny_model_dir)).model)
    documents = data.documents.texts(range(QUERIES * GROUP))
    return {"queries": tokenise(data.queries[:QUERIES], True), "documents": tokenise(documents, False)}


def _loss(represented: Represented) -> torch.Tensor:
    nothing = torch.zeros(QUERIES, QUERIES * GROUP, dtype=torch.bool)
    return sum(Objective(2, SETTINGS)(represented, Targets(nothing)).values())


def _at_once(model: FinetuneModel, chunks: list[Batch]) -> torch.Tensor:
    """Every chunk with its graph kept, which is what GradCache does without."""
    found = [model(chunk["queries"], chunk["documents"]) for chunk in chunks]
    loss = _loss(Represented(*(torch.cat(parts) for parts in zip(*found, strict=True))))
    loss.backward()
    return loss.detach()


def _cached(model: FinetuneModel, chunks: list[Batch]) -> torch.Tensor:
    return cached_step(chunks, lambda chunk: model(chunk["queries"], chunk["documents"]), _loss, torch.Tensor.backward)


def _taken(model: FinetuneModel) -> dict[str, torch.Tensor]:
    """The gradients, which are reset."""
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad(set_to_none=True)
    return gradients


def _assert_equal(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    largest = max(gradient.abs().max().item() for gradient in expected.values())
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6 * largest, msg=name)


@pytest.mark.parametrize("size", range(1, QUERIES + 2))
def test_pieces_are_the_batch_without_needless_padding(size: int, batch: Batch) -> None:
    cut = pieces(batch, size)
    assert [len(piece["queries"]["input_ids"]) for piece in cut[:-1]] == [size] * (len(cut) - 1)
    for kind in ("queries", "documents"):
        joined = [row for piece in cut for row in piece[kind]["input_ids"]]
        whole = batch[kind]["input_ids"][batch[kind]["attention_mask"].bool()]
        assert torch.equal(torch.cat([row[row != 0] for row in joined]), whole)
        assert all(piece[kind]["attention_mask"].sum(dim=0).min() > 0 for piece in cut)
        group = GROUP if kind == "documents" else 1
        assert all(len(piece[kind]["input_ids"]) == group * len(piece["queries"]["input_ids"]) for piece in cut)


def test_every_size_of_chunk_gives_the_loss_and_gradients_of_the_whole(tiny_model_dir: Path, batch: Batch) -> None:
    model = FinetuneModel(without_dropout(tiny_model_dir))
    loss = _at_once(model, [batch])
    expected = _taken(model)
    for size in range(1, QUERIES + 1):
        torch.testing.assert_close(_cached(model, pieces(batch, size)), loss)
        _assert_equal(_taken(model), expected)


def test_the_second_pass_has_the_dropout_of_the_first(tiny_model_dir: Path, batch: Batch) -> None:
    model = FinetuneModel(load_model(str(tiny_model_dir)).model).train()
    losses = set()
    for size in (2, QUERIES):
        chunks = pieces(batch, size)
        torch.manual_seed(7)
        loss = _at_once(model, chunks)
        expected, state = _taken(model), torch.get_rng_state()
        torch.manual_seed(7)
        torch.testing.assert_close(_cached(model, chunks), loss)
        assert torch.equal(torch.get_rng_state(), state)  # what follows is not changed either
        _assert_equal(_taken(model), expected)
        losses.add(loss.item())
    assert len(losses) == 2  # dropout was on


def test_gradients_add_up(tiny_model_dir: Path, batch: Batch) -> None:
    model = FinetuneModel(without_dropout(tiny_model_dir))
    once = _cached(model, pieces(batch, 2))
    expected = {name: 2 * gradient for name, gradient in _taken(model).items()}
    for _ in range(2):
        torch.testing.assert_close(_cached(model, pieces(batch, 2)), once)
    _assert_equal(_taken(model), expected)
