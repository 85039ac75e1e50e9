"""The Python API: one function for each thing that the package does.

    import pyserini_dupmae.api as dupmae

    dupmae.encode("corpus.jsonl", output="OUT")
    searcher = dupmae.DupMAESearcher("OUT")
    hits = searcher.search("why do tides rise?", k=10)

Each function takes keyword arguments, the options of the command of the same name, and returns a small object
that says what was done. A mistake of the user is a `UserError`. Importing this module loads neither torch nor FAISS nor
Java: a function is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyserini_dupmae.encode.collection import encode
    from pyserini_dupmae.encode.queries import encode_queries
    from pyserini_dupmae.evaluation.evaluate import evaluate
    from pyserini_dupmae.experiments.conditions import reproduce
    from pyserini_dupmae.experiments.recipes import run_recipe
    from pyserini_dupmae.experiments.sweep import sweep
    from pyserini_dupmae.index.build import index
    from pyserini_dupmae.modeling.initialise import init
    from pyserini_dupmae.modeling.model import DupMAEModel
    from pyserini_dupmae.report.page import report
    from pyserini_dupmae.search.explanation import explain
    from pyserini_dupmae.search.merging import merge
    from pyserini_dupmae.search.run import search
    from pyserini_dupmae.search.searcher import DupMAESearcher
    from pyserini_dupmae.training.finetune.run import finetune
    from pyserini_dupmae.training.mine.run import mine
    from pyserini_dupmae.training.pretrain.run import pretrain
    from pyserini_dupmae.training.teacher.score import score
    from pyserini_dupmae.training.teacher.train import train_teacher
    from pyserini_dupmae.util.errors import UserError

_HOMES = {
    "DupMAEModel": "modeling.model",
    "DupMAESearcher": "search.searcher",
    "UserError": "util.errors",
    "encode": "encode.collection",
    "encode_queries": "encode.queries",
    "evaluate": "evaluation.evaluate",
    "explain": "search.explanation",
    "finetune": "training.finetune.run",
    "index": "index.build",
    "init": "modeling.initialise",
    "merge": "search.merging",
    "mine": "training.mine.run",
    "pretrain": "training.pretrain.run",
    "report": "report.page",
    "reproduce": "experiments.conditions",
    "run_recipe": "experiments.recipes",
    "score": "training.teacher.score",
    "search": "search.run",
    "sweep": "experiments.sweep",
    "train_teacher": "training.teacher.train",
}
"""name -> the module of the package that defines it."""

__all__ = [
    "DupMAEModel",
    "DupMAESearcher",
    "UserError",
    "encode",
    "encode_queries",
    "evaluate",
    "explain",
    "finetune",
    "index",
    "init",
    "merge",
    "mine",
    "pretrain",
    "report",
    "reproduce",
    "run_recipe",
    "score",
    "search",
    "sweep",
    "train_teacher",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"pyserini_dupmae.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
