"""How often Milvus's own hybrid search, and an approximate index, miss the first documents of Eq. 12.

    python benchmarks/milvus.py --index OUT --topics TOPICS [--encoder MODEL] [--queries 100]

The collection is loaded into Milvus Lite once for each index of the dense vectors. `hybrid_search` with a
WeightedRanker of weights 1 and 1 joins two lists; a document that is in one of them only has no score for the other
part. Printed is, for the first 10 and 100: for how many queries they are not those of Eq. 12 in their order, and how
many of them are there on average.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import pyserini_dupmae.api as dupmae
from pyserini_dupmae.data.topics import read_topics
from pyserini_dupmae.index.milvus import DENSE_INDEXES
from pyserini_dupmae.index.milvus_client import DEFAULT_COLLECTION, Milvus
from pyserini_dupmae.modeling.query_encoder import EncodedQuery
from pyserini_dupmae.search.searcher import DupMAESearcher
from pyserini_dupmae.util.command import add_encoder, positive_int, run_command

HITS = (10, 100)
Search = Callable[[EncodedQuery, int], list[int]]


def weighted(milvus: Milvus, longer: int, norm: bool) -> Search:
    """Milvus's hybrid search, with lists that are ``longer`` times as long as what is returned."""
    from pymilvus import AnnSearchRequest, WeightedRanker

    def search(query: EncodedQuery, hits: int) -> list[int]:
        vectors = {
            "cls": query.cls,
            "mu": dict(zip(query.token_ids.tolist(), query.weights.tolist(), strict=True)),
        }
        asked = [
            AnnSearchRequest([vector], field, {"metric_type": "IP"}, limit=longer * hits)
            for field, vector in vectors.items()
        ]
        ranker = WeightedRanker(1.0, 1.0, norm_score=norm)
        (found,) = milvus.ask("hybrid_search", DEFAULT_COLLECTION, reqs=asked, ranker=ranker, limit=hits)
        return [int(hit["row"]) for hit in found]

    return search


def ours(searcher: DupMAESearcher) -> Search:
    """The engine of the package."""

    def search(query: EncodedQuery, hits: int) -> list[int]:
        (ranking,) = searcher.rank([query], hits)
        return ranking.rows.tolist()

    return search


def compare(name: str, search: Search, queries: Sequence[EncodedQuery], exact: dict[int, list[list[int]]]) -> str:
    """A row of the table."""
    cells = []
    for hits in HITS:
        found = [search(query, hits) for query in queries]
        pairs = list(zip(found, exact[hits], strict=True))
        differ = np.mean([one != other for one, other in pairs])
        shared = np.mean([len({*one} & {*other}) / len(other) for one, other in pairs])
        cells += [f"{differ:.0%}", f"{shared:.3f}"]
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", required=True, help="folder that pyserini_dupmae.encode wrote")
    parser.add_argument("--topics", required=True)
    parser.add_argument("--queries", type=positive_int, default=100, metavar="N", help="take the first N")
    add_encoder(parser)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scan = DupMAESearcher(args.index, args.encoder, engine="scan")
        queries = scan.encode([text for _, text in read_topics(args.topics)[: args.queries]])
        exact = {hits: [ours(scan)(query, hits) for query in queries] for hits in HITS}
        print(f"{scan.num_docs} documents, {len(queries)} queries")
        print("| | differ, top 10 | of them there | differ, top 100 | of them there |")
        print("|:--|--:|--:|--:|--:|")
        for kind in DENSE_INDEXES:
            uri = str(Path(folder) / f"{kind}.db")
            dupmae.index(args.index, to="milvus", uri=uri, milvus_index=kind)
            with DupMAESearcher(encoder=scan.encoder, uri=uri) as searcher:
                print(compare(f"this package, {kind}", ours(searcher), queries, exact), flush=True)
        milvus = Milvus(str(Path(folder) / "FLAT.db"))
        milvus.ask("load_collection", DEFAULT_COLLECTION)
        for longer, norm in ((1, False), (1, True), (10, False)):
            name = f"WeightedRanker, lists {longer} times as long{', normalised' if norm else ''}"
            print(compare(name, weighted(milvus, longer, norm), queries, exact), flush=True)
        milvus.close()


if __name__ == "__main__":
    run_command(main)
