"""How search grows with the collection: time, memory and size of each way to search, on generated stores.

    python benchmarks/growth.py --index OUT --encoder MODEL --topics TOPICS --output DIR [--documents 100000]

OUT is an encoded collection, from which ``generated.py`` mixes larger ones. Every cell of the table, a system on a
size, is a process of its own, so that its memory is its own, and one file in ``DIR/cells``: the command, given again,
does the cells that are missing, and ``--again SYSTEM`` does a system's anew. What a library is missing for is left out.
At the end the table is written to ``DIR/growth.md`` and, where matplotlib is installed, a plot to ``DIR/growth.svg``.

Queries are searched one at a time and all together, both on up to ``--threads`` threads, as far as a system knows how
to use them. Times are medians of ``--repeat`` rounds after one that does not count. Recall is against the scan, whose
hits are those of brute force.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from generated import generate
from peers import EXACT, SYSTEMS

from pyserini_dupmae.data.topics import read_topics
from pyserini_dupmae.modeling.query_encoder import EncodedQuery, QueryModel
from pyserini_dupmae.store import ForwardStore
from pyserini_dupmae.util.command import make_parser, positive_int, run_command
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_open, atomic_path, write_json

QUERIES = "queries.npz"


def encode_queries(encoder: str, topics: str, count: int, path: Path) -> None:
    """Keep encoded queries in a file: every cell searches the same."""
    queries = QueryModel.load(encoder).encode([text for _, text in read_topics(topics)][:count])
    columns = {
        "cls": np.stack([query.cls for query in queries]),
        "ends": np.cumsum([len(query.token_ids) for query in queries]),
        "token_ids": np.concatenate([query.token_ids for query in queries]),
        "weights": np.concatenate([query.weights for query in queries]),
    }
    with atomic_open(path, "wb") as stream:
        np.savez(stream, **columns)


def read_queries(path: Path) -> list[EncodedQuery]:
    kept = np.load(path)
    ends = kept["ends"].tolist()
    spans = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
    return [EncodedQuery(c, kept["token_ids"][s], kept["weights"][s]) for c, s in zip(kept["cls"], spans, strict=True)]


def measure(options: argparse.Namespace) -> None:
    """Do one cell: ``--build`` or ``--cell``."""
    system = SYSTEMS[options.build or options.cell](options.output / str(options.documents[0]))
    record = options.record
    if options.build:
        started = time.perf_counter()
        system.build()
        write_json(record, {"build_seconds": time.perf_counter() - started})
        return
    queries = read_queries(options.output / QUERIES)
    started = time.perf_counter()
    system.open()
    opened = time.perf_counter() - started
    alone = [
        _median(lambda q=query: system.search([q], options.hits, options.threads), options.repeat) for query in queries
    ]
    together = _median(lambda: system.search(queries, options.hits, options.threads), options.repeat)
    found = system.search(queries, options.hits, 1)
    with atomic_open(record.with_suffix(".npz"), "wb") as stream:
        np.savez(stream, **{str(number): rows for number, rows in enumerate(found)})
    cell = {
        "open_seconds": opened,
        "milliseconds": 1000 * median(alone),
        "milliseconds_in_batch": 1000 * together / len(queries),
        "bytes_on_disk": sum(file.stat().st_size for file in system.files()),
        **_memory(),
    }
    write_json(record, cell)


def _median(search: Callable[[], Any], repeat: int) -> float:
    seconds = []
    for _ in range(repeat + 1):
        started = time.perf_counter()
        search()
        seconds.append(time.perf_counter() - started)
    return median(seconds[1:])


def _memory() -> dict[str, int]:
    """Bytes of this process: at most, now of its own, and now of files that it has mapped."""
    names = {"VmHWM": "peak_bytes", "RssAnon": "own_bytes", "RssFile": "mapped_bytes"}
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return {names[words[0][:-1]]: 1024 * int(words[1]) for words in lines if words and words[0][:-1] in names}


def run_cells(options: argparse.Namespace) -> None:
    """Do what is missing."""
    cells = options.output / "cells"
    for documents in options.documents:
        folder = options.output / str(documents)
        if not (folder / "store" / "store.json").exists():
            generate(ForwardStore(options.index / "store"), folder / "store", documents=documents)
        for name in options.systems:
            kept = cells / f"{documents}.{name}.json"
            if kept.exists() and name not in options.again:
                continue
            print(f"{documents} documents, {name}", flush=True)
            system, built = SYSTEMS[name](folder), kept.with_suffix(".build.json")
            try:
                if not system.is_built():
                    _process(options, documents, "--build", name, built)
                _process(options, documents, "--cell", name, kept)
            except subprocess.CalledProcessError as error:
                print(f"  left out: {error.stderr.strip().splitlines()[-1]}", flush=True)


def _process(options: argparse.Namespace, documents: int, what: str, name: str, record: Path) -> None:
    words = [sys.executable, __file__, what, name, "--documents", str(documents), "--record", str(record)]
    words += ["--output", str(options.output), "--hits", str(options.hits), "--repeat", str(options.repeat)]
    words += ["--threads", str(options.threads)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def rows(output: Path) -> list[dict[str, Any]]:
    """The cells that are there, with recall, by part and size."""
    found = []
    for path in (output / "cells").glob("*.json"):
        documents, _, name = path.stem.partition(".")
        if name not in SYSTEMS:
            continue  # what building took
        system = SYSTEMS[name]
        built = path.with_suffix(".build.json")
        cell = {"documents": int(documents), "key": name, "system": system.name, "part": system.part}
        cell |= json.loads(path.read_text(encoding="utf-8"))
        cell |= json.loads(built.read_text(encoding="utf-8")) if built.exists() else {}
        cell["recall"] = _recall(path.with_suffix(".npz"), path.with_name(f"{documents}.{EXACT[system.part]}.npz"))
        found.append(cell)
    order = list(SYSTEMS)
    return sorted(found, key=lambda cell: (cell["part"], cell["documents"], order.index(cell["key"])))


def _recall(path: Path, exact: Path) -> float | None:
    """The share of the exact hits that are found; None where these are not there yet."""
    if not exact.exists():
        return None
    found, wanted = np.load(path), np.load(exact)
    return float(np.mean([np.isin(wanted[query], found[query]).mean() for query in wanted.files if len(wanted[query])]))


def table(cells: list[dict[str, Any]]) -> str:
    head = "| part | documents | system | ms a query | ms in a batch | recall | open | own memory | mapped | on disk "
    lines = [head + "| built in |", "|:--|--:|:--|" + "--:|" * 8]
    for cell in cells:
        sizes = [f"{cell[name] / 1e9:.2f} GB" for name in ("own_bytes", "mapped_bytes", "bytes_on_disk")]
        recall = "" if cell["recall"] is None else f"{cell['recall']:.4f}"
        built = f"{cell['build_seconds']:.0f} s" if "build_seconds" in cell else ""
        times = [f"{cell['milliseconds']:.1f}", f"{cell['milliseconds_in_batch']:.1f}", recall]
        columns = [cell["part"], f"{cell['documents']:,}", cell["system"], *times, f"{cell['open_seconds']:.1f} s"]
        lines.append(f"| {' | '.join([*columns, *sizes, built])} |")
    return "\n".join(lines) + "\n"


def plot(cells: list[dict[str, Any]], path: Path) -> None:
    """Milliseconds and memory over documents, a column a part."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    shown = (("milliseconds", "ms a query, one at a time", 1), ("milliseconds_in_batch", "ms a query, in a batch", 1))
    shown += (("peak_bytes", "peak memory, GB", 1e9),)
    figure, axes = pyplot.subplots(len(shown), 2, figsize=(11, 11), sharex=True, squeeze=False)
    for column, part in enumerate(EXACT):
        for line, (name, label, unit) in enumerate(shown):
            axis = axes[line][column]
            for key, system in SYSTEMS.items():
                own = [(cell["documents"], cell[name] / unit) for cell in cells if cell["key"] == key]
                if system.part == part and own:
                    axis.plot(*zip(*sorted(own), strict=True), marker="o", label=system.name)
            axis.set(ylabel=label, title="Eq. 12" if part == "hybrid" else "bag of words alone", ylim=(0, None))
            axis.legend()
    for axis in axes[-1]:
        axis.set_xlabel("documents")
    figure.tight_layout()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})


def parser() -> argparse.ArgumentParser:
    result = make_parser("benchmarks.growth", __doc__)
    result.prog = "python benchmarks/growth.py"
    add = result.add_argument
    add("--index", type=Path, metavar="OUT", help="an encoded collection to mix documents from")
    add("--encoder", help="the model that encoded it")
    add("--topics", help="queries")
    add("--output", type=Path, required=True, metavar="DIR", help="folder to work in")
    add("--documents", type=positive_int, nargs="+", default=[100_000, 500_000, 1_000_000], metavar="N", help="sizes")
    add("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS), help="what to measure (default: all)")
    add("--again", nargs="+", choices=SYSTEMS, default=[], help="measure these anew")
    add("--queries", type=positive_int, default=30, metavar="N", help="how many queries")
    add("--hits", type=positive_int, default=1000, metavar="N", help="documents a query")
    add("--repeat", type=positive_int, default=3, metavar="N", help="rounds that count")
    add("--threads", type=positive_int, default=2, metavar="N", help="threads of a search")
    for inner in ("--build", "--cell"):
        add(inner, choices=SYSTEMS, help=argparse.SUPPRESS)
    add("--record", type=Path, help=argparse.SUPPRESS)
    return result


def main() -> None:
    options = parser().parse_args()
    if options.build or options.cell:
        return measure(options)
    if not (options.output / QUERIES).exists():
        if not (options.index and options.encoder and options.topics):
            raise UserError("give --index, --encoder and --topics, from which the collections are made")
        encode_queries(options.encoder, options.topics, options.queries, options.output / QUERIES)
    run_cells(options)
    cells = rows(options.output)
    with atomic_open(options.output / "growth.md") as stream:
        stream.write(table(cells))
    print(table(cells), end="")
    try:
        plot(cells, options.output / "growth.svg")
    except ImportError:
        print("no plot: pip install matplotlib")


if __name__ == "__main__":
    run_command(main)
