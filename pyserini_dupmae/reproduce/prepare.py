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
from collections.abc import Sequence

from pyserini_dupmae.data.msmarco import join_titles
from pyserini_dupmae.data.qrels import pyserini_qrels
from pyserini_dupmae.experiments import prepare
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import first_example, make_parser, path_type, positive_int, run_command


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    result = make_parser("reproduce.prepare", __doc__)
    kinds = result.add_subparsers(required=True, metavar="KIND", dest="kind")

    def add(name: str, summary: str) -> argparse.ArgumentParser:
        kind = kinds.add_parser(name, help=summary, description=summary, epilog=first_example(__doc__))
        kind.add_argument("--output", type=path_type, required=True, help="what to write")
        return kind

    kind = add("topics", "queries and judgements of one topic set")
    kind.add_argument("--topics", required=True, help="as in pyserini_dupmae.search")
    qrels = kind.add_mutually_exclusive_group(required=True)
    qrels.add_argument("--qrels", help="as in pyserini_dupmae.evaluate")
    qrels.add_argument("--pyserini-qrels", metavar="NAME", help="a name of Pyserini's registry")
    kind.add_argument("--judged-only", action="store_true", help="leave out queries without judgements")

    kind = add("unpack", "one folder of a zip file")
    kind.add_argument("--archive", type=path_type, required=True, help="a zip file")
    kind.add_argument("--folder", required=True, help="the folder in the archive")
    kind.add_argument("--md5", help="refuse the archive unless this is its checksum")

    kind = add("titles", "passages and titles, joined to id, title and text")
    kind.add_argument("--passages", type=path_type, required=True, help="id and text, with a tab between")
    kind.add_argument("--titles", type=path_type, required=True, help="id and title, with a tab between")

    kind = add("docstrings", "the docstrings of the standard library")
    kind.add_argument("--queries", type=positive_int, required=True, help="so many known-item queries")
    kind.add_argument("--documents", type=positive_int, help="so many of them (default: all)")
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; raises `UserError`."""
    log.show()
    options = parser().parse_args(argv)
    if options.kind == "topics":
        qrels = options.qrels or pyserini_qrels(options.pyserini_qrels)
        prepare.write_topic_set(options.topics, qrels, options.output, judged_only=options.judged_only)
    elif options.kind == "unpack":
        prepare.unpack(options.archive, options.folder, options.output, md5=options.md5)
    elif options.kind == "titles":
        join_titles(options.passages, options.titles, options.output)
    else:
        prepare.write_docstrings(options.output, queries=options.queries, documents=options.documents)


if __name__ == "__main__":
    run_command(main)
