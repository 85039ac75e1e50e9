"""How every command of the package is made.

A command is a module with ``parser()``, which has its options, and ``main(argv)``, which parses them and calls one
function of the Python API. ``python -m`` runs it within `run_command`; ``dupmae NAME`` calls the same ``main``.
An option that several commands have is defined here, once.
"""

from __future__ import annotations

import argparse
import errno
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pyserini_dupmae.util.errors import UserError, fail, is_disk_full
from pyserini_dupmae.util.log import logger

DTYPES = ("float32", "bfloat16", "float16")
ENGINES = ("auto", "scan", "lists")
BASELINES = ("small", "all", "none")
"""Of which collections `reproduce` measures other systems too."""
MILVUS = "milvus"
"""The engine that has no folder."""
OF_INDEX = "the model that encoded the index, as this records it"
LARGEST_SEED = 2**32 - 1


_OF_THE_SYSTEM = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}
_OF_THE_SYSTEM |= {errno.ELOOP, errno.EIO, errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.ESTALE, errno.EMFILE}


class _Help(argparse.RawDescriptionHelpFormatter):
    """Shows the default of each option that has one and does not tell it already, all in one form."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        text, default = action.help, action.default
        is_switch = isinstance(default, bool) and not isinstance(action, argparse.BooleanOptionalAction)
        if not text or default is None or is_switch or default in ([], (), argparse.SUPPRESS) or "(default: " in text:
            return text
        shown = " ".join(map(str, default)) if isinstance(default, list | tuple) else str(default)
        return f"{text} (default: {shown.replace('%', '%%')})"


class CommandParser(argparse.ArgumentParser):
    """A parser whose help keeps the lines of its description; so are those of its subcommands.

    Args:
        command: the command as in `make_parser`.
        options: as for `argparse.ArgumentParser`.
    """

    def __init__(self, command: str | None = None, **options: Any):
        if command is not None:
            options["prog"] = f"python -m pyserini_dupmae.{command}"
        super().__init__(formatter_class=_Help, **options)
        loudness = self.add_mutually_exclusive_group()
        loudness.add_argument("--quiet", action=_Level, level=logging.WARNING, help="show warnings alone, no progress")
        loudness.add_argument("--verbose", action=_Level, level=logging.DEBUG, help="show more, and when it happened")


class _Level(argparse.Action):
    """Sets at once which messages are shown, and leaves nothing in the parsed options."""

    def __init__(self, option_strings: Sequence[str], dest: str, level: int, help: str):
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, default=argparse.SUPPRESS, help=help)
        self.level = level

    def __call__(self, *_: Any) -> None:
        logger.setLevel(self.level)


def make_parser(command: str, description: str | None) -> argparse.ArgumentParser:
    """The parser of ``python -m pyserini_dupmae.COMMAND``; ``description`` is the module's docstring."""
    return CommandParser(command, description=description)


def first_example(description: str | None) -> str:
    """The first indented lines of a command's ``description``, which show how it is called.

    >>> print(first_example("Does it.\\n\\n    python -m it\\n\\nFast."))
    for example:
    <BLANKLINE>
        python -m it
    """
    lines = (description or "").splitlines()
    indented = [line.startswith("    ") for line in lines]
    first = indented.index(True)
    last = next((i for i in range(first, len(lines)) if not indented[i]), len(lines))
    return "\n".join(["for example:", "", *lines[first:last]])


class GroupedParser:
    """A parser in Pyserini's manner, for ``input --a 1 output --b 2``: each group has its own options, in any order.

    Args:
        command: the command as in `make_parser`.
        description: the module's docstring.
        groups: name -> function that adds the group's arguments to a parser.
    """

    def __init__(
        self, command: str, description: str | None, groups: dict[str, Callable[[argparse.ArgumentParser], None]]
    ):
        self.parser = make_parser(command, description)
        prog = self.parser.prog
        subparsers = self.parser.add_subparsers(title="groups of options", metavar="{" + ",".join(groups) + "}")
        self.groups = {}
        for name, add_arguments in groups.items():
            example = first_example(description)
            self.groups[name] = subparsers.add_parser(name, prog=f"{prog} {name}", epilog=example)
            add_arguments(self.groups[name])

    def parse_args(self, argv: Sequence[str] | None = None) -> argparse.Namespace:
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
        for name, given in words.items():
            if {"-h", "--help"} & set(given):  # before any group misses what it requires
                self.groups[name].parse_args(["--help"])
        return argparse.Namespace(
            **{name: parser.parse_args(words.get(name, [])) for name, parser in self.groups.items()}
        )


def run_command(main: Callable[[], Any]) -> None:
    """Run a command's ``main``, and end with one line and a status for what is no mistake of the package.

    That is a user's mistake, a file that the system does not give or take, a full disk, Ctrl-C, SIGTERM and SIGHUP.
    """
    _require_utf8()
    try:
        with _signals_raised():
            main()
    except UserError as error:
        fail(str(error))
    except _SignalError as stop:
        with suppress(OSError):  # the terminal is gone
            print(stop, file=sys.stderr)
        raise SystemExit(128 + stop.number) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(128 + signal.SIGINT) from None
    except Exception as error:
        if is_disk_full(error):
            name = getattr(error, "filename", None)
            where = f" while writing {name}" if name else ""
            fail(f"no space left on the disk{where}; free some and run the same command again")
        if isinstance(error, OSError) and error.errno in _OF_THE_SYSTEM and error.filename is not None:
            fail(f"{error.filename}: {error.strerror}")
        raise


class _SignalError(BaseException):
    """A signal that asks the process to end. No `Exception`, so that nothing takes it for a failure."""

    def __init__(self, number: signal.Signals):
        super().__init__("terminated" if number == signal.SIGTERM else "hung up")
        self.number = number


@contextmanager
def _signals_raised() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the stack as Ctrl-C does, so that nothing temporary stays."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once
        raise _SignalError(signal.Signals(number))

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler == signal.SIG_DFL:  # else it is ignored, as nohup does, or somebody else's
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _require_utf8() -> None:
    """Begin again in UTF-8 where Python was told to take names of files, and what it prints, for ASCII."""
    if sys.getfilesystemencoding().lower().replace("-", "") != "utf8":
        environment = os.environ | {"PYTHONUTF8": "1", "LC_ALL": "C.UTF-8"}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def positive_int(text: str) -> int:
    """An argparse type: a whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return value


def seed_type(text: str) -> int:
    """An argparse type: what every generator of random numbers takes as its seed."""
    if not text.isdecimal() or int(text) > LARGEST_SEED:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {LARGEST_SEED}, got {text!r}")
    return int(text)


def path_type(text: str) -> Path:
    """An argparse type: a path. No name is not the working folder, which is what `Path` makes of it."""
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return Path(text)


def key_values(option: str, given: Sequence[str], form: str) -> dict[str, str]:
    """The mapping that ``--option NAME=VALUE``, repeated, writes; the last of equal names counts.

    ``form`` is what messages call it: ``"NAME=VALUE"``. Raises `UserError` for anything else.

    >>> key_values("--set", ["seed=1", "size=a=b"], "NAME=VALUE")
    {'seed': '1', 'size': 'a=b'}
    """
    values = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not value:
            raise UserError(f"{option} {one}: expected {form}")
        values[name] = value
    return values


def add_corpus(parser: Any) -> None:
    """``--corpus`` or ``--ir-dataset``, and which fields of their records count."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--corpus", type=path_type, help="a .jsonl or .tsv file, also .gz or .zst, or a folder of such files"
    )
    source.add_argument("--ir-dataset", metavar="ID", help="a collection of ir_datasets, such as beir/nfcorpus")
    parser.add_argument(
        "--fields", nargs="+", help="fields of the text, in order (default: contents, or title and text)"
    )
    parser.add_argument("--docid-field", help="field of the docid (default: id, _id or docid)")
    parser.add_argument(
        "--delimiter", type=_unescaped, default="\n", help=r"what separates the fields in contents (default: \n)"
    )


def _unescaped(delimiter: str) -> str:
    r"""``\n`` as a shell passes it on is meant as a line break."""
    return delimiter.replace("\\n", "\n")


def add_encoder(parser: Any, default: str = "the model that comes with the package") -> None:
    """``--encoder``: a DupMAE model; ``default`` says which is taken without it: `OF_INDEX` where an index is read."""
    text = f"a DupMAE model: a folder, or a name on the Hugging Face Hub (default: {default})"
    parser.add_argument("--encoder", metavar="MODEL", help=text)


def add_index(parser: Any, text: str, *, required: bool = True, **options: Any) -> None:
    """``--index``: the folder of an encoded collection; ``text`` says what is done with it.

    ``--embeddings``, which is Pyserini's name for it in ``encode output``, means the same and is not shown.

    Args:
        options: more of `argparse.ArgumentParser.add_argument`: ``nargs``, ``dest``, ``default``.
    """
    action = parser.add_argument(
        "--index", "--embeddings", type=path_type, required=required, metavar="DIR", help=text, **options
    )
    action.option_strings = action.option_strings[:1]  # what helps and messages call it


def add_device(parser: Any, default: str | None = None) -> None:
    """``--device``: where a model runs; None is the GPU if there is one."""
    text = "" if default else " (default: cuda if there is one)"
    parser.add_argument("--device", default=default, help=f"where the model runs: cpu, cuda, cuda:1, ...{text}")


def add_dtype(parser: Any, auto: str) -> None:
    """``--dtype``: what a model computes in; ``auto`` says what the default takes."""
    parser.add_argument(
        "--dtype", choices=("auto", *DTYPES), default="auto", help=f"what the model computes in (default: auto, {auto})"
    )


def add_batch_size(parser: Any, of: str, default: int | None, help_default: str = "") -> None:
    """``--batch-size``: how many ``of`` ("queries", "documents") are taken together."""
    parser.add_argument(
        "--batch-size", type=positive_int, default=default, metavar="N", help=f"{of} taken together{help_default}"
    )


def add_threads(parser: Any) -> None:
    """``--threads``: threads that search; None is one for each core that the process may use."""
    parser.add_argument(
        "--threads", type=positive_int, metavar="N", help="threads that search (default: one a core); no result changes"
    )


def add_shard(parser: Any, what: str) -> None:
    """``--shard-id`` and ``--shard-num``; ``what`` says what is done with a part of which whole."""
    parser.add_argument("--shard-id", type=int, default=0, metavar="I", help=f"{what}, from 0")
    parser.add_argument("--shard-num", type=positive_int, default=1, metavar="N", help="into how many parts it is cut")


def add_milvus(parser: Any) -> None:
    """``--uri`` and ``--collection``: a collection in Milvus."""
    parser.add_argument("--uri", help="a Milvus: a file of Milvus Lite (milvus.db) or http://HOST:PORT")
    parser.add_argument("--collection", default="dupmae", metavar="NAME", help="name of the collection in Milvus")


def add_engine(parser: Any, *more: str) -> None:
    """``--engine``: how documents are found. ``more`` are engines that this command has and others have not."""
    parser.add_argument(
        "--engine",
        choices=(*ENGINES, *more),
        default="auto",
        help="scan scores every document, lists takes the best of both indexes, auto chooses; no result changes",
    )


def add_overwrite(parser: Any) -> None:
    """``--overwrite``: replace what is there."""
    parser.add_argument("--overwrite", action="store_true", help="replace what an earlier run wrote there")


def add_resume_or_overwrite(parser: Any) -> None:
    """``--resume`` and ``--overwrite``, which exclude each other."""
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--resume", action="store_true", help="go on with what is there; build what is missing")
    add_overwrite(existing)
