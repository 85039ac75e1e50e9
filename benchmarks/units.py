"""What the recipe msmarco-paper costs: seconds a unit of each step, measured here, and the arithmetic to its full size.

    python benchmarks/units.py --output units.json [--collection DIR/500000 --queries DIR/queries.npz]

Every unit is a step of the real code on random token ids and weights: BERT-base, and for the teacher DeBERTa-v3-base,
at the lengths that MS MARCO has on average. Its matrix products are counted. On a CPU processor time is taken, which
other work on the machine hardly changes, and divided among cores; on a GPU (``--device cuda --scale 32``) time. Mining,
a query over a million passages, needs a collection and queries that ``growth.py`` has made. The table is printed at the
end; with ``--table units.json ...`` it is made of what was measured before, on a CPU, on a GPU or on both. What nobody
has measured is said to be so.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from growth import read_queries
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertForMaskedLM, DebertaV2Config, DebertaV2ForSequenceClassification

from pyserini_dupmae.data.corpus import Document
from pyserini_dupmae.encode.windows import Window, encode_window
from pyserini_dupmae.modeling import DupMAEConfig, DupMAEModel
from pyserini_dupmae.modeling.default import DEFAULT_MODEL, where
from pyserini_dupmae.modeling.loading import resolve_dtype
from pyserini_dupmae.search.engines import open_collection
from pyserini_dupmae.training.finetune.model import FinetuneModel
from pyserini_dupmae.training.finetune.objective import Objective, Targets
from pyserini_dupmae.training.finetune.settings import PRESETS as FINETUNING
from pyserini_dupmae.training.pretrain.collator import PretrainCollator, Specials, Text
from pyserini_dupmae.training.pretrain.objective import PretrainModel
from pyserini_dupmae.training.pretrain.settings import PRESETS as PRETRAINING
from pyserini_dupmae.training.teacher.trainer import listwise
from pyserini_dupmae.util.command import make_parser, positive_int, run_command
from pyserini_dupmae.util.files import write_json
from pyserini_dupmae.util.machine import cores

PASSAGE, QUERY, SEGMENT = 77, 9, 512
"""Tokens: of a passage and of a query of MS MARCO on average, special ones included, and of a segment of books."""
PAIR = QUERY + PASSAGE + 1
PASSAGES, QUERIES, DEV = 8_841_823, 502_939, 6_980
SEGMENTS = 8_600_000
"""Wikipedia's 3.3 and BookCorpus's 1.1 thousand million tokens in segments of 510, an estimate."""
SPECIALS = Specials(cls=101, sep=102, pad=0, mask=103)
DAY = 86_400
ASSUMED = 8 * 1e14
"""Products a second of eight GPUs, by assumption."""


class Cost(NamedTuple):
    """``count`` units called ``unit`` are what ``step`` takes; ``how`` says where the count is from."""

    step: str
    unit: str
    count: float
    how: str


STEPS = [
    Cost("pretrain-general", "segment of 512, trained", 8 * SEGMENTS, "8 epochs of about 8.6 M segments"),
    Cost("pretrain", "passage, pre-trained", 20 * PASSAGES, "20 epochs"),
    Cost("stage1", "query with 1 passage, trained", 4 * QUERIES, "4 epochs"),
    Cost("encode1, 2, 3", "passage, encoded", 3 * PASSAGES, "three models"),
    Cost("evaluate1, 2, 3", "query over a million", 3 * 3 * DEV * PASSAGES / 1e6, "three models, three modes"),
    Cost("mine, mine-again, -held-out", "query over a million", (2 * QUERIES + 2000) * PASSAGES / 1e6, "two models"),
    Cost("stage2", "query with 16 passages, trained", 4 * QUERIES, "4 epochs"),
    Cost("teacher", "pair, trained", 4 * QUERIES * 65, "4 epochs of groups of 65"),
    Cost("score, score-held-out", "pair, scored", QUERIES * 61 + 2000 * 51, "a positive and 60 negatives a query"),
    Cost("stage3", "query with 16 passages, trained", 4 * QUERIES, "4 epochs"),
]


class Unit(NamedTuple):
    """``seconds``, on a CPU of one core, and ``flops`` (of matrix products) of one."""

    seconds: float
    flops: float


def _flops_of_linear(x: tuple[int, ...], weight: tuple[int, ...], *_: Any, **__: Any) -> int:
    """Of ``x @ weight.T``, by the shapes of both."""
    return 2 * math.prod(x) * weight[0]


ONEDNN: dict[Any, Any] = {}
"""How the counter counts the matrix products that this package gives to oneDNN."""
if hasattr(torch.ops.mkldnn, "_linear_pointwise"):
    ONEDNN[torch.ops.mkldnn._linear_pointwise] = _flops_of_linear


class Bench:
    """Measures units on a device; ``scale`` multiplies batches, which a GPU wants larger."""

    def __init__(self, device: str, steps: int, scale: int):
        self.device, self.steps, self.scale = device, steps, scale
        self.dtype = resolve_dtype("auto", device)

    def autocast(self) -> AbstractContextManager[Any]:
        if self.dtype == "float32":
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, getattr(torch, self.dtype))

    def measure(self, work: Callable[[], Any], units: int) -> Unit:
        """The fastest of some rounds after one in which products are counted."""
        with FlopCounterMode(display=False, custom_mapping=ONEDNN) as counter:
            work()
        seconds = []
        clock = time.perf_counter if self.device.startswith("cuda") else time.process_time
        for _ in range(self.steps):
            self._wait()
            started = clock()
            work()
            self._wait()
            seconds.append(clock() - started)
        return Unit(min(seconds) / units, counter.get_total_flops() / units)

    def _wait(self) -> None:
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()

    def texts(self, count: int, length: int) -> dict[str, torch.Tensor]:
        ids = torch.randint(1000, 30_000, (count, length), device=self.device)
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}

    def pretrain(self, length: int, count: int) -> Unit:
        lm = BertForMaskedLM(BertConfig())
        model = PretrainModel(lm, PRETRAINING["released"]).to(self.device).train()
        random = np.random.default_rng(0)
        texts = [
            Text(i, 0, random.integers(1000, 30_000, length - 2), random.random(length - 2) < 0.8) for i in range(count)
        ]
        batch = PretrainCollator(model.settings, SPECIALS, lm.config.vocab_size, seed=0)(texts)
        batch = {name: value.to(self.device) for name, value in batch.items()}

        def step() -> None:
            model.zero_grad()
            with self.autocast():
                losses = model(**batch) / model.counts(batch)
            (losses * model.weights).sum().backward()

        return self.measure(step, count)

    def finetune(self, stage: int, count: int, group: int) -> Unit:
        model = FinetuneModel(_dupmae()).to(self.device).train()
        objective = Objective(stage, FINETUNING["paper"])
        queries, documents = self.texts(count, QUERY), self.texts(count * group, PASSAGE)
        targets = Targets(torch.zeros(count, count * group, dtype=torch.bool, device=self.device))

        def step() -> None:
            model.zero_grad()
            with self.autocast():
                represented = model(queries, documents)
            sum(objective(represented, targets).values()).backward()

        return self.measure(step, count)

    def encode(self, count: int) -> Unit:
        model = _dupmae().to(self.device, getattr(torch, self.dtype)).eval()
        random = np.random.default_rng(0)
        documents = [Document(str(number), "", "", number) for number in range(count)]
        window = Window(documents, [random.integers(1000, 30_000, PASSAGE) for _ in documents])
        return self.measure(lambda: encode_window(model, window, 384, count, lambda _: None), count)

    def teacher(self, count: int, train: bool) -> Unit:
        config = DebertaV2Config(
            vocab_size=128_100,
            hidden_size=768,
            num_hidden_layers=12,
            num_attention_heads=12,
            intermediate_size=3072,
            num_labels=1,
            relative_attention=True,
            position_buckets=256,
            norm_rel_ebd="layer_norm",
            share_att_key=True,
            pos_att_type=["p2c", "c2p"],
            position_biased_input=False,
            type_vocab_size=0,
        )
        model = DebertaV2ForSequenceClassification(config).to(self.device).train(train)
        pairs = self.texts(count, PAIR)

        def step() -> None:
            model.zero_grad()
            with self.autocast(), torch.set_grad_enabled(train):
                logits = model(**pairs).logits
            if train:
                listwise(logits, count).backward()

        return self.measure(step, count)

    def mine(self, collection: Path, queries: Path, threads: int) -> Unit:
        engines = open_collection(collection, "hybrid", "scan")
        engines.device = self.device
        ranker, encoded = engines.ranker("hybrid"), read_queries(queries)
        millions = len(engines.exact.docids) / 1e6
        found = self.measure(lambda: ranker.search(encoded, 200, threads=threads), len(encoded))
        return Unit(found.seconds / millions, found.flops / millions)


def _dupmae() -> DupMAEModel:
    torch.manual_seed(0)
    model = DupMAEModel(DupMAEConfig(BertConfig(), cls_dim=384, top_k=384))
    torch.nn.init.constant_(model.ot_head.output.bias, -1.0)  # as in a trained model, few entries are positive
    model.config.name_or_path = where(DEFAULT_MODEL)  # for its tokenizer
    return model


def measure_all(options: argparse.Namespace) -> dict[str, Any]:
    """Units by name, and where they were measured."""
    torch.set_num_threads(options.threads)
    bench = Bench(options.device, options.steps, options.scale)
    jobs: dict[str, Callable[[], Unit]] = {
        "passage, encoded": lambda: bench.encode(8 * bench.scale),
        "segment of 512, trained": lambda: bench.pretrain(SEGMENT, bench.scale),
        "passage, pre-trained": lambda: bench.pretrain(PASSAGE, 4 * bench.scale),
        "query with 1 passage, trained": lambda: bench.finetune(1, 4 * bench.scale, 1),
        "query with 16 passages, trained": lambda: bench.finetune(2, bench.scale, 16),
        "pair, trained": lambda: bench.teacher(4 * bench.scale, train=True),
        "pair, scored": lambda: bench.teacher(8 * bench.scale, train=False),
    }
    if options.collection and options.queries:
        jobs["query over a million"] = lambda: bench.mine(options.collection, options.queries, options.threads)
    units = {}
    for name, job in jobs.items():
        units[name] = job()._asdict()
        print(f"{name}: {1000 * units[name]['seconds']:.1f} ms, {units[name]['flops'] / 1e9:.1f} GFLOP", flush=True)
    cuda = options.device.startswith("cuda")
    machine = torch.cuda.get_device_name() if cuda else f"{options.threads} cores"
    return {"machine": machine, "cuda": cuda, "dtype": bench.dtype, "units": units}


def table(measured: list[dict[str, Any]]) -> str:
    """Steps by machines: what was measured, and what follows from it."""
    host = next((one for one in measured if not one["cuda"]), None)
    gpu = next((one for one in measured if one["cuda"]), None)
    head = "| step | units | a unit, one core | 2 cores | 32 cores | 1 GPU | 8 GPUs | products | 8 x 100 TFLOP/s |"
    lines = [head, "|:--|:--|" + "--:|" * 7]
    for cost in STEPS:
        by_host, by_gpu = (None if one is None else one["units"].get(cost.unit) for one in (host, gpu))
        flops = (by_host or by_gpu or {"flops": 0})["flops"] * cost.count
        of_core = by_host and by_host["seconds"] * cost.count
        of_gpu = by_gpu and by_gpu["seconds"] * cost.count
        cells = [
            cost.step,
            f"{_count(cost.count)} x {cost.unit} ({cost.how})",
            f"{1000 * by_host['seconds']:.1f} ms" if by_host else NOT_MEASURED,
            *(_time(of_core / count) if of_core else NOT_MEASURED for count in (2, 32)),
            *(_time(of_gpu / count) if of_gpu else NOT_MEASURED for count in (1, 8)),
            *((f"{flops / 1e18:.2g} EFLOP", _time(flops / ASSUMED)) if flops else ("", "")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


NOT_MEASURED = "not measured"


def _count(value: float) -> str:
    return f"{value / 1e6:.3g} M"


def _time(seconds: float) -> str:
    for unit, size in (("days", DAY), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.0f} s"


def parser() -> argparse.ArgumentParser:
    result = make_parser("benchmarks.units", __doc__)
    result.prog = "python benchmarks/units.py"
    add = result.add_argument
    add("--output", type=Path, metavar="FILE", help="what was measured: .json")
    add("--table", type=Path, nargs="+", metavar="FILE", help="measure nothing; the table of these files")
    add("--device", default="cpu", help="where it is measured: cpu, cuda")
    add("--threads", type=positive_int, default=cores(), metavar="N", help="cores to measure on")
    add("--steps", type=positive_int, default=3, metavar="N", help="rounds, of which the fastest counts")
    add("--scale", type=positive_int, default=1, metavar="N", help="times as large batches: 32 for a GPU")
    add("--collection", type=Path, metavar="DIR", help="of growth.py, with postings")
    add("--queries", type=Path, metavar="FILE", help="of growth.py: queries.npz")
    return result


def main() -> None:
    options = parser().parse_args()
    if options.table:
        print(table([json.loads(path.read_text(encoding="utf-8")) for path in options.table]), end="")
        return
    measured = measure_all(options)
    if options.output:
        write_json(options.output, measured)
    print(table([measured]), end="")


if __name__ == "__main__":
    run_command(main)
