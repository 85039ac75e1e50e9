"""Reading recipes: what their mistakes are called, and what commands they stand for."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from pyserini_dupmae.experiments.recipes import Recipe, plan_recipe, read_recipe, shipped_recipes
from pyserini_dupmae.experiments.references import fill
from pyserini_dupmae.util.errors import UserError

RECIPE = """\
description: two steps
variables:
  seed: 0
  sizes: [1, 2]
  stem: data
  extra: false
inputs:
  base: hub:bert-base-uncased
  given: ${stem}.txt
steps:
  - name: make
    command: training.run.generate
    arguments: {output: "${output}", seed: "${seed}", sizes: "${sizes}", extra: "${extra}", from: "${base}"}
  - name: train
    command: training.teacher train
    processes: 2
    arguments:
      input: {data: "${make}:dev", of: "${given}"}
      output: {to: "${output}/x", cache: "${cache}", resume: true}
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("data.txt").write_text("text")
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE)
    return path


def test_steps_are_commands(recipe: Path) -> None:
    make, train = plan_recipe(read_recipe(recipe, {"seed": "7"}), Path("out"))
    assert " ".join(make.command) == (
        "pyserini_dupmae.training.run.generate --output out/make --seed 7 --sizes 1 2 --from bert-base-uncased"
    )
    assert " ".join(train.command) == (
        "torch.distributed.run --standalone --nproc_per_node 2 -m pyserini_dupmae.training.teacher train "
        "input --data out/make:dev --of data.txt output --to out/train/x --cache out/cache --resume"
    )
    assert make.inputs == {}
    assert train.inputs == {"make": Path("out/make"), "given": Path("data.txt")}
    assert train.record == Path("out/steps/train.json")


def test_what_decides_a_step_is_not_where_it_lies(recipe: Path, tmp_path: Path) -> None:
    before = plan_recipe(read_recipe(recipe), Path("out"))
    (tmp_path / "moved.txt").write_text("text")
    moved = plan_recipe(read_recipe(recipe, {"stem": "moved"}), tmp_path / "elsewhere")
    assert [step.settings for step in moved] == [step.settings for step in before]
    for setting in ({"seed": 1}, {"sizes": "[3]"}, {"extra": True}, {"base": "hub:other"}):
        changed = plan_recipe(read_recipe(recipe, setting), Path("out"))
        assert changed[0].settings != before[0].settings, setting
        assert changed[1].settings == before[1].settings, setting


@pytest.mark.parametrize(
    ("before", "after", "line", "message"),
    [
        ("${seed}", "${sead}", 11, "${sead} stands for nothing above; there are output, cache, seed, sizes"),
        ("${make}:dev", "${train}:dev", 14, "${train} stands for nothing above"),
        ('output: "${output}", ', "", 11, "no argument of make says to write to ${output}"),
        ("training.run.generate", "training.run.create", 11, "there is no command pyserini_dupmae.training.run.create"),
        ("processes: 2", "processes: 0", 16, "processes"),
        ("processes: 2", "proceses: 2", 16, "proceses: Extra inputs are not permitted"),
        ("name: train", "name: two words", 14, "String should match pattern"),
        ("${stem}.txt", "${steam}.txt", 9, "${steam} stands for nothing: no 'steam' among seed, sizes, stem, extra"),
        ("seed: 0", "seed:", 3, "seed is left to you (see there): --set seed=..."),
        ("${stem}.txt", "", 9, "given is left to you (see there): --set given=..."),
    ],
)  # fmt: skip
def test_mistakes_name_the_line(recipe: Path, before: str, after: str, line: int, message: str) -> None:
    assert before in RECIPE
    recipe.write_text(RECIPE.replace(before, after))
    with pytest.raises(UserError) as error:
        read_recipe(recipe)
    assert str(error.value).startswith(f"{recipe}:{line}: "), error.value
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ("mine.yml", {}, "there is no recipe 'mine.yml'; give a file, or one of "),
        ("mine.yaml", {"sead": "1"}, "has no 'sead', but seed, sizes, stem, extra, base, given"),
        ("mine.yaml", {"stem": "gone"}, "input given is not there: gone.txt; give it with --set given=PATH"),
        ("mine.yaml", {"sizes": "[1"}, "--set sizes=[1: the value is not YAML"),
        ("mine.yaml", {"base": "package:no_such/model"}, "pip install no-such"),
    ],
)  # fmt: skip
def test_what_is_given_is_looked_for(recipe: Path, source: str, settings: dict[str, str], message: str) -> None:
    with pytest.raises(UserError) as error:
        read_recipe(source, settings)
    assert message in str(error.value)


def test_processes_are_a_number(recipe: Path) -> None:
    recipe.write_text(RECIPE.replace("processes: 2", 'processes: "${seed}"'))
    assert (
        plan_recipe(read_recipe("mine.yaml", {"seed": 1}), Path("out"))[1].command[0]
        == "pyserini_dupmae.training.teacher"
    )
    with pytest.raises(UserError, match="the processes of step train must be a whole number of at least 1, got 0"):
        plan_recipe(read_recipe("mine.yaml"), Path("out"))


def test_an_input_may_be_several(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("text")
    one, several = (plan_recipe(read_recipe(recipe, {"given": given}), Path("out"))[1] for given in (
        "more.txt", "[data.txt, more.txt, 'datasets:wiki']"
    ))  # fmt: skip
    assert several.inputs == {"make": Path("out/make"), "given-1": Path("data.txt"), "given-2": Path("more.txt")}
    assert "--of data.txt more.txt datasets:wiki output --to" in " ".join(several.command)
    assert several.settings != one.settings
    with pytest.raises(UserError, match=r"the recipe's input given is not there: gone.txt"):
        read_recipe(recipe, {"given": ["data.txt", "gone.txt"]})


def test_one_gpu_takes_the_steps_of_eight() -> None:
    """As many texts or queries in each step of training, whatever trains."""

    def batches(name: str) -> dict[str, int]:
        recipe, found = _with_names(name), {}
        for step in recipe.steps:
            if "num_train_epochs" in step.arguments:
                arguments = fill(step.arguments, recipe.variables, keep_unknown=True)
                found[step.name] = arguments["per_device_train_batch_size"] * fill(step.processes, recipe.variables)
                found[step.name] *= arguments.get("gradient_accumulation_steps", 1)
        return found

    assert batches("msmarco-1gpu") == batches("msmarco-paper")
    assert list(batches("msmarco-paper")) == ["pretrain-general", "pretrain", "stage1", "stage2", "teacher", "stage3"]
    assert batches("msmarco-paper")["teacher"] == 16


def test_two_things_of_one_name(recipe: Path) -> None:
    recipe.write_text(RECIPE.replace("name: train", "name: given"))
    with pytest.raises(UserError, match=r"mine.yaml: the name 'given' stands for two things; rename one"):
        read_recipe(recipe)


def test_a_recipe_with_other_variables(recipe: Path) -> None:
    extending = "description: as tiny\nextends: tiny\nvariables: {seed: 5}\n"
    recipe.write_text(extending)
    found = read_recipe(recipe)
    assert found.name == "mine"
    assert found.steps == read_recipe("tiny").steps
    assert plan_recipe(found, Path("out"))[0].command[-1] == "5"
    assert plan_recipe(read_recipe(recipe, {"seed": 6}), Path("out"))[0].command[-1] == "6"
    recipe.write_text(extending.replace("seed", "sead"))
    with pytest.raises(UserError, match=r"mine.yaml:3: .*tiny.yaml has no 'sead'"):
        read_recipe(recipe)
    recipe.write_text(extending + "inputs: {x: y}\n")
    with pytest.raises(UserError, match="a recipe has either steps and inputs of its own, or extends another"):
        read_recipe(recipe)
    recipe.write_text("description: nothing\nextends: mine\n")
    with pytest.raises(UserError, match=r"mine.yaml:2: there is no recipe mine, but ablation, msmarco-1gpu, "):
        read_recipe(recipe)


def test_a_matrix_stands_for_many_steps(recipe: Path) -> None:
    """What is no axis is left for variables and steps."""
    many = RECIPE.replace("  - name: make", "  - matrix: {size: [1, 2], word: [{is: a}]}\n    name: make-${size}")
    recipe.write_text(many.replace('"${seed}"', '"${word.is}"').replace("${make}", "${make-2}"))
    steps = plan_recipe(read_recipe(recipe), Path("out"))
    assert [step.title for step in steps] == ["make-1", "make-2", "train"]
    assert steps[1].command[1:5] == ["--output", "out/make-2", "--seed", "a"]
    assert steps[2].inputs["make-2"] == steps[1].output


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_give_options_that_there_are(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for step in plan_recipe(_with_names(name), tmp_path / "out"):
        words = step.command[step.command.index("-m") + 1 :] if "-m" in step.command else step.command
        module, *words = words
        options = [word for word in words if word.startswith("--")]
        subcommand = words[: next(place for place, word in enumerate(words) if word.startswith("--"))]
        known = _help(module, subcommand[:1], capsys)
        if module == "pyserini_dupmae.encode":
            groups = ["input", "--corpus", "x", "output", "--index", "x", "encoder"]
            known = " ".join(_help(module, groups[:end], capsys) for end in (1, 4, 7))
        assert not [option for option in options if option not in known.split()], step.title


def _with_names(recipe: str) -> Recipe:
    """A recipe with names in place of all that is left open or is not there."""
    settings: dict[str, str] = {}
    while True:
        try:
            return read_recipe(recipe, settings)
        except UserError as error:
            settings[str(error).partition("--set ")[2].partition("=")[0]] = "hub:x"


def _help(module: str, subcommand: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    name = f"{module}.__main__" if find_spec(module).submodule_search_locations else module
    capsys.readouterr()
    with pytest.raises(SystemExit):
        import_module(name).main([*subcommand, "--help"])
    printed = capsys.readouterr().out
    if "--help-trainer" in printed:
        with pytest.raises(SystemExit):
            import_module(name).main([*subcommand, "--help-trainer"])
        printed += capsys.readouterr().out
    return printed.replace(",", " ").replace("[", " ").replace("]", " ")
