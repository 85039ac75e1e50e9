"""Masking for pre-training: the vectorised collator beside a straightforward one that goes through the tokens.

Both mask whole words for the encoder, draw up to 256 mask patterns of a text for the decoder and give each position
one of them (preset ``released``), for the same texts of random words. One process, one thread each.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from pyserini_dupmae.training.pretrain.collator import NOT_PREDICTED, PretrainCollator, Specials, Text
from pyserini_dupmae.training.pretrain.settings import PRESETS

SPECIALS = Specials(cls=101, sep=102, pad=0, mask=103)
VOCABULARY = 30522
BATCH = 32


def plain_mask(starts: Sequence[bool], ratio: float) -> list[bool]:
    """Which of a text's tokens are masked: words in random order, as long as they fit."""
    words: list[list[int]] = []
    for position, start in enumerate(starts):
        if start or not words:
            words.append([])
        words[-1].append(position)
    random.shuffle(words)
    masked, left = [False] * len(starts), max(1, round(ratio * len(starts)))
    for word in words:
        if len(word) <= left:
            left -= len(word)
            for position in word:
                masked[position] = True
    return masked


def plain_collate(texts: Sequence[Text]) -> dict[str, torch.Tensor]:
    """What `PretrainCollator` gives for the preset ``released``, token by token."""
    settings = PRESETS["released"]
    width = max(len(text.tokens) for text in texts) + 2
    rows: dict[str, list[Any]] = {
        name: [] for name in ("input_ids", "attention_mask", "masked_ids", "labels", "visible")
    }
    for text in texts:
        tokens, starts = text.tokens.tolist(), text.starts.tolist()
        padding = width - len(tokens) - 2
        ids = [SPECIALS.cls, *tokens, SPECIALS.sep] + [SPECIALS.pad] * padding
        masked_ids, labels = list(ids), [NOT_PREDICTED] * width
        for position, masked in enumerate(plain_mask(starts, settings.encoder_mask), 1):
            if masked:
                labels[position] = ids[position]
                dice = random.random()
                if dice < 0.8:
                    masked_ids[position] = SPECIALS.mask
                elif dice < 0.9:
                    masked_ids[position] = random.randrange(VOCABULARY)
        real = len(tokens) + 2
        patterns = [plain_mask(starts, settings.decoder_mask) for _ in range(min(real, settings.decoder_patterns))]
        visible = []
        for position in range(width):
            seen = [False] * width
            if position < real:
                hidden = random.choice(patterns)
                for other in range(real):
                    special = other in (0, real - 1)
                    seen[other] = other != position and (special or not hidden[other - 1])
            visible.append(seen)
        rows["input_ids"].append(ids)
        rows["attention_mask"].append([1] * real + [0] * padding)
        rows["masked_ids"].append(masked_ids)
        rows["labels"].append(labels)
        rows["visible"].append(visible)
    return {name: torch.tensor(values) for name, values in rows.items()}


def rate(collate: Callable[[Sequence[Text]], Any], texts: Sequence[Text], rounds: int) -> float:
    """Texts a second of processor time, the best of ``rounds``."""
    seconds = []
    for _ in range(rounds):
        begin = time.process_time()
        collate(texts)
        seconds.append(time.process_time() - begin)
    return len(texts) / min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    generator = np.random.default_rng(0)
    collator = PretrainCollator(PRESETS["released"], SPECIALS, VOCABULARY, seed=0)
    print("length   vectorised      plain   ratio   (texts a second)")
    for length in (150, 512):
        texts = [
            Text(i, 0, generator.integers(1000, VOCABULARY, length - 2), generator.random(length - 2) < 0.8)
            for i in range(BATCH)
        ]
        ours, plain = rate(collator, texts, rounds), rate(plain_collate, texts, rounds)
        print(f"{length:6d} {ours:12.0f} {plain:10.1f} {ours / plain:7.1f}")


if __name__ == "__main__":
    main()
