"""DupMAE on real text, without network or arguments: ``python -m pyserini_dupmae.demo``.

Takes the docstrings of the standard library as a collection, encodes and indexes it, measures known-item search, shows
questions that search by words cannot answer, and answers yours, with the reason for each hit. ``--query "..."`` answers
that one and ends.
"""

from __future__ import annotations

import argparse
import select
import sys
from collections.abc import Iterator, Sequence

from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import add_encoder, make_parser, path_type, positive_int, run_command


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    result = make_parser("demo", __doc__)
    result.add_argument("--query", help="answer this question and end")
    add_encoder(result)
    result.add_argument("--documents", type=positive_int, metavar="N", help="take N documents only (default: all)")
    result.add_argument("--output", type=path_type, metavar="DIR", help="work folder (default: in the user's cache)")
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with ``argv`` (default: the command line); raises `UserError`."""
    log.show()
    args = parser().parse_args(argv)
    from pyserini_dupmae.demo.run import demo

    result = demo(encoder=args.encoder, documents=args.documents, output=args.output)
    with result.searcher:
        print(f"\n{result}", flush=True)
        if args.query is None and (questions := result.questions()):
            print(f"\n{questions}", flush=True)
        for question in [args.query] if args.query is not None else _typed():
            print(f"\n{result.answer(question)}", flush=True)


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
    """Whether standard input can be read now. Reading a pipe that nobody writes to or closes would never end."""
    try:
        return bool(select.select([sys.stdin], [], [], 0)[0])
    except (OSError, ValueError):  # no file is behind it
        return False


if __name__ == "__main__":
    run_command(main)
