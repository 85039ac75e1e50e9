"""Make a DupMAE model from a masked LM or a headless checkpoint, or from another: ``python -m pyserini_dupmae.init``.

For example::

    python -m pyserini_dupmae.init --from bert-base-uncased --output DIR --cls-dim 384 --top-k 384

writes a model that ``AutoModel.from_pretrained(DIR)`` takes once ``pyserini_dupmae.modeling`` is imported. It is a
starting point: what the checkpoint lacks is said on the log, and wants training.
"""

from __future__ import annotations

import argparse
import errno
from collections.abc import Sequence
from pathlib import Path

from pyserini_dupmae.modeling.configuration import OT_HEADS, OT_INPUTS
from pyserini_dupmae.modeling.equations import ACTIVATIONS, DENSE_NORMS, POOLINGS
from pyserini_dupmae.modeling.initialise import initialise, scale_weights
from pyserini_dupmae.modeling.loading import DTYPES, quiet_transformers
from pyserini_dupmae.training.pretrain.sources import read_texts
from pyserini_dupmae.util.command import positive_int, run_command
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_path
from pyserini_dupmae.util.log import show

# The same names as DupMAEConfig's arguments, which have the same meaning.
SETTINGS = (
    "cls_dim",
    "top_k",
    "ot_head",
    "ot_input",
    "activation",
    "pooling",
    "dense_norm",
    "sep_is_ordinary",
    "query_max_length",
    "doc_max_length",
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with ``argv`` (default: the command line); raises `UserError`."""
    args = _parser().parse_args(argv)
    show()
    if args.output.exists() and not args.overwrite:
        raise UserError(f"{args.output} exists; give another --output, or --overwrite to replace it")
    model = initialise(
        args.source,
        args.seed,
        dense_scale=args.dense_scale,
        texts=(text for source in args.ot_texts for text in read_texts(source)),
        **{name: getattr(args, name) for name in SETTINGS},
    )
    if (args.ot_scale, args.ot_threshold) != (1.0, 0.0):
        scale_weights(model, args.ot_scale, args.ot_threshold)
    model.to(DTYPES[args.dtype])
    try:
        with atomic_path(args.output) as temporary, quiet_transformers():
            model.save_pretrained(temporary)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(f"cannot write {args.output}: {error.strerror or error}; give another --output") from None
    print(f"{args.output}: {sum(parameter.numel() for parameter in model.parameters()):,} parameters")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pyserini_dupmae.init",
        description="Make a DupMAE model from a BERT-family checkpoint, or another DupMAE model.",
    )
    parser.add_argument(
        "--from",
        dest="source",
        required=True,
        metavar="NAME_OR_DIR",
        help="a folder, or a name on the Hugging Face Hub; a DupMAE model keeps what is not given here",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--overwrite", action="store_true", help="replace the folder if it exists")
    parser.add_argument(
        "--cls-dim", type=positive_int, help="d' of Eq. 10 (default: 384, or the hidden size of a smaller encoder)"
    )
    parser.add_argument("--top-k", type=positive_int, help="k of Eq. 11 (default: 384)")
    parser.add_argument("--ot-head", choices=OT_HEADS, help="W^O of Eq. 6 (default: mlm)")
    parser.add_argument(
        "--ot-input",
        choices=OT_INPUTS,
        help="what W^O reads: the last hidden states, or the input embeddings too, in a head that begins as word "
        "matching (default: hidden, the paper's)",
    )
    parser.add_argument(
        "--ot-texts",
        nargs="+",
        default=[],
        metavar="SOURCE",
        help="with hidden+token: texts, as pre-training reads them, in which document frequencies are counted",
    )
    parser.add_argument("--activation", choices=ACTIVATIONS, help="over mu (default: relu)")
    parser.add_argument(
        "--pooling",
        choices=POOLINGS,
        help="what W^cls reduces: the hidden state of [CLS], or the mean over all tokens (default: cls, the paper's)",
    )
    parser.add_argument(
        "--dense-norm",
        choices=DENSE_NORMS,
        help="l2: the dense part of a score is a learned scale times the cosine (default: none, the inner product)",
    )
    parser.add_argument(
        "--dense-scale", type=float, help="what that scale begins with; cosines of 1 count this much (default: 20)"
    )
    parser.add_argument("--sep-is-ordinary", action="store_true", default=None, help="let [SEP] count in mu")
    parser.add_argument("--query-max-length", type=positive_int, help="tokens of a query (default: 32)")
    parser.add_argument("--doc-max-length", type=positive_int, help="tokens of a document (default: 144)")
    parser.add_argument(
        "--ot-scale", type=float, default=1.0, help="logits l of W^O become OT_SCALE (l - OT_THRESHOLD) (default: 1)"
    )
    parser.add_argument("--ot-threshold", type=float, default=0.0, help="see there (default: 0)")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of the file of weights (default: float32)")
    parser.add_argument("--seed", type=int, default=0, help="of W^cls where it cuts the [CLS] (default: 0)")
    return parser


if __name__ == "__main__":
    run_command(main)
