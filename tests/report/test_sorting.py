"""A click on a heading, in a browser if one is installed."""

import re
import shutil
import subprocess

import pytest

from pyserini_dupmae.report.page import report
from tests.report.test_report import Page

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
CLICKS = """
addEventListener("load", () => {
  for (const [table, column] of [[0, "nDCG@10"], [1, "k"]])
    [...document.querySelectorAll("#s2 table")[table].tHead.rows[0].cells]
      .find((heading) => heading.textContent === column).firstChild.click();
  for (const turn of [0, 1]) document.querySelector("#s2 table th").firstChild.click();
});
"""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs Chromium or Chrome")
def test_a_click_sorts(folder, tmp_path):
    """Numbers from the largest, words from A, the other way round by another click; what is empty stays last."""
    made = report(folder / "results", output=folder / "out")
    before = Page(made.html.read_text())
    page = re.sub(r"<meta http-equiv[^>]*>", "", made.html.read_text())  # the policy forbids the script that clicks
    (folder / "clicked.html").write_text(page.removesuffix("</body>\n</html>\n") + f"<script>{CLICKS}</script>")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--virtual-time-budget=5000", "--dump-dom", (folder / "clicked.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    first, second = re.findall(r"<table>.*?</table>", done.stdout.partition('id="s2"')[2], re.DOTALL)[:2]
    shown = [[re.findall(r"<(?:th|td)[^>]*>([^<]*)", row) for row in text.split("<tr")[2:]] for text in (first, second)]
    names = [row["system"] for row in before.table("Scores", "beir-nfcorpus test")]
    assert [row[0] for row in shown[0]] == sorted(names, key=str.casefold, reverse=True)
    assert 'aria-sort="descending"' in first
    sizes = [row["k"] for row in before.table("Scores", "mine & <yours> test")]
    ordered = sorted((int(size) for size in sizes if size), reverse=True)
    assert [row[2] for row in shown[1]] == [*map(str, ordered), *[""] * (len(sizes) - len(ordered))]
    assert 'aria-sort="descending"' in second
