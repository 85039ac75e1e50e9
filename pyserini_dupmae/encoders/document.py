"""The dense side of documents, for ``python -m pyserini.encode``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pyserini_dupmae.encoders.base import DocumentEncoder, refuse_tokenizer
from pyserini_dupmae.modeling.loading import load_model
from pyserini_dupmae.util.errors import UserError


class DupMAEDocumentEncoder(DocumentEncoder):
    """Pyserini's ``DocumentEncoder`` that gives the reduced [CLS] of Eq. 10.

    ``python -m pyserini_dupmae.encode`` writes both representations in one pass, and faster.

    Args:
        model_name: a DupMAE model: a folder, or a name on the Hugging Face Hub.
        tokenizer_name: None; a DupMAE model brings its own tokenizer.
        device: where to encode: ``cpu``, ``cuda:0``...
        prefix: text put before each document, with a space.
        kwargs: pooling, l2_norm and the like, which Pyserini hands to each encoder; of no use to DupMAE.

    Raises:
        UserError: there is no such DupMAE model, or another tokenizer is given.
    """

    def __init__(
        self,
        model_name: str,
        tokenizer_name: str | None = None,
        device: str = "cpu",
        prefix: str | None = None,
        **kwargs: Any,
    ):
        refuse_tokenizer(tokenizer_name, model_name)
        self.model = load_model(model_name, device).model
        self.prefix = prefix
        self.has_model = True

    @torch.inference_mode()
    def encode(
        self,
        texts: Sequence[str],
        titles: Sequence[str] | None = None,
        max_length: int | None = None,
        add_sep: bool = False,
        **kwargs: Any,
    ) -> np.ndarray:
        """The [CLS] parts of some documents: (n, d') float32.

        ``titles`` (n,) are put before the texts, with a space. A document is cut to the model's ``doc_max_length``
        tokens, or to ``max_length`` where that is less (Pyserini's command always gives one, by default 256).

        Raises:
            UserError: ``add_sep`` is asked for.
        """
        if add_sep:
            raise UserError("a DupMAE model takes title and text as one text; leave out --add-sep")
        if titles is not None:
            texts = [f"{title} {text}" for title, text in zip(titles, texts, strict=True)]
        if self.prefix is not None:
            texts = [f"{self.prefix} {text}" for text in texts]
        model = self.model
        limit = min(max_length or model.config.doc_max_length, model.config.doc_max_length)
        batch = model.tokenizer(list(texts), max_length=limit, truncation=True, padding=True, return_tensors="pt").to(
            model.device
        )
        hidden = model.hidden_states(batch["input_ids"], batch["attention_mask"])  # (n, L, d)
        return model.reduce(hidden).cpu().numpy()
