"""The command and the pages that it writes."""

import base64
import hashlib
import json
import logging
import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from pyserini_dupmae.evaluation.comparison import interval
from pyserini_dupmae.report.page import report
from pyserini_dupmae.util.errors import UserError

VOID = {"meta", "br", "hr", "img", "link", "input"}
LOADING = {"src", "srcset", "data", "poster", "background", "action", "xlink:href"}
RAW = {"style", "script"}


class Page(HTMLParser):
    """Checks that tags nest, and gathers text by section, tables, charts, scripts and attributes."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.titles, self.sections = [], [], [], [], {}
        self.tables, self.charts, self.scripts, self.caption = {}, {}, [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)
        if tag == "figcaption":
            self.caption = ""
        elif tag == "table":
            self.tables[self.titles[-1], self.caption] = self.rows = []
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "figcaption" in self.open:
            self.caption += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data
        if self.open and self.open[-1] == "h2":
            self.titles.append(data)
            self.sections[data] = ""
        elif self.open and self.open[-1] == "script":
            if "figure" in self.open:
                self.charts[self.caption] = json.loads(data)
            self.scripts[-1] += data
        elif self.titles and not RAW & set(self.open):
            self.sections[self.titles[-1]] += data + "\n"

    def table(self, section, caption):
        """The rows of a table, by name of column."""
        header, *rows = self.tables[section, caption]
        return [dict(zip(header, row, strict=True)) for row in rows]


@pytest.fixture
def page(folder):
    report(folder / "results", output=folder / "out", title="Mine & yours")
    return Page((folder / "out" / "report.html").read_text())


@pytest.mark.slow
def test_the_command(folder):
    words = ["--results", "results", "--output", "out", "--title", "Mine & yours"]
    command = [sys.executable, "-m", "pyserini_dupmae.report"]
    done = subprocess.run([*command, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["out/report.html", "out/report.md"]
    done = subprocess.run([*command, *words, "--quiet"], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    made = report(folder / "results", output=folder / "again", title="Mine & yours")
    assert made.results == 14
    assert made.html.read_bytes() == (folder / "out" / "report.html").read_bytes()
    assert made.markdown.read_bytes() == (folder / "out" / "report.md").read_bytes()
    words[1] = "elsewhere"
    done = subprocess.run([*command, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "error: there is no folder elsewhere; give the one that holds *.result.json\n",
    )


def test_all_sections(page):
    assert page.titles == [
        "Overview",
        "By collection",
        "Scores",
        "Wins and losses",
        "Size and speed against effectiveness",
        "Index and speed",
        "Training",
        "How this was made",
    ]


def test_nothing_is_loaded_and_no_other_script_is_run(page):
    assert not {"link", "iframe", "object", "embed", "img", "base"} & set(page.tags)
    assert not LOADING & {name for name, _ in page.attributes}
    assert all(value.startswith("#") for name, value in page.attributes if name == "href")
    (policy,) = (value for name, value in page.attributes if name == "content" and "default-src" in value)
    run = [script for script in page.scripts if not script.startswith("{")]
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in run]
    allowed = " ".join(f"'sha256-{one}'" for one in hashes)
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src {allowed}"
    assert len(run) == 2
    assert not re.search(r"url\(|@import|@font-face", page.sections["Overview"])


def test_scores_have_settings_intervals_and_what_is_known_beside_them(page, results):
    for collection in ("beir-nfcorpus", "mine & <yours>"):
        rows = {row["condition"]: row for row in page.table("Scores", f"{collection} test")}
        for result in (result for result in results if result.collection == collection):
            row = rows[result.condition]
            low, high = interval(list(result.per_query["nDCG@10"].values()))
            paper = "\npaper 0.346" if result.mode == "hybrid" else ""
            assert row["nDCG@10"] == f"{result.metrics['nDCG@10']:.4f}{low:.3f}–{high:.3f}{paper}"
            expected = "expected 0.1234" if result.mode == "sparse" else ""
            assert row["R@100"] == f"{result.metrics['R@100']:.4f}{expected}"
            wanted = [result.cls_dim, result.top_k, result.bits]
            assert [row[name] for name in ("d'", "k", "bits")] == ["" if v is None else str(v) for v in wanted]
    assert rows.keys().isdisjoint({"Contriever"})
    published = [row for row in page.table("Scores", "beir-nfcorpus test") if row["system"] == "Contriever"]
    assert [row["nDCG@10"] for row in published] == ["0.328"]


def test_overview_has_the_largest_setting_and_the_mean(page, results):
    full = {r.collection: r.metrics["R@100"] for r in results if r.mode == "hybrid" and r.top_k == 24}
    rows = {row["collection"]: row for row in page.table("Overview", "R@100")}
    assert {name: row["Eq. 12"] for name, row in rows.items()} == {
        **{f"{collection} test": f"{value:.4f}" for collection, value in full.items()},
        "mean": f"{sum(full.values()) / 2:.4f}",
    }
    assert list(rows["mean"]) == ["collection", "BM25", "MiniLM", "[CLS]", "bag of words", "Eq. 12"]


def test_costs_are_those_given(page, results):
    for result in results:
        rows = page.table("Index and speed", f"{result.collection} test")
        shown = {(row["MB"], row["ms/query"]) for row in rows}
        assert (f"{result.index.bytes / 1e6:,.2f}", f"{result.latency.mean_ms:,.2f}") in shown


def test_wins_and_losses_are_counted_and_their_queries_unfold(page, results):
    ours, theirs = (
        next(r for r in results if r.mode == mode and r.top_k in (None, 24)).per_query["nDCG@10"]
        for mode in ("hybrid", "dense")
    )
    text = page.sections["Wins and losses"]
    better, worse = sum(ours[q] > theirs[q] for q in ours), sum(ours[q] < theirs[q] for q in ours)
    assert f"Eq. 12 against [CLS]: {better} better, {len(ours) - better - worse} equal, {worse} worse" in text
    difference = sum(ours[q] - theirs[q] for q in ours) / len(ours)
    rows = {row["Eq. 12 against"]: row for row in page.table("Wins and losses", "beir-nfcorpus test")}
    assert rows["[CLS]"]["difference"] == f"{difference:+.4f}"
    largest = max(ours, key=lambda qid: ours[qid] - theirs[qid])
    assert f"why <{largest}>?" in text
    assert f"{largest}, against " in text
    assert all(f"{mode}<1>" in text for mode in ("bm25", "other", "dense", "sparse", "hybrid"))
    assert "[CLS] 1.25 + bag of words 2.50" in text
    assert "tide 1.50" in text


def test_charts_share_a_scale_and_have_every_value(page, results):
    domains = []
    for collection in ("beir-nfcorpus", "mine & <yours>"):
        spec = page.charts[f"{collection} test: nDCG@10"]
        shown = {row["system"]: row["value"] for row in spec["data"]["values"] if row["low"] is not None}
        full = [r for r in results if r.collection == collection and r.top_k in (None, 24)]
        assert sorted(shown.values()) == sorted(r.metrics["nDCG@10"] for r in full)
        domains.append(spec["layer"][1]["encoding"]["x"]["scale"]["domain"])
    assert domains[0] == domains[1]


@pytest.mark.parametrize(
    ("axis", "x_of"),
    [
        ("index size (MB)", lambda result: result.index.bytes / 1e6),
        ("latency (ms/query)", lambda result: result.latency.mean_ms),
    ],
)
def test_every_condition_has_its_place_among_costs(page, results, axis, x_of):
    for collection in ("beir-nfcorpus", "mine & <yours>"):
        points = page.charts[f"{collection} test: nDCG@10 by {axis}"]["data"][0]["values"]
        given = {(x_of(r), r.metrics["nDCG@10"]) for r in results if r.collection == collection}
        assert {(point["x"], point["y"]) for point in points} == given
        unbeaten = {
            (x, y) for x, y in given if not any((a, b) != (x, y) and a <= x and b >= y for a, b in given)
        }  # fmt: skip
        assert {(point["x"], point["y"]) for point in points if point["first"]} == unbeaten


def test_differences_are_drawn_largest_gain_first(page, results):
    ours, theirs = (
        next(r for r in results if r.mode == mode and r.top_k in (None, 24)).per_query["nDCG@10"]
        for mode in ("hybrid", "sparse")
    )
    deltas = sorted((ours[qid] - theirs[qid] for qid in ours), reverse=True)
    (spec,) = (s for c, s in page.charts.items() if c.startswith("beir-nfcorpus test: Eq. 12 against bag of words: "))
    assert [row["difference"] for row in spec["data"]["values"]] == deltas


def test_losses_are_drawn_from_the_first_step_to_the_last(page):
    points = page.charts["tiny: loss"]["data"]["values"]
    loss = [(point["step"], point["value"]) for point in points if point["curve"] == "loss"]
    assert loss[0] == (0, 10)
    assert loss[-1] == (999, 0.01)
    assert {point["curve"] for point in points} == {"loss", "mlm_loss"}
    assert page.charts["tiny: evaluations"]["data"]["values"] == [{"curve": "mrr", "step": 1000, "value": 0.3}]


def test_logs_below_the_folder_are_found(folder):
    os.utime(folder / "results" / "log.jsonl", (2e9, 2e9))
    log = folder / "results" / "stage1" / "training.jsonl"
    log.parent.mkdir()
    log.write_text('{"step": 5, "loss": 2.5}\n{"step": 5, "train_loss": 2.5, "train_runtime": 3}\n')
    made = report(folder / "results", output=folder / "out")
    charts = Page(made.html.read_text()).charts
    assert charts["stage1: loss"]["data"]["values"] == [{"curve": "loss", "step": 5, "value": 2.5}]
    assert [name for name in charts if name.endswith(": loss")] == ["stage1: loss", "tiny: loss"], "the oldest first"


def test_how_it_was_made(page):
    rows = {row["model"]: row for row in page.table("How this was made", "Where the numbers are from")}
    assert rows.keys() == {"BM25", "MiniLM", "tiny"}
    shown = [rows["tiny"][name] for name in ("hash", "measured", "hardware", "commit", "version", "results")]
    assert shown == ["abcdef012345", "2026-11-21", "an abacus", "0123456789ab+changes", "0.2.0", "10"]
    lines = page.sections["How this was made"].splitlines()
    assert lines.count("dupmae evaluate") == 1
    assert "dupmae search --mode hybrid" in lines


def test_markdown_has_the_same_tables(folder, page, results):
    text = (folder / "out" / "report.md").read_text()
    assert text.startswith("# Mine & yours\n\n## Overview")
    assert r"### mine & \<yours\> test" in text
    for result in results:
        assert all(f"{value:.4f}" in text for value in result.metrics.values())
    assert "| *Contriever* | " in text
    assert "dupmae search --mode hybrid\n" in text


def test_missing_parts_are_left_out(tmp_path, results):
    first = next(result for result in results if result.mode == "dense")
    fields = {name: getattr(first, name) for name in ("condition", "collection", "mode", "metrics", "cls_dim")}
    type(first)(**fields).write(tmp_path / "results" / "a.result.json")
    report(tmp_path / "results", output=tmp_path / "out")
    page = Page((tmp_path / "out" / "report.html").read_text())
    assert page.titles == ["By collection", "Scores"]
    (row,) = (row for row in page.table("Scores", "beir-nfcorpus") if row["system"] == "[CLS]")
    assert list(row) == ["system", "d'", "nDCG@10", "R@100", "condition"]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda log: log.unlink(), "there is no training log {log}; it is left out"),
        (  # what the Trainer leaves of a training that is shorter than its logging_steps
            lambda log: log.write_text('{"step": 3, "train_loss": 2.5, "train_runtime": 1.0}\n'),
            "{log} has no line with a step and a loss; it is left out",
        ),
    ],
)
def test_a_log_without_losses_is_said_and_left_out(folder, spoil, says, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("pyserini_dupmae"), "propagate", True)  # a command in this process stops it
    spoil(folder / "results" / "log.jsonl")
    made = report(folder / "results", output=folder / "out")
    (said,) = {record.getMessage() for record in caplog.records if record.levelno == logging.WARNING}
    assert said == says.format(log=folder / "results" / "log.jsonl")
    assert "Training" not in Page(made.html.read_text()).titles


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (
            lambda results: (results / "log.jsonl").write_text('{"step": 1, "loss": 2}\nstep 2\n'),
            "log.jsonl:2: not JSON",
        ),
        (lambda results: (results / "log.jsonl").write_text("[]\n"), "log.jsonl:1: a JSON list, not an object"),
        (
            lambda results: (results / "beir-nfcorpus.bm25.queries.jsonl").write_text(
                "\n".join(json.dumps({"qid": f"q{number}"}) for number in range(40))
            ),
            "bm25.queries.jsonl:",
        ),
        (lambda results: (results / "00.result.json").write_text("{}"), "00.result.json: condition: Field required"),
        (lambda results: results.rename(results.parent / "elsewhere"), "there is no folder"),
    ],
)
def test_mistakes_leave_nothing(folder, spoil, says):
    spoil(folder / "results")
    with pytest.raises(UserError) as mistake:
        report(folder / "results", output=folder / "out")
    assert says in str(mistake.value)
    assert not (folder / "out").exists()
