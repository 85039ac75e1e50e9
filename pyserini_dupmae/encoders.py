"""DupMAE behind Pyserini's encoder interfaces: [CLS] of a query or a document, and a query's bag of words.

Both sides of a query come from one pass of the model, whichever of the two is asked for first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyserini_dupmae.modeling.impacts import impacts
from pyserini_dupmae.modeling.query_encoder import EncodedQuery, QueryModel
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.lazy import require

require("pyserini.encode", "an encoder behind Pyserini's interfaces", '"pyserini_dupmae[cpu,java]"')

from pyserini.encode import DocumentEncoder, QueryEncoder  # noqa: E402


class DupMAEQueryEncoder(QueryEncoder):
    """Pyserini's ``QueryEncoder`` that gives the reduced [CLS] of Eq. 10.

    Args:
        encoder_dir: a DupMAE model: a folder, or a name on the Hugging Face Hub.
        tokenizer_name: None; a DupMAE model brings its own tokenizer.
        device: where to encode: ``cpu``, ``cuda:0``...
        prefix: text put before each query, with a space.
        fp16: encode in float16.
        kwargs: pooling, l2_norm and the like, which Pyserini hands to each encoder; of no use to DupMAE.

    Raises:
        UserError: there is no such DupMAE model, or another tokenizer is given.
    """

    def __init__(
        self,
        encoder_dir: str,
        tokenizer_name: str | None = None,
        device: str = "cpu",
        prefix: str | None = None,
        fp16: bool = False,
        **kwargs: Any,
    ):
        super().__init__()
        _refuse_tokenizer(tokenizer_name, encoder_dir)
        self.query_model = QueryModel.load(encoder_dir, device, "float16" if fp16 else "float32")
        self.prefix = prefix
        self.has_model = True

    def encode(self, query: str, **kwargs: Any) -> np.ndarray:
        """The [CLS] part of one query: (d',) float32."""
        return self.represent([query])[0].cls

    def encode_batch(self, queries: Sequence[str], **kwargs: Any) -> np.ndarray:
        """The [CLS] parts of some queries: (n, d') float32."""
        return np.stack([query.cls for query in self.represent(queries)])

    def represent(self, queries: Sequence[str]) -> list[EncodedQuery]:
        """Both parts of each query, from one pass of the model."""
        return self.query_model.encode([f"{self.prefix} {query}" if self.prefix else query for query in queries])


class DupMAEImpactQueryEncoder(QueryEncoder):
    """Pyserini's ``QueryEncoder`` that gives mu (Eq. 6-7) as whole numbers, for ``LuceneImpactSearcher``.

    Args:
        model_name_or_path: a DupMAE model: a folder, or a name on the Hugging Face Hub.
        tokenizer_name: None; a DupMAE model brings its own tokenizer.
        device: where to encode: ``cpu``, ``cuda:0``...

    Raises:
        UserError: there is no such DupMAE model, or another tokenizer is given.
    """

    def __init__(self, model_name_or_path: str, tokenizer_name: str | None = None, device: str = "cpu"):
        super().__init__()
        _refuse_tokenizer(tokenizer_name, model_name_or_path)
        self.query_model = QueryModel.load(model_name_or_path, device)
        self.has_model = True

    def encode(self, text: str, **kwargs: Any) -> dict[str, int]:
        """{term: weight}, as `impacts` has it."""
        return impacts(self.query_model.encode([text])[0], self.query_model.model.terms)


class DupMAEDocumentEncoder(DocumentEncoder):
    """Pyserini's ``DocumentEncoder`` that gives the reduced [CLS] of Eq. 10, for ``python -m pyserini.encode``.

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
        from pyserini_dupmae.modeling.loading import load_model

        _refuse_tokenizer(tokenizer_name, model_name)
        self.model = load_model(model_name, device).model
        self.prefix = prefix
        self.has_model = True

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
        import torch

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
        with torch.inference_mode():
            hidden = model.hidden_states(batch["input_ids"], batch["attention_mask"])  # (n, L, d)
            return model.reduce(hidden, batch["attention_mask"]).cpu().numpy()


def _refuse_tokenizer(tokenizer_name: str | None, model_name: str) -> None:
    """Raise `UserError` for a tokenizer that is not the model's own: its ids would mean other words."""
    if tokenizer_name not in (None, model_name):
        raise UserError(
            f"the tokenizer {tokenizer_name!r} cannot be used: the DupMAE model {model_name!r} brings its own; "
            "leave out --tokenizer"
        )
