"""Steps from commands that refer to things by name; and what would be done of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyserini_dupmae.experiments.references import fill, references
from pyserini_dupmae.experiments.steps import Step, standing

PACKAGE = "pyserini_dupmae"
OUTPUT = "output"
"""What every step refers to: the file or folder that it has to write."""


@dataclass(frozen=True)
class Names:
    """What ``${name}`` stands for in the arguments of steps.

    Attributes:
        values: numbers, words, lists: they decide what comes out.
        inputs: files and folders: their contents decide, not where they lie.
        places: where something is written or computed, which decides nothing.
    """

    values: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Path] = field(default_factory=dict)
    places: dict[str, Any] = field(default_factory=dict)


def plan_step(
    title: str,
    command: str,
    arguments: Mapping[str, Any],
    names: Names,
    output: Path,
    *,
    processes: int = 1,
    reads: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    **more: Any,
) -> Step:
    """The step that runs ``command`` with ``arguments``, to be skipped while all that decides its output is the same.

    Args:
        title: its name in messages.
        command: as in `schema.StepEntry`, as are ``arguments``, which may refer to ``names`` and to ``${output}``.
        output: what it writes.
        processes: as in `schema.StepEntry`.
        reads: names of inputs that no argument refers to, but that the command finds all the same.
        settings: what else decides the output.
        more: other attributes of the `Step`.
    """
    used = {*references(dict(arguments)), *reads}
    places = {**names.places, OUTPUT: output}
    open_names = {name: f"${{{name}}}" for name in [*places, *names.inputs]}
    decisive = fill(dict(arguments), {**names.values, **open_names})
    words = _words(fill(dict(arguments), {**names.values, **names.inputs, **places}))
    module, *subcommand = command.split()
    launcher = ["torch.distributed.run", "--standalone", "--nproc_per_node", str(processes), "-m"]
    return Step(
        title,
        [*(launcher if processes > 1 else []), f"{PACKAGE}.{module}", *subcommand, *words],
        output,
        {name: path for name, path in names.inputs.items() if name in used},
        {**{f"--{name}": value for name, value in decisive.items()}, "command": command, **(settings or {})},
        **more,
    )


def _words(arguments: Mapping[str, Any]) -> Iterator[str]:
    for name, value in arguments.items():
        if isinstance(value, dict):
            yield name
            yield from _words(value)
        elif value is True:
            yield f"--{name}"
        elif value is not None and value is not False:
            yield f"--{name}"
            yield from map(str, value if isinstance(value, list) else [value])


def intentions(steps: Iterable[Step]) -> Iterator[tuple[Step, str]]:
    """Each step, and whether and why it would be run; nothing is run. Raises `StepError` when an input is gone."""
    waiting: set[str] = set()
    for step in steps:
        if before := [name for name in step.inputs if name in waiting]:
            intention = f"run, after {', '.join(before)}"
        else:
            found = standing(step)
            intention = f"skip ({found})" if found.done else f"run ({found})"
        if intention.startswith("run"):
            waiting.add(step.title)
        yield step, intention
