"""A step of pre-training: the chunked vocabulary kernels beside the plain version, memory and time, on the CPU.

The plain version makes the logits of all positions for the masked LM, the decoder and the bag of words, and lets
autograd go back through them. Both run forward and backward of the preset ``released`` on the same batch and random
weights (6 layers of 384, 30,522 tokens), each in a process of its own; the script checks that their losses are equal.
Memory is the peak of the resident set above what the process holds before its first step.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import BertConfig, BertForMaskedLM

from pyserini_dupmae.modeling.equations import max_pool
from pyserini_dupmae.modeling.masked_lm import transform
from pyserini_dupmae.modeling.vocabulary import ordinary_positions
from pyserini_dupmae.training.pretrain.collator import NOT_PREDICTED, PretrainCollator, Specials, Text
from pyserini_dupmae.training.pretrain.objective import Batch, Encoded, PretrainModel
from pyserini_dupmae.training.pretrain.settings import PRESETS

SPECIALS = Specials(cls=101, sep=102, pad=0, mask=103)
SHAPES = {150: 8, 512: 4}  # length: texts


class PlainModel(PretrainModel):
    """The objective with the logits of every position."""

    def logits(self, states: Tensor) -> Tensor:
        output = self.lm.get_output_embeddings()
        return F.linear(states, output.weight, output.bias)

    def mlm_loss(self, encoded: Encoded, batch: Batch) -> Tensor:
        return self._sum(encoded.states, batch["labels"])

    def decoder_loss(self, encoded: Encoded, batch: Batch) -> Tensor:
        labels = batch["input_ids"].masked_fill(~ordinary_positions(batch["attention_mask"]), NOT_PREDICTED)
        decoded = self.decode(encoded.cls, batch["input_ids"], batch["visible"])
        return self._sum(transform(self.lm, decoded), labels)

    def bag_of_words(self, encoded: Encoded, batch: Batch) -> Tensor:
        pooled = batch["attention_mask"].bool()
        pooled[:, 0] = False
        return max_pool(self.logits(encoded.states), pooled)

    def _sum(self, states: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self.logits(states).flatten(0, 1), labels.flatten(), reduction="sum")


def measure(kind: str, length: int, steps: int) -> dict[str, float]:
    """Seconds of processor time and of wall clock a step, megabytes, and the loss."""
    torch.manual_seed(0)
    config = BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
    model = (PlainModel if kind == "plain" else PretrainModel)(BertForMaskedLM(config), PRESETS["released"]).eval()
    generator = np.random.default_rng(0)
    texts = [
        Text(i, 0, generator.integers(1000, config.vocab_size, length - 2), generator.random(length - 2) < 0.8)
        for i in range(SHAPES[length])
    ]
    batch = PretrainCollator(model.settings, SPECIALS, config.vocab_size, seed=0)(texts)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    processor, wall = [], []
    for _ in range(steps):
        model.zero_grad()
        begin = time.process_time(), time.perf_counter()
        losses = model(**batch) / model.counts(batch)
        loss = (losses * model.weights).sum()
        loss.backward()
        processor.append(time.process_time() - begin[0])
        wall.append(time.perf_counter() - begin[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"processor": min(processor), "wall": min(wall), "memory": (peak - before) / 1024, "loss": loss.item()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--measure", nargs=2, metavar=("KIND", "LENGTH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure[0], int(options.measure[1]), options.steps)))
        return
    print("length texts            chunked   plain   ratio")
    for length, texts in SHAPES.items():
        found = {}
        for kind in ("chunked", "plain"):
            command = [sys.executable, __file__, "--steps", str(options.steps), "--measure", kind, str(length)]
            printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            found[kind] = json.loads(printed.splitlines()[-1])
        ours, plain = found["chunked"], found["plain"]
        if abs(ours["loss"] - plain["loss"]) > 1e-5 * plain["loss"]:
            raise SystemExit(f"the losses differ: {ours['loss']} and {plain['loss']}")
        for name, unit in (("memory", "MB"), ("processor", "s"), ("wall", "s")):
            row = f"{length:6d} {texts:5d} {name:>9s} {unit:2s} {ours[name]:7.1f} {plain[name]:7.1f}"
            print(f"{row} {plain[name] / ours[name]:7.1f}")


if __name__ == "__main__":
    main()
