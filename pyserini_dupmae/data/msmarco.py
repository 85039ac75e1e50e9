"""MS MARCO's files: tables of ids and texts, the layout of their folder, and passages with titles.

Microsoft's ``collection.tsv`` has no titles. RocketQA's corpus has those of the pages, ``id TAB title TAB text``, and
is called ``corpus.tsv`` here; where a folder has both, it is taken. Title and text are joined as DupMAE's authors do in
MS MARCO: by [SEP], which BERT's tokenizer takes for what it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pyserini_dupmae.data.layout import Layout
from pyserini_dupmae.data.lines import numbered_texts, plain_suffix
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_open, require_file

LAYOUT = Layout("collection.tsv", "queries.{split}.tsv", "qrels.{split}.tsv", titled="corpus.tsv")
TITLE_END = " [SEP] "  # authors' repository


def parse_columns(text: str) -> dict[str, str]:
    """The fields of ``id TAB text`` or ``id TAB title TAB text``; of the latter ``contents`` is title, [SEP] and text.

    Raises:
        ValueError: there are more or fewer columns; the message says how many, without the place.
    """
    columns = text.rstrip("\r\n").split("\t")
    if len(columns) == 2:
        return {"id": columns[0], "text": columns[1]}
    if len(columns) == 3:
        docid, title, text = columns
        contents = TITLE_END.join(part for part in (title.strip(), text.strip()) if part)
        return {"id": docid, "title": title, "text": text, "contents": contents}
    raise ValueError(f"{len(columns)} column(s), but a line is id TAB text or id TAB title TAB text")


def has_titles(corpus: Path) -> bool:
    """Whether ``corpus`` is a table with titles."""
    if plain_suffix(corpus) != ".tsv":
        return False
    return next((line.count("\t") == 2 for _, line in numbered_texts(corpus)), False)


def join_titles(passages: str | os.PathLike, titles: str | os.PathLike, output: str | os.PathLike) -> None:
    """Write ``id TAB title TAB text`` of two files of ``id TAB text``; a passage without a title gets an empty one.

    Memory: all titles.

    Raises:
        UserError: a line that is something else; names it.
    """
    require_file(output, reads=[passages, titles])
    title_of = dict(_pairs(titles))
    if not title_of:
        raise UserError(f"{titles} is empty")
    with atomic_open(output) as stream:
        for docid, text in _pairs(passages):
            stream.write(f"{docid}\t{title_of.get(docid, '')}\t{text}\n")


def _pairs(path: str | os.PathLike) -> Iterator[tuple[str, str]]:
    for number, line in numbered_texts(path):
        docid, tab, text = line.partition("\t")
        if not tab or "\t" in text:
            raise UserError(f"{path}:{number}: expected an id, a tab and a text")
        yield docid, text
