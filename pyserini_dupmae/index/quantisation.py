"""Weights as the whole numbers that an impact index holds, on one scale for the whole collection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyserini_dupmae.util.errors import UserError

MAX_BITS = 16


@dataclass(frozen=True)
class Quantisation:
    """Weight w becomes the smallest whole number q with w <= q * scale.

    Rounding up makes Lucene's score, times ``scale``, an upper bound of the score with the exact weights, by less than
    ``scale`` a term.

    >>> quantisation = Quantisation.of(max_weight=5.1, bits=8)
    >>> quantisation.quantise(np.array([5.1, 2.55, 0.001, 0.0], np.float32))
    array([255, 128,   1,   0], dtype=int32)
    """

    bits: int
    scale: float

    @classmethod
    def of(cls, max_weight: float, bits: int) -> Quantisation:
        """The scale on which ``max_weight`` is the largest number of ``bits`` bits; any other, if there is no weight.

        Raises:
            UserError: ``bits`` is not 1 to 16.
        """
        if not 1 <= bits <= MAX_BITS:
            raise UserError(f"cannot quantise to {bits} bits; give --quantization-bits 1 to {MAX_BITS}")
        if max_weight <= 0:
            return cls(bits, 1.0)
        # The next larger number, so that the largest weight never rounds up to one level too many.
        return cls(bits, float(np.nextafter(max_weight / (2**bits - 1), np.inf)))

    def quantise(self, weights: np.ndarray) -> np.ndarray:
        """Float weights of any shape -> int32 of the same shape; what is not positive becomes 0."""
        exact = np.maximum(weights, 0).astype(np.float64)
        levels = np.ceil(exact / self.scale)
        levels += levels * self.scale < exact  # the division may have rounded down onto a whole number
        return levels.astype(np.int32)
