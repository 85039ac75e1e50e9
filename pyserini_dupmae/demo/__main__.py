"""DupMAE on real text, without network or arguments: ``python -m pyserini_dupmae.demo``.

Takes the docstrings of the standard library as a collection, encodes and indexes it, measures known-item search, and
answers questions, showing for each hit why it matched. ``--query "..."`` answers that one and ends.
"""

from __future__ import annotations

import argparse
import select
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pyserini_dupmae.demo.evaluation import HEADER, evaluate
from pyserini_dupmae.demo.workplace import Workplace
from pyserini_dupmae.evaluation.tables import text_table
from pyserini_dupmae.modeling.default import DEFAULT_MODEL
from pyserini_dupmae.modeling.query_encoder import QueryModel
from pyserini_dupmae.search import DupMAESearcher
from pyserini_dupmae.search.explanation import explain
from pyserini_dupmae.util.command import positive_int, run_command
from pyserini_dupmae.util.log import show

HITS = 5
TOKENS = 6
WIDTH = 100


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with ``argv`` (default: the command line); raises `UserError`."""
    args = _parser().parse_args(argv)
    show()
    place = Workplace(args.encoder or DEFAULT_MODEL, args.documents, args.output)
    place.prepare()
    model = QueryModel.load(place.encoder)
    rows = place.measured()
    if rows is None:
        rows = evaluate(place.collection, place.index, model, place.bm25)
        place.keep(rows)
    print(f"\n{len(place.collection.queries)} queries, {len(place.collection.documents)} documents in {place.folder}\n")
    print(text_table(HEADER, rows), flush=True)
    searcher = DupMAESearcher(place.index, model)
    for question in [args.query] if args.query is not None else _typed():
        print("\n" + answer(searcher, question), flush=True)


def answer(searcher: DupMAESearcher, question: str) -> str:
    """The best documents for a question, each with the parts of its score and the beginning of its text."""
    lines = []
    for rank, hit in enumerate(searcher.search(question, HITS), 1):
        reason = explain(searcher, query=question, docid=hit.docid)
        tokens = ", ".join(f"{share.token} {share.contribution:.2f}" for share in reason.tokens[:TOKENS])
        exact = searcher.engines.exact
        text = " ".join((exact.store.content(exact.docids.index(hit.docid)) or "").split())
        lines += [
            f"{rank}. {hit.docid}  {reason.score:.2f} = [CLS] {reason.cls_score:.2f} + words {reason.ot_score:.2f}",
            f"   words: {tokens or 'none in common'}",
            f"   {text if len(text) <= WIDTH else text[: WIDTH - 3] + '...'}",
        ]
    return "\n".join(lines)


def _typed() -> Iterator[str]:
    """The questions that somebody types or a pipe holds, until the end of the input; none where there is neither."""
    if not sys.stdin.isatty():
        if _has_input():
            yield from (line.strip() for line in sys.stdin if line.strip())
        return
    print("\nType a question, for instance: how do I copy a directory? (Ctrl-D ends)")
    while True:
        try:
            question = input("? ").strip()
        except EOFError:
            print()
            return
        if question:
            yield question


def _has_input() -> bool:
    """Whether standard input can be read now; a pipe that nobody writes to or closes would be waited for for ever."""
    try:
        return bool(select.select([sys.stdin], [], [], 0)[0])
    except (OSError, ValueError):  # no file is behind it
        return False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pyserini_dupmae.demo", description="DupMAE on the docstrings of the standard library."
    )
    parser.add_argument("--query", help="answer this question and end")
    parser.add_argument("--encoder", help="a DupMAE model: a folder or a name on the Hub (default: the package's)")
    parser.add_argument("--documents", type=positive_int, metavar="N", help="take N documents only (default: all)")
    parser.add_argument("--output", type=Path, metavar="DIR", help="work folder (default: in the user's cache)")
    return parser


if __name__ == "__main__":
    run_command(main)
