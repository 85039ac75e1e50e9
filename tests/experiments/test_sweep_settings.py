"""Which settings a sweep measures."""

import pytest

from pyserini_dupmae.experiments.sweep_settings import default_values, grid, require_possible
from pyserini_dupmae.store import ForwardStore
from pyserini_dupmae.util.errors import UserError

VALUES = {"cls_dim": [16, 8], "top_k": [24, 12, 6], "bits": [8, 0], "query_terms": [0]}


def test_one_factor_leaves_the_base_at_a_time():
    assert [setting.name for setting in grid(["hybrid", "dense", "sparse"], VALUES, full=False)] == [
        "hybrid-d16-k24-b8-t0",
        "hybrid-d8-k24-b8-t0",
        "hybrid-d16-k12-b8-t0",
        "hybrid-d16-k6-b8-t0",
        "hybrid-d16-k24-b0-t0",
        "dense-d16",
        "dense-d8",
        "sparse-k24-b8-t0",
        "sparse-k12-b8-t0",
        "sparse-k6-b8-t0",
        "sparse-k24-b0-t0",
    ]


def test_the_full_grid_has_every_combination_once():
    names = [setting.name for setting in grid(["hybrid", "dense"], {**VALUES, "bits": [8, 0, 8]}, full=True)]
    assert len(names) == len(set(names)) == 2 * 3 * 2 + 2


def test_defaults_fit_the_store(encoded):
    store = ForwardStore(encoded / "store")
    values = default_values(store)
    assert values == {"cls_dim": [16, 8, 4], "top_k": [24, 12, 6], "bits": [8, 4], "query_terms": [0, 64, 16]}
    require_possible(values, store)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("top_k", 25, "--top-k 25: the store keeps 24 weights a document"),
        ("cls_dim", 17, "--cls-dim 17: the model has 16 dimensions"),
        ("bits", 17, "cannot quantise to 17 bits"),
    ],
)
def test_what_the_store_does_not_have(encoded, name, value, says):
    with pytest.raises(UserError, match=says):
        require_possible({**VALUES, name: [value]}, ForwardStore(encoded / "store"))
