"""The command and the pages that it writes."""

import logging
import re
import subprocess
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from pyserini_dupmae.report.page import report
from pyserini_dupmae.util.errors import UserError

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


@pytest.fixture
def page(folder):
    report(folder / "results", output=folder / "out", title="Mine & yours")
    return Page((folder / "out" / "report.html").read_text())


def test_the_command(folder):
    words = ["--results", "results", "--output", "out", "--title", "Mine & yours"]
    command = [sys.executable, "-m", "pyserini_dupmae.report"]
    done = subprocess.run([*command, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["out/report.html", "out/report.md"]
    made = report(folder / "results", output=folder / "again", title="Mine & yours")
    assert made.results == 12
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


class Drawing:
    """A chart on the page, read back: its ticks give the values of pixels."""

    def __init__(self, svg):
        self.svg = svg
        ticks = [text for text in svg.iter("text") if text.get("text-anchor") == "end" and text.get("class") is None]
        self.y = self._scale([(float(text.get("y")) - 3.5, text.text) for text in ticks])
        ticks = [text for text in svg.iter("text") if text.get("text-anchor") == "middle" and text.get("class") is None]
        self.x = self._scale([(float(text.get("x")), text.text) for text in ticks])

    @staticmethod
    def _scale(ticks):
        if len(ticks) < 2:
            return None
        pixels, values = zip(*((pixel, float(text.replace("k", "e3"))) for pixel, text in ticks), strict=True)
        return lambda pixel: float(np.interp(pixel, *zip(*sorted(zip(pixels, values, strict=True)), strict=True)))

    def points(self):
        """(x, y) of each dot, told by its title and by its place."""
        for dot in self.svg.iter("circle"):
            told = tuple(map(float, dot.find("title").text.rpartition(": ")[2].split(", ")))
            yield told, (self.x(float(dot.get("cx"))), self.y(float(dot.get("cy"))))

    def steps(self):
        """The heights of the areas, from left to right."""
        for path in self.svg.iter("path"):
            yield from (self.y(float(pixel)) for pixel in re.findall(r"V([-\d.]+)h", path.get("d")))


@pytest.fixture
def drawings(page, folder):
    """Every chart, by its caption."""
    text = (folder / "out" / "report.html").read_text()
    found = [ElementTree.fromstring(svg) for svg in re.findall(r'<svg [^>]*role="img".*?</svg>', text, re.DOTALL)]
    return {svg.get("aria-label"): Drawing(svg) for svg in found}


@pytest.mark.parametrize(
    ("axis", "x_of"),
    [
        ("index size (MB)", lambda result: result.index.bytes / 1e6),
        ("latency (ms/query)", lambda result: result.latency.mean_ms),
    ],
)
def test_sweeps_are_drawn_where_their_values_are(drawings, results, axis, x_of):
    for collection in ("beir-nfcorpus", "mine & <yours>"):
        drawing = drawings[f"{collection} test: nDCG@10 by {axis}"]
        given = sorted((x_of(r), r.metrics["nDCG@10"]) for r in results if r.collection == collection)
        told, placed = zip(*sorted(drawing.points()), strict=True)
        np.testing.assert_allclose(told, given, rtol=1e-5)
        np.testing.assert_allclose([y for _, y in placed], [y for _, y in given], atol=0.002)
        np.testing.assert_allclose([x for x, _ in placed], [x for x, _ in given], rtol=0.02)
        (line,) = (line for line in drawing.svg.iter("polyline") if len(line.get("points").split()) == 3)
        assert "hybrid" in line.get("class").split()
        labels = {text.text for text in drawing.svg.iter("text") if text.get("class") == "mark"}
        assert {"k 6", "k 24"} <= labels


def test_differences_are_drawn_largest_gain_first(drawings, results):
    ours, theirs = (
        next(r for r in results if r.mode == mode and r.top_k in (None, 24)).per_query["nDCG@10"]
        for mode in ("hybrid", "sparse")
    )
    deltas = sorted((ours[qid] - theirs[qid] for qid in ours), reverse=True)
    first = next(drawing for caption, drawing in drawings.items() if caption.startswith("Eq. 12 against OT: "))
    np.testing.assert_allclose(list(first.steps()), deltas, atol=0.005)


def test_losses_are_drawn_from_the_first_step_to_the_last(drawings):
    drawing = drawings["tiny: loss"]
    falling, flat = drawing.svg.iter("polyline")
    x, y = zip(*(map(float, point.split(",")) for point in falling.get("points").split()), strict=True)
    assert (drawing.x(x[0]), drawing.x(x[-1])) == pytest.approx((0, 999), abs=3)
    assert (drawing.y(y[0]), drawing.y(y[-1])) == pytest.approx((10, 0.01), abs=0.05)
    assert len({point.split(",")[1] for point in flat.get("points").split()}) == 1


def test_bars_are_as_long_as_their_values(page, results):
    widths = [value for name, value in page.attributes if name == "style"]
    here = [r for r in results if r.collection == "mine & <yours>" and r.top_k in (None, 24)]
    largest = max(r.metrics["nDCG@10"] for r in here)
    expected = [f"width:{100 * r.metrics['nDCG@10'] / largest:.1f}%" for r in here]
    assert sorted(widths[-4:]) == sorted(expected)


def test_markdown_has_the_same_tables(folder, page, results):
    text = (folder / "out" / "report.md").read_text()
    assert text.startswith("# Mine & yours\n\n## Overview")
    assert r"### mine & \<yours\> test" in text
    for result in results:
        assert all(f"{value:.4f}" in text for value in result.metrics.values())
    assert "| *Contriever* | *0.328* |" in text
    assert "(paper 0.346)" in text


def test_missing_parts_are_left_out(tmp_path, results):
    lone = {"per_query": {}, "index": None, "latency": None, "training_log": None}
    first = next(result for result in results if result.mode == "dense")
    type(first)(**{**vars(first), **lone}).write(tmp_path / "results" / "a.result.json")
    report(tmp_path / "results", output=tmp_path / "out")
    page = Page((tmp_path / "out" / "report.html").read_text())
    assert page.titles == ["By collection", "Scores"]
    assert "svg" not in page.tags
    assert "None" not in "".join(page.sections.values())


def test_a_log_that_is_gone_is_said_and_left_out(folder, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("pyserini_dupmae"), "propagate", True)  # a command in this process stops it
    (folder / "results" / "log.jsonl").unlink()
    made = report(folder / "results", output=folder / "out")
    (said,) = {record.getMessage() for record in caplog.records if record.levelno == logging.WARNING}
    assert said == f"there is no training log {folder / 'results' / 'log.jsonl'}; it is left out"
    assert "Training" not in Page(made.html.read_text()).titles


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
        (lambda results: results.rename(results.parent / "elsewhere"), "there is no folder"),
    ],
)
def test_mistakes_leave_nothing(folder, spoil, says):
    spoil(folder / "results")
    with pytest.raises(UserError) as mistake:
        report(folder / "results", output=folder / "out")
    assert says in str(mistake.value)
    assert not (folder / "out").exists()
