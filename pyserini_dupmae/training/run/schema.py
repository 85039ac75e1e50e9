"""What a recipe may hold. `recipe` reads one; a mistake is reported with its file and line."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
"""A name that can be a folder's, and that ``${...}`` can refer to."""

Command = Annotated[str, StringConstraints(pattern=r"^[a-z_]+(\.[a-z_]+)*( [a-z]+)*$")]
"""A module of this package, and words that follow it: ``training.finetune``, ``training.teacher score``."""

Reference = Annotated[str, StringConstraints(pattern=r"^\$\{[\w-]+\}$")]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RecipeStep(_Entry):
    """A command of this package, which writes to the folder ``${output}``; later steps know it by the step's name.

    Attributes:
        arguments: option -> value, a list of values, true (the option alone), false or null (not given), or a mapping:
            a group of options, as in ``pyserini_dupmae.encode input ... output ...``. The command, given again
            after an interruption, has to go on or to begin anew; several need ``resume`` or ``overwrite`` for that.
        processes: start so many by torchrun; null: one, without it.
    """

    name: Name
    command: Command
    arguments: dict[str, Any]
    processes: PositiveInt | Reference | None = None


class Recipe(_Entry):
    """Steps, in order, and what they refer to as ``${name}``. Values that are null have to be given with ``--set``.

    Attributes:
        variables: what the steps are run with, numbers, words or lists; may refer to variables above.
        inputs: the files and folders that steps start from, in the forms of `given`; may refer to variables. A step
            depends on the contents of those that it refers to.
    """

    description: str
    variables: dict[Name, Any] = {}
    inputs: dict[Name, str | None] = {}
    steps: list[RecipeStep] = Field(min_length=1)
