"""The settings that shape a store, kept beside its shards so that an interrupted encoding goes on as it began."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from pyserini_dupmae.modeling.identity import ModelIdentity
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import write_json

SETTINGS_JSON = "encoding.json"


@dataclass(frozen=True)
class Settings:
    """Options of the encode command (named as there) on which the bytes of a store depend, and the model's identity."""

    model: ModelIdentity
    max_length: int
    dtype: str
    device: str
    top_k: int
    batch_size: int
    shard_size: int
    store_contents: bool
    fields: list[str] | None
    delimiter: str
    docid_field: str | None
    shard_id: int
    shard_num: int
    on_error: str

    def write(self, folder: Path) -> None:
        write_json(folder / SETTINGS_JSON, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> Settings | None:
        """The settings of the encoding that was begun in ``folder``, None if there is none."""
        path = folder / SETTINGS_JSON
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**value, "model": ModelIdentity(**value["model"])})
        except FileNotFoundError:
            return None
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path} is damaged ({error}); begin again with --overwrite") from None

    def require(self, begun: Settings, folder: Path) -> None:
        """Raise `UserError`, naming what differs, unless ``begun``, found in ``folder``, are the same settings."""
        begun.model.require(self.model, f"the encoding in {folder}")
        for field in fields(self):
            if field.name == "model":
                continue
            now, then = getattr(self, field.name), getattr(begun, field.name)
            if now != then:
                option = "--" + field.name.replace("_", "-")
                raise UserError(
                    f"the encoding in {folder} was begun with {option} {_shown(then)}, not {_shown(now)}; "
                    "give the same, or begin again with --overwrite"
                )


def _shown(value: object) -> str:
    return " ".join(value) if isinstance(value, list) else repr(value) if isinstance(value, str) else str(value)
