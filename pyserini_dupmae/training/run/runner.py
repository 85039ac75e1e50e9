"""Running a recipe's steps in order, or showing what would be run."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pyserini_dupmae.experiments.steps import Step, StepError, run, standing
from pyserini_dupmae.util.errors import UserError

LOCK = ".lock"


def run_all(steps: Sequence[Step], output: Path) -> None:
    """Run those of ``steps`` that are not done; `UserError` when one fails or another run is at work in ``output``."""
    with alone(output):
        for number, step in enumerate(steps, 1):
            print(f"[{number}/{len(steps)}] {step.title}: {step.shell()}", flush=True)
            try:
                outcome = run(step, show=True)
            except StepError as error:
                raise UserError(f"step {error}") from None
            print(f"[{number}/{len(steps)}] {outcome}", flush=True)


def show(steps: Sequence[Step]) -> None:
    """Print each step's command, and whether and why it would be run; nothing is run."""
    waiting: set[str] = set()
    for step in steps:
        print(f"# {step.title}: {_intention(step, waiting)}\n{step.shell()}")


def _intention(step: Step, waiting: set[str]) -> str:
    """Whether ``step`` would be run, in which case it joins ``waiting``, the steps that later ones have to wait for."""
    before = [name for name in step.inputs if name in waiting]
    if before:
        waiting.add(step.title)
        return f"run, after {', '.join(before)}"
    try:
        found = standing(step)
    except StepError as error:
        raise UserError(f"step {error}") from None
    if found.done:
        return f"skip ({found})"
    waiting.add(step.title)
    return f"run ({found})"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other runs out of ``folder``, which is made; `UserError` when one is at work there."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOCK, "ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another run is at work in {folder}; wait for it, or give another --output") from None
        yield
