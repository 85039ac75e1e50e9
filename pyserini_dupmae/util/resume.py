"""Work that was begun with some settings: go on with the same, refuse others.

Whatever can be interrupted writes a JSON file of what decides its result before anything else. The same command reads
it again and goes on; a command with other settings is told which one differs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import write_json
from pyserini_dupmae.util.json_text import read_json


def begun_with(path: Path, mend: str) -> dict[str, Any] | None:
    """The settings in the file ``path``, None where nothing was begun.

    Raises:
        UserError: the file is damaged; ``mend`` says what to do about it.
    """
    try:
        return dict(read_json(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}); {mend}") from None


def difference(begun: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """The first setting of ``now`` that ``begun`` has with another value or not at all; None when they agree.

    ``now`` is compared as JSON would keep it: a tuple equals a list, a path its text.
    """
    kept = json.loads(json.dumps(dict(now), default=str))
    return next((name for name in now if name not in begun or begun[name] != kept[name]), None)


def require_same(
    begun: Mapping[str, Any], now: Mapping[str, Any], *, work: str, mend: str, as_options: bool = False
) -> None:
    """Refuse to go on with what was ``begun`` with other settings than ``now``.

    Args:
        work, mend: as `begin` takes them.
        as_options: the settings are options of a command, and the message calls them so: ``--top-k``, not ``top_k``.

    Raises:
        UserError: a setting differs; the message names the first one.
    """
    name = difference(begun, now)
    if name is not None:
        shown = "--" + name.replace("_", "-") if as_options else name
        raise UserError(
            f"{work} was begun with {shown} {begun.get(name)!r}, not {now[name]!r}; give what it was begun with, "
            f"or {mend}"
        )


def begin(path: Path, settings: Mapping[str, Any], *, work: str, mend: str) -> bool:
    """Write ``settings`` to ``path`` unless the same are there already; whether they were, so that work goes on.

    Args:
        work: what it is, for the message: ``"the sweep in OUT"``.
        mend: what to do where settings differ: ``"give --overwrite to begin again"``.

    Raises:
        UserError: the work was begun with other settings, or the file is damaged.
    """
    before = begun_with(path, mend)
    if before is None:
        write_json(path, json.loads(json.dumps(dict(settings), default=str)))
        return False
    require_same(before, settings, work=work, mend=mend)
    return True
