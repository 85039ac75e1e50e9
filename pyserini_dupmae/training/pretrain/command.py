"""The command line of pre-training, and the run it starts."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from transformers import TrainingArguments
from transformers.trainer_utils import IntervalStrategy

from pyserini_dupmae.training import run_folder
from pyserini_dupmae.training.arguments import OF_TRAINER, RunArguments, make_parser, parse
from pyserini_dupmae.training.pretrain import checkpoint
from pyserini_dupmae.training.pretrain.collator import PretrainCollator, Specials
from pyserini_dupmae.training.pretrain.segments import hold_out
from pyserini_dupmae.training.pretrain.settings import PRESETS, PretrainSettings
from pyserini_dupmae.training.pretrain.sources import SOURCE_HELP
from pyserini_dupmae.training.pretrain.tokens import Corpus, tokenise
from pyserini_dupmae.training.pretrain.trainer import PretrainTrainer
from pyserini_dupmae.training.settings import add_options, from_options
from pyserini_dupmae.util.command import positive_int
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger

TOKENS, RESULT = "tokens", "pretrain.json"
"""In the output folder: the token files, and the record that is written last."""


@dataclass
class PretrainArguments(RunArguments):
    """The Trainer's options with defaults for pre-training."""

    learning_rate: float = field(default=1e-4, metadata={"help": "peak learning rate"})
    per_device_train_batch_size: int = field(default=32, metadata={"help": "texts a process and step"})
    per_device_eval_batch_size: int = field(default=32, metadata={"help": "held-out texts a process and step"})
    eval_steps: float | None = field(default=1000, metadata={"help": "steps between evaluations"})
    save_steps: float = field(default=1000, metadata={"help": "steps between checkpoints"})


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the command line and run; raises `UserError`."""
    training, options = _parse(argv)
    pretrain(options, from_options(options, PRESETS), training)


def pretrain(options: argparse.Namespace, settings: PretrainSettings, training: TrainingArguments) -> None:
    """Run pre-training and write the result to ``training.output_dir``; raises `UserError`."""
    run = run_folder.Run(training, options, _started_with(options, settings, training), RESULT, keep=(TOKENS,))
    model = checkpoint.load_model(options.source, settings, options.from_scratch)
    tokenizer = checkpoint.load_tokenizer(options.source)
    collator = PretrainCollator(settings, Specials.of(tokenizer), model.config.vocab_size, training.seed)
    corpus = Corpus(tuple(options.data), _max_length(options, model), options.min_tokens, tuple(options.fields))
    with training.main_process_first(desc="tokenising"):
        files = tokenise(corpus, tokenizer, model.config.vocab_size, Path(options.cache or run.output / TOKENS))
    train, held_out = hold_out(files, options.eval_documents, training.seed)
    if held_out is None:
        training.eval_strategy, training.eval_on_start = IntervalStrategy.NO, False
    logger.info("%d segments to train on, %d held out", len(train), len(held_out or ()))
    data = {"train_dataset": train, "eval_dataset": held_out, "data_collator": collator}
    if run.complete(lambda: PretrainTrainer(model, tokenizer, args=training, **data), evaluates=held_out is not None):
        logger.info("done; next: python -m pyserini_dupmae.init --from %s --output DIR", run.output)


def _parse(argv: Sequence[str] | None) -> tuple[PretrainArguments, argparse.Namespace]:
    description = "Pre-train an encoder with DupMAE's objective."
    parser, run = make_parser(PretrainArguments, "pretrain", description)
    run.add_argument("--from", dest="source", required=True, metavar="MODEL", help="a masked LM: a folder or a name")
    run.add_argument("--data", nargs="+", required=True, metavar="SOURCE", help=SOURCE_HELP)
    run.add_argument("--fields", nargs="+", default=[], help="fields of a record that make its text")
    run.add_argument("--from-scratch", action="store_true", help="random weights; only the configuration is --from's")
    run.add_argument(
        "--max-length", type=positive_int, default=150, help="tokens of a segment, [CLS] and [SEP] included"
    )
    run.add_argument("--min-tokens", type=positive_int, default=5, help="leave out segments of fewer tokens")
    run.add_argument("--eval-documents", type=int, default=1000, help="documents held out, at most a tenth; 0: none")
    run.add_argument("--cache", metavar="DIR", help="where token files are kept (default: OUTPUT/tokens)")
    group = parser.add_argument_group("the objective (docs/pretraining.md)")
    group.add_argument("--preset", choices=PRESETS, default="released", help="defaults of the options below")
    add_options(group, PretrainSettings)
    return parse(parser, argv)


def _started_with(
    options: argparse.Namespace, settings: PretrainSettings, training: TrainingArguments
) -> dict[str, Any]:
    """What decides a run's steps; resuming it with anything else would be another run."""
    of_options = ("source", "from_scratch", "data", "fields", "max_length", "min_tokens", "eval_documents")
    run = {name: getattr(options, name) for name in of_options} | {name: getattr(training, name) for name in OF_TRAINER}
    return run | asdict(settings)


def _max_length(options: argparse.Namespace, model: checkpoint.PretrainModel) -> int:
    config = model.config
    offset = (config.pad_token_id or 0) + 1 if "roberta" in config.model_type else 0
    limit = config.max_position_embeddings - offset
    if not options.min_tokens + 2 <= options.max_length <= limit:
        raise UserError(
            f"--max-length {options.max_length} does not fit: the model takes {limit} tokens, and --min-tokens "
            f"{options.min_tokens} and two special tokens have to fit in"
        )
    return options.max_length
