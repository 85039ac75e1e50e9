"""The shipped conditions, and mistakes in conditions: each is reported with its file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyserini_dupmae.evaluation.measures import parse_metric
from pyserini_dupmae.experiments.catalogue import Catalogue, read_catalogue
from pyserini_dupmae.experiments.schema import Condition, MeanCondition
from pyserini_dupmae.util.errors import UserError

# Table 2 of the paper, column DupMAE, and its last row.
TABLE_2 = {
    "trec-covid": 0.728, "bioasq": 0.508, "nfcorpus": 0.346, "nq": 0.570, "hotpotqa": 0.681, "fiqa": 0.345,
    "signal1m": 0.213, "trec-news": 0.427, "robust04": 0.479, "arguana": 0.474, "webis-touche2020": 0.343,
    "cqadupstack": 0.320, "quora": 0.845, "dbpedia-entity": 0.418, "scidocs": 0.153, "fever": 0.800,
    "climate-fever": 0.232, "scifact": 0.699,
}  # fmt: skip
AVERAGE = 0.475
FORUMS = 12

GOOD = """\
models:
  - {name: mine, description: a model}
collections:
  - name: notes
    description: notes
    obtain: write them
    corpus: [notes.tsv]
    topics: {dev: {topics: [queries.tsv], qrels: [qrels.tsv]}}
conditions:
  - name: notes
    description: notes
    collection: notes
    model: mine
    topics: {dev: [nDCG@10]}
    expected: null
"""


@pytest.fixture(scope="module")
def shipped() -> Catalogue:
    return read_catalogue()


def test_there_are_as_many_as_ever(shipped: Catalogue) -> None:
    assert (len(shipped.conditions), len(shipped.collections), len(shipped.models)) == (99, 39, 7)


def test_every_metric_of_every_shipped_condition_exists(shipped: Catalogue) -> None:
    metrics = {metric for one in shipped.conditions.values() for of_set in one.topics.values() for metric in of_set}
    assert metrics
    for metric in metrics:
        parse_metric(metric)


def test_shipped_numbers_are_the_papers_or_measured(shipped: Catalogue) -> None:
    for stage in ("stage2", "stage3"):
        papers = {name: shipped.conditions[f"beir-{name}.{stage}"].paper["test"]["nDCG@10"] for name in TABLE_2}
        assert papers == TABLE_2
        assert shipped.conditions[f"beir.{stage}"].paper == {"test": {"nDCG@10": AVERAGE}}
    assert shipped.conditions["msmarco-v1-passage.stage3"].paper == {
        "dev": {"MRR@10": 0.4258, "R@50": 0.8966, "R@1000": 0.9893},
        "dl19": {"nDCG@10": 0.7509},
        "dl20": {"nDCG@10": 0.7083},
    }
    # Nobody has released a DupMAE model, so only conditions whose model is made here can have been measured.
    for one in shipped.conditions.values():
        if isinstance(one, MeanCondition) or shipped.models[one.model].package is None:
            assert one.expected is None
            assert not one.expected_by_python


def test_means_take_all_their_members(shipped: Catalogue) -> None:
    beir, forums = shipped.conditions["beir.stage3"], shipped.conditions["beir-cqadupstack.stage3"]
    assert isinstance(beir, MeanCondition)
    assert isinstance(forums, MeanCondition)
    assert {one.name for one in shipped.members(beir)} == {f"beir-{name}.stage3" for name in TABLE_2}
    assert len(shipped.members(forums)) == FORUMS


def test_forms_of_table_3(shipped: Catalogue) -> None:
    forms = {}
    for name in ("cls768", "ot768", "cls384-ot384", "cls384-ot260"):
        one = shipped.conditions[f"msmarco-v1-passage.{name}"]
        assert isinstance(one, Condition)
        forms[name] = (one.search.mode, one.cls_dim, one.index.top_k, one.paper["dev"]["MRR@10"])
    assert forms == {
        "cls768": ("dense", 768, None, 0.3941),
        "ot768": ("sparse", None, 768, 0.4019),
        "cls384-ot384": ("hybrid", 384, 384, 0.4102),
        "cls384-ot260": ("hybrid", 384, 260, 0.4071),
    }


def test_select_takes_names_and_patterns_in_order(shipped: Catalogue) -> None:
    names = [one.name for one in shipped.select(["msmarco-v2*.stage2", "cacm", "cacm*"])]
    assert names == ["cacm", "cacm.cls", "cacm.ot", "msmarco-v2-passage.stage2", "msmarco-v2.1-passage.stage2"]
    with pytest.raises(UserError, match="no condition is named 'cacn'; --list"):
        shipped.select(["cacn"])


def test_a_file_of_ones_own_adds_to_the_shipped(tmp_path: Path, shipped: Catalogue) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)
    found = read_catalogue([path])
    assert set(found.conditions) == {*shipped.conditions, "notes"}


@pytest.mark.parametrize(
    ("before", "after", "line", "message"),
    [
        ("    model: mine\n", "    model: mine\n    modle: mine\n", 14, "modle: Extra inputs are not permitted"),
        ("    model: mine\n", "", 10, "model: Field required"),
        ("    model: mine\n", "    model: [mine]\n", 13, "model: Input should be a valid string, got ['mine']"),
        ("    model: mine\n", "    model: yours\n", 10, "notes names 'yours', which is not among the models"),
        ("[nDCG@10]", "[nDCG at 10]", 14, "topics: dev: 0: String should match"),
        ("{dev: [nDCG@10]}", "{test: [nDCG@10]}", 10, "the collection notes has no topics 'test'"),
        ("expected: null", "expected: {scores: {dev: {AP: 0.1}}}", 10, "a score is given for AP on dev"),
        ("expected: null", "expected: {scores: {dev: {nDCG@10: high}}}", 15, "nDCG@10: Input should be a valid number"),
        ("expected: null", "search: {hits: 0}", 15, "search: hits: Input should be greater than 0, got 0"),
        ("expected: null", "name: again", 15, "the key 'name' stands twice"),
        ("expected: null", "expected: [", 16, ""),
        ("  - name: notes\n    description: notes\n    coll", "  - name: cacm\n    description: notes\n    coll",
         10, "the name 'cacm' is taken, by "),
        ("    expected: null", "    search: {hits: \"${n}\"}\n    matrix: {m: [1]}",
         10, "${n} stands for nothing: no 'n' among published, m"),
        ("conditions:", "condition:", 9, "unknown section 'condition'"),
        ("    corpus: [notes.tsv]\n", "", 4, "one of beir, corpus, ir_datasets and docstrings"),
    ],
)  # fmt: skip
def test_mistakes_name_the_line(tmp_path: Path, before: str, after: str, line: int, message: str) -> None:
    path = tmp_path / "mine.yaml"
    assert GOOD.count(before) == 1
    path.write_text(GOOD.replace(before, after))
    with pytest.raises(UserError) as error:
        read_catalogue([path])
    assert str(error.value).startswith(f"{path}:{line}: ")
    assert message in str(error.value)


def test_a_mistake_in_a_matrix_names_the_line_of_the_value(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    rows = "    matrix:\n      set:\n        - {hits: 10}\n        - {hits: none}\n"
    rows += '    search: {hits: "${set.hits}"}\n'
    path.write_text(GOOD.replace("    expected: null\n", rows))
    with pytest.raises(UserError, match="got 'none'") as error:
        read_catalogue([path])
    assert str(error.value).startswith(f"{path}:19: search: hits: ")


def test_a_mean_stands_below_its_members(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD + "  - {name: all, description: all, topics: {dev: [nDCG@10]}, mean_of: [all, notes]}\n")
    with pytest.raises(UserError, match=r":16: all is the mean of all, which must stand above it"):
        read_catalogue([path])
    path.write_text(GOOD + "  - {name: all, description: all, topics: {dev: [AP]}, mean_of: [notes]}\n")
    with pytest.raises(UserError, match=r":16: all needs AP on dev of notes"):
        read_catalogue([path])


def test_variables_and_published_numbers_are_filled_in(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    more = "variables: {set: nq, sets: {dev: [nDCG@10]}}\n"
    paper = '    topics: ${sets}\n    paper: {dev: {nDCG@10: "${published.table2.${set}.RetroMAE}"}}\n'
    path.write_text(more + GOOD.replace("    topics: {dev: [nDCG@10]}\n", paper))
    one = read_catalogue([path]).conditions["notes"]
    assert (one.topics, one.paper) == ({"dev": ["nDCG@10"]}, {"dev": {"nDCG@10": 0.518}})


def test_a_recipe_is_no_file_of_conditions(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("steps:\n  - {name: a, command: init, arguments: {}}\n")
    with pytest.raises(UserError, match=r"mine.yaml:2: these are the steps of a recipe; conditions are expected here"):
        read_catalogue([path])
