"""What the plugin does to a Python that starts: nothing, until Pyserini is imported."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

PTH = Path(__file__).parents[2] / "pyserini_dupmae_plugin.pth"
PACKAGE = Path(__file__).parents[2] / "pyserini_dupmae"
FINDERS = "import sys; print([name for name in map(str, sys.meta_path) if 'DupMAE' in name])"


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with nothing but the plugin's file and a package named pyserini that is empty."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, symlinks=True)
    site = next(folder.glob("lib/python*/site-packages"))
    shutil.copy(PTH, site)
    (site / "pyserini").mkdir()
    (site / "pyserini" / "__init__.py").write_text("")
    return folder / "bin" / "python"


def run(interpreter: Path | str, code: str, **environment: str) -> subprocess.CompletedProcess:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(interpreter), "-c", code]
    return subprocess.run(command, env=clean | environment, cwd="/", capture_output=True, text=True, check=True)


def test_nothing_is_imported_at_start():
    code = "import sys; print([name for name in sys.modules if name.startswith('pyserini_dupmae')])"
    finished = run(sys.executable, code)
    assert finished.stdout == "[]\n"
    assert finished.stderr == ""


def test_it_is_one_line_of_a_pth_file():
    (line,) = PTH.read_text(encoding="utf-8").splitlines()
    assert line.startswith("import ")


def test_it_is_registered_unless_switched_off(bare_python: Path):
    assert run(bare_python, FINDERS).stdout != "[]\n"
    assert run(bare_python, FINDERS, PYSERINI_DUPMAE_PLUGIN="0").stdout == "[]\n"


def test_a_removed_package_neither_stops_python_nor_pyserini(bare_python: Path):
    assert run(bare_python, "pass").stderr == ""
    finished = run(bare_python, "import pyserini; print('imported')")
    assert finished.stdout == "imported\n"
    assert "install it again" in finished.stderr


@pytest.mark.parametrize("missing", ["plugin/patches.py", "plugin/finder.py", "util/errors.py"])
def test_a_half_removed_package_neither_stops_python_nor_pyserini(bare_python: Path, tmp_path: Path, missing: str):
    shutil.copytree(PACKAGE, tmp_path / "pyserini_dupmae", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "pyserini_dupmae" / missing).unlink()
    assert run(bare_python, "pass", PYTHONPATH=str(tmp_path)).stderr == ""
    finished = run(bare_python, "import pyserini; print('imported')", PYTHONPATH=str(tmp_path))
    assert finished.stdout == "imported\n"
    assert "install it again" in finished.stderr


def test_a_whole_package_is_installed_once(bare_python: Path):
    code = "import pyserini, pyserini_dupmae.plugin as p; p.install(); " + FINDERS.replace("DupMAE", "PyseriniFinder")
    finished = run(bare_python, code, PYTHONPATH=str(PACKAGE.parent))
    assert finished.stderr == ""
    assert finished.stdout.count("PyseriniFinder") == 1


def test_the_running_python_has_the_plugin():
    assert any("DupMAE" in str(finder) for finder in sys.meta_path), "install the package: pip install -e ."
