"""What the results of a sweep depend on beside their settings, so that results of different inputs never mix."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyserini_dupmae.data.qrels import Qrels
from pyserini_dupmae.data.topics import Topic
from pyserini_dupmae.store import ForwardStore
from pyserini_dupmae.util.digests import combined, digest
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import write_json

INPUTS_JSON = "sweep.json"


def inputs_of(
    store: ForwardStore, topics: Sequence[Topic], qrels: Qrels, metrics: Sequence[str], hits: int, collection: str
) -> dict[str, Any]:
    """All of them as JSON values: the store, the topics and the judgements by a hash of what they hold."""
    return {
        "store": [combined(digest(folder)) for folder in store.folders],
        "topics": _hash([list(topic) for topic in topics]),
        "qrels": _hash(qrels),
        "metrics": list(metrics),
        "hits": hits,
        "collection": collection,
    }


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def admit(folder: Path, now: dict[str, Any]) -> None:
    """Begin or continue a sweep in ``folder``; `UserError` when what it holds is none, or one of other inputs."""
    path = folder / INPUTS_JSON
    if not path.exists():
        if folder.is_file() or (folder.exists() and any(folder.iterdir())):
            raise UserError(f"--output {folder} exists and is no sweep; give another")
        write_json(path, now)
        return
    try:
        before = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}); delete {folder} or give another --output") from None
    if changed := [name for name in now if before.get(name) != now[name]]:
        raise UserError(
            f"{folder} holds a sweep with other inputs ({', '.join(changed)}); delete it or give another --output"
        )
