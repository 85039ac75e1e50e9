"""Train a cross-encoder on mined negatives, and score positives and negatives with it for stage 3 (Eq. 15).

    python -m pyserini_dupmae.training.teacher train --from MODEL --data SOURCE --negatives FILE --output DIR
    python -m pyserini_dupmae.training.teacher score --teacher DIR --data SOURCE --negatives FILE --output scores.tsv

DIR is a cross-encoder of sentence-transformers, and so is any other ``--teacher``. A line of the scores is "query id,
docid, score", with tabs between. After an interruption ``train --resume`` and the same ``score`` go on where they were.
"""

from __future__ import annotations

import os

from pyserini_dupmae.training.teacher.command import main
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import run_command

if __name__ == "__main__":
    if os.environ.get("RANK", "0") == "0":  # torchrun's first process speaks for all
        log.show()
    run_command(main)
