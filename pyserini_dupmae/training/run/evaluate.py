"""Measure a model on collections: encode, search by [CLS], by ordinary tokens and by Eq. 12, evaluate.

    python -m pyserini_dupmae.training.run.evaluate --encoder MODEL --data nfcorpus:dev cacm --output DIR

does in one process what the commands ``encode``, ``search --mode`` and ``evaluate`` do. ``DIR/index/NAME`` is
what ``encode`` writes, ``DIR/search/NAME.MODE.txt`` what ``search`` writes; `pyserini_dupmae.report` too reads
``DIR/NAME.MODE.result.json``. Interrupted, the same command goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from pyserini_dupmae.data.judged_collection import SOURCE_HELP, JudgedCollection, find_collection
from pyserini_dupmae.data.qrels import read_qrels
from pyserini_dupmae.data.runs import read_run
from pyserini_dupmae.encode.__main__ import main as encode
from pyserini_dupmae.evaluation.measures import mean, measure
from pyserini_dupmae.evaluation.results import SUFFIX, ConditionResult
from pyserini_dupmae.experiments.prepare import QRELS, TOPICS, write_topic_set
from pyserini_dupmae.experiments.recipes import METRICS, MODES
from pyserini_dupmae.search.__main__ import main as search
from pyserini_dupmae.util.command import positive_int, run_command
from pyserini_dupmae.util.errors import UserError


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    result = argparse.ArgumentParser(
        prog="python -m pyserini_dupmae.training.run.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = result.add_argument
    add("--encoder", required=True, metavar="MODEL", help="a DupMAE model")
    add("--data", nargs="+", required=True, metavar="SOURCE", help=SOURCE_HELP)
    add("--index", nargs="+", type=Path, default=[], metavar="DIR", help="what encode wrote for each (default: encode)")
    add("--output", type=Path, required=True, metavar="DIR", help="folder to write to")
    add("--name", help="what the results call the model (default: its folder's name)")
    add("--hits", type=positive_int, default=100, metavar="N", help="documents a query (default: 100)")
    add("--device", help="where the model runs (default: documents on a GPU if there is one, queries on the CPU)")
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; raises `UserError`."""
    options = parser().parse_args(argv)
    sources = [find_collection(data) for data in options.data]
    labels = [label(source) for source in sources]
    if len(set(labels)) < len(labels):
        raise UserError(f"--data names two collections alike: {' '.join(options.data)}; rename a folder")
    if options.index and len(options.index) != len(sources):
        raise UserError(
            f"{len(sources)} --data but {len(options.index)} --index; the i-th index belongs to the i-th data"
        )
    indexes = options.index or [encoded(source, options) for source in sources]
    for source, index in zip(sources, indexes, strict=True):
        measure_on(source, index, options)


def label(source: JudgedCollection) -> str:
    """What files of results call the collection ``source`` and its split."""
    if source.topics is None:
        return str(source.qrels).replace("/", "-")
    return Path(source.name).name.replace(":", "-")


def encoded(source: JudgedCollection, options: argparse.Namespace) -> Path:
    """Encode the documents of ``source``, unless that is done; the folder with their indexes."""
    index = options.output / "index" / label(source)
    documents = ["--ir-dataset", str(source.qrels)] if source.topics is None else ["--corpus", str(source.corpus)]
    encode(["input", *documents, "output", "--embeddings", str(index), "--resume", "encoder", *model(options)])
    return index


def model(options: argparse.Namespace) -> list[str]:
    """The options that ``encode`` and ``search`` share."""
    return ["--encoder", options.encoder, *(["--device", options.device] if options.device else [])]


def measure_on(source: JudgedCollection, index: Path, options: argparse.Namespace) -> None:
    """Write the runs and the results of one collection."""
    prepared = options.output / "topics" / label(source)
    write_topic_set(str(source.topics or source.qrels), str(source.qrels), prepared, judged_only=True)
    qrels = read_qrels(prepared / QRELS)
    name = options.name or Path(options.encoder).name
    for mode in MODES:
        run = options.output / "search" / f"{label(source)}.{mode}.txt"
        how = ["--mode", mode, "--hits", str(options.hits), "--output", str(run)]
        search(["--index", str(index), "--topics", str(prepared / TOPICS), *model(options), *how])
        values = measure(read_run(run), qrels, METRICS)
        ConditionResult(
            condition=f"{label(source)}.{name}.{mode}",
            collection=label(source),
            model=name,
            mode=mode,
            metrics={metric: mean(of_metric) for metric, of_metric in values.items()},
            per_query=values,
        ).write(options.output / f"{label(source)}.{mode}{SUFFIX}")


if __name__ == "__main__":
    run_command(main)
