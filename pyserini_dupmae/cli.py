"""Command lines in Pyserini's manner: ``command group --option ... group --option ...``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence


class GroupedParser:
    """A parser for ``input --a 1 output --b 2``: each group has its own options, in any order.

    Args:
        prog: the command as the user types it.
        description: one line for ``--help``.
        groups: name -> function that adds the group's arguments to a parser.
    """

    def __init__(self, prog: str, description: str, groups: dict[str, Callable[[argparse.ArgumentParser], None]]):
        self.parser = argparse.ArgumentParser(prog=prog, description=description)
        subparsers = self.parser.add_subparsers(title="groups of options", metavar="{" + ",".join(groups) + "}")
        self.groups = {}
        for name, add_arguments in groups.items():
            self.groups[name] = subparsers.add_parser(name, prog=f"{prog} {name}")
            add_arguments(self.groups[name])

    def parse(self, argv: Sequence[str] | None = None) -> argparse.Namespace:
        """Parse ``argv`` (default: the command line) into one namespace a group; a wrong option exits with status 2."""
        words: dict[str, list[str]] = {}
        current: list[str] = []
        before = current
        for word in sys.argv[1:] if argv is None else argv:
            if word in self.groups:
                if word in words:
                    self.parser.error(f"the group {word!r} is given twice")
                current = words[word] = []
            else:
                current.append(word)
        self.parser.parse_args(before)
        return argparse.Namespace(
            **{name: parser.parse_args(words.get(name, [])) for name, parser in self.groups.items()}
        )


def positive_int(text: str) -> int:
    """An argparse type: a whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return value
