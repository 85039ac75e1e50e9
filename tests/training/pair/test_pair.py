"""BM25, the pair, what is drawn for it, its loss and its training, each against plain Python."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

from pyserini_dupmae.modeling.initialise import initialise
from pyserini_dupmae.modeling.model import DupMAEModel
from pyserini_dupmae.training.finetune.losses import excess, list_divergence
from pyserini_dupmae.training.pair import queries as made
from pyserini_dupmae.training.pair.__main__ import main
from pyserini_dupmae.training.pair.batches import Batches
from pyserini_dupmae.training.pair.bm25 import Stems, count_matrix, document_weights, query_weights
from pyserini_dupmae.training.pair.objective import pair_loss
from pyserini_dupmae.training.pair.prepare import Source, load_prepared, parse_source, prepare
from pyserini_dupmae.training.pair.settings import PairOptions, PairSettings
from pyserini_dupmae.training.pair.teacher import ranges_and_candidates
from pyserini_dupmae.training.pair.train import PairTrainer, train
from pyserini_dupmae.util.errors import UserError

SUBJECTS = ["tides", "whales", "volcanoes", "glaciers", "comets", "rivers", "deserts", "forests"]
TEXT = "rise fall slowly near coasts because moon pulls water warm cold deep animals stones grow melt move fast"
WORDS = TEXT.split(" ")


def document(number: int, random: Random) -> dict[str, str]:
    subject = SUBJECTS[number % len(SUBJECTS)]
    said = [" ".join([subject.capitalize(), *random.choices(WORDS, k=9)]) + "." for _ in range(5)]
    return {"_id": f"d{number}", "title": subject, "text": " ".join(said)}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    """A judged collection and a file of texts."""
    folder, random = tmp_path_factory.mktemp("data"), Random(0)
    documents = [document(number, random) for number in range(60)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(record) + "\n" for record in documents[:40]))
    queries = [{"_id": f"q{i}", "text": f"why do {SUBJECTS[i % 8]} {WORDS[i]}"} for i in range(16)]
    (folder / "queries.jsonl").write_text("".join(json.dumps(record) + "\n" for record in queries))
    (folder / "qrels").mkdir()
    rows = [f"q{i}\td{i}\t1\n" for i in range(16)]
    (folder / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(rows))
    (folder / "more.jsonl").write_text("".join(json.dumps(record) + "\n" for record in documents[40:]))
    return [parse_source(f"{folder}:0:16:12"), parse_source(f"{folder}/more.jsonl:18:0:18")]


def embed(texts: list[str]) -> np.ndarray:
    """Letter counts, of length 1."""
    vectors = np.array([[text.lower().count(chr(97 + i % 26)) + 0.1 for i in range(16)] for text in texts])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def offsets(texts: list[str]) -> list[list[tuple[int, int]]]:
    found = []
    for text in texts:
        ends = np.cumsum([len(word) + 1 for word in text.split(" ")])
        found.append(
            [(int(end) - len(word) - 1, int(end) - 1) for end, word in zip(ends, text.split(" "), strict=True)]
        )
    return found


@pytest.fixture(scope="module")
def folder(sources: list[Source], tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("prepared") / "out"
    prepare(sources, output, embed=embed, offsets=offsets, tokens=20, candidates=10)
    return output


def test_bm25_is_the_formula():
    texts = ["Whales swim, and whales dive.", "A whale sleeps", "stones do not swim swim swim", ""]
    stems = Stems()
    saturated, idf = document_weights(count_matrix(texts, stems))
    found = (query_weights(count_matrix(["whale swimming swims"], stems), idf) @ saturated.T).toarray()[0]
    bags = [["whale", "swim", "whale", "dive"], ["whale", "sleep"], ["stone", "do", "swim", "swim", "swim"], []]
    mean = sum(map(len, bags)) / 4
    for score, bag in zip(found, bags, strict=True):
        expected = 0.0
        for stem, asked in (("whale", 1), ("swim", 2)):
            df = sum(stem in other for other in bags)
            tf = bag.count(stem)
            norm = 0.9 * (1 - 0.4 + 0.4 * len(bag) / mean)
            expected += asked * math.log(1 + (4 - df + 0.5) / (df + 0.5)) * tf / (tf + norm)
        assert score == pytest.approx(expected, rel=1e-5)


def test_the_pair_is_two_scores_between_0_and_1_added(folder):
    data = load_prepared(folder)
    pair = data.pair
    queries, passages = np.array([0, 3, len(data.queries) - 1]), np.arange(len(data.passages))
    found = pair.scores(queries, passages)
    for row, query in zip(found, queries, strict=True):
        bm25 = [(pair.query_words[query] @ pair.passage_words[p].T).toarray()[0, 0] for p in passages]
        cosine = [float(pair.query_vectors[query].astype(float) @ pair.passage_vectors[p]) for p in passages]
        own = range(40) if data.queries[query].source == 0 else range(40, 58)
        expected = [0.0] * len(passages)
        for scores in (bm25, cosine):
            low, high = min(scores[p] for p in own), max(scores[p] for p in own)
            for p in passages:
                expected[p] += min(1.0, max(0.0, (scores[p] - low) / (high - low)))
        assert row.tolist() == pytest.approx(expected, abs=5e-3)  # vectors are kept in half precision
        best = [row[p] for p in data.candidates[query]]
        assert best == sorted(best, reverse=True)
        assert best[0] == max(row[p] for p in own)
        assert set(data.candidates[query]) <= set(own)


def test_more_candidates_than_passages():
    stems = Stems()
    words, idf = document_weights(count_matrix(["red", "blue"], stems))
    asked = query_weights(count_matrix(["red"], stems), idf)
    ranges, best = ranges_and_candidates(asked, words, np.ones((1, 2)), np.array([[0.5, 0], [0, 0.1]]), 5)
    assert best.tolist() == [[0, 1]]
    assert ranges.bm25_high[0] > ranges.bm25_low[0] == 0


def test_what_is_prepared(folder, sources):
    data = load_prepared(folder)
    assert len(data.passages) == 58
    assert all(len(passage.split(" ")) <= 20 for passage in data.passages)
    assert {query.kind for query in data.queries} == {"labelled", *made.KINDS}
    labelled = [query for query in data.queries if query.kind == "labelled"]
    assert len(labelled) == 16
    for query in labelled:
        subject = query.asked.split()[2]
        assert [data.passages[p].startswith(subject) for p in query.positives] == [True]
        assert query.asked.lower().rstrip(".?") in query.text.lower()
    requested = [query for query in data.queries if query.kind == "request"]
    assert all(query.asked != query.text for query in requested)


def test_kinds_of_queries():
    random = Random(1)
    text = "First things come first here now. The second sentence of it has several more words. It ends."
    assert made.sentence(text, random, first=True) == "First things come first here now."
    for _ in range(50):
        assert set(made.keywords(text, random).split()) <= set(made.TERM.findall(text))
        words = made.crop(text, random, longest=8).split()
        assert 1 <= len(words) <= 8
    assert made.keywords("of the", random) is None
    assert made.crop("two words", random) is None
    assert "tides of the moon" in made.request("Tides of the moon.", random)
    assert "NASA" in made.request("NASA", random)


def test_batches(folder):
    data = load_prepared(folder)
    batches = Batches(data, groups=2, group_size=3, passages_per_query=3, seed=0)
    seen = []
    for _ in range(4):
        drawn = batches.draw()
        seen += drawn.queries.tolist()
        assert len(set(drawn.passages.tolist())) == len(drawn.passages)
        for group in (drawn.queries[:3], drawn.queries[3:]):
            assert len({data.queries[query].source for query in group}) == 1
        for query in drawn.queries:
            assert set(data.queries[query].positives) & set(drawn.passages.tolist())
            assert set(data.candidates[query]) & set(drawn.passages.tolist())
    assert len(set(seen)) == len(seen) == 24
    again = Batches(data, groups=2, group_size=3, passages_per_query=3, seed=0)
    assert again.draw().queries.tolist() == seen[:6]


def test_list_divergence_is_the_sum_and_has_no_gradient_at_the_teacher():
    scores, teacher = torch.randn(3, 5, requires_grad=True), torch.randn(3, 5)
    expected = 0.0
    for mine, theirs in zip(scores.tolist(), teacher.tolist(), strict=True):
        p, q = ([math.exp(x) / sum(map(math.exp, row)) for x in row] for row in (theirs, mine))
        expected += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)) / 3
    assert list_divergence(scores, teacher).item() == pytest.approx(expected, rel=1e-4)
    list_divergence(scores, scores.detach() + 7).backward()
    assert scores.grad.abs().max() < 1e-6


def test_excess_is_what_lies_beyond_the_largest():
    weights = torch.tensor([[3.0, 0.5, 2.0, 0.25], [0.0, 1.0, 0.0, 0.0]], requires_grad=True)
    found = excess(weights, 2)
    assert found.item() == pytest.approx((0.5 + 0.25) / 2)
    found.backward()
    assert weights.grad[0].tolist() == [0, 0.5, 0, 0.5]
    assert excess(weights, 4).item() == 0


def test_the_loss_is_that_of_its_parts():
    torch.manual_seed(0)
    q, d, mu_q, mu_d = torch.randn(2, 4), torch.randn(3, 4), torch.rand(2, 6), torch.rand(3, 6)
    teacher, vq, vd = torch.rand(2, 3), torch.randn(2, 4), torch.randn(3, 4)
    settings = PairSettings(query_terms=2, doc_terms=3)
    parts = pair_loss(q, mu_q, d, mu_d, teacher, vq, vd, settings)
    wanted, cls, ot = teacher / 0.13, q @ d.T, mu_q @ mu_d.T
    assert parts["sum"].item() == pytest.approx(list_divergence(cls + ot, wanted).item())
    assert parts["cls"].item() == pytest.approx(0.6 * list_divergence(cls, wanted).item())
    assert parts["ot"].item() == pytest.approx(settings.ot_weight * list_divergence(ot, wanted).item())
    far = [1 - torch.cosine_similarity(a, b, dim=1).mean() for a, b in ((q, vq), (d, vd))]
    assert parts["embedding"].item() == pytest.approx(5 * sum(far).item(), rel=1e-5)
    beyond = 2 * mu_q.sort(dim=1).values[:, :4].sum(1).mean() + mu_d.sort(dim=1).values[:, :3].sum(1).mean()
    assert parts["excess"].item() == pytest.approx(0.01 * beyond.item(), rel=1e-5)


@pytest.fixture
def student(tiny_model_dir: Path, tmp_path: Path) -> Path:
    """A tiny model with mean pooling, a scaled cosine and a head that reads the token."""
    tiny = DupMAEModel.from_pretrained(tiny_model_dir)
    tiny.encoder.save_pretrained(tmp_path / "encoder")
    tiny.tokenizer.save_pretrained(tmp_path / "encoder")
    settings = {"pooling": "mean", "dense_norm": "l2", "ot_norm": "sum", "ot_input": "hidden+token"}
    texts = ["tides rise", "whales swim near coasts", "the moon"]
    initialise(str(tmp_path / "encoder"), cls_dim=16, texts=texts, **settings).save_pretrained(tmp_path / "student")
    return tmp_path / "student"


OPTIONS = PairOptions(steps=12, frozen_steps=3, rise=2, learning_rate=1e-3, groups=2, group_size=3, bf16=False)


def test_training(student, folder, tmp_path):
    result = train(str(student), folder, tmp_path / "out", OPTIONS)
    assert result.steps == 12
    before, after = (DupMAEModel.from_pretrained(place) for place in (student, tmp_path / "out"))
    new = dict(after.named_parameters())
    changed = {name for name, part in before.named_parameters() if not torch.equal(part, new[name])}
    assert "cls_projection.weight" not in changed
    assert {
        "log_dense_scale",
        "log_ot_scale",
        "ot_power",
        "ot_head.count.weight",
        "encoder.embeddings.word_embeddings.weight",
    } <= changed
    record = json.loads((tmp_path / "out" / "pair.json").read_text())
    logged = list(map(json.loads, (tmp_path / "out" / "training.jsonl").read_text().splitlines()))
    assert [line["step"] for line in logged] == list(range(1, len(logged) + 1))
    assert all(line["loss"] == sum(v for name, v in line.items() if name.startswith("loss_")) for line in logged)
    assert record["options"]["steps"] == 12
    train(str(student), folder, tmp_path / "again", OPTIONS)
    assert DupMAEModel.from_pretrained(tmp_path / "again").fingerprint == after.fingerprint


def test_a_run_that_was_stopped_ends_with_the_same_weights(student, folder, tmp_path, monkeypatch):
    whole = train(str(student), folder, tmp_path / "whole", OPTIONS)
    often = replace(OPTIONS, save_minutes=0.0)
    step = PairTrainer.step

    def dies(self: PairTrainer) -> None:
        if self.number == 7:
            raise KeyboardInterrupt
        step(self)

    monkeypatch.setattr(PairTrainer, "step", dies)
    with pytest.raises(KeyboardInterrupt):
        train(str(student), folder, tmp_path / "out", often)
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(PairTrainer, "step", step)
    with pytest.raises(UserError, match=r"options.*delete"):
        train(str(student), folder, tmp_path / "out", replace(often, steps=13))
    result = train(str(student), folder, tmp_path / "out", often)
    assert result.losses == whole.losses
    first, second = (DupMAEModel.from_pretrained(tmp_path / name) for name in ("whole", "out"))
    assert first.fingerprint == second.fingerprint
    assert not (tmp_path / "out.unfinished").exists()


@torch.no_grad()
def test_texts_keep_their_order(student, folder, monkeypatch):
    monkeypatch.setattr("pyserini_dupmae.training.pair.train.TEXTS_AT_ONCE", 2)
    texts = ["whales swim near coasts and tides rise", "moon", "the tides", "", "near coasts"]
    expected = DupMAEModel.from_pretrained(student).eval().encode_texts(texts, full_bow=True)
    trainer = PairTrainer(DupMAEModel.from_pretrained(student), load_prepared(folder), OPTIONS, PairSettings())
    dense, mu = trainer._represented(texts, 32)
    torch.testing.assert_close(dense, expected.cls, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mu, expected.bow, rtol=1e-4, atol=1e-5)


def test_the_encoder_is_frozen_first(student, folder):
    model = DupMAEModel.from_pretrained(student)
    trainer = PairTrainer(model, load_prepared(folder), OPTIONS, PairSettings())
    before = {name: part.clone() for name, part in model.encoder.named_parameters()}
    rates = [trainer.rate(number) for number in range(12)]
    assert rates[3] < rates[2] > rates[11] > 0
    for _ in range(3):
        trainer.step()
    assert all(torch.equal(part, before[name]) for name, part in model.encoder.named_parameters())
    trainer.step()
    assert not all(torch.equal(part, before[name]) for name, part in model.encoder.named_parameters())


def test_what_cannot_be(folder, tmp_path, tiny_model_dir, student):
    with pytest.raises(UserError, match="is not FOLDER"):
        parse_source("somewhere")
    with pytest.raises(UserError, match="there is neither"):
        parse_source(f"{tmp_path}/none:1:2:3")
    with pytest.raises(UserError, match="was not made by"):
        load_prepared(tmp_path)
    with pytest.raises(UserError, match="exists; give another"):
        main(["train", "--from", str(student), "--prepared", str(folder), "--output", str(tmp_path)])
