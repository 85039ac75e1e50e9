"""Exact hybrid search beside Pyserini's HybridSearcher: the same indexes, the same pre-encoded queries, one process.

Both return ``--hits`` documents a query. Ours proves the first ``--certify``, or all of them; Pyserini's proves none. A
collection of this size is scored whole, from memory, so that both come to the same; the rows "by lists" forbid that and
show the threshold algorithm over FAISS and Lucene, as it runs in a large collection. Rounds of all alternate, after one
to warm up, and the median round counts.

Without ``--index`` the collection is made of Python's documentation: 18,000 overlapping passages of neighbouring
docstrings. A passage's bag is its 384 heaviest words by log(1 + tf) * idf, its [CLS] a random projection of that bag;
a query is a docstring's first line, expanded to 300 words with those of its passage, as a trained model expands it.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from pyserini_dupmae import jvm
from pyserini_dupmae.data.topics import read_topics
from pyserini_dupmae.demo import docstrings
from pyserini_dupmae.index.build import index
from pyserini_dupmae.modeling.identity import ModelIdentity, vocabulary_hash
from pyserini_dupmae.modeling.impacts import QUERY_SCALE
from pyserini_dupmae.modeling.query_encoder import EncodedQuery, QueryModel
from pyserini_dupmae.search.engines import Engines, open_engines
from pyserini_dupmae.store import StoreInfo, write_shard
from pyserini_dupmae.util.command import positive_int, run_command

DOCUMENTS = 18_000
TOP_K = 384
QUERY_TERMS = 300
CLS_DIM = 384
# Of the size that makes the spread of the two parts over documents alike.
CLS_WEIGHT = 6.0


class Passages:
    """Passages of neighbouring docstrings and their representations."""

    def __init__(self) -> None:
        collection = docstrings.build(queries=0)
        self.texts = list(collection.documents.values())
        self.words = [re.findall(r"[a-z]+", text.lower()) for text in self.texts]
        frequency = Counter(word for words in self.words for word in set(words))
        self.terms = sorted(frequency)
        self._ids = {term: number for number, term in enumerate(self.terms)}
        self._idf = np.log(len(self.words) / np.array([frequency[term] for term in self.terms]))
        self._projection = np.random.default_rng(0).normal(size=(len(self.terms), CLS_DIM)) / np.sqrt(CLS_DIM)

    def bag(self, start: int, size: int) -> dict[int, float]:
        """The heaviest words of the passage that starts at a docstring and goes on until it has ``size`` of them."""
        counts: Counter[str] = Counter()
        position = start
        while len(counts) < size:
            counts.update(self.words[position % len(self.words)])
            position += 1
        weights = {self._ids[word]: np.log1p(count) * self._idf[self._ids[word]] for word, count in counts.items()}
        return dict(sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))[:size])

    def cls(self, bag: dict[int, float]) -> np.ndarray:
        vector = np.array(list(bag.values())) @ self._projection[list(bag)]
        return (CLS_WEIGHT * vector / np.linalg.norm(vector)).astype(np.float32)

    def write_store(self, folder: Path, documents: int) -> None:
        bags = [self.bag(row, TOP_K) for row in range(documents)]
        write_shard(
            folder / "shard-000000.safetensors",
            [f"passage{row}" for row in range(documents)],
            np.stack([self.cls(bag) for bag in bags]),
            np.array([list(bag) for bag in bags]),
            np.array([list(bag.values()) for bag in bags], np.float32),
            len(self.terms),
        )
        (folder / "terms.json").write_text(json.dumps(self.terms), encoding="utf-8")
        identity = ModelIdentity(
            "docstrings", "", vocabulary_hash(self.terms), len(self.terms), CLS_DIM, TOP_K, "linear", "relu"
        )
        largest = max(max(bag.values()) for bag in bags)
        StoreInfo(identity, documents, TOP_K, float(np.float32(largest)), ["shard-000000.safetensors"]).write(folder)

    def query(self, start: int) -> EncodedQuery:
        own = {self._ids[word] for word in re.findall(r"[a-z]+", self.texts[start].partition("\n")[0].lower())}
        expanded = {word: 0.2 * weight for word, weight in self.bag(start, QUERY_TERMS).items()}
        expanded.update({word: float(self._idf[word]) for word in own if self._idf[word] > 0})
        token_ids = np.array(sorted(expanded))
        return EncodedQuery(self.cls(expanded), token_ids, np.array([expanded[i] for i in token_ids], np.float32))


def made(folder: Path, queries: int) -> tuple[Path, list[EncodedQuery]]:
    passages = Passages()
    passages.write_store(folder / "store", DOCUMENTS)
    index(folder)
    step = len(passages.texts) // queries
    return folder, [passages.query(number * step) for number in range(queries)]


class Encoded:
    """Pre-encoded queries as Pyserini's searchers take them: by the text of the query, here its number."""

    def __init__(self, values: dict[str, object]):
        self.encode = values.__getitem__


def pyserini_searcher(folder: Path, queries: list[EncodedQuery], terms: list[str]) -> object:
    from pyserini.search.faiss import FaissSearcher
    from pyserini.search.hybrid import HybridSearcher
    from pyserini.search.lucene import LuceneImpactSearcher

    def impacts(query: EncodedQuery) -> dict[str, int]:
        pairs = zip(query.token_ids, np.rint(query.weights * QUERY_SCALE).astype(int).tolist(), strict=True)
        return {terms[i]: impact for i, impact in pairs}

    dense = Encoded({str(i): query.cls for i, query in enumerate(queries)})
    sparse = Encoded({str(i): impacts(query) for i, query in enumerate(queries)})
    return HybridSearcher(
        FaissSearcher(str(folder / "faiss"), dense), LuceneImpactSearcher(str(folder / "lucene"), sparse, min_idf=-1)
    )


def rounds(contestants: dict[str, Callable[[], None]], repeat: int) -> dict[str, float]:
    """Seconds of each: the median of ``repeat`` rounds, taken in turns, after one that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeat + 1):
        for name, contestant in contestants.items():
            started = time.perf_counter()
            contestant()
            seconds[name].append(time.perf_counter() - started)
    return {name: median(measured[1:]) for name, measured in seconds.items()}


def compare(engines: Engines, pyserini: object, queries: list[EncodedQuery], args: argparse.Namespace) -> None:
    names = [str(i) for i in range(len(queries))]
    by_lists = len(engines.exact.docids) - 1  # the deepest search that is no scan
    proved: dict[str, int] = {}

    def ours(certify: int, max_depth: int | None, batch: int, threads: int) -> tuple[str, Callable[[], None]]:
        name = f"ours{', by lists' if max_depth else ''}: top {certify} proved"

        def search() -> None:
            proved[name] = 0
            for start in range(0, len(queries), batch):
                part = queries[start : start + batch]
                for ranking in engines.ranker().search(part, args.hits, certify, max_depth, threads):
                    proved[name] += ranking.proved
                    engines.hits(ranking)

        return name, search

    def one_by_one() -> None:
        for name in names:
            pyserini.search(name, args.hits, args.hits)

    def together() -> None:
        pyserini.batch_search(names, names, args.hits, args.hits, threads=2)

    for title, batch, threads, theirs in (
        ("one query at a time, one thread", 1, 1, one_by_one),
        ("one batch, two threads", len(queries), 2, together),
    ):
        choices = [(certify, depth) for depth in (None, by_lists) for certify in (args.certify, args.hits)]
        contestants = dict([("Pyserini", theirs), *(ours(*choice, batch, threads) for choice in choices)])
        seconds = rounds(contestants, args.repeat)
        print(f"{title}:")
        for name, value in seconds.items():
            speed = f"{len(queries) / value:8.1f} queries/s {1000 * value / len(queries):8.1f} ms a query"
            certain = f"   {proved[name]} of {len(queries)} proved" if name in proved else ""
            print(f"  {name:<32}{speed} {seconds['Pyserini'] / value:6.2f} x{certain}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--index", type=Path, help="an encoded collection; needs --encoder and --topics")
    parser.add_argument("--encoder", help="the model that encoded it")
    parser.add_argument("--topics", help="its queries")
    parser.add_argument("--queries", type=positive_int, default=100, help="how many queries (default: 100)")
    parser.add_argument("--hits", type=positive_int, default=1000, help="documents a query (default: 1000)")
    parser.add_argument("--certify", type=positive_int, default=100, help="how many of them proved (default: 100)")
    parser.add_argument("--repeat", type=positive_int, default=5, help="rounds that count (default: 5)")
    args = parser.parse_args()
    if args.index and not (args.encoder and args.topics):
        parser.error("--index needs --encoder and --topics")
    jvm.prepare()
    with tempfile.TemporaryDirectory() as temporary:
        if args.index:
            texts = [text for _, text in read_topics(args.topics)][: args.queries]
            folder, queries = args.index, QueryModel.load(args.encoder).encode(texts)
        else:
            folder, queries = made(Path(temporary), args.queries)
        engines = open_engines(folder / "faiss", folder / "lucene")
        store = engines.exact.store
        terms = np.mean([len(query.token_ids) for query in queries])
        print(f"{len(store):,} documents, {len(queries)} queries of {terms:.0f} terms, {args.hits} hits")
        compare(engines, pyserini_searcher(folder, queries, store.terms), queries, args)
        engines.close()


if __name__ == "__main__":
    run_command(main)
