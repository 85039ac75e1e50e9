"""A sentence-transformers model as the embedding teacher."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, BertModel

from pyserini_dupmae.training.finetune.__main__ import main
from pyserini_dupmae.training.finetune.embedding_teacher import EmbeddingTeacher
from pyserini_dupmae.util.errors import UserError
from tests.helpers import tiny_bert

from .conftest import Task, logged

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def encoder_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain encoder of width 16."""
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    config = tiny_bert(len(tokenizer), hidden_size=16, num_hidden_layers=1, intermediate_size=16)
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_embeddings_are_the_mean_of_a_plain_encoder(encoder_dir: Path) -> None:
    texts = ["value list", "return the date of a file"]
    found = EmbeddingTeacher(str(encoder_dir), 16, CPU).embed(texts)
    model, tokenizer = BertModel.from_pretrained(encoder_dir).eval(), AutoTokenizer.from_pretrained(encoder_dir)
    for row, text in zip(found, texts, strict=True):
        with torch.no_grad():
            hidden = model(**tokenizer([text], return_tensors="pt")).last_hidden_state[0]
        torch.testing.assert_close(row, hidden.mean(dim=0), rtol=1e-4, atol=1e-5)
    assert not found.requires_grad


def test_cls_comes_to_follow_it(encoder_dir: Path, steady_model_dir: Path, task: Task, tmp_path: Path) -> None:
    more = ["--embedding-teacher", encoder_dir, "--max_steps", 12, "--learning_rate", 0.01, "--embedding-weight", 10]
    main(task.options(1, steady_model_dir, tmp_path, *more, "--temperature", 20))
    losses = logged(tmp_path, "loss_embedding")
    assert sum(losses[-3:]) < sum(losses[:3])


def test_what_cannot_be_a_teacher_is_refused(encoder_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"have 16 dimensions, but the model's \[CLS\] has 384"):
        EmbeddingTeacher(str(encoder_dir), 384, CPU)
    (tmp_path / "empty").mkdir()
    for name in ("/no/such/folder", str(tmp_path / "empty")):
        with pytest.raises(UserError, match=f"cannot load the embedding teacher '{name}'"):
            EmbeddingTeacher(name, 16, CPU)
