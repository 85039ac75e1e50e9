"""The published numbers: by the names that conditions and reports use, and against the paper's own averages."""

from pyserini_dupmae.experiments.catalogue import read_catalogue
from pyserini_dupmae.experiments.published import published, tables


def test_published_names_are_those_of_the_shipped_conditions():
    places = {(one.collection, topics) for one in read_catalogue().conditions.values() if hasattr(one, "collection")
              for topics in one.topics}  # fmt: skip
    assert published("msmarco-v1-passage", "dev")["RetroMAE"] == {"MRR@10": 0.416, "R@50": 0.885, "R@1000": 0.988}
    assert published("msmarco-v1-passage-title", "dl19")["SimLM"] == {"nDCG@10": 0.714}
    assert published("beir", "test")["DupMAE (paper)"] == {"nDCG@10": 0.475}
    assert published("cacm", "test") == published("beir-nq", "dev") == {}
    named = {place for place in places if published(*place)}
    assert len([place for place in named if place[0].startswith("beir-")]) == 17  # CQADupStack and the mean are means
    assert {topics for collection, topics in named if collection == "msmarco-v1-passage"} == {"dev", "dl19", "dl20"}


def test_means_of_table_2():
    """Our copy against the paper's averages, which are off its own columns for Contriever (0.0044) and DupMAE."""
    table = tables()["table2"]
    sets = [row for name, row in table.items() if name != "average"]
    assert len(sets) == 18
    for system, average in table["average"].items():
        mean = sum(row[system] for row in sets) / 18
        assert abs(mean - average) < {"Contriever": 0.0045, "DupMAE": 0.0018}.get(system, 0.0005)
