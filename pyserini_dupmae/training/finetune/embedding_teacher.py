"""A sentence-transformers model whose embeddings the [CLS] follows."""

from __future__ import annotations

import torch
from torch import Tensor

from pyserini_dupmae.modeling.weights import reading, require_finite
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.lazy import require


class EmbeddingTeacher:
    """Embeds the texts of a batch with a frozen bi-encoder.

    The paper has no such teacher. It keeps in [CLS] what a model already knew that was trained on far more pairs than
    the fine-tuning has.

    Args:
        name: a folder or name that `sentence_transformers.SentenceTransformer` takes; a plain encoder is mean-pooled.
        dim: d' of the student, which must be the width of the embeddings.

    Raises:
        UserError: there is no such model, its embeddings have another width, or the library is not installed.
    """

    def __init__(self, name: str, dim: int, device: torch.device):
        library = require("sentence_transformers", "--embedding-teacher", "sentence-transformers")
        with reading(f"the embedding teacher {name!r}"):
            model = library.SentenceTransformer(name, device=str(device), model_kwargs={"use_safetensors": True})
        require_finite(model, name)
        self.model = model.eval().requires_grad_(False)
        width = self.embed([""]).shape[1]
        if width != dim:
            raise UserError(f"the embeddings of {name!r} have {width} dimensions, but the model's [CLS] has {dim}")

    def embed(self, texts: list[str]) -> Tensor:
        """The embeddings of ``texts``, (B, d') float32."""
        return self.model.encode(texts, convert_to_tensor=True, show_progress_bar=False).float().clone()
