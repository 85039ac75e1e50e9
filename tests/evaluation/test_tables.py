"""Tables as text and Markdown."""

from pyserini_dupmae.evaluation.tables import Markdown, markdown_table, text_table

HEADER, ROWS = ["run", "AP"], [["a|b", "0.5"], ["longer", "12.25"]]


def test_text():
    assert text_table(HEADER, ROWS) == "run        AP\n------  -----\na|b       0.5\nlonger  12.25"


def test_markdown():
    assert markdown_table(HEADER, ROWS) == "| run | AP |\n|:--|--:|\n| a\\|b | 0.5 |\n| longer | 12.25 |"


def test_names_are_shown_as_they_are_not_as_markdown():
    name = "<img src=x onerror=a()> [a](b) **c** _d_ `e` e_f &amp; R&D\n# g \\"
    cells = [r"\<img src=x onerror=a()\> \[a\](b) \*\*c\*\* \_d\_ \`e\` e_f \&amp; R&D # g \\"]
    assert markdown_table(["name"], [[name]]).splitlines()[-1] == f"| {cells[0]} |"
    assert markdown_table(["name"], [[Markdown("**x**")]]).splitlines()[-1] == "| **x** |"
