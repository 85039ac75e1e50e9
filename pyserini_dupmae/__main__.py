"""All commands under one name: ``dupmae encode ...`` is ``python -m pyserini_dupmae.encode ...``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from pyserini_dupmae import __version__
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import run_command

COMMANDS = {
    "init": ("init", "make a DupMAE model from a checkpoint"),
    "encode": ("encode.__main__", "encode a collection: forward store and indexes"),
    "index": ("index.__main__", "build indexes from forward stores"),
    "encode_queries": ("encode_queries", "encode topics once, for Pyserini's commands"),
    "search": ("search.__main__", "search topics exactly and write a run"),
    "merge": ("merge", "join the runs of shards into one"),
    "explain": ("explain", "take a score apart"),
    "evaluate": ("evaluate", "measure runs against judgements"),
    "pretrain": ("training.pretrain.__main__", "pre-train an encoder (Eq. 1-9)"),
    "finetune": ("training.finetune.__main__", "fine-tune in three stages (Eq. 13-15)"),
    "pair": ("training.pair.__main__", "fine-tune with BM25 and a bi-encoder as the teacher"),
    "mine": ("training.mine.__main__", "mine hard negatives"),
    "teacher": ("training.teacher.__main__", "train a teacher, or score with one"),
    "recipe": ("training.run.__main__", "train as a recipe says"),
    "reproduce": ("reproduce.__main__", "run whole experiments and check their numbers"),
    "sweep": ("sweep", "measure what d', k and bits cost and bring"),
    "report": ("report.__main__", "make a page of results"),
    "demo": ("demo.__main__", "see it work on the docstrings of Python"),
}
"""name -> module of the package with ``main(argv)``, and what it does."""


def usage() -> str:
    """What ``dupmae --help`` prints."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(["usage: dupmae COMMAND ... (dupmae COMMAND --help)", "       dupmae --version", "", *lines])


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that ``argv`` (default: the command line) begins with; raises `UserError`."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["--version"]:
        print(f"dupmae {__version__}")
        return
    if not words or words[0] in ("-h", "--help"):
        print(usage())
        return
    if words[0] not in COMMANDS:
        print(f"error: there is no command {words[0]!r}\n{usage()}", file=sys.stderr)
        raise SystemExit(2)
    if os.environ.get("RANK", "0") == "0":  # of several processes the first speaks for all
        log.show()
    import_module(f"pyserini_dupmae.{COMMANDS[words[0]][0]}").main(words[1:])


def console() -> None:
    """The console script ``dupmae``."""
    run_command(main)


if __name__ == "__main__":
    console()
