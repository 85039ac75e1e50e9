"""A step of fine-tuning: the vocabulary kernel beside the plain version, memory and time, on the CPU in float32.

Stage 1 with 32 pairs, queries of 32 and passages of 128 tokens, 6 layers of 384 and 30,522 tokens. The plain version
makes the logits of all positions, pools them by ``amax`` and lets autograd go back through everything. Both run forward
and backward on the same batch and random weights, each in a process of its own; the script checks that their losses are
equal. Memory is the peak of the resident set above what the process holds before its first step.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import torch
from torch import Tensor
from transformers import BertConfig

from pyserini_dupmae.modeling import DupMAEConfig, DupMAEModel
from pyserini_dupmae.training.finetune.model import FinetuneModel, Texts
from pyserini_dupmae.training.finetune.objective import Objective, Targets
from pyserini_dupmae.training.finetune.settings import PRESETS

PAIRS, QUERY_LENGTH, DOC_LENGTH = 32, 32, 128


class PlainModel(FinetuneModel):
    """Represents texts by `DupMAEModel.forward`, the definition."""

    def represent(self, texts: Texts) -> tuple[Tensor, Tensor]:
        output = self.dupmae(**texts)
        return output.cls, output.mu


def measure(kind: str, steps: int) -> dict[str, float]:
    """Seconds of processor time and of wall clock a step, megabytes, and the loss."""
    torch.manual_seed(0)
    encoder = BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
    dupmae = DupMAEModel(DupMAEConfig(encoder)).eval()
    torch.nn.init.constant_(dupmae.ot_head.output.bias, -1.0)  # as in a trained model, few entries are positive
    model = (PlainModel if kind == "plain" else FinetuneModel)(dupmae)
    objective = Objective(1, PRESETS["paper"])
    texts = [torch.randint(1000, encoder.vocab_size, (PAIRS, length)) for length in (QUERY_LENGTH, DOC_LENGTH)]
    queries, documents = ({"input_ids": ids, "attention_mask": torch.ones_like(ids)} for ids in texts)
    targets = Targets(excluded=torch.zeros(PAIRS, PAIRS, dtype=torch.bool))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    processor, wall = [], []
    for _ in range(steps):
        model.zero_grad()
        begin = time.process_time(), time.perf_counter()
        loss = sum(objective(model(queries, documents), targets).values())
        loss.backward()
        processor.append(time.process_time() - begin[0])
        wall.append(time.perf_counter() - begin[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"processor": min(processor), "wall": min(wall), "memory": (peak - before) / 1024, "loss": loss.item()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--measure", metavar="KIND", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.steps)))
        return
    found = {}
    for kind in ("ours", "plain"):
        command = [sys.executable, __file__, "--steps", str(options.steps), "--measure", kind]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found[kind] = json.loads(printed.splitlines()[-1])
    ours, plain = found["ours"], found["plain"]
    if abs(ours["loss"] - plain["loss"]) > 1e-5 * plain["loss"]:
        raise SystemExit(f"the losses differ: {ours['loss']} and {plain['loss']}")
    print("                ours   plain   ratio")
    for name, unit in (("memory", "MB"), ("processor", "s"), ("wall", "s")):
        print(f"{name:>9s} {unit:2s} {ours[name]:7.2f} {plain[name]:7.2f} {plain[name] / ours[name]:7.2f}")


if __name__ == "__main__":
    main()
