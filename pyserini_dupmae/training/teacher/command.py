"""The command line: ``train`` or ``score`` and its options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from pyserini_dupmae.util.errors import UserError

PROG = "python -m pyserini_dupmae.training.teacher"
COMMANDS = {"train": "train a cross-encoder on mined negatives", "score": "score positives and negatives with one"}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that ``argv`` (default: the command line) begins with; raises `UserError`."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog=PROG, description="The teacher of stage 3 (Eq. 15).")
    described = "; ".join(f"{name}: {text}" for name, text in COMMANDS.items())
    parser.add_argument("command", choices=COMMANDS, help=f"{described}. COMMAND --help tells its options")
    command = parser.parse_args(words[:1]).command
    try:
        module = import_module(f"pyserini_dupmae.training.teacher.{command}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("pyserini_dupmae"):
            raise
        raise UserError(f"a teacher needs {error.name}; install it with: pip install pyserini_dupmae[train]") from None
    module.main(words[1:])
