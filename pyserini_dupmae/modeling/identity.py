"""Which model made a representation: what an index records, and what a query encoder is checked against."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from pyserini_dupmae.util.errors import UserError

if TYPE_CHECKING:
    from pyserini_dupmae.modeling.model import DupMAEModel


@dataclass(frozen=True)
class ModelIdentity:
    """The facts that must agree between the model that encoded documents and the one that encodes queries.

    ``name`` is where the model was loaded from, for messages; it is not compared. ``vocab_size`` counts the entries of
    mu, those of whole words among them.
    """

    name: str
    fingerprint: str
    vocabulary: str
    vocab_size: int
    cls_dim: int
    top_k: int
    ot_head: str
    activation: str

    @classmethod
    def of(cls, model: DupMAEModel) -> ModelIdentity:
        """The identity of a model that is still in its saved dtype."""
        config = model.config
        return cls(
            name=str(config.name_or_path),
            fingerprint=model.fingerprint,
            vocabulary=vocabulary_hash(model.terms),
            vocab_size=config.mu_size,
            cls_dim=config.cls_dim,
            top_k=config.top_k,
            ot_head=config.ot_head,
            activation=config.activation,
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def require(self, other: ModelIdentity, place: str) -> None:
        """Raise `UserError`, naming what differs, unless ``other``, found at ``place``, is the same model."""
        compared = [field.name for field in fields(self) if field.name not in ("name", "fingerprint")]
        for name in [*compared, "fingerprint"]:  # the fingerprint last: a setting that differs says more
            if getattr(self, name) != getattr(other, name):
                label = {"fingerprint": "weights", "vocabulary": "vocabulary hash"}.get(name, name)
                raise UserError(
                    f"{place} was built with another model: its {label} is {getattr(other, name)}, but {self.name} "
                    f"has {getattr(self, name)}; use the model {other.name} or encode the collection again"
                )


def vocabulary_hash(terms: list[str]) -> str:
    """A hash of the vocabulary in id order."""
    return hashlib.sha256("\n".join(terms).encode()).hexdigest()
