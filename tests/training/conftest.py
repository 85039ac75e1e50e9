"""A masked LM for the training tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, BertForMaskedLM

from pyserini_dupmae.util.log import logger
from tests.helpers import tiny_bert


def save_masked_lm(folder: Path, tokenizer_dir: Path, dropout: float) -> Path:
    """A two-layer `BertForMaskedLM` with random weights and the tokenizer of ``tokenizer_dir``."""
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_dir)
    dropouts = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    config = tiny_bert(len(tokenizer), max_position_embeddings=80, **dropouts)
    BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def masked_lm_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A masked LM with dropout."""
    return save_masked_lm(tmp_path_factory.mktemp("lm") / "dropout", tiny_model_dir, 0.1)


@pytest.fixture(scope="session")
def steady_lm_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A masked LM without dropout, whose steps depend on the batch alone."""
    return save_masked_lm(tmp_path_factory.mktemp("lm") / "steady", tiny_model_dir, 0.0)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What the package logs, also where a command shows it."""
    logger.addHandler(caplog.handler)
    with caplog.at_level("INFO", logger.name):
        yield caplog
    logger.removeHandler(caplog.handler)
