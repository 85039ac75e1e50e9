"""From a window of tokens to the arrays of a shard: one forward pass gives both parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from pyserini_dupmae.encode.windows import Window
from pyserini_dupmae.modeling.equations import sparsify
from pyserini_dupmae.modeling.model import DupMAEModel
from pyserini_dupmae.util.errors import UserError


@dataclass(frozen=True)
class Representations:
    """``cls`` (n, d') float32, ``token_ids`` (n, k) int32 and ``weights`` (n, k) float32, the largest first; an entry
    of weight 0 is padding and has token id 0. Negative weights, possible with ``activation: none``, are dropped."""

    cls: np.ndarray
    token_ids: np.ndarray
    weights: np.ndarray


@torch.inference_mode()
def encode_window(
    model: DupMAEModel, window: Window, top_k: int, batch_size: int, advance: Callable[[int], None]
) -> Representations:
    """Represent a window's documents; the same window and settings give the same bytes.

    Args:
        advance: is told how many documents each batch had.

    Raises:
        UserError: the model gave NaN or infinity; names the docid.
    """
    n, device = len(window.documents), model.device
    pad = model.tokenizer.pad_token_id or 0
    cls = torch.empty(n, model.config.cls_dim, device=device)
    token_ids = torch.empty(n, top_k, dtype=torch.int32, device=device)
    weights = torch.empty(n, top_k, device=device)
    for rows in window.batches(batch_size):
        input_ids, attention_mask = (torch.from_numpy(part).to(device) for part in window.padded(rows, pad))
        batch_cls, mu = model.represent(input_ids, attention_mask)
        batch_ids, batch_weights = sparsify(mu.clamp_min(0), top_k)
        where = torch.from_numpy(rows).to(device)
        cls[where] = batch_cls.float()
        token_ids[where] = batch_ids.masked_fill_(batch_weights == 0, 0).int()
        weights[where] = batch_weights.float()
        advance(len(rows))
    finite = cls.isfinite().all(dim=1) & weights.isfinite().all(dim=1)
    if not finite.all():
        document = window.documents[int(finite.int().argmin())]
        raise UserError(
            f"the model gave NaN or infinity for the document {document.docid!r} ({document.place}); "
            f"{'its weights are damaged' if model.dtype == torch.float32 else 'try --dtype float32'}"
        )
    return Representations(cls.cpu().numpy(), token_ids.cpu().numpy(), weights.cpu().numpy())
