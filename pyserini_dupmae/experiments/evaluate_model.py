"""A model measured on collections: encoded, searched by [CLS], by the bag of words and by Eq. 12, and evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from pyserini_dupmae.data.judged_collection import JudgedCollection, find_collection
from pyserini_dupmae.data.qrels import Qrels, read_qrels
from pyserini_dupmae.data.query_records import write_queries
from pyserini_dupmae.data.runs import Run
from pyserini_dupmae.data.topics import read_topics
from pyserini_dupmae.encode.collection import encode
from pyserini_dupmae.evaluation.collection import measure_searcher
from pyserini_dupmae.evaluation.results import MODE_NAMES, QUERIES_SUFFIX, SUFFIX, ConditionResult
from pyserini_dupmae.evaluation.tables import text_table
from pyserini_dupmae.experiments.baselines import measure_baselines
from pyserini_dupmae.experiments.prepare import QRELS, TOPICS, write_topic_set
from pyserini_dupmae.experiments.provenance import provenance, training_log
from pyserini_dupmae.experiments.recipes import METRICS, MODES
from pyserini_dupmae.search.run import TAG
from pyserini_dupmae.search.searcher import DupMAESearcher
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_open, require_folder
from pyserini_dupmae.util.log import conclude


def evaluate_model(
    data: Sequence[str],
    output: str | PathLike[str],
    *,
    encoder: str | None = None,
    indexes: Sequence[str | PathLike[str]] = (),
    name: str | None = None,
    baselines: bool = False,
    queries: int | None = None,
    hits: int = 100,
    device: str | None = None,
    dtype: str = "auto",
    engine: str = "auto",
    threads: int | None = None,
) -> list[ConditionResult]:
    """Measure a model on collections. Interrupted, the same call goes on.

    Args:
        data: collections, as `find_collection` takes them.
        output: the folder to write to: ``index/NAME`` is what `encode` writes, ``search/NAME.MODE.txt`` what `search`
            writes, and ``NAME.MODE.result.json`` what is returned.
        encoder: a DupMAE model, by folder or name (default: the one that encoded ``indexes``; without these the
            package's own).
        indexes: what `encode` wrote for each collection; without them the collections are encoded.
        name: what the results call the model (default: the name of its folder).
        baselines: measure BM25 as well, and all-MiniLM-L6-v2 if it is installed, in ``NAME.SYSTEM.result.json``.
        queries: at most so many judged queries of each collection, spread evenly over its file (default: all).
        hits: documents a query.
        device: where the model runs (default: a GPU if there is one).
        dtype: what it computes in, as `encode` takes it.
        engine: how documents are found, as in `search`.
        threads: threads that search (default: one for each core that the process may use).

    Raises:
        UserError: a collection or model that cannot be read, or two collections of one name.
    """
    require_folder(output)
    collections = [find_collection(one) for one in data]
    names = [_name(collection) for collection in collections]
    if len(set(names)) < len(names):
        raise UserError(f"--data names two collections alike: {' '.join(data)}; rename a folder")
    if indexes and len(indexes) != len(collections):
        raise UserError(
            f"{len(collections)} --data but {len(indexes)} --index; the i-th index belongs to the i-th data"
        )
    output = Path(output)
    folders = [Path(index) for index in indexes] or [output / "index" / one for one in names]
    for collection, folder in zip(collections, [] if indexes else folders, strict=not indexes):
        corpus, dataset = (None, str(collection.qrels)) if collection.topics is None else (collection.corpus, None)
        done = encode(
            corpus, ir_dataset=dataset, output=folder, encoder=encoder, device=device, dtype=dtype, resume=True
        )
        conclude(done)
    results = []
    for collection, of_collection, folder in zip(collections, names, folders, strict=True):
        if baselines:
            topics, qrels = _topics(collection, of_collection, output, queries)
            documents = dict(collection.documents())
            results += measure_baselines(
                documents, topics, qrels, output, collection=of_collection, metrics=METRICS, hits=hits
            )
        with DupMAESearcher(folder, encoder, engine=engine, device=device) as searcher:
            model = encoder or searcher.encoder.identity.name
            results += _measure(
                searcher,
                collection,
                of_collection,
                name or Path(model).name,
                output,
                queries=queries,
                hits=hits,
                threads=threads,
                log=training_log(model, output),
            )
    return results


def table(results: Sequence[ConditionResult]) -> str:
    """The means of ``results`` as aligned text, a row for each collection and system."""
    rows = []
    for one in results:
        system = ", ".join(part for part in (one.model, MODE_NAMES[one.mode]) if part)
        rows.append([one.collection, system, *(f"{value:.4f}" for value in one.metrics.values())])
    return text_table(["collection", "system", *results[0].metrics], rows)


def _name(collection: JudgedCollection) -> str:
    """What files of results call a collection and its split."""
    if collection.topics is None:
        return str(collection.qrels).replace("/", "-")
    return Path(collection.name).name.replace(":", "-")


def _topics(collection: JudgedCollection, called: str, output: Path, most: int | None) -> tuple[dict[str, str], Qrels]:
    """The topics that are judged, or so many of them, and the judgements; both are written below ``output``."""
    prepared, topics = output / "topics" / called, str(collection.topics or collection.qrels)
    write_topic_set(topics, str(collection.qrels), prepared, judged_only=True, most=most)
    return dict(read_topics(prepared / TOPICS)), read_qrels(prepared / QRELS)


def _measure(
    searcher: DupMAESearcher,
    collection: JudgedCollection,
    called: str,
    model: str,
    output: Path,
    *,
    queries: int | None,
    hits: int,
    threads: int | None,
    log: str | None,
) -> list[ConditionResult]:
    topics, qrels = _topics(collection, called, output, queries)
    found = measure_searcher(searcher, topics.items(), qrels, metrics=METRICS, hits=hits, modes=MODES, threads=threads)
    results, store = [], searcher.engines.exact.store
    for mode, measured in found.items():
        _write_run(measured.run, output / "search" / f"{called}.{mode}.txt")
        result = ConditionResult(
            condition=f"{called}.{model}.{mode}",
            collection=called,
            model=model,
            mode=mode,
            metrics=measured.means,
            per_query=measured.values,
            cls_dim=None if mode == "sparse" else store.model.cls_dim,
            top_k=None if mode == "dense" else store.top_k,
            provenance=provenance(searcher.encoder.identity.fingerprint),
            training_log=log,
            queries=f"{called}.{mode}{QUERIES_SUFFIX}",
        )
        write_queries(output / f"{called}.{mode}{QUERIES_SUFFIX}", measured.queries(topics))
        result.write(output / f"{called}.{mode}{SUFFIX}")
        results.append(result)
    return results


def _write_run(run: Run, path: Path) -> None:
    """Write what `search` writes: ``qid Q0 docid rank score tag``."""
    with atomic_open(path) as stream:
        for qid, scores in run.scores.items():
            for rank, (docid, score) in enumerate(scores.items(), 1):
                stream.write(f"{qid} Q0 {docid} {rank} {score:.6f} {TAG}\n")
