"""Pre-train an encoder for retrieval with DupMAE's objective (Eq. 1-9).

    python -m pyserini_dupmae.training.pretrain --from bert-base-uncased --data wiki.jsonl --output OUT
    torchrun --nproc_per_node 8 -m pyserini_dupmae.training.pretrain ... --bf16

OUT is then a plain masked LM, the ``--from`` of ``pyserini_dupmae.init``, with the decoder's weights beside it. The
same command with ``--resume`` goes on after an interruption. Every option of the Hugging Face Trainer can be given.
"""

from __future__ import annotations

import os

from pyserini_dupmae.training.pretrain.command import main
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import run_command

if __name__ == "__main__":
    if os.environ.get("RANK", "0") == "0":  # torchrun's first process speaks for all
        log.show()
    run_command(main)
