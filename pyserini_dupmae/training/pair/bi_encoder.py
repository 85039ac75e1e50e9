"""The pair's bi-encoder, a model of sentence-transformers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from pyserini_dupmae.modeling.weights import reading, require_finite
from pyserini_dupmae.training.pair.prepare import Embed, Offsets
from pyserini_dupmae.util.lazy import require
from pyserini_dupmae.util.progress import is_watched


def bi_encoder(name: str, bf16: bool = True) -> tuple[Embed, Offsets]:
    """How a sentence-transformers model embeds texts, and where its tokens stand in them."""
    library: Any = require("sentence_transformers", "the pair's bi-encoder", "sentence-transformers")
    with reading(f"the bi-encoder {name!r}"):
        model = library.SentenceTransformer(name, model_kwargs={"use_safetensors": True})
    require_finite(model, name)

    def embed(texts: list[str]) -> np.ndarray:
        with torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
            found = model.encode(
                texts, normalize_embeddings=True, convert_to_tensor=True, show_progress_bar=is_watched()
            )
        return found.float().cpu().numpy()

    def offsets(texts: list[str]) -> list[list[tuple[int, int]]]:
        options = {"add_special_tokens": False, "return_offsets_mapping": True, "verbose": False}
        return model.tokenizer(texts, truncation=False, **options)["offset_mapping"]

    return embed, offsets
