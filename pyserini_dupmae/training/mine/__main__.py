"""Mine hard negatives: what the current model ranks highest for each training query and is not a positive.

    python -m pyserini_dupmae.training.mine --index OUT --encoder MODEL --data SOURCE --output negatives.jsonl

OUT was ``--embeddings`` of ``pyserini_dupmae.encode`` with MODEL and the documents of SOURCE. A line of the output is
``{"query_id": "q1", "negatives": ["d7", "d3"]}``, the hardest first, in the order of SOURCE's queries; the model's own
scores are not in it, since they say nothing to the next model. It is a function of index, model and source alone.
After an interruption the same command goes on where it was.
"""

from __future__ import annotations

from pyserini_dupmae.training.mine.command import main
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import run_command

if __name__ == "__main__":
    log.show()
    run_command(main)
