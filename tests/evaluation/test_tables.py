"""Tables as text and Markdown."""

from pyserini_dupmae.evaluation.tables import markdown_table, text_table

HEADER, ROWS = ["run", "AP"], [["a|b", "0.5"], ["longer", "12.25"]]


def test_text():
    assert text_table(HEADER, ROWS) == "run        AP\n------  -----\na|b       0.5\nlonger  12.25"


def test_markdown():
    assert markdown_table(HEADER, ROWS) == "| run | AP |\n|:--|--:|\n| a\\|b | 0.5 |\n| longer | 12.25 |"
