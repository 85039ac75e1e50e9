"""Pre-training as a function: a masked LM and texts in, a masked LM that is ready for retrieval out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers import TrainingArguments
from transformers.trainer_utils import IntervalStrategy

from pyserini_dupmae.modeling.masked_lm import position_limit
from pyserini_dupmae.modeling.weights import load_tokenizer
from pyserini_dupmae.training.arguments import OF_TRAINER, RunArguments, arguments_for
from pyserini_dupmae.training.pretrain import checkpoint
from pyserini_dupmae.training.pretrain.collator import PretrainCollator, Specials
from pyserini_dupmae.training.pretrain.settings import PRESETS, PretrainDefaults
from pyserini_dupmae.training.pretrain.tokens import PretrainingCorpus, hold_out, tokenise
from pyserini_dupmae.training.pretrain.trainer import PretrainTrainer
from pyserini_dupmae.training.run_folder import TrainingResult, TrainingRun
from pyserini_dupmae.training.settings import settings_from
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.lock import locks_output
from pyserini_dupmae.util.log import logger

TOKENS, RESULT = "tokens", "pretrain.json"
"""In the output folder: the token files, and the record that is written last."""


@dataclass
class PretrainArguments(PretrainDefaults, RunArguments):
    """The Trainer's options with defaults for pre-training."""


@locks_output
def pretrain(
    *,
    model: str | os.PathLike,
    data: str | os.PathLike | Sequence[str | os.PathLike],
    output: str | os.PathLike,
    fields: Sequence[str] = (),
    from_scratch: bool = False,
    max_length: int = 150,
    min_tokens: int = 5,
    eval_documents: int = 1000,
    pack: str = "never",
    cache: str | os.PathLike | None = None,
    preset: str = "released",
    resume: bool = False,
    overwrite: bool = False,
    arguments: TrainingArguments | None = None,
    **options: Any,
) -> TrainingResult:
    """Pre-train an encoder for retrieval with DupMAE's objective (Eq. 1-9).

    For example, on a file with one text a line::

        import pyserini_dupmae.api as dupmae

        done = dupmae.pretrain(
            model="bert-base-uncased", data="texts.txt", output="OUT", learning_rate=2e-4, max_steps=10_000, bf16=True
        )
        print(done.steps, done.metrics["eval_loss"])
        dupmae.init("OUT", output="MODEL")

    Args:
        model: a masked LM: a folder or a name on the Hugging Face Hub.
        data: one or several sources of texts: ``.jsonl`` or ``.txt`` files (may end in ``.gz``), folders of them,
            ``datasets:NAME[:CONFIG[:SPLIT]]`` or ``ir_datasets:NAME``.
        output: folder of the result, a masked LM again, and of the checkpoints.
        fields: fields of a record that make its text (default: its title, if any, and its body).
        from_scratch: begin with random weights; only the configuration is that of ``model``.
        max_length: tokens of a segment, [CLS] and [SEP] included.
        min_tokens: segments of fewer tokens are left out.
        eval_documents: documents held out to evaluate on, at most a tenth; 0 for none.
        pack: ``"always"`` joins records that follow each other, up to ``max_length`` tokens; ``"auto"`` those of
            sources whose records are short, such as books by the sentence; ``"never"`` none.
        cache: where token files are kept (default: a folder in ``output``).
        preset: ``released`` or ``paper``, the settings that ``options`` change.
        resume: go on from the last complete checkpoint, if there is one.
        overwrite: delete what is in the output folder.
        arguments: the Trainer's options as an object, instead of by name.
        options: fields of `PretrainSettings` (the objective), and of transformers' ``TrainingArguments``.

    Returns:
        Steps, the losses of the held-out texts, and seconds.

    Raises:
        UserError: a source or model that cannot be used, an unknown option, a value out of range, or an output folder
            that holds something else.
    """
    settings = settings_from(PRESETS, preset, options)
    training = arguments_for(PretrainArguments, output, arguments, options)
    sources = [str(source) for source in ([data] if isinstance(data, str | os.PathLike) else data)]
    started_with = {
        "source": str(model),
        "from_scratch": from_scratch,
        "data": sources,
        "fields": list(fields),
        "max_length": max_length,
        "min_tokens": min_tokens,
        "eval_documents": eval_documents,
        **({} if pack == "never" else {"pack": pack}),
        **{name: getattr(training, name) for name in OF_TRAINER},
        **asdict(settings),
    }
    run = TrainingRun(training, started_with, RESULT, resume=resume, overwrite=overwrite, keep=(TOKENS,))
    pretrained = checkpoint.load_model(str(model), settings, from_scratch)
    tokenizer = load_tokenizer(str(model), str(model))
    vocab_size = pretrained.config.vocab_size
    collator = PretrainCollator(settings, Specials.of(tokenizer), vocab_size, training.seed)
    limit = position_limit(pretrained.config)
    if not min_tokens + 2 <= max_length <= limit:
        raise UserError(
            f"--max-length {max_length} does not fit: the model takes {limit} tokens, and --min-tokens {min_tokens} "
            "and two special tokens have to fit in"
        )
    corpus = PretrainingCorpus(tuple(sources), max_length, min_tokens, tuple(fields), pack)
    with training.main_process_first(desc="tokenising"):
        files = tokenise(corpus, tokenizer, vocab_size, Path(cache or run.output / TOKENS))
    train, held_out = hold_out(files, eval_documents, training.seed)
    if held_out is None:
        training.eval_strategy, training.eval_on_start = IntervalStrategy.NO, False
    logger.info("%d segments to train on, %d held out", len(train), len(held_out or ()))

    def trainer() -> PretrainTrainer:
        return PretrainTrainer(
            pretrained,
            tokenizer,
            args=training,
            train_dataset=train,
            eval_dataset=held_out,
            data_collator=collator,
        )

    return run.complete(trainer, evaluates=held_out is not None)
