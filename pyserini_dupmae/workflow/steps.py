"""A step of a condition: one command, run as a process of its own, and a record of what went in and what came out.

The record ``OUTPUT.step.json`` lies beside the step's output, and so does its log. A step is skipped when its output is
as the record says and neither its settings nor the contents of its inputs have changed; where they lie does not matter.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyserini_dupmae.files import remove, write_json
from pyserini_dupmae.reproduce.digests import Digest, differences, digest
from pyserini_dupmae.reproduce.provenance import environment


class StepError(Exception):
    """A step's command ended with an error, or what it would use is not what it was; the message says which."""


@dataclass(frozen=True)
class Step:
    """A command and what it depends on.

    Attributes:
        title: for the log and messages.
        command: the arguments after ``python -m``.
        output: the file or folder that the command writes.
        inputs: files and folders whose contents matter, by a name that stays the same wherever they lie.
        settings: everything else that decides the output.
        guarded: the output is dear and the foundation of other things. If it, or something that went into it, was
            changed since, that is an error; otherwise the step is run again.
    """

    title: str
    command: list[str]
    output: Path
    inputs: dict[str, Path] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    guarded: bool = False

    @property
    def log(self) -> Path:
        return self.output.with_name(self.output.name + ".log")

    @property
    def record(self) -> Path:
        return self.output.with_name(self.output.name + ".step.json")

    def shell(self) -> str:
        """The command line, ready to paste."""
        return shlex.join([_python(), "-m", *self.command])


@dataclass(frozen=True)
class Record:
    """How a step was run; ``environment`` is `provenance.environment`'s."""

    command: str
    settings: dict[str, Any]
    inputs: dict[str, Digest]
    output: Digest
    seconds: float
    finished: str
    environment: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What `run` did with ``step``; ``changes`` is why a step that had been done before was run again."""

    step: Step
    record: Record
    skipped: bool = False
    changes: str = ""

    def __str__(self) -> str:
        if self.skipped:
            return f"{self.step.title}: done before"
        again = f" again, for this changed: {self.changes}" if self.changes else ""
        return f"{self.step.title}: run{again} ({self.record.seconds:.1f} s)"


def run(step: Step) -> Outcome:
    """Run the step unless its output is there and still valid. Raises `StepError`."""
    inputs = {name: digest(path) for name, path in step.inputs.items()}
    for name, found in inputs.items():
        if not found:
            raise StepError(f"{step.title}: the {name} {step.inputs[name]} is not there")
    record = _read(step)
    if record is None:
        return Outcome(step, _execute(step, inputs))
    changes = "; ".join(_changes(step, record, inputs))
    if not changes:
        return Outcome(step, record, skipped=True)
    if step.guarded:
        raise StepError(
            f"{step.title}: {step.output} is not used, because this changed since it was built: {changes}. "
            f"Restore what it was, or delete {step.output} and {step.record.name} to build it again"
        )
    return Outcome(step, _execute(step, inputs), changes=changes)


def _read(step: Step) -> Record | None:
    try:
        return Record(**json.loads(step.record.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise StepError(f"{step.title}: the record {step.record} is damaged ({error}); delete it") from None


def _changes(step: Step, record: Record, inputs: dict[str, Digest]) -> list[str]:
    changes = [
        f"the {name} ({_shown(differences(record.inputs.get(name, {}), now))})"
        for name, now in inputs.items()
        if record.inputs.get(name) != now
    ]
    if record.settings != step.settings:
        changes.append(f"the settings ({record.settings} before, {step.settings} now)")
    if output := differences(record.output, digest(step.output)):
        changes.append(f"{step.output.name} ({_shown(output)})")
    return changes


def _shown(found: list[str]) -> str:
    return ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")


def _execute(step: Step, inputs: dict[str, Digest]) -> Record:
    step.output.parent.mkdir(parents=True, exist_ok=True)
    step.record.unlink(missing_ok=True)
    if not step.guarded:
        remove(step.output)  # a guarded one is continued where it was interrupted
    started = time.perf_counter()
    with open(step.log, "w", encoding="utf-8") as log:
        print("$", step.shell(), file=log, flush=True)
        command = [sys.executable, "-m", *step.command]
        status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False).returncode
    if status:
        lines = [line for line in step.log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        raise StepError(f"{step.title}: exit status {status}: {lines[-1].strip()} (log: {step.log})")
    if not step.output.exists():
        raise StepError(f"{step.title}: the command ended well but left no {step.output}; see {step.log}")
    seconds = round(time.perf_counter() - started, 3)
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    record = Record(step.shell(), step.settings, inputs, digest(step.output), seconds, finished, environment())
    write_json(step.record, asdict(record))
    return record


def _python() -> str:
    """``python`` where that is this one, so that what is shown can be pasted anywhere; else where this one lies."""
    return "python" if shutil.which("python") == sys.executable else sys.executable
