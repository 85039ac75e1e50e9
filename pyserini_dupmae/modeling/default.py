"""The model that a command takes when its user names none."""

from pathlib import Path

DEFAULT_MODEL = str(Path(__file__).parent.parent / "models" / "default")
"""The folder of the model that comes with the package; the card in it says how it was trained and what it is worth."""
