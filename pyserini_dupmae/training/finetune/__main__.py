"""Fine-tune a DupMAE model in the paper's three stages (Eq. 13-15).

    python -m pyserini_dupmae.training.finetune --stage 1 --from MODEL --data SOURCE --output OUT
    torchrun --nproc_per_node 8 -m pyserini_dupmae.training.finetune --stage 2 ... --negatives FILE --bf16

MODEL and OUT are DupMAE models, what ``pyserini_dupmae.init`` writes and ``pyserini_dupmae.encode`` takes. The same
command with ``--resume`` goes on after an interruption. Every option of the Hugging Face Trainer can be given.
"""

from __future__ import annotations

import os

from pyserini_dupmae.training.finetune.command import main
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import run_command

if __name__ == "__main__":
    if os.environ.get("RANK", "0") == "0":  # torchrun's first process speaks for all
        log.show()
    run_command(main)
