"""The demo as a function: collection, indexes, measured table and questions, in one folder that a second run reuses."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path

from pyserini_dupmae import __version__
from pyserini_dupmae.demo.docstrings import QUERIES, Collection, build
from pyserini_dupmae.demo.questions import DEPTH, FOUND, SHOWN, Asked, ask
from pyserini_dupmae.demo.systems import METRICS, Scores, measure_systems, systems
from pyserini_dupmae.encode.collection import encode
from pyserini_dupmae.evaluation.baselines import index_bm25
from pyserini_dupmae.evaluation.tables import text_table
from pyserini_dupmae.index.info import INFO_JSON
from pyserini_dupmae.modeling.default import DEFAULT_MODEL
from pyserini_dupmae.modeling.query_encoder import QueryModel
from pyserini_dupmae.search import DupMAESearcher
from pyserini_dupmae.search.explanation import explain
from pyserini_dupmae.util import resume
from pyserini_dupmae.util.files import atomic_path, user_cache, write_json
from pyserini_dupmae.util.json_text import read_json
from pyserini_dupmae.util.log import logger

QUERY_SHARE = 6
"""A collection of N documents gets at most N / 6 queries."""

HITS = 5
TOKENS = 6
WIDTH = 100


@dataclass(frozen=True)
class DemoResult:
    """What the demo found.

    Attributes:
        folder: where the collection and its indexes are.
        collection: documents and queries.
        scores: system -> metric -> mean over the queries.
        asked: questions that share no word with the docstring that answers them, best found first.
        searcher: searches the collection by Eq. 12; close it in the end.
    """

    folder: Path
    collection: Collection
    scores: Scores
    asked: list[Asked]
    searcher: DupMAESearcher

    def __str__(self) -> str:
        rows = [[name, *(f"{means[metric]:.3f}" for metric in METRICS)] for name, means in self.scores.items()]
        found = f"{len(self.collection.queries)} queries, {len(self.collection.documents)} documents in {self.folder}"
        return f"{found}\n\n{text_table(('', *METRICS), rows)}"

    def questions(self) -> str:
        """The questions that are found best, as a table; empty when the collection has none of their answers."""
        if not self.asked:
            return ""
        found = sum(one.rank is not None and one.rank <= FOUND for one in self.asked)
        rows = [[one.question, one.docid, str(one.rank or f"> {DEPTH}")] for one in self.asked[:SHOWN]]
        return (
            f"{len(self.asked)} questions share no word with the docstring that answers them; "
            f"{found} find it among the first {FOUND}. The best {len(rows)}:\n\n"
            + text_table(("question", "answered by", "rank"), rows)
        )

    def answer(self, question: str) -> str:
        """The best documents for a question, each with the parts of its score and the beginning of its text."""
        lines = []
        for rank, hit in enumerate(self.searcher.search(question, HITS), 1):
            reason = explain(self.searcher, query=question, docid=hit.docid)
            tokens = ", ".join(f"{share.token} {share.contribution:.2f}" for share in reason.tokens[:TOKENS])
            text = " ".join(self.collection.documents[hit.docid].split())
            lines += [
                f"{rank}. {hit.docid}  {reason.score:.2f} = "
                f"[CLS] {reason.cls_score:.2f} + bag of words {reason.ot_score:.2f}",
                f"   terms: {tokens or 'none in common'}",
                f"   {text if len(text) <= WIDTH else text[: WIDTH - 3] + '...'}",
            ]
        return "\n".join(lines)


def demo(
    *,
    encoder: str | os.PathLike | None = None,
    documents: int | None = None,
    output: str | os.PathLike | None = None,
) -> DemoResult:
    """Search the docstrings of the standard library with DupMAE and with what it has to beat.

    What an earlier call has left in the folder is used; a step that was interrupted is done again or goes on. For
    example, with the package's own model, which takes minutes the first time::

        from pyserini_dupmae.demo.run import demo

        result = demo()
        print(result)
        print(result.answer("how do I copy a directory?"))

    Args:
        encoder: a DupMAE model: a folder, or a name on the Hugging Face Hub (default: the package's own).
        documents: take so many only (default: all, about 6,500).
        output: the folder to work in (default: one in the user's cache, for this Python, model and number).

    Raises:
        UserError: there is no such model, the folder holds another demo, or Java, FAISS or Pyserini is missing.
    """
    name = str(encoder or DEFAULT_MODEL)
    model = QueryModel.load(name)
    settings = {"python": platform.python_version(), "documents": documents, "model": model.identity.fingerprint}
    folder = Path(output) if output is not None else user_cache() / "demo" / _key(settings)
    begun = folder / "demo.json"
    resume.begin(begun, settings, work=f"the demo in {folder}", mend="delete the folder, or give another one")
    logger.info("reading the docstrings of the standard library of Python %s", platform.python_version())
    collection = build(QUERIES if documents is None else max(1, documents // QUERY_SHARE), documents)
    corpus, index, bm25, table = folder / "collection", folder / "index", folder / "bm25", folder / "table.json"
    if not corpus.exists():
        _write(collection, corpus)
    if not all((index / kind / INFO_JSON).exists() for kind in ("faiss", "lucene")):
        logger.info("encoding %d documents with %s", len(collection.documents), name)
        encode(corpus / CORPUS, output=index, encoder=name, store_contents=True, resume=True)
    index_bm25(collection.documents, bm25)
    searcher = DupMAESearcher(index, model)
    scores = read_json(table) if table.exists() else {}
    if set(scores) != set(systems()):
        scores = measure_systems(collection, searcher, bm25)
        write_json(table, scores)
    ordered = {system: scores[system] for system in systems()}
    return DemoResult(folder, collection, ordered, ask(searcher, collection.documents), searcher)


CORPUS = "corpus.jsonl"


def _key(settings: dict[str, str | int | None]) -> str:
    facts = f"{__version__} {json.dumps(settings)}"
    return f"python-{settings['python']}-{hashlib.sha256(facts.encode()).hexdigest()[:8]}"


def _write(collection: Collection, folder: Path) -> None:
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        with open(temporary / CORPUS, "w", encoding="utf-8") as stream:
            for docid, text in collection.documents.items():
                stream.write(json.dumps({"id": docid, "contents": text}, ensure_ascii=False) + "\n")
