"""Make a DupMAE model from a masked LM or a headless checkpoint, or from another DupMAE model.

For example::

    python -m pyserini_dupmae.init --from bert-base-uncased --output DIR --cls-dim 384 --top-k 384

writes a model that ``AutoModel.from_pretrained(DIR)`` takes once ``pyserini_dupmae.modeling`` is imported. It is a
starting point: the log says what the checkpoint lacks, which wants training.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from pyserini_dupmae import api
from pyserini_dupmae.modeling.choices import (
    ACTIVATIONS,
    DENSE_NORMS,
    LEXICALS,
    OT_HEADS,
    OT_INPUTS,
    OT_NORMS,
    POOLINGS,
)
from pyserini_dupmae.training.pretrain.sources import read_texts
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import DTYPES, add_overwrite, make_parser, positive_int, run_command, seed_type


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = make_parser("init", __doc__)
    made.add_argument(
        "--from",
        dest="source",
        required=True,
        metavar="NAME_OR_DIR",
        help="a folder, or a name on the Hugging Face Hub; a DupMAE model keeps what is not given here",
    )
    made.add_argument("--output", required=True, metavar="DIR", help="folder to write to")
    add_overwrite(made)
    made.add_argument(
        "--cls-dim", type=positive_int, help="d' of Eq. 10 (default: 384, or the hidden size of a smaller encoder)"
    )
    made.add_argument("--top-k", type=positive_int, help="k of Eq. 11 (default: 384)")
    made.add_argument("--ot-head", choices=OT_HEADS, help="W^O of Eq. 6 (default: mlm)")
    made.add_argument(
        "--ot-input",
        choices=OT_INPUTS,
        help="what W^O reads: the last hidden states, or the input embeddings too, in a head that begins as word "
        "matching (default: hidden, the paper's)",
    )
    made.add_argument(
        "--ot-texts",
        nargs="+",
        default=[],
        metavar="SOURCE",
        help="with hidden+token or bm25: texts, as pre-training reads them, in which document frequencies are counted",
    )
    made.add_argument("--activation", choices=ACTIVATIONS, help="over the weights of a bag of words (default: relu)")
    made.add_argument(
        "--pooling",
        choices=POOLINGS,
        help="what W^cls reduces: the hidden state of [CLS], or the mean over all tokens (default: cls, the paper's)",
    )
    made.add_argument(
        "--dense-norm",
        choices=DENSE_NORMS,
        help="l2: the [CLS] part of a score is a learned scale times the cosine (default: none, the inner product)",
    )
    made.add_argument(
        "--dense-scale", type=float, help="what that scale begins with; a cosine of 1 scores this much (default: 20)"
    )
    made.add_argument(
        "--ot-norm",
        choices=OT_NORMS,
        help="sum: weights are divided by a learned power of their sum; query-sum: those of queries alone (default: "
        "none, the paper's)",
    )
    made.add_argument(
        "--lexical",
        choices=LEXICALS,
        help="bm25: words of one stem share an entry, and a text's own words add to it by count, length and rarity "
        "(default: none, the paper's)",
    )
    made.add_argument(
        "--word-entries",
        type=int,
        metavar="N",
        help="with --lexical bm25, entries for whole words that the tokenizer splits (default: 32768 with WordPiece, "
        "else 0, which is none)",
    )
    made.add_argument(
        "--sep-is-ordinary", action="store_true", default=None, help="let [SEP] count in the bag of words"
    )
    made.add_argument("--query-max-length", type=positive_int, help="tokens of a query (default: 32)")
    made.add_argument("--doc-max-length", type=positive_int, help="tokens of a document (default: 144)")
    made.add_argument(
        "--query-top-k", type=positive_int, help="terms kept of a query's bag of words (default: all that are positive)"
    )
    made.add_argument("--ot-scale", type=float, default=1.0, help="logits l of W^O become OT_SCALE (l - OT_THRESHOLD)")
    made.add_argument("--ot-threshold", type=float, default=0.0, help="the threshold of --ot-scale")
    made.add_argument(
        "--calibrate",
        nargs="+",
        metavar="SOURCE",
        help="texts, as pre-training reads them, by which both are found: few positive entries in a text's bag of "
        "words, and as much weight for it as for the [CLS] part",
    )
    made.add_argument(
        "--query-terms", type=positive_int, metavar="N", help="positive entries of the median query (default: 64)"
    )
    made.add_argument(
        "--doc-terms", type=positive_int, metavar="N", help="and of the median document (default: 256, at most top k)"
    )
    made.add_argument("--dtype", choices=DTYPES, default="float32", help="of the file of weights")
    made.add_argument("--seed", type=seed_type, default=0, help="of W^cls where it cuts the hidden states")
    return made


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command with ``argv`` (default: the command line); raises `UserError`."""
    log.show()
    options = vars(parser().parse_args(argv))
    texts = (text for source in options.pop("ot_texts") for text in read_texts(source))
    sources = options.pop("calibrate")
    calibrate_on = None if sources is None else _in_turn([read_texts(source) for source in sources])
    log.conclude(api.init(options.pop("source"), texts=texts, calibrate_on=calibrate_on, **options))


def _in_turn(sources: Sequence[Iterator[str]]) -> Iterator[str]:
    """One text of each source, again and again, until all have ended."""
    for texts in zip_longest(*sources):
        yield from (text for text in texts if text is not None)


if __name__ == "__main__":
    run_command(main)
