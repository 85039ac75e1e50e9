"""What a server of Milvus Lite carries: clients that search at once, and how loading and searching grow.

    python benchmarks/milvus_load.py --index OUT --encoder MODEL --topics TOPICS --output DIR [--clients 1 4 16]

OUT is an encoded collection, from which ``generated.py`` mixes those of ``--documents``. Each is loaded into a server
once; then so many clients search for ``--seconds``, each as fast as it gets answers, each beginning with another query.
A query is searched alone. Every answer, rows and scores, is compared with that of a scan of the store; the number of
those that differ is printed and has to be 0. A query counts once it is answered, and the first of each client does not.

Clients are processes, because they compute exact scores themselves: threads would wait for one lock of Python, and the
memory of one client would not be seen. Every cell, clients on a size, starts the server anew and is one file in
``DIR/milvus``: the command, given again, does the cells that are missing. Tables are written to ``DIR/milvus.md`` and,
where matplotlib is installed, a plot to ``DIR/milvus.svg``. Queries and stores lie where ``growth.py`` has them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from generated import generate
from growth import QUERIES, encode_queries, read_queries

from pyserini_dupmae.index.build import index
from pyserini_dupmae.search.engines import open_collection
from pyserini_dupmae.search.milvus_engine import open_milvus
from pyserini_dupmae.store import ForwardStore
from pyserini_dupmae.util.command import make_parser, positive_int, run_command
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_open, atomic_path, write_json

START_SECONDS = 600
LOADED = "load"
Cell = dict[str, Any]


@dataclass(frozen=True)
class Server:
    uri: str
    pid: int


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A server of Milvus Lite as a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    host, port = address
    words = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", str(folder)]
    words += ["--host", host, "--port", str(port)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + START_SECONDS
            while not _listens(address):
                if process.poll() is not None or time.monotonic() > end:
                    raise UserError(f"no server of Milvus Lite starts; try {' '.join(words)}")
                time.sleep(0.1)
            yield Server(f"http://{host}:{port}", process.pid)
        finally:
            process.terminate()


def _listens(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0


def peak_bytes(pid: int | str = "self") -> int:
    """The most memory that a process has had."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return 1024 * int(kilobytes)


def exact(folder: Path, queries: Path, hits: int, path: Path) -> None:
    """Keep what a scan of the store finds: ``rows`` and ``scores``, (queries, hits) each."""
    with closing(open_collection(folder, "hybrid", "scan")) as engines:
        rankings = engines.ranker("hybrid").search(read_queries(queries), hits)
    with atomic_open(path, "wb") as stream:
        np.savez(stream, rows=[found.rows for found in rankings], scores=[found.scores for found in rankings])


def load(folder: Path, data: Path) -> Cell:
    with serving(data) as server:
        started = time.perf_counter()
        index(folder, to="milvus", uri=server.uri, overwrite=True)
        seconds = time.perf_counter() - started
        peak = peak_bytes(server.pid)
    size = sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
    return {"load_seconds": seconds, "bytes_on_disk": size, "server_bytes": peak}


def together(count: int, data: Path, queries: Path, expected: Path, seconds: float) -> Cell:
    """``count`` clients of one server."""
    context = get_context("spawn")
    ready = (context.Barrier(count),)
    with serving(data) as server:
        _search_once(server.uri, queries)
        with ProcessPoolExecutor(count, context, _begin, ready) as pool:
            running = [
                pool.submit(client, server.uri, queries, expected, number / count, seconds) for number in range(count)
            ]
            answers = [one.result() for one in running]
        peak = peak_bytes(server.pid)
    waited = np.concatenate([one["waited"] for one in answers])
    return {
        "queries": len(waited),
        "differ": sum(one["differ"] for one in answers),
        "queries_per_second": sum(len(one["waited"]) / sum(one["waited"]) for one in answers),
        "p50": float(np.percentile(waited, 50)),
        "p99": float(np.percentile(waited, 99)),
        "client_bytes": max(one["peak"] for one in answers),
        "server_bytes": peak,
    }


def _search_once(uri: str, queries: Path) -> None:
    """Searches that come before Milvus Lite has built what it searches build it each for itself, in gigabytes."""
    engine = open_milvus(uri)
    engine.ranker().search(read_queries(queries)[:1], 10)
    engine.close()


def _begin(barrier: Any) -> None:
    global ready
    ready = barrier


def client(uri: str, queries: Path, expected: Path, share: float, seconds: float) -> Cell:
    """Search until the time is over, beginning with the query that stands so far in the list."""
    asked, known = read_queries(queries), np.load(expected)
    rows, scores = known["rows"], known["scores"]
    engine = open_milvus(uri)
    ranker, hits = engine.ranker(), rows.shape[1]
    first = int(share * len(asked))
    order = [*range(first, len(asked)), *range(first)]
    ranker.search([asked[order.pop()]], hits, threads=1)
    ready.wait(START_SECONDS)
    end = time.perf_counter() + seconds
    waited, differ = [], 0
    for number in itertools.cycle(order):
        started = time.perf_counter()
        if started > end and waited:
            break
        (found,) = ranker.search([asked[number]], hits, threads=1)
        waited.append(time.perf_counter() - started)
        is_same = np.array_equal(found.rows, rows[number]) and np.array_equal(found.scores, scores[number])
        differ += not (is_same and found.proved)
    engine.close()
    return {"waited": waited, "differ": differ, "peak": peak_bytes()}


def run_cells(options: argparse.Namespace) -> None:
    """Do what is missing."""
    kept, queries = options.output / "milvus", options.output / QUERIES
    kept.mkdir(parents=True, exist_ok=True)
    for documents in options.documents:
        folder = options.output / str(documents)
        if not (folder / "store" / "store.json").exists():
            if options.index is None:
                raise UserError(f"there is no {folder / 'store'}; give --index, from which it is made")
            generate(ForwardStore(options.index / "store"), folder / "store", documents=documents)
        expected, data = kept / f"{documents}.npz", kept / f"{documents}.data"
        if not expected.exists():
            exact(folder, queries, options.hits, expected)
        loaded = kept / f"{documents}.{LOADED}.json"
        if not loaded.exists():
            print(f"{documents} documents, loading", flush=True)
            write_json(loaded, load(folder, data))
        for count in options.clients:
            record = kept / f"{documents}.{count}.json"
            if not record.exists():
                print(f"{documents} documents, {count} clients", flush=True)
                write_json(record, together(count, data, queries, expected, options.seconds))


def read_cells(output: Path) -> tuple[dict[int, Cell], dict[tuple[int, int], Cell]]:
    """The cells that are there: of loading by size, of searching by size and clients."""
    loads, searches = {}, {}
    for path in (output / "milvus").glob("*.json"):
        documents, what = path.stem.split(".")
        cell = json.loads(path.read_text(encoding="utf-8"))
        if what == LOADED:
            loads[int(documents)] = cell
        else:
            searches[int(documents), int(what)] = cell
    return dict(sorted(loads.items())), dict(sorted(searches.items()))


def tables(loads: dict[int, Cell], searches: dict[tuple[int, int], Cell]) -> str:
    head = "| documents | loaded in | documents/s | on disk | server's memory |"
    lines = [head, "|--:|--:|--:|--:|--:|"]
    for documents, cell in loads.items():
        sizes = [f"{cell[name] / 1e9:.2f} GB" for name in ("bytes_on_disk", "server_bytes")]
        columns = [f"{documents:,}", f"{cell['load_seconds']:.0f} s", f"{documents / cell['load_seconds']:.0f}", *sizes]
        lines.append(f"| {' | '.join(columns)} |")
    lines += ["", "| documents | clients | queries/s | p50 | p99 | answers | other than a scan's | a client's memory "]
    lines[-1] += "| server's memory |"
    lines.append("|" + "--:|" * 9)
    for (documents, count), cell in searches.items():
        times = [f"{cell['queries_per_second']:.2f}", *(f"{1000 * cell[name]:.0f} ms" for name in ("p50", "p99"))]
        sizes = [f"{cell['client_bytes'] / 1e6:.0f} MB", f"{cell['server_bytes'] / 1e9:.2f} GB"]
        columns = [f"{documents:,}", str(count), *times, str(cell["queries"]), str(cell["differ"]), *sizes]
        lines.append(f"| {' | '.join(columns)} |")
    return "\n".join(lines) + "\n"


def plot(loads: dict[int, Cell], searches: dict[tuple[int, int], Cell], path: Path) -> None:
    """Loading and searching over documents, and searching over clients."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4))
    minutes = [cell["load_seconds"] / 60 for cell in loads.values()]
    axes[0].plot([documents / 1000 for documents in loads], minutes, marker="o")
    axes[0].set(xlabel="thousand documents", ylabel="minutes to load")
    for name in ("p50", "p99"):
        alone = {documents / 1000: cell[name] for (documents, count), cell in searches.items() if count == 1}
        axes[1].plot(list(alone), list(alone.values()), marker="o", label=name)
    axes[1].set(xlabel="thousand documents", ylabel="seconds a query, one client")
    for documents in loads:
        rates = {count: cell["queries_per_second"] for (size, count), cell in searches.items() if size == documents}
        axes[2].plot(list(rates), list(rates.values()), marker="o", label=f"{documents:,} documents")
    axes[2].set(xlabel="clients", ylabel="queries a second", xticks=sorted({count for _, count in searches}))
    for axis in axes:
        axis.set_ylim(0, None)
    axes[1].legend()
    axes[2].legend()
    figure.tight_layout()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None})


def parser() -> argparse.ArgumentParser:
    result = make_parser("benchmarks.milvus_load", __doc__)
    result.prog = "python benchmarks/milvus_load.py"
    add = result.add_argument
    add("--index", type=Path, metavar="OUT", help="an encoded collection to mix documents from")
    add("--encoder", help="the model that encoded it")
    add("--topics", help="queries")
    add("--output", type=Path, required=True, metavar="DIR", help="folder to work in")
    add("--documents", type=positive_int, nargs="+", default=[100_000], metavar="N", help="sizes")
    add("--clients", type=positive_int, nargs="+", default=[1, 4, 16], metavar="N", help="how many search at once")
    add("--seconds", type=positive_int, default=120, metavar="S", help="how long they do")
    add("--queries", type=positive_int, default=300, metavar="N", help="how many queries")
    add("--hits", type=positive_int, default=10, metavar="N", help="documents a query")
    return result


def main() -> None:
    options = parser().parse_args()
    if not (options.output / QUERIES).exists():
        if not (options.index and options.encoder and options.topics):
            raise UserError("give --index, --encoder and --topics, from which the collections are made")
        options.output.mkdir(parents=True, exist_ok=True)
        encode_queries(options.encoder, options.topics, options.queries, options.output / QUERIES)
    run_cells(options)
    loads, searches = read_cells(options.output)
    with atomic_open(options.output / "milvus.md") as stream:
        stream.write(tables(loads, searches))
    print(tables(loads, searches), end="")
    try:
        plot(loads, searches, options.output / "milvus.svg")
    except ImportError:
        print("no plot: pip install matplotlib")


if __name__ == "__main__":
    run_command(main)
