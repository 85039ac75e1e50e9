"""The output folder of a training run: what it was started with, and the checkpoint from which it goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from pyserini_dupmae.errors import UserError
from pyserini_dupmae.files import remove
from pyserini_dupmae.log import logger

RUN = "run.json"
"""In the output folder: what the run was started with."""


def resume_from(
    output: Path, started_with: dict[str, Any], resume: bool, overwrite: bool, keep: tuple[str, ...] = ()
) -> Path | None:
    """The checkpoint to go on from, None to start anew; files named in ``keep`` may lie there in any case.

    Raises:
        UserError: the folder holds something that would be lost, or a run with other options.
    """
    present = [path for path in output.glob("*") if path.name not in (RUN, *keep)]
    if not resume:
        if present and not overwrite:
            raise UserError(f"{output} is not empty; add --resume to go on with its run, or --overwrite to delete it")
        if present and not (output / RUN).exists():
            raise UserError(
                f"{output} holds something else than a training run; it is not deleted, give another folder"
            )
        for path in present:
            remove(path)
        return None
    found = last_checkpoint(output)
    if found is not None:
        before = json.loads((output / RUN).read_text(encoding="utf-8"))
        for name, value in started_with.items():
            if before.get(name) != value:
                raise UserError(
                    f"the run in {output} has {name} {before.get(name)!r}, but this command {value!r}; give the "
                    "options it was started with, or --overwrite instead of --resume to start anew"
                )
    return found


def last_checkpoint(output: Path) -> Path | None:
    """The newest complete checkpoint of a run, None when it has none; incomplete ones are deleted.

    The Trainer's state is written last, so a checkpoint without it was cut short by a kill.
    """
    found: dict[int, Path] = {}
    for folder in output.glob(f"{PREFIX_CHECKPOINT_DIR}-*"):
        try:
            found[int(json.loads((folder / TRAINER_STATE_NAME).read_text(encoding="utf-8"))["global_step"])] = folder
        except (OSError, ValueError, KeyError):
            logger.info("deleting %s, which was not written to its end", folder)
            remove(folder)
    return found[max(found)] if found else None
