"""Threshold and scale of a head found on texts, against counting and adding up text by text."""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np
import pytest
import torch

from pyserini_dupmae import init as init_command
from pyserini_dupmae.modeling import DupMAEModel
from pyserini_dupmae.modeling.calibration import QUERY_WORDS, calibrate, rescale
from pyserini_dupmae.modeling.initialise import init
from pyserini_dupmae.modeling.loading import load_model
from pyserini_dupmae.util.errors import UserError

QUERY_TERMS, DOC_TERMS = 12, 40
SETTINGS = [
    {},
    {"activation": "log1p_relu"},
    {"ot_norm": "sum"},
    {"pooling": "mean", "dense_norm": "l2"},
    {"activation": "none"},
]


@pytest.fixture(scope="module")
def texts(corpus: list[tuple[str, str]]) -> list[str]:
    return [text for _, text in corpus if text][:24]


def changed(folder: Path, tmp_path: Path, **settings: str) -> DupMAEModel:
    init(folder, output=tmp_path / "changed", **settings)
    return load_model(str(tmp_path / "changed")).model


@torch.no_grad()
def by_hand(model: DupMAEModel, text: str, length: int) -> tuple[np.ndarray, np.ndarray]:
    """The dense part and the positive part of mu of one text."""
    batch = model.tokenizer(text, max_length=length, truncation=True, return_tensors="pt")
    output = model(batch["input_ids"], batch["attention_mask"])
    return output.cls[0].double().numpy(), np.maximum(output.mu[0].double().numpy(), 0)


def spreads(model: DupMAEModel, texts: list[str]) -> tuple[float, float, list[int], list[int]]:
    """The spread of each part, and the positive entries of each query and document."""
    queries = [" ".join(text.split()[:QUERY_WORDS]) for text in texts]
    asked = [by_hand(model, query, model.config.query_max_length) for query in queries]
    found = [by_hand(model, text, model.config.doc_max_length) for text in texts]
    dense, sparse = [], []
    for query_cls, query_mu in asked:
        dense.append(statistics.pstdev(float(query_cls @ cls) for cls, _ in found))
        scores = []
        for _, mu in found:
            kept = np.argsort(-mu, kind="stable")[: model.config.top_k]
            scores.append(float(sum(query_mu[term] * mu[term] for term in kept)))
        sparse.append(statistics.pstdev(scores))
    counts = [[int((mu > 0).sum()) for _, mu in parts] for parts in (asked, found)]
    return statistics.mean(dense), statistics.mean(sparse), counts[0], counts[1]


@pytest.mark.parametrize("settings", SETTINGS)
def test_medians_and_spreads_are_what_was_asked_for(tiny_model_dir, texts, tmp_path, settings):
    model = changed(tiny_model_dir, tmp_path, **settings)
    before = spreads(model, texts)
    found = calibrate(model, texts, QUERY_TERMS, DOC_TERMS)
    dense, sparse, query_terms, doc_terms = spreads(model, texts)
    assert dense == pytest.approx(before[0], rel=1e-5)
    assert sparse == pytest.approx(dense, rel=1e-3)
    assert (found.dense_spread, found.sparse_spread) == pytest.approx((dense, sparse), rel=1e-3)
    medians = [statistics.median_low(counts) for counts in (query_terms, doc_terms)]
    # One of the two targets is met. An entry at the threshold may fall on either side in another order of adding up.
    assert medians[0] <= QUERY_TERMS + 1
    assert medians[1] <= DOC_TERMS + 1
    assert medians[0] >= QUERY_TERMS - 1 or medians[1] >= DOC_TERMS - 1
    assert (found.query_terms, found.doc_terms) == pytest.approx(
        [statistics.median_high(counts) for counts in (query_terms, doc_terms)], abs=1
    )


def test_a_head_of_one_matrix_has_a_scale_alone(linear_model_dir, texts):
    model = load_model(str(linear_model_dir)).model
    before = spreads(model, texts)
    found = calibrate(model, texts, QUERY_TERMS, DOC_TERMS)
    dense, sparse, *counts = spreads(model, texts)
    assert found.threshold == 0
    assert counts == [before[2], before[3]]
    assert sparse == pytest.approx(dense, rel=1e-3)


@pytest.mark.parametrize("ot_input", ["hidden", "hidden+token"])
def test_rescaled_logits(tiny_model_dir, texts, tmp_path, ot_input):
    model = load_model(str(tiny_model_dir)).model
    if ot_input == "hidden+token":
        config = type(model.config)(**{**model.config.to_dict(), "ot_input": ot_input})
        config.name_or_path = model.config.name_or_path
        model = DupMAEModel(config).eval()
    model.config.activation = "none"
    before = model.encode_texts(texts[:5], full_bow=True).bow
    rescale(model.ot_head, 0.3, 1.5)
    after = model.encode_texts(texts[:5], full_bow=True).bow
    torch.testing.assert_close(after, 0.3 * (before - 1.5), rtol=1e-4, atol=1e-4)


def test_the_command(tiny_model_dir, texts, tmp_path, capsys):
    for number in range(2):
        lines = [text.replace("\n", " ") for text in texts[number::2]]
        (tmp_path / f"{number}.txt").write_text("".join(f"{line}\n" for line in lines))
    words = ["--from", str(tiny_model_dir), "--output", str(tmp_path / "model")]
    words += ["--calibrate", str(tmp_path / "0.txt"), str(tmp_path / "1.txt")]
    init_command.main([*words, "--query-terms", str(QUERY_TERMS), "--doc-terms", str(DOC_TERMS)])
    log = capsys.readouterr().err
    assert "W^O, calibrated on 24 texts: logits l become" in log
    model = load_model(str(tmp_path / "model")).model
    dense, sparse, *_ = spreads(model, [text.replace("\n", " ") for text in texts])
    assert sparse == pytest.approx(dense, rel=1e-2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"calibrate_on": ["one", "two"], "ot_scale": 2.0}, "leave out one or the other"),
        ({"query_terms": 5}, "give texts with --calibrate"),
        ({"calibrate_on": ["one", " ", ""]}, "needs at least 2 texts that are not empty, but has 1"),
        ({"calibrate_on": ["one", "two"], "doc_terms": 0}, "doc_terms must be at least 1, got 0"),
    ],
)
def test_mistakes(tiny_model_dir, tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        init(tiny_model_dir, output=tmp_path / "model", **options)
    assert not (tmp_path / "model").exists()
