"""Which room of the package may import which: the table of allowed arrows, and what must not come along."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyserini_dupmae

PACKAGE = Path(pyserini_dupmae.__file__).parent

# room -> (rooms that it imports, rooms that it imports only when a function is called, or for a type checker).
# Text flows one way, from the first line to the last; a lazy import is for what is heavy or often not needed.
ARROWS = {
    "util": ("", ""),
    "jvm": ("util", ""),
    "data": ("util", "jvm"),
    "modeling": ("util data", ""),
    "store": ("util data modeling", ""),
    "index": ("util data modeling store jvm", ""),
    "encode": ("util data modeling store index", ""),
    "encoders": ("util modeling", ""),
    "search": ("util data modeling store index jvm", ""),
    "plugin": ("util modeling store encoders index search", "jvm"),
    "evaluation": ("util data", "encode store modeling search jvm"),
    "training": ("util data modeling store evaluation", ""),
    "training.mine": ("util data modeling store training", "search"),
    "report": ("util data evaluation", "experiments"),
    "demo": ("util data modeling encode index jvm search evaluation", "experiments"),
    "experiments": (
        "util jvm data modeling store index encode search evaluation",
        "training report demo",
    ),
}
# Modules that are only run; nobody imports them, but for `__main__`, which finds them by name.
COMMANDS = {"__main__", "init", "explain", "evaluate", "encode_queries", "merge", "reproduce", "sweep", "training.run"}
# These name functions of any room and load a room when one of them is first used.
INDEXES = {"", "api"}


def room_of(module: str) -> str:
    """The room of a module of the package, named without ``pyserini_dupmae.``; modules at the top are their own."""
    for room in sorted({*ARROWS, *COMMANDS}, key=len, reverse=True):
        if module == room or module.startswith(f"{room}."):
            return room
    return module


def is_command(module: str) -> bool:
    return "__main__" in module.split(".") or room_of(module) in COMMANDS


def imports(source: str) -> Iterator[tuple[str, bool, int]]:
    """(module of this package, whether only within a function or for types, line) of each import in a source text."""
    tree = ast.parse(source)
    lazy: set[ast.AST] = set()
    for node in ast.walk(tree):
        types_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if types_only or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            lazy.update(ast.walk(node))
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name.partition(".")[0] == "pyserini_dupmae":
                yield name.partition(".")[2], node in lazy, node.lineno


def forbidden(module: str, source: str) -> list[str]:
    """What ``module`` imports and must not, a line each."""
    room, found = room_of(module), []
    if room in INDEXES:
        return [f"{module}:{line} imports {name} at once" for name, lazy, line in imports(source) if not lazy]
    for name, lazy, line in imports(source):
        target = room_of(name)
        if target.startswith("__") or target == room:  # __version__; inside the room
            continue
        if target == "api" and is_command(module):
            continue
        at_once, within = ARROWS.get(room, (" ".join(ARROWS), " ".join(ARROWS)))  # a command may use everything
        allowed = f"{at_once} {within}".split() if lazy or is_command(module) else at_once.split()
        if is_command(name) or target not in allowed:
            found.append(f"{module}:{line} imports {name}{' in a function' if lazy else ''}")
    return found


def modules() -> dict[str, Path]:
    """Every module of the package, named without ``pyserini_dupmae.``."""
    names = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        names[name.removesuffix("__init__").removesuffix(".")] = path
    return names


def test_every_import_follows_an_arrow():
    assert not [line for name, path in modules().items() for line in forbidden(name, path.read_text("utf-8"))]


def test_every_room_has_its_line():
    rooms = {name.partition(".")[0] for name in modules()} - {room.partition(".")[0] for room in COMMANDS} - INDEXES
    assert rooms == {room.partition(".")[0] for room in ARROWS} - {"training"}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("util.files", "from pyserini_dupmae.data.corpus import read"),
        ("util.files", "def f():\n    from pyserini_dupmae.store import Store"),
        ("data.corpus", "import pyserini_dupmae.modeling.model"),
        ("data.corpus", "from pyserini_dupmae import jvm"),
        ("store.store", "from pyserini_dupmae.index.build import index"),
        ("search.run", "from pyserini_dupmae.training.data import TrainingSet"),
        ("search.run", "def f():\n    from pyserini_dupmae.training.finetune import losses"),
        ("training.finetune.dev", "from pyserini_dupmae.search import DupMAESearcher"),
        ("training.finetune.dev", "def f():\n    from pyserini_dupmae.index.build import index"),
        ("training.mine.run", "from pyserini_dupmae.search import DupMAESearcher"),
        ("evaluation.measures", "import pyserini_dupmae.evaluate"),
        ("experiments.recipes", "from pyserini_dupmae.encode.__main__ import main"),
        ("experiments.recipes", "from pyserini_dupmae.init import parser"),
        ("api", "from pyserini_dupmae.encode.collection import encode"),
    ],
)
def test_a_forbidden_import_is_found(module, source):
    assert len(forbidden(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("data.topics", "def f():\n    from pyserini_dupmae import jvm"),
        ("training.mine.run", "def f():\n    from pyserini_dupmae.search import DupMAESearcher"),
        ("training.mine.run", "from pyserini_dupmae.training.data import TrainingSet"),
        ("encode.__main__", "from pyserini_dupmae import __version__"),
        ("api", "if TYPE_CHECKING:\n    from pyserini_dupmae.encode.collection import encode"),
    ],
)
def test_an_allowed_import_is_not(module, source):
    assert forbidden(module, source) == []


LOADED = """
import importlib, sys
for name in {modules!r}:
    importlib.import_module("pyserini_dupmae." + name)
print(*(name for name in {heavy!r} if name in sys.modules))
"""


@pytest.mark.parametrize(
    ("rooms", "heavy"),
    [
        (("training", "training.mine"), ["pyserini", "faiss", "jnius"]),
        pytest.param(
            ("encode", "index", "store"),
            ["pyserini", "faiss", "jnius", "transformers.trainer", "datasets"],
            marks=pytest.mark.slow,
        ),
        (("search",), ["transformers.trainer", "datasets", "sentence_transformers"]),
        (("evaluation",), ["pyserini", "faiss", "jnius", "transformers.trainer", "datasets", "torch"]),
        (("report",), ["pyserini", "faiss", "jnius", "torch"]),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_room_does_not_load_what_others_need(rooms, heavy, warm_python):
    names = [name for name in modules() if room_of(name) in rooms]
    assert names
    script = LOADED.format(modules=names, heavy=heavy)
    python = warm_python if "training" in rooms else sys.executable  # torch is what training is expected to load
    finished = subprocess.run([python, "-c", script], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split() == []
