"""Fine-tune a DupMAE model in the paper's three stages (Eq. 13-15).

    python -m pyserini_dupmae.training.finetune --stage 1 --from MODEL --data SOURCE --output OUT
    torchrun --nproc_per_node 8 -m pyserini_dupmae.training.finetune --stage 2 ... --negatives FILE --bf16

MODEL and OUT are DupMAE models, what ``pyserini_dupmae.init`` writes and ``pyserini_dupmae.encode`` takes. The same
command with ``--resume`` goes on after an interruption. Every option of the Hugging Face Trainer can be given.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyserini_dupmae import api
from pyserini_dupmae.training.command import TrainingParser
from pyserini_dupmae.training.data import SOURCE_HELP
from pyserini_dupmae.training.finetune.settings import PRESETS, STAGES, FinetuneDefaults, FinetuneSettings
from pyserini_dupmae.training.settings import add_options, given
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import path_type, positive_int, run_command
from pyserini_dupmae.util.files import user_cache

if TYPE_CHECKING:
    from pyserini_dupmae.training.arguments import RunArguments


def parser() -> TrainingParser:
    """The command's options."""
    made = TrainingParser("training.finetune", __doc__, FinetuneDefaults, _arguments)
    run = made.run
    run.add_argument("--stage", type=int, choices=STAGES, required=True, help="Eq. 13, 14 or 15")
    run.add_argument("--from", dest="source", required=True, metavar="MODEL", help="a DupMAE model: folder or name")
    run.add_argument("--data", nargs="+", required=True, metavar="SOURCE", help=SOURCE_HELP)
    run.add_argument(
        "--negatives", nargs="+", type=path_type, default=[], metavar="FILE", help="mined negatives, a file a source"
    )
    run.add_argument(
        "--scores", nargs="+", type=path_type, default=[], metavar="FILE", help="the teacher's scores, a file a source"
    )
    run.add_argument("--dev", metavar="SOURCE", help="queries and documents to search every --eval_steps")
    run.add_argument("--dev-queries", type=positive_int, default=500, help="queries taken of it, at random")
    run.add_argument(
        "--dev-documents",
        type=positive_int,
        default=10_000,
        help="documents they are searched among: the relevant ones, and others at random",
    )
    run.add_argument(
        "--held-out",
        nargs="+",
        default=[],
        metavar="SOURCE",
        help="stage 3: queries by which the teacher is compared with the model first (default: some of --data)",
    )
    run.add_argument(
        "--held-out-negatives", nargs="+", type=path_type, default=[], metavar="FILE", help="mined for these"
    )
    run.add_argument(
        "--held-out-scores", nargs="+", type=path_type, default=[], metavar="FILE", help="the teacher's scores"
    )
    run.add_argument("--held-out-queries", type=positive_int, default=200, metavar="N", help="so many, at random")
    run.add_argument(
        "--allow-worse-teacher", action="store_true", help="go on where the teacher's MRR@10 is below the model's own"
    )
    run.add_argument(
        "--grad-cache",
        type=positive_int,
        metavar="QUERIES",
        help="queries in memory at a time; without it those of the whole batch",
    )
    run.add_argument(
        "--cache", type=path_type, default=user_cache() / "training", metavar="DIR", help="where prepared data is kept"
    )
    group = made.add_argument_group("the objective (docs/finetuning.md)")
    group.add_argument("--preset", choices=PRESETS, default="default", help="defaults of the options below")
    add_options(group, FinetuneSettings, PRESETS[group.get_default("preset")])
    return made


def _arguments() -> type[RunArguments]:
    from pyserini_dupmae.training.finetune.run import FinetuneArguments

    return FinetuneArguments


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with ``argv`` (default: the command line); raises `UserError`."""
    if os.environ.get("RANK", "0") == "0":  # torchrun's first process speaks for all
        log.show()
    made = parser()
    options = made.parse_args(argv)
    done = api.finetune(
        stage=options.stage,
        model=options.source,
        data=options.data,
        output=options.output_dir,
        negatives=options.negatives,
        scores=options.scores,
        dev=options.dev,
        dev_queries=options.dev_queries,
        dev_documents=options.dev_documents,
        held_out=options.held_out,
        held_out_negatives=options.held_out_negatives,
        held_out_scores=options.held_out_scores,
        held_out_queries=options.held_out_queries,
        allow_worse_teacher=options.allow_worse_teacher,
        grad_cache=options.grad_cache,
        cache=options.cache,
        preset=options.preset,
        resume=options.resume,
        overwrite=options.overwrite,
        arguments=made.arguments(options),
        **given(options, FinetuneSettings),
    )
    log.conclude(f"{done}\nnext: python -m pyserini_dupmae.encode ... encoder --encoder {done.folder}")


if __name__ == "__main__":
    run_command(main)
