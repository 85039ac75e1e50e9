"""What is done to Pyserini, one context manager a module: it is entered before the module is executed and left after.

Written against Pyserini 1.6.0 and 2.3.0, which agree in everything that is touched. Of another version that does not,
the part in question is left alone, with a warning.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from importlib import import_module
from pathlib import Path
from traceback import walk_tb
from types import ModuleType, TracebackType
from typing import Any

from pyserini_dupmae.util.errors import UserError, fail
from pyserini_dupmae.util.log import logger

ENCODER_CLASS = "dupmae"
PYSERINI_ENCODER_CLASS = "tct_colbert"  # by which Pyserini's choices of --encoder-class are told from other people's

Hook = Callable[[ModuleType], AbstractContextManager[None]]


def after(patch: Callable[[ModuleType], None]) -> Hook:
    """The hook that applies ``patch`` to a module that was executed."""

    @contextmanager
    def hook(module: ModuleType) -> Iterator[None]:
        yield
        try:
            patch(module)
        except (AttributeError, ImportError, ValueError) as error:
            logger.warning("%s stays as Pyserini has it, without DupMAE: %s", module.__name__, error)

    return hook


def report_user_errors() -> None:
    """A `UserError` that nothing catches ends a command of Pyserini with one line and status 2, as the package's do.

    Anybody else's program ends with a traceback.
    """
    others = sys.excepthook

    def excepthook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        programs = [frame.f_globals for frame, _ in walk_tb(traceback) if frame.f_globals["__name__"] == "__main__"]
        packages = [names.get("__package__") or "" for names in programs]
        if not programs:  # a package above the command's failed to be imported
            packages = sys.orig_argv[sys.orig_argv.index("-m") + 1 :][:1] if "-m" in sys.orig_argv else []
        if isinstance(error, UserError) and any(name.partition(".")[0] == "pyserini" for name in packages):
            fail(str(error))
        others(kind, error, traceback)

    sys.excepthook = excepthook


@contextmanager
def start_java(module: ModuleType) -> Iterator[None]:
    """Start the JVM with a fit Java; Pyserini uses one that runs."""
    from pyserini_dupmae.jvm import prepare

    prepare()
    yield


@contextmanager
def allow_missing_openai_key(module: ModuleType) -> Iterator[None]:
    """Pyserini 1.6 makes an OpenAI client from an empty key when imported, which ``openai`` 3 refuses.

    That client is never used: the encoders make their own, or say that the key is missing.
    """
    if os.environ.get("OPENAI_API_KEY"):
        yield
        return
    before = os.environ.get("OPENAI_API_KEY")
    os.environ["OPENAI_API_KEY"] = "none"
    try:
        yield
    finally:
        del os.environ["OPENAI_API_KEY"]
        if before is not None:
            os.environ["OPENAI_API_KEY"] = before


@after
def register_encoders(module: ModuleType) -> None:
    """``--encoder-class dupmae``, and a DupMAE model wherever Pyserini takes an encoder without one."""
    for kind, argument in (("Query", "encoder_dir"), ("Document", "model_name")):
        class_map = f"{kind.lower()}_encoder_class_map"
        setattr(module, class_map, EncoderClasses(getattr(module, class_map), f"DupMAE{kind}Encoder"))
        _give_way(getattr(module, f"{kind}Encoder"), argument, f"DupMAE{kind}Encoder")
    _accept_encoder_class()


class EncoderClasses(dict):
    """Pyserini's map from ``--encoder-class`` to class, in which ``dupmae`` can be looked up.

    It is no key: Pyserini searches each key in the encoder's path, and a folder may be called so for other reasons.
    """

    def __init__(self, classes: dict[str, type], encoder: str):
        super().__init__(classes)
        self._encoder = encoder

    def __missing__(self, name: str) -> type:
        if name != ENCODER_CLASS:
            raise KeyError(name)
        return _encoder_class(self._encoder)


def is_dupmae(name: Any) -> bool:
    """Whether ``name`` is a DupMAE model, a folder or one of the Hub, by what its configuration says.

    An absolute path to nothing is nobody's model. Where its last part says DupMAE, the package's error is the clearer.
    """
    from pyserini_dupmae.modeling.loading import is_dupmae_model

    if not isinstance(name, str):
        return False
    path = Path(name)
    return is_dupmae_model(name) or (ENCODER_CLASS in path.name.lower() and path.is_absolute() and not path.exists())


def _encoder_class(name: str) -> type:
    return getattr(import_module("pyserini_dupmae.encoders"), name)


def _give_way(base: Any, argument: str, encoder: str) -> None:
    """Let Pyserini's subclasses of ``base``, given a DupMAE model, give the class ``encoder`` instead.

    Which of them Pyserini takes hangs on accidents of the path: ``/data/balance/model`` is for it an ANCE model.
    """

    def new(cls: type, *args: Any, **kwargs: Any) -> Any:
        of_pyserini = cls is not base and cls.__module__.startswith("pyserini.")
        if of_pyserini and is_dupmae(kwargs.get(argument, args[0] if args else None)):
            return _encoder_class(encoder)(*args, **kwargs)
        return object.__new__(cls)

    base.__new__ = staticmethod(new)


def _accept_encoder_class() -> None:
    """Add ``dupmae`` to the choices of --encoder-class, which Pyserini's commands hold as literal lists."""
    add_argument = argparse.ArgumentParser.add_argument

    @wraps(add_argument)
    def with_dupmae(self: argparse.ArgumentParser, *names: Any, **options: Any) -> argparse.Action:
        if "--encoder-class" in names and PYSERINI_ENCODER_CLASS in (options.get("choices") or ()):
            options["choices"] = [*options["choices"], ENCODER_CLASS]
        return add_argument(self, *names, **options)

    parser_class: Any = argparse.ArgumentParser
    parser_class.add_argument = with_dupmae


@after
def extend_impact_searcher(module: ModuleType) -> None:
    """``LuceneImpactSearcher`` takes a DupMAE model for an encoder, and refuses one that does not match the index."""
    searcher = module.LuceneImpactSearcher
    encoder_from_str = searcher._init_query_encoder_from_str

    def with_dupmae(query_encoder: str | None) -> Any:
        if is_dupmae(query_encoder):
            return _encoder_class("DupMAEImpactQueryEncoder")(query_encoder)
        return encoder_from_str(query_encoder)

    searcher._init_query_encoder_from_str = staticmethod(with_dupmae)
    _check_model(searcher)


@after
def check_faiss_searcher(module: ModuleType) -> None:
    """``FaissSearcher`` refuses a DupMAE model that does not match the index, and remembers where the index is."""
    _check_model(module.FaissSearcher)


def _check_model(searcher: Any) -> None:
    init = searcher.__init__

    @wraps(init)
    def checked_init(self: Any, index_dir: str, *args: Any, **kwargs: Any) -> None:
        from pyserini_dupmae.plugin.hybrid import require_model

        init(self, index_dir, *args, **kwargs)
        self.index_dir = index_dir
        require_model(self.query_encoder, index_dir)

    searcher.__init__ = checked_init


@after
def replace_hybrid_searcher(module: Any) -> None:
    """``HybridSearcher`` gives Eq. 12 where both sides are DupMAE."""
    from pyserini_dupmae.plugin.hybrid import exact_hybrid_searcher

    module.HybridSearcher = exact_hybrid_searcher(module.HybridSearcher)
