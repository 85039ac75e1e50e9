"""Known-item search: DupMAE's two parts, both together, and BM25, measured on the same queries."""

from __future__ import annotations

from pathlib import Path

from pyserini_dupmae import jvm
from pyserini_dupmae.demo.docstrings import Collection
from pyserini_dupmae.evaluation import Run, mean, measure
from pyserini_dupmae.modeling.query_encoder import QueryModel
from pyserini_dupmae.search import DupMAESearcher

METRICS = ("RR@10", "nDCG@10", "R@100")
HEADER = ("", *METRICS)
HITS = 100
BM25_K1, BM25_B = 0.9, 0.4  # Anserini's defaults, fitted to no collection
SYSTEMS = {"DupMAE, [CLS] only": "dense", "DupMAE, bag of words only": "sparse", "DupMAE, both (Eq. 12)": "hybrid"}


def evaluate(collection: Collection, index: Path, encoder: QueryModel, bm25: Path) -> list[list[str]]:
    """One row of text a system: its name, then the mean over queries of each of `METRICS`."""
    qrels = {qid: {qid: 1} for qid in collection.queries}
    runs = {"BM25 (Lucene)": _bm25(collection, bm25)}
    runs.update({name: _dupmae(collection, index, encoder, mode) for name, mode in SYSTEMS.items()})
    rows = []
    for name, run in runs.items():
        values = measure(run, qrels, METRICS)
        rows.append([name, *(f"{mean(values[metric]):.3f}" for metric in METRICS)])
    return rows


def _dupmae(collection: Collection, index: Path, encoder: QueryModel, mode: str) -> Run:
    searcher = DupMAESearcher(index, encoder, mode=mode)
    found = searcher.batch_search(list(collection.queries.values()), list(collection.queries), k=HITS)
    searcher.close()
    return _run(found)


def _bm25(collection: Collection, index: Path) -> Run:
    jvm.start()  # before Pyserini does, with options that suit the Java that was found
    from pyserini.search.lucene import LuceneSearcher

    searcher = LuceneSearcher(str(index))
    searcher.set_bm25(BM25_K1, BM25_B)
    found = searcher.batch_search(list(collection.queries.values()), list(collection.queries), k=HITS)
    searcher.close()
    return _run(found)


def _run(found: dict) -> Run:
    return Run({qid: {hit.docid: hit.score for hit in hits} for qid, hits in found.items()})
