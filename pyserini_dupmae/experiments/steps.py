"""A step: one command, run as a process of its own, and a record of what went in and what came out.

A step is skipped when its output is as the record says and neither its settings nor the contents of its inputs have
changed; where they lie does not matter. The record is begun before the command starts, so that a step that was
interrupted is known to be one, and goes on with what it left.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from pyserini_dupmae.experiments.provenance import environment, python
from pyserini_dupmae.util.digests import Digest, differences, digest
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import remove, write_json
from pyserini_dupmae.util.json_text import read_json
from pyserini_dupmae.util.log import option
from pyserini_dupmae.util.progress import duration

PIPE_BYTES = 65536


class StepError(UserError):
    """A step's command ended with an error, or what it would use is not what it was; the message says which."""


@dataclass(frozen=True)
class Step:
    """A command and what it depends on.

    Attributes:
        title: for the log and messages.
        command: the arguments after ``python -m``. Given again after an interruption, it has to go on, or begin anew.
        output: the file or folder that the command writes.
        inputs: files and folders whose contents matter, by a name that stays the same wherever they lie.
        settings: everything else that decides the output.
        guarded: the output is dear and the foundation of other things. If it, or something that went into it, was
            changed since, that is an error; otherwise the step is run again.
        scratch: patterns of names in the folders above that are nobody's input, such as checkpoints.
        notes: the folder that gets ``steps/TITLE.json`` (the record) and ``logs/TITLE.log``; default: they lie beside
            the output.
    """

    title: str
    command: list[str]
    output: Path
    inputs: dict[str, Path] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    guarded: bool = False
    scratch: tuple[str, ...] = ()
    notes: Path | None = None

    @property
    def log(self) -> Path:
        return self._note("logs", ".log", ".log")

    @property
    def record(self) -> Path:
        return self._note("steps", ".json", ".step.json")

    def _note(self, folder: str, suffix: str, suffix_beside: str) -> Path:
        if self.notes is None:
            return self.output.with_name(self.output.name + suffix_beside)
        return self.notes / folder / (self.title + suffix)

    def shell(self) -> str:
        """The command line, ready to paste."""
        return shlex.join([python(), "-m", *self.command])


@dataclass(frozen=True)
class Record:
    """How a step was run; ``environment`` is `provenance.environment`'s. What has no ``output`` was not finished."""

    command: str
    settings: dict[str, Any]
    inputs: dict[str, Digest]
    environment: dict[str, Any]
    output: Digest | None = None
    seconds: float | None = None
    finished: str | None = None


@dataclass(frozen=True)
class Standing:
    """How far a step is: what goes in now, its record, and what changed since that was written."""

    inputs: dict[str, Digest]
    record: Record | None
    changes: str

    @property
    def interrupted(self) -> bool:
        """Whether there is something to go on with: the step was begun with what goes in now, and did not end."""
        return self.record is not None and self.record.output is None and not self.changes

    @property
    def done(self) -> bool:
        return self.record is not None and self.record.output is not None and not self.changes

    def __str__(self) -> str:
        if self.record is None:
            return "never run"
        if self.changes:
            return f"changed: {self.changes}"
        return "interrupted" if self.interrupted else "done before"


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
        return f"{self.step.title}: run{again} ({duration(self.record.seconds or 0)})"


def standing(step: Step) -> Standing:
    """How far ``step`` is. Raises `StepError` when an input is not there or the record is damaged."""
    inputs = {name: digest(path, step.scratch) for name, path in step.inputs.items()}
    for name, found in inputs.items():
        if not found:
            raise StepError(f"{step.title}: the {name} {step.inputs[name]} is not there")
    record = _read(step)
    return Standing(inputs, record, "; ".join(_changes(step, record, inputs)) if record else "")


def run(step: Step, show: bool = False, begin: Callable[[], object] = lambda: None) -> Outcome:
    """Run the step, as loud as this process is, unless its output is there and still valid.

    Args:
        show: print what the command prints, which is in its log either way.
        begin: called before the command, if it is run.

    Raises:
        StepError: the command fails, an input is not there, or a guarded step is not what it was.
    """
    found = standing(step)
    if found.done and found.record:
        return Outcome(step, found.record, skipped=True)
    if step.guarded and found.changes and found.record and found.record.output is not None:
        raise StepError(
            f"{step.title}: {step.output} is not used, because this changed since it was built: {found.changes}. "
            f"Restore what it was, or delete {step.output} and {step.record.name} to build it again"
        )
    begin()
    goes_on = found.interrupted or (step.guarded and found.record is None)
    return Outcome(step, _execute(step, found.inputs, goes_on, show), changes=found.changes)


def _read(step: Step) -> Record | None:
    try:
        return Record(**read_json(step.record))
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
    changes += [
        f"the setting {name} ({_value(record.settings, name)} before, {_value(step.settings, name)} now)"
        for name in sorted({*record.settings, *step.settings})
        if _value(record.settings, name) != _value(step.settings, name)
    ]
    if record.output is not None and (output := differences(record.output, digest(step.output, step.scratch))):
        changes.append(f"{step.output.name} ({_shown(output)})")
    return changes


def _value(settings: dict[str, Any], name: str) -> str:
    return json.dumps(settings[name], sort_keys=True) if name in settings else "none"


def _shown(found: list[str]) -> str:
    return ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")


def _execute(step: Step, inputs: dict[str, Digest], goes_on: bool, show: bool) -> Record:
    for path in (step.output, step.log):
        path.parent.mkdir(parents=True, exist_ok=True)
    begun = Record(step.shell(), step.settings, inputs, environment())
    step.record.unlink(missing_ok=True)  # before the output, which it speaks of
    if not goes_on:
        remove(step.output)
    write_json(step.record, asdict(begun))
    started = time.perf_counter()
    with open(step.log, "ab" if goes_on else "wb") as log:
        log.write(f"$ {begun.command}\n".encode())
        status = _call([sys.executable, "-m", *step.command, *option()], log, show)
    if status:
        text = step.log.read_text(encoding="utf-8", errors="replace")
        last = [line.strip() for line in text.splitlines() if line.strip()][-1]
        raise StepError(f"{step.title}: exit status {status}: {last} (command: {begun.command}; log: {step.log})")
    if not step.output.exists():
        raise StepError(f"{step.title}: the command ended well but left no {step.output}; see {step.log}")
    seconds = round(time.perf_counter() - started, 3)
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    output = digest(step.output, step.scratch)
    record = Record(begun.command, step.settings, inputs, begun.environment, output, seconds, finished)
    write_json(step.record, asdict(record))
    return record


def _call(command: Sequence[str], log: BinaryIO, show: bool) -> int:
    """Run a command, write what it prints to ``log`` as it comes, and return its exit status."""
    with subprocess.Popen(
        [*_ending_with_parent(), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},  # in the order in which it prints them
    ) as process:
        assert process.stdout is not None
        decoder = getincrementaldecoder("utf-8")("replace")  # a notebook's standard output takes text alone
        try:
            while chunk := os.read(process.stdout.fileno(), PIPE_BYTES):
                log.write(chunk)
                log.flush()
                if show:
                    sys.stdout.write(decoder.decode(chunk))
                    sys.stdout.flush()
        except BaseException:
            process.terminate()  # else its end is waited for
            raise
    return process.returncode


def _ending_with_parent() -> list[str]:
    """The words before a command that end it with the process that started it, where Linux has them.

    If that was killed, the command must not go on writing where the next run does. To ask for it between fork and exec,
    in Python, would also run what gRPC does at a fork, which can abort the child.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
