"""The model that a command takes when its user names none."""

from pathlib import Path

DEFAULT_MODEL = "dupmae-default"
"""Its name, which every ``--encoder`` takes and an index records."""

DEFAULT_FOLDER = Path(__file__).parent.parent / "models" / "default"
"""Where it is; the card in it says how it was trained and what it is worth."""


def where(name: str) -> str:
    """The folder of `DEFAULT_MODEL`, any other ``name`` as it is."""
    return str(DEFAULT_FOLDER) if name == DEFAULT_MODEL else name
