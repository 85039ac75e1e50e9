from __future__ import annotations

from fractions import Fraction
from math import ceil

import numpy as np
import pytest

from pyserini_dupmae.index.quantisation import Quantisation
from pyserini_dupmae.util.errors import UserError


@pytest.mark.parametrize("bits", [1, 4, 8, 16])
def test_rounds_up_to_the_next_level(bits):
    weights = np.random.default_rng(bits).gamma(2.0, 1.0, 500).astype(np.float32)
    quantisation = Quantisation.of(float(weights.max()), bits)
    levels = quantisation.quantise(weights)
    scale = Fraction(quantisation.scale)
    assert levels.tolist() == [ceil(Fraction(float(weight)) / scale) for weight in weights]
    assert levels.max() == 2**bits - 1
    assert quantisation.scale == pytest.approx(float(weights.max()) / (2**bits - 1))


def test_bounds_the_weight_from_above_by_less_than_one_level():
    scale = Quantisation.of(3.3, 8).scale
    # Whole multiples of the scale, and their neighbours, are where a careless division rounds the wrong way.
    exact = np.arange(1, 256) * scale
    weights = np.concatenate([exact[:-1], np.nextafter(exact[:-1], 0), np.nextafter(exact[:-1], 9)])
    error = [
        Fraction(int(level)) * Fraction(scale) - Fraction(float(weight))
        for level, weight in zip(Quantisation(8, scale).quantise(weights), weights, strict=True)
    ]
    assert min(error) > -Fraction(scale) / 2**45
    assert max(error) < Fraction(scale) * (1 + Fraction(1, 2**45))


def test_what_is_not_positive_is_nothing():
    levels = Quantisation.of(2.0, 8).quantise(np.array([[0.0, -1.0], [2.0, 1e-30]], np.float32))
    assert levels.tolist() == [[0, 0], [255, 1]]


def test_a_collection_without_weights():
    assert Quantisation.of(0.0, 8).quantise(np.zeros((2, 3), np.float32)).sum() == 0


@pytest.mark.parametrize("bits", [0, -1, 17])
def test_bits_out_of_range(bits):
    with pytest.raises(UserError, match=f"{bits} bits.*1 to 16"):
        Quantisation.of(1.0, bits)
