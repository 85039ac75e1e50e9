"""What a model's configuration may say, by name; commands offer it without loading torch."""

from __future__ import annotations

OT_HEADS = ("mlm", "linear")
OT_INPUTS = ("hidden", "hidden+token")
LEXICALS = ("none", "bm25")
ACTIVATIONS = ("relu", "log1p_relu", "none")
POOLINGS = ("cls", "mean")
DENSE_NORMS = ("none", "l2")
OT_NORMS = ("none", "sum", "query-sum")
