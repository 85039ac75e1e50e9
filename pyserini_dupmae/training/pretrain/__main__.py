"""Pre-train an encoder for retrieval with DupMAE's objective (Eq. 1-9).

    python -m pyserini_dupmae.training.pretrain --from bert-base-uncased --data wiki.jsonl --output OUT
    torchrun --nproc_per_node 8 -m pyserini_dupmae.training.pretrain ... --bf16

OUT is then a plain masked LM, the ``--from`` of ``pyserini_dupmae.init``, with the decoder's weights beside it. The
same command with ``--resume`` goes on after an interruption. Every option of the Hugging Face Trainer can be given.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyserini_dupmae import api
from pyserini_dupmae.training.command import TrainingParser
from pyserini_dupmae.training.pretrain.settings import PACKINGS, PRESETS, PretrainDefaults, PretrainSettings
from pyserini_dupmae.training.pretrain.sources import SOURCE_HELP
from pyserini_dupmae.training.settings import add_options, given
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import positive_int, run_command

if TYPE_CHECKING:
    from pyserini_dupmae.training.arguments import RunArguments


def parser() -> TrainingParser:
    """The command's options."""
    made = TrainingParser("training.pretrain", __doc__, PretrainDefaults, _arguments)
    run = made.run
    run.add_argument("--from", dest="source", required=True, metavar="MODEL", help="a masked LM: a folder or a name")
    run.add_argument("--data", nargs="+", required=True, metavar="SOURCE", help=SOURCE_HELP)
    run.add_argument("--fields", nargs="+", default=[], help="fields of a record that make its text")
    run.add_argument("--from-scratch", action="store_true", help="random weights; only the configuration is --from's")
    run.add_argument(
        "--max-length", type=positive_int, default=150, help="tokens of a segment, [CLS] and [SEP] included"
    )
    run.add_argument("--min-tokens", type=positive_int, default=5, help="leave out segments of fewer tokens")
    run.add_argument("--eval-documents", type=int, default=1000, help="documents held out, at most a tenth; 0: none")
    run.add_argument(
        "--pack",
        choices=PACKINGS,
        nargs="?",
        const="always",
        default="never",
        help="join records that follow each other, up to the maximal length: of all sources, or (auto) of those whose "
        "records are short, such as books by the sentence",
    )
    run.add_argument("--cache", metavar="DIR", help="where token files are kept (default: OUTPUT/tokens)")
    group = made.add_argument_group("the objective (docs/pretraining.md)")
    group.add_argument("--preset", choices=PRESETS, default="released", help="defaults of the options below")
    add_options(group, PretrainSettings, PRESETS[group.get_default("preset")])
    return made


def _arguments() -> type[RunArguments]:
    from pyserini_dupmae.training.pretrain.run import PretrainArguments

    return PretrainArguments


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with ``argv`` (default: the command line); raises `UserError`."""
    if os.environ.get("RANK", "0") == "0":  # torchrun's first process speaks for all
        log.show()
    made = parser()
    options = made.parse_args(argv)
    done = api.pretrain(
        model=options.source,
        data=options.data,
        output=options.output_dir,
        fields=options.fields,
        from_scratch=options.from_scratch,
        max_length=options.max_length,
        min_tokens=options.min_tokens,
        eval_documents=options.eval_documents,
        pack=options.pack,
        cache=options.cache,
        preset=options.preset,
        resume=options.resume,
        overwrite=options.overwrite,
        arguments=made.arguments(options),
        **given(options, PretrainSettings),
    )
    log.conclude(f"{done}\nnext: python -m pyserini_dupmae.init --from {done.folder} --output DIR")


if __name__ == "__main__":
    run_command(main)
