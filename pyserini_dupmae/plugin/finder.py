"""Having certain modules of Pyserini executed inside a hook."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from pyserini_dupmae.plugin import patches, server

HOOKS: dict[str, patches.Hook] = {
    "pyserini.pyclass": patches.start_java,
    "pyserini.encode": patches.register_encoders,
    "pyserini.encode._openai": patches.allow_missing_openai_key,
    "pyserini.search.faiss._searcher": patches.check_faiss_searcher,
    "pyserini.search.lucene._impact_searcher": patches.extend_impact_searcher,
    "pyserini.search.hybrid._searcher": patches.replace_hybrid_searcher,
    "pyserini.server.utils": server.register_index_type,
    "pyserini.server.backend": server.open_configured_indexes,
    "pyserini.server.rest.routes.v1": server.answer_parts_to_rest,
    "pyserini.server.mcp.extension": server.answer_parts_to_mcp,
}
"""A module of Pyserini -> the context manager that it is executed in."""


class PyseriniFinder:
    """Lets the other finders find a module of `HOOKS`, and puts its hook around the execution."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in HOOKS:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        specs = (finder.find_spec(name, path, target) for finder in others)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None:
            _hook(spec)
        return spec


def install() -> None:
    """Register the finder, once; modules of Pyserini that are imported already stay as they are."""
    # Where lib64 is a link to lib, Python reads each .pth file twice, and this is called twice.
    if not any(isinstance(finder, PyseriniFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, PyseriniFinder())
        patches.report_user_errors()


def _hook(spec: ModuleSpec) -> None:
    loader: Any = spec.loader
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        del loader.exec_module  # the loader is as it was: only this one execution is ours
        with HOOKS[spec.name](module):
            execute(module)

    loader.exec_module = exec_module
