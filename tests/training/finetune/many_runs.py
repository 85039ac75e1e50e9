"""Several runs in one process, or in the processes that torchrun starts: ``many_runs.py FILE``.

FILE holds a JSON list of command lines.
"""

import json
import sys
from pathlib import Path

from pyserini_dupmae.training.finetune.__main__ import main

if __name__ == "__main__":
    for argv in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        main(argv)
