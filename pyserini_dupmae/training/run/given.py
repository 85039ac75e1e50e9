"""What a recipe starts from: a path, or something that another library looks after, of which the name has to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pyserini_dupmae.experiments.packages import installed
from pyserini_dupmae.util.errors import UserError

PACKAGE, HUB = "package:", "hub:"
BY_NAME = ("ir_datasets:", "datasets:")


@dataclass(frozen=True)
class Given:
    """``word`` stands in commands; ``path`` is what has to be looked into for changes, None when the name has to do."""

    word: str
    path: Path | None


def find(name: str, value: str) -> Given:
    """The input ``name`` of a recipe, whose ``value`` is one of

    - a file or folder, relative to where the command is run;
    - ``package:MODULE/FOLDER``, a folder of an installed package;
    - ``hub:NAME``, a model of the Hugging Face Hub;
    - ``ir_datasets:ID`` or ``datasets:NAME``, as the commands take them.

    Raises:
        UserError: there is no such path or package.
    """
    if value.startswith(BY_NAME):
        return Given(value, None)
    if value.startswith(HUB):
        return Given(value.removeprefix(HUB), None)
    if value.startswith(PACKAGE):
        package = value.removeprefix(PACKAGE)
        requirement = package.partition("/")[0].replace("_", "-")
        path = installed(package, f"the recipe's input {name} is in a package that is missing", requirement)
    else:
        path = Path(value)
    if not path.exists():
        raise UserError(f"the recipe's input {name} is not there: {path}; give it with --set {name}=PATH")
    return Given(str(path), path)
