"""What the encoders share: Pyserini's base classes, and what cannot be asked of a DupMAE model."""

from __future__ import annotations

from pyserini_dupmae.util.errors import UserError

try:
    from pyserini.encode import DocumentEncoder, QueryEncoder
except ModuleNotFoundError as error:
    if error.name != "pyserini":
        raise
    raise UserError(
        "these encoders implement the interfaces of Pyserini, which is not installed: "
        'pip install "pyserini_dupmae[cpu,java]"'
    ) from None

__all__ = ["DocumentEncoder", "QueryEncoder", "refuse_tokenizer"]


def refuse_tokenizer(tokenizer_name: str | None, model_name: str) -> None:
    """Raise `UserError` for a tokenizer that is not the model's own: its ids would mean other words."""
    if tokenizer_name not in (None, model_name):
        raise UserError(
            f"the tokenizer {tokenizer_name!r} cannot be used: the DupMAE model {model_name!r} brings its own; "
            "leave out --tokenizer"
        )
