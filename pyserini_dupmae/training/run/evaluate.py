"""Measure a model on collections: encode, search by [CLS], by ordinary tokens and by Eq. 12, evaluate.

    python -m pyserini_dupmae.training.run.evaluate --encoder MODEL --data nfcorpus:dev cacm --output DIR

does in one process what the commands ``encode``, ``search --mode`` and ``evaluate`` do. ``DIR/index/COLLECTION`` is
what ``encode`` writes, ``DIR/search/NAME.MODE.txt`` what ``search`` writes; `pyserini_dupmae.report` too reads
``DIR/NAME.MODE.result.json``. Interrupted, the same command goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from pyserini_dupmae.cli import positive_int
from pyserini_dupmae.encode.__main__ import main as encode
from pyserini_dupmae.errors import UserError, run_command
from pyserini_dupmae.evaluation.judgements import read_qrels
from pyserini_dupmae.evaluation.measures import mean, measure
from pyserini_dupmae.evaluation.results import SEARCH_MODES, SUFFIX, ConditionResult
from pyserini_dupmae.evaluation.runs import read_run
from pyserini_dupmae.reproduce.prepare import QRELS, TOPICS
from pyserini_dupmae.reproduce.prepare import main as prepare
from pyserini_dupmae.search.__main__ import main as search
from pyserini_dupmae.training.data.sources import SOURCE_HELP, Source, find_source

METRICS = ("nDCG@10", "MRR@10")


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
    add("--output", type=Path, required=True, metavar="DIR", help="folder to write to")
    add("--name", help="what the results call the model (default: its folder's name)")
    add("--hits", type=positive_int, default=100, metavar="N", help="documents a query (default: 100)")
    add("--device", help="where the model runs (default: documents on a GPU if there is one, queries on the CPU)")
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; raises `UserError`."""
    options = parser().parse_args(argv)
    sources = [find_source(data) for data in options.data]
    corpora = {}
    for source in sources:
        other = corpora.setdefault(_names(source)[0], source)
        if other.corpus != source.corpus:
            raise UserError(f"{other.name} and {source.name} are two collections of one name; rename a folder")
    for source in sources:
        measure_on(source, options)


def measure_on(source: Source, options: argparse.Namespace) -> None:
    """Write the index, the runs and the results of one collection."""
    collection, split = _names(source)
    label = f"{collection}-{split}" if split else collection
    index, prepared = options.output / "index" / collection, options.output / "topics" / label
    topics = ["--topics", str(source.topics or source.qrels), "--qrels", str(source.qrels), "--judged-only"]
    prepare(["topics", *topics, "--output", str(prepared)])
    model = ["--encoder", options.encoder, *(["--device", options.device] if options.device else [])]
    corpus = source.corpus[0]
    documents = ["--corpus", str(corpus.parent)] if isinstance(corpus, Path) else ["--ir-dataset", str(source.qrels)]
    encode(["input", *documents, "output", "--embeddings", str(index), "--resume", "encoder", *model])
    qrels = read_qrels(prepared / QRELS)
    name = options.name or Path(options.encoder).name
    for mode, shown in SEARCH_MODES.items():
        run = options.output / "search" / f"{label}.{shown}.txt"
        how = ["--mode", mode, "--hits", str(options.hits), "--output", str(run)]
        search(["--index", str(index), "--topics", str(prepared / TOPICS), *model, *how])
        values = measure(read_run(run), qrels, METRICS)
        ConditionResult(
            condition=f"{collection}.{name}.{shown}",
            collection=collection,
            topics=split,
            model=name,
            mode=shown,
            metrics={metric: mean(of_metric) for metric, of_metric in values.items()},
            per_query=values,
        ).write(options.output / f"{label}.{shown}{SUFFIX}")


def _names(source: Source) -> tuple[str, str]:
    """What the results call the collection and the split of ``source``."""
    if source.topics is None:
        return str(source.qrels).replace("/", "-"), ""
    collection, _, split = Path(source.name).name.partition(":")
    return collection, split


if __name__ == "__main__":
    run_command(main)
