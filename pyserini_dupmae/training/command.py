"""How a training command is made: a parser of its own options, before those of the Trainer, that loads no torch.

The Trainer's options are read when the command's own have been, by `pyserini_dupmae.training.arguments`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from pyserini_dupmae.util.command import CommandParser, first_example
from pyserini_dupmae.util.errors import UserError

if TYPE_CHECKING:
    from pyserini_dupmae.training.arguments import RunArguments

TRAINERS_OPTIONS = "the most used options of the Trainer (--help-trainer shows all)"


@dataclass
class RunDefaults:
    """The options of the Trainer that a user is likely to set, with the defaults that all training shares."""

    learning_rate: float = field(default=5e-5, metadata={"help": "peak learning rate"})
    num_train_epochs: float = field(default=3.0, metadata={"help": "passes over the data"})
    max_steps: int = field(default=-1, metadata={"help": "steps, in place of epochs, if positive"})
    per_device_train_batch_size: int = field(default=8, metadata={"help": "examples a process and step"})
    gradient_accumulation_steps: int = field(default=1, metadata={"help": "batches that make a step"})
    warmup_steps: float = field(default=0.1, metadata={"help": "warm-up: steps, or below 1 a fraction of the run"})
    weight_decay: float = field(default=0.01, metadata={"help": "weight decay of AdamW"})
    bf16: bool = field(default=False, metadata={"help": "compute in bfloat16"})
    seed: int = field(default=42, metadata={"help": "of what is drawn"})
    logging_steps: float = field(default=50, metadata={"help": "steps between log lines"})
    eval_strategy: str = field(default="steps", metadata={"help": "when to evaluate: no, steps or epoch"})
    eval_on_start: bool = field(default=True, metadata={"help": "evaluate before the first step"})
    eval_steps: float | None = field(default=None, metadata={"help": "steps between evaluations"})
    save_steps: float = field(default=500, metadata={"help": "steps between checkpoints"})
    save_total_limit: int | None = field(default=2, metadata={"help": "checkpoints kept"})


class TrainingParser(CommandParser):
    """The options of a training command; in what `parse_args` returns is ``trainer``, those of the Trainer.

    Args:
        command: the command as in `make_parser`.
        description: the module's docstring, or what else begins with an example.
        defaults: the command's class of options of the Trainer, which its help shows.
        kind: gives the class that the Trainer takes, which has all; torch is loaded when it is called.

    Attributes:
        run: the group of the options about what goes in and out.
    """

    def __init__(
        self,
        command: str,
        description: str | None,
        defaults: type[RunDefaults],
        kind: Callable[[], type[RunArguments]],
    ):
        super().__init__(command, description=description, allow_abbrev=False)
        self.defaults, self.kind = defaults, kind
        self.add_argument("--help-trainer", action=_TrainerHelp, nargs=0, help="show all options of the Trainer")
        self.run = self.add_argument_group("the run")
        add = self.run.add_argument
        add(
            "--output",
            "--output_dir",
            "--output-dir",
            dest="output_dir",
            required=True,
            metavar="DIR",
            help="folder of the result and of the checkpoints",
        )
        add("--resume", action="store_true", help="go on from the last complete checkpoint, if there is one")
        add("--overwrite", action="store_true", help="delete what is in the output folder")

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """The command's own options, and as ``trainer`` the Trainer's; a wrong one exits with status 2.

        Raises:
            UserError: neither has one of the options.
        """
        options, others = self.parse_known_args(args, namespace)
        from pyserini_dupmae.training.arguments import trainers_parser

        words = [f"--output_dir={options.output_dir}", *others]
        options.trainer, unknown = trainers_parser(self.kind(), self.prog).parse_known_args(words)
        if unknown:
            raise UserError(
                f"there is no option {' '.join(unknown)}; --help and --help-trainer show those that there are"
            )
        return options

    def arguments(self, options: argparse.Namespace) -> RunArguments:
        """What the Trainer is given, of what `parse_args` returned.

        Raises:
            UserError: the Trainer refuses a value.
        """
        from pyserini_dupmae.training.arguments import from_options

        return from_options(self.kind(), options.trainer)

    def format_help(self) -> str:
        """The command's own options, then those of the Trainer that are used most."""
        formatter = self._get_formatter()
        formatter.start_section(TRAINERS_OPTIONS)
        for item in fields(self.defaults):
            silent = item.default in (None, False) or "(default: " in item.metadata["help"]
            text = item.metadata["help"] if silent else f"{item.metadata['help']} (default: {item.default})"
            is_switch = item.default is False
            option = argparse.Action([f"--{item.name}"], item.name, 0 if is_switch else None, help=text, metavar="X")
            formatter.add_argument(option)
        formatter.end_section()
        return f"{super().format_help()}\n{formatter.format_help()}"


class _TrainerHelp(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from pyserini_dupmae.training.arguments import trainers_parser

        assert isinstance(parser, TrainingParser)
        trainers_parser(parser.kind(), parser.prog).print_help()
        parser.exit()


def example(description: str | None, command: str) -> str:
    """The lines of ``description`` that show ``command`` alone, for the help of one of several subcommands."""
    lines = first_example(description).splitlines()
    first = next(i for i, line in enumerate(lines) if command in line)
    last = first
    while lines[last].endswith("\\"):
        last += 1
    return "\n".join(lines[first : last + 1])
