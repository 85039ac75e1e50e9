"""Bring what a collection comes as into the forms that the other commands read; ``reproduce`` calls it.

    python -m pyserini_dupmae.reproduce.prepare topics --topics queries.jsonl --qrels qrels/test.tsv --output DIR
    python -m pyserini_dupmae.reproduce.prepare unpack --archive cqadupstack.zip --folder cqadupstack/unix --output DIR
    python -m pyserini_dupmae.reproduce.prepare titles --passages para.txt --titles para.title.txt --output corpus.tsv
    python -m pyserini_dupmae.reproduce.prepare docstrings --queries 1000 --output DIR

``topics`` writes ``topics.tsv`` and ``qrels.txt`` (TREC's form), ``unpack`` and ``docstrings`` a folder in BEIR's
layout.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from pyserini_dupmae.data.lines import numbered_texts
from pyserini_dupmae.data.qrels import Qrels, read_qrels
from pyserini_dupmae.util.command import positive_int, run_command
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_open, atomic_path

TOPICS = "topics.tsv"
QRELS = "qrels.txt"


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    result = argparse.ArgumentParser(
        prog="python -m pyserini_dupmae.reproduce.prepare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = result.add_subparsers(required=True, metavar="KIND")

    def add(name: str, function, summary: str) -> argparse.ArgumentParser:
        kind = kinds.add_parser(name, help=summary, description=summary)
        kind.set_defaults(function=function)
        kind.add_argument("--output", type=Path, required=True)
        return kind

    kind = add("topics", write_topics, "queries and judgements of one topic set")
    kind.add_argument("--topics", required=True, help="as in pyserini_dupmae.search")
    qrels = kind.add_mutually_exclusive_group(required=True)
    qrels.add_argument("--qrels", help="as in pyserini_dupmae.evaluate")
    qrels.add_argument("--pyserini-qrels", metavar="NAME", help="a name of Pyserini's registry")
    kind.add_argument("--judged-only", action="store_true", help="leave out queries without judgements")

    kind = add("unpack", unpack, "one folder of a zip file")
    kind.add_argument("--archive", type=Path, required=True)
    kind.add_argument("--folder", required=True, help="the folder in the archive")
    kind.add_argument("--md5", help="refuse the archive unless this is its checksum")

    kind = add("titles", join_titles, "passages and titles, joined to id, title and text")
    kind.add_argument("--passages", type=Path, required=True)
    kind.add_argument("--titles", type=Path, required=True)

    kind = add("docstrings", write_docstrings, "the docstrings of the standard library")
    kind.add_argument("--queries", type=positive_int, required=True)
    kind.add_argument("--documents", type=positive_int, help="default: all")
    return result


def write_topics(options: argparse.Namespace) -> None:
    """Write the topic set; raises `UserError` when no query is judged."""
    from pyserini_dupmae.data.topics import read_topics

    topics = read_topics(options.topics)
    qrels = read_qrels(options.qrels or _pyserini_qrels(options.pyserini_qrels))
    judged = [(qid, text) for qid, text in topics if qid in qrels]
    if not judged:
        judgements = options.qrels or options.pyserini_qrels
        raise UserError(f"none of the queries of {options.topics} is judged in {judgements}")
    with atomic_path(options.output) as folder:
        folder.mkdir()
        lines = (f"{qid}\t{' '.join(text.split())}\n" for qid, text in (judged if options.judged_only else topics))
        (folder / TOPICS).write_text("".join(lines), encoding="utf-8")
        (folder / QRELS).write_text("".join(_trec_lines(qrels)), encoding="utf-8")


def _pyserini_qrels(name: str) -> str:
    from pyserini_dupmae import jvm

    jvm.prepare()
    from jnius import JavaException
    from pyserini.search import get_qrels_file

    try:
        return get_qrels_file(name)
    except (JavaException, OSError) as error:
        raise UserError(f"cannot have the judgements {name!r} from Pyserini's registry: {error}") from None


def _trec_lines(qrels: Qrels) -> Iterator[str]:
    for qid, judged in qrels.items():
        for docid, relevance in judged.items():
            yield f"{qid} 0 {docid} {relevance}\n"


def unpack(options: argparse.Namespace) -> None:
    """Write one folder of the archive; raises `UserError` for a wrong checksum and for a folder that is not in it."""
    if options.md5:
        with open(options.archive, "rb") as stream:
            found = hashlib.file_digest(stream, "md5").hexdigest()
        if found != options.md5:
            raise UserError(f"{options.archive} is damaged or another version: its MD5 is {found}, not {options.md5}")
    inside = options.folder.rstrip("/") + "/"
    try:
        with zipfile.ZipFile(options.archive) as archive, atomic_path(options.output) as folder:
            members = [one for one in archive.infolist() if one.filename.startswith(inside) and not one.is_dir()]
            if not members:
                raise UserError(f"{options.archive} has no folder {options.folder}")
            for member in members:
                target = folder / member.filename.removeprefix(inside)
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as source, open(target, "wb") as stream:
                    shutil.copyfileobj(source, stream)
    except zipfile.BadZipFile as error:
        raise UserError(f"{options.archive} is damaged ({error}); get it again") from None


def join_titles(options: argparse.Namespace) -> None:
    """Write ``id TAB title TAB text``; a passage without a title gets an empty one. Memory: all titles."""
    titles = dict(_columns(options.titles))
    if not titles:
        raise UserError(f"{options.titles} is empty")
    with atomic_open(options.output) as stream:
        for docid, text in _columns(options.passages):
            stream.write(f"{docid}\t{titles.get(docid, '')}\t{text}\n")


def _columns(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in numbered_texts(path):
        docid, tab, text = line.partition("\t")
        if not tab or "\t" in text:
            raise UserError(f"{path}:{number}: expected an id, a tab and a text")
        yield docid, text


def write_docstrings(options: argparse.Namespace) -> None:
    """Write the docstrings in BEIR's layout."""
    from pyserini_dupmae.demo.docstrings import build

    collection = build(options.queries, options.documents)
    with atomic_path(options.output) as folder:
        (folder / "qrels").mkdir(parents=True)
        _write_jsonl(folder / "corpus.jsonl", collection.documents)
        _write_jsonl(folder / "queries.jsonl", collection.queries)
        judgements = ["query-id\tcorpus-id\tscore\n", *(f"{qid}\t{qid}\t1\n" for qid in collection.queries)]
        (folder / "qrels" / "test.tsv").write_text("".join(judgements), encoding="utf-8")


def _write_jsonl(path: Path, texts: dict[str, str]) -> None:
    lines = [json.dumps({"_id": name, "text": text}, ensure_ascii=False) + "\n" for name, text in texts.items()]
    path.write_text("".join(lines), encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; raises `UserError`."""
    options = parser().parse_args(argv)
    options.function(options)


if __name__ == "__main__":
    run_command(main)
