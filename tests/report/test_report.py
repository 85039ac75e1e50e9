"""The command and the pages that it writes."""

import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

VOID = {"meta", "br", "hr", "img", "link", "input"}
LOADING = {"src", "srcset", "data", "poster", "background", "action", "xlink:href"}


class Page(HTMLParser):
    """Checks that tags nest, and gathers text by section, attributes and headings."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.titles, self.sections = [], [], [], [], {}
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.titles.append(data)
            self.sections[data] = ""
        elif self.titles and "style" not in self.open:
            self.sections[self.titles[-1]] += data + "\n"


def report(folder, *arguments):
    command = [sys.executable, "-m", "pyserini_dupmae.report", "--results", "results", "--output", "out", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def page(folder):
    done = report(folder, "--title", "Mine & yours")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["out/report.html", "out/report.md"]
    return Page((folder / "out" / "report.html").read_text())


def test_all_sections(page):
    assert page.titles == [
        "Overview",
        "By collection",
        "Scores",
        "Wins and losses",
        "Size and speed against effectiveness",
        "Index and speed",
        "Training",
    ]


def test_nothing_is_loaded(page, folder):
    text = (folder / "out" / "report.html").read_text()
    assert not {"script", "link", "iframe", "object", "embed", "img", "base"} & set(page.tags)
    assert not LOADING & {name for name, _ in page.attributes}
    assert all(value.startswith("#") for name, value in page.attributes if name == "href")
    assert not re.search(r"https?:|//\w|url\(|@import|@font-face", text)
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes


def test_numbers_are_those_given(page, results):
    for result in results:
        for value in result.metrics.values():
            assert f"{value:.4f}" in page.sections["Scores"]
        assert f"{result.index.bytes / 1e6:,.1f}" in page.sections["Index and speed"]
        assert f"{result.latency.mean_ms:,.1f}" in page.sections["Index and speed"]
    assert "paper 0.346" in page.sections["Scores"]
    assert "expected 0.1234" in page.sections["Scores"]
    assert "mine & <yours> test" in page.sections["Scores"]


def test_overview_has_the_largest_setting_the_mean_and_the_peers(page, results):
    overview = page.sections["Overview"]
    full = [r.metrics["R@100"] for r in results if r.mode == "hybrid" and r.top_k == 24]
    small = [r.metrics["R@100"] for r in results if r.mode == "hybrid" and r.top_k == 6]
    assert all(f"{value:.4f}" in overview for value in full)
    assert not any(f"{value:.4f}" in overview for value in small)
    assert f"{sum(full) / 2:.4f}" in overview
    assert "Contriever" in page.sections["Scores"]
    assert "0.328" in page.sections["Scores"]


def test_wins_and_losses_are_counted(page, results):
    ours, theirs = (
        next(r for r in results if r.mode == mode and r.top_k in (None, 24)).per_query["nDCG@10"]
        for mode in ("hybrid", "dense")
    )
    better, worse = sum(ours[q] > theirs[q] for q in ours), sum(ours[q] < theirs[q] for q in ours)
    expected = f"Eq. 12 against [CLS]: {better} better, {len(ours) - better - worse} equal, {worse} worse"
    assert expected in page.sections["Wins and losses"]
    difference = sum(ours[q] - theirs[q] for q in ours) / len(ours)
    assert f"{difference:+.4f}" in page.sections["Wins and losses"]


def test_charts(page):
    sizes = page.sections["Size and speed against effectiveness"]
    assert "nDCG@10 by index size (MB)" in sizes
    assert "nDCG@10 by latency (ms/query)" in sizes
    assert {"k 6", "k 24"} <= set(sizes.split("\n"))
    assert "10.0000" in page.sections["Training"]
    assert page.tags.count("svg") > 10
    numbers = " ".join(value for name, value in page.attributes if name in ("points", "d", "x", "y", "cx", "cy"))
    assert "nan" not in numbers
    assert "inf" not in numbers


def test_markdown_has_the_same_tables(folder, page, results):
    text = (folder / "out" / "report.md").read_text()
    assert text.startswith("# Mine & yours\n\n## Overview")
    assert "### mine & <yours> test" in text
    for result in results:
        assert all(f"{value:.4f}" in text for value in result.metrics.values())
    assert "| *Contriever* | *0.328* |" in text
    assert "(paper 0.346)" in text


def test_missing_parts_are_left_out(tmp_path, results):
    lone = {"per_query": {}, "index": None, "latency": None, "training_log": None}
    first = next(result for result in results if result.mode == "dense")
    type(first)(**{**vars(first), **lone}).write(tmp_path / "results" / "a.result.json")
    assert report(tmp_path).returncode == 0
    page = Page((tmp_path / "out" / "report.html").read_text())
    assert page.titles == ["By collection", "Scores"]
    assert "svg" not in page.tags
    assert "None" not in "".join(page.sections.values())


def test_a_log_that_is_gone_is_said_and_left_out(folder):
    (folder / "results" / "log.jsonl").unlink()
    done = report(folder)
    assert done.returncode == 0
    assert done.stderr.count("there is no training log results/log.jsonl; it is left out") == 1
    assert "Training" not in Page((folder / "out" / "report.html").read_text()).titles


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (
            lambda results: (results / "log.jsonl").write_text('{"step": 1, "loss": 2}\nstep 2\n'),
            "log.jsonl:2: not JSON",
        ),
        (lambda results: (results / "log.jsonl").write_text("[]\n"), "log.jsonl:1: a JSON list, not an object"),
        (lambda results: (results / "log.jsonl").write_text('{"step": 1}\n'), "has no line with a step and a loss"),
        (lambda results: (results / "00.result.json").write_text("{}"), "00.result.json: condition: Field required"),
        (lambda results: results.rename(results.parent / "elsewhere"), "there is no folder results"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(folder, spoil, says):
    spoil(folder / "results")
    done = report(folder)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (folder / "out").exists()


def test_same_results_give_the_same_bytes(folder):
    report(folder)
    first = (folder / "out" / "report.html").read_bytes()
    report(folder)
    assert (folder / "out" / "report.html").read_bytes() == first
