"""The command against scores computed here, document by document, from the parts that a setting leaves."""

from __future__ import annotations

import json
import math
import os
import re

import ir_measures
import numpy as np
import pytest
from ir_measures import AP, nDCG

from pyserini_dupmae.data.query_records import read_queries
from pyserini_dupmae.evaluation.results import read_results
from pyserini_dupmae.modeling.query_encoder import QueryModel
from pyserini_dupmae.store import ForwardStore
from pyserini_dupmae.sweep import main
from pyserini_dupmae.util.errors import UserError

OPTIONS = ["--top-k", 24, 9, "--cls-dim", 16, 5, "--quantization-bits", 8, 0, 3, "--query-terms", 0, 7]
OPTIONS += ["--metrics", "nDCG@10", "AP", "--hits", 50, "--collection", "docs"]


@pytest.fixture(scope="module")
def swept(command_line, run_command, tmp_path_factory):
    """The folder of a sweep over every combination, and what the command printed."""
    output = tmp_path_factory.mktemp("sweep") / "out"
    done = run_command("sweep", *command_line(output, *OPTIONS, "--full-grid"))
    assert done.returncode == 0, done.stderr
    return output, done.stdout


class BruteForce:
    """Scores of every document for every topic, with plain loops and SVD."""

    def __init__(self, encoded, model_dir, topics):
        store = ForwardStore(encoded / "store")
        self.docids = store.docids
        self.cls, self.token_ids, self.weights = store.gather(range(len(store)))
        self.queries = dict(
            zip((q for q, _ in topics), QueryModel.load(str(model_dir)).encode([t for _, t in topics]), strict=True)
        )
        self.vocab_size = store.model.vocab_size

    def dense(self, cls_dim):
        documents = self.cls.astype(np.float64)
        queries = {qid: query.cls.astype(np.float64) for qid, query in self.queries.items()}
        if cls_dim < documents.shape[1]:
            axes = np.linalg.svd(documents - documents.mean(axis=0), full_matrices=False)[2][:cls_dim]
            documents, queries = documents @ axes.T, {qid: axes @ query for qid, query in queries.items()}
        return {qid: documents @ query for qid, query in queries.items()}

    def sparse(self, top_k, bits, terms):
        weights = self.weights.astype(np.float64)
        if bits:
            step = weights.max() / (2**bits - 1)
            weights = np.ceil(weights / step - 1e-9) * step
        scores = {}
        for qid, query in self.queries.items():
            pairs = sorted(zip(query.weights.tolist(), query.token_ids.tolist(), strict=True), reverse=True)
            mu = {token: weight for weight, token in pairs[: terms or None]}
            scores[qid] = np.array(
                [
                    sum(mu.get(token, 0.0) * weight for token, weight in zip(ids[:top_k], row[:top_k], strict=True))
                    for ids, row in zip(self.token_ids.tolist(), weights.tolist(), strict=True)
                ]
            )
        return scores

    def values(self, mode, cls_dim, top_k, bits, terms, qrels):
        """nDCG@10 and AP by query of the best 50 documents, which need a common token in the sparse mode."""
        parts = []
        if mode != "sparse":
            parts.append(self.dense(cls_dim))
        if mode != "dense":
            parts.append(self.sparse(top_k, bits, terms))
        run = {}
        for qid in qrels:
            scores = dict(zip(self.docids, np.float32(sum(part[qid] for part in parts)).tolist(), strict=True))
            found = [docid for docid, score in scores.items() if mode != "sparse" or score > 0]
            best = sorted(found, key=lambda docid: (-scores[docid], docid))[:50]
            ordered = sorted(best, key=lambda docid: (scores[docid], docid))  # as trec_eval does
            run[qid] = {docid: float(place) for place, docid in enumerate(ordered)}
        found = {"nDCG@10": {}, "AP": {}}
        for value in ir_measures.iter_calc([nDCG @ 10, AP], qrels, run):
            found[str(value.measure)][value.query_id] = value.value
        return found


@pytest.fixture(scope="module")
def brute_force(encoded, tiny_model_dir, topics):
    return BruteForce(encoded, tiny_model_dir, topics)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["hybrid", "dense", "sparse"])
def test_effectiveness_is_that_of_a_scan(swept, brute_force, qrels, mode):
    results = [result for result in read_results(swept[0]) if result.mode == mode]
    assert len(results) == {"hybrid": 24, "dense": 2, "sparse": 12}[mode]
    for result in results:
        wanted = brute_force.values(mode, result.cls_dim, result.top_k, result.bits, result.query_terms, qrels)
        for metric in ("nDCG@10", "AP"):
            assert result.per_query[metric] == pytest.approx(wanted[metric], abs=1e-9), (result.condition, metric)
    assert len({result.metrics["AP"] for result in results}) > len(results) / 2  # the settings do matter


@pytest.mark.slow
def test_bytes_are_those_of_the_index_files(swept):
    output, _ = swept
    found = {result.condition: result for result in read_results(output)}
    flat = {d: (output / f"indexes/d{d}/faiss/index").stat().st_size for d in (16, 5)}
    impact = {
        (k, b): sum(f.stat().st_size for f in (output / f"indexes/k{k}-b{b}/lucene").iterdir()
                    if f.name != "dupmae.json")
        for k in (24, 9) for b in (8, 3)
    }  # fmt: skip
    documents = found["docs.dense-d16"].index.documents
    assert flat[16] - flat[5] == 4 * 11 * documents
    for d in (16, 5):
        assert found[f"docs.dense-d{d}"].index.bytes == flat[d]
        for (k, b), size in impact.items():
            assert found[f"docs.sparse-k{k}-b{b}-t7"].index.bytes == size
            assert found[f"docs.hybrid-d{d}-k{k}-b{b}-t0"].index.bytes == size + flat[d]
    assert found["docs.sparse-k24-b0-t0"].index.bytes == impact[24, 8]  # candidates for the exact scores
    assert impact[9, 3] < impact[24, 8]


@pytest.mark.slow
def test_the_table_has_a_row_for_each_setting(swept):
    header, rule, *rows = swept[1].splitlines()
    assert " ".join(header.split()) == "mode d' k bits terms nDCG@10 AP MB ms (median) ms (95%)"
    assert set(rule) <= {"-", " "}
    assert [row.split()[:5] for row in rows[:2]] == [
        ["hybrid", "16", "24", "8", "all"],
        ["hybrid", "16", "24", "8", "7"],
    ]
    assert ["dense", "5", "-", "-", "-"] in [row.split()[:5] for row in rows]
    assert ["sparse", "-", "9", "exact", "7"] in [row.split()[:5] for row in rows]
    assert len(rows) == 38
    for result in read_results(swept[0]):
        assert 0 < result.latency.median_ms <= result.latency.p95_ms
        assert math.isclose(result.latency.queries_per_second * result.latency.mean_ms, 1000)


@pytest.mark.slow
def test_what_is_finished_is_not_measured_again(swept, command_line, capsys):
    """One factor at a time is part of the full grid, so that nothing is searched; what is missing is measured alone."""
    output, _ = swept
    arguments = command_line(output, *OPTIONS, "--modes", "sparse", "--output-format", "json")
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()}
    main(arguments)
    assert capsys.readouterr().err.count("done before") == 5
    assert before == {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()}
    lost = output / "sparse-k24-b8-t0.result.json"
    was = json.loads(lost.read_text())
    lost.unlink()
    main(arguments)
    printed = capsys.readouterr()
    assert printed.err.count("done before") == 4
    now = json.loads(lost.read_text())
    assert now["per_query"] == was["per_query"]
    assert json.loads(printed.out)[0] == {name: value for name, value in now.items() if name != "per_query"}


def test_a_scan_measures_the_same_without_faiss_and_lucene(command_line, tmp_path):
    options = ["--top-k", 9, "--cls-dim", 5, "--quantization-bits", 3, "--query-terms", 7, "--hits", 30]
    options += ["--metrics", "nDCG@10", "AP"]
    found = {}
    for engine, threads in (("scan", 2), ("lists", 1)):
        output = tmp_path / engine
        main(command_line(output, *options, "--engine", engine, "--threads", threads))
        found[engine] = {result.mode: result for result in read_results(output)}
    for mode, result in found["scan"].items():
        assert result.per_query == found["lists"][mode].per_query
    written = list((tmp_path / "scan" / "indexes").rglob("*"))
    assert not [path for path in written if path.name in ("faiss", "lucene")]
    documents = found["scan"]["dense"].index.documents
    assert found["scan"]["dense"].index.bytes == documents * (5 + 4)
    sparse, hybrid = (found["scan"][mode].index.bytes for mode in ("sparse", "hybrid"))
    assert hybrid == sparse + documents * (5 + 4)
    with pytest.raises(UserError, match="was begun with engine 'scan', not 'auto'"):
        main(command_line(tmp_path / "scan", *options))


@pytest.mark.slow
def test_baselines_are_measured_on_the_texts(command_line, corpus, jsonl, topics, qrels, tmp_path, capsys):
    texts_file = jsonl([{"id": docid, "contents": text[:100]} for docid, text in corpus], "texts/corpus.jsonl")
    words = ["--modes", "sparse", "--top-k", 9, "--quantization-bits", 8, "--query-terms", 0, "--metrics", "nDCG@10"]
    words += ["--engine", "scan", "--collection", "docs", "--corpus", texts_file]
    main(command_line(tmp_path / "out", *words))
    found = {result.model or result.mode: result for result in read_results(tmp_path / "out")}
    assert [result.mode for result in found.values()] == ["other", "bm25", "sparse"]
    texts = dict(topics)
    for name, result in found.items():
        assert result.collection == "docs"
        assert result.provenance.commands
        assert bool(result.provenance.model_hash) == (name == "tiny")
        records = {record.qid: record for record in read_queries(result.queries)}
        assert {qid: record.text for qid, record in records.items()} == {qid: texts[qid] for qid in qrels}
        for qid, record in records.items():
            assert [hit.relevance for hit in record.hits] == [qrels[qid].get(hit.docid, 0) for hit in record.hits]
    assert found["bm25"].metrics["nDCG@10"] > 0  # the judgements are random
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.json*")}
    main(command_line(tmp_path / "out", *words))
    assert written == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.json*")}


@pytest.mark.slow
def test_other_inputs_do_not_mix(swept, command_line, qrels_file, tmp_path):
    output, _ = swept
    with pytest.raises(
        UserError, match=r"the sweep in .*out was begun with hits 50, not 60; give what it was begun with, or delete "
    ):
        main(command_line(output, *OPTIONS, "--hits", 60))
    (tmp_path / "other.txt").write_text(qrels_file.read_text().replace(" 2\n", " 1\n"))
    with pytest.raises(UserError, match=r"was begun with qrels "):
        main(command_line(output, *OPTIONS, "--qrels", tmp_path / "other.txt"))


@pytest.mark.slow
def test_the_report_reads_the_results(swept, run_command, tmp_path):
    done = run_command("report", "--results", swept[0], "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "report.html").read_text()
    assert "nDCG@10 by index size (MB)" in page
    assert "nDCG@10 by latency (ms/query)" in page
    assert "docs.hybrid-d5-k9-b3-t7" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--top-k", 24, 25], "--top-k 25: the store keeps 24"),
        (["--cls-dim", 32], "--cls-dim 32: the model has 16"),
        (["--metrics", "nDGC@10"], "metric 'nDGC@10'"),
        (["--metrics", "R@100", "--hits", 50], "metric R@100 looks at more documents than --hits 50"),
        (["--qrels", "nowhere.txt"], "nowhere.txt"),
        (["--topics", "nowhere.tsv"], "there is no topics file nowhere.tsv"),
        (["--index", "nowhere"], "nowhere/store holds no finished forward store"),
    ],
)
def test_mistakes_leave_nothing(command_line, tmp_path, arguments, says):
    with pytest.raises(UserError, match=re.escape(says)):
        main(command_line(tmp_path / "out", *arguments))
    assert os.listdir(tmp_path) == []


def test_a_mistake_is_one_line_and_a_status(command_line, run_command, tmp_path):
    done = run_command("sweep", *command_line(tmp_path / "out", "--top-k", 25))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --top-k 25: the store keeps 24 weights a document; give at most these\n"


def test_judgements_of_other_topics(command_line, tmp_path):
    (tmp_path / "qrels.txt").write_text("other 0 doc 1\n")
    with pytest.raises(UserError, match=r"no query of --topics .* is judged"):
        main(command_line(tmp_path / "out", "--qrels", tmp_path / "qrels.txt"))


def test_another_model(command_line, linear_model_dir, tmp_path):
    with pytest.raises(UserError, match="was built with another model: its ot_head is mlm"):
        main(command_line(tmp_path / "out", "--encoder", linear_model_dir))


def test_a_folder_of_something_else(command_line, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="exists and is no sweep"):
        main(command_line(tmp_path))
