"""What a recipe may hold. `recipe` reads one; a mistake is reported with its file and line."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PositiveInt, StringConstraints, model_validator

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
        processes: how many; more than one are started by torchrun.
    """

    name: Name
    command: Command
    arguments: dict[str, Any]
    processes: PositiveInt | Reference = 1


class Recipe(_Entry):
    """Steps, in order, and what they refer to as ``${name}``. Values that are null have to be given with ``--set``.

    A recipe that has ``extends`` in place of steps and inputs is the recipe of that name with other variables.

    Attributes:
        variables: what the steps are run with, numbers, words or lists; may refer to variables above.
        inputs: the files and folders that steps start from, in the forms of `given`; may refer to variables. A step
            depends on the contents of those that it refers to.
    """

    description: str
    extends: Name | None = None
    variables: dict[Name, Any] = {}
    inputs: dict[Name, str | None] = {}
    steps: list[RecipeStep] = []

    @model_validator(mode="after")
    def _has_steps(self) -> Recipe:
        if bool(self.steps) == bool(self.extends) or (self.extends and self.inputs):
            raise ValueError("a recipe has either steps and inputs of its own, or extends another")
        return self
