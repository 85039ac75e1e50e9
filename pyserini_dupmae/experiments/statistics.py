"""What is in an index, counted quickly: read from the indexes, which keep it, not from what was written about them."""

from __future__ import annotations

from pathlib import Path

from pyserini_dupmae import jvm
from pyserini_dupmae.util.errors import UserError, first_line
from pyserini_dupmae.util.lazy import require

FIELD = "contents"


def index_statistics(index: Path) -> dict[str, int]:
    """``documents``, ``postings`` (weights other than 0), ``weights`` (the sum of the quantised ones), ``dimension``.

    ``index`` is the folder that has ``faiss`` and ``lucene``. Raises `UserError` when one of them is missing or the two
    disagree.
    """
    faiss = _of_faiss(index / "faiss" / "index")
    lucene = _of_lucene(index / "lucene")
    if faiss["documents"] != lucene["documents"]:
        raise UserError(
            f"the FAISS index in {index} has {faiss['documents']} documents and the Lucene index "
            f"{lucene['documents']}; build both again"
        )
    return {**lucene, **faiss}


def _of_faiss(path: Path) -> dict[str, int]:
    faiss = require("faiss", "counting what is in a FAISS index", "faiss-cpu")
    try:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
    except RuntimeError as error:
        raise UserError(f"cannot read the FAISS index {path}: {first_line(error)}; build it again") from None
    return {"documents": index.ntotal, "dimension": index.d}


def _of_lucene(folder: Path) -> dict[str, int]:
    paths = jvm.java_class("java.nio.file.Paths")
    from jnius import JavaException

    try:
        directory = jvm.java_class("org.apache.lucene.store.FSDirectory").open(paths.get(str(folder.absolute())))
        reader = jvm.java_class("org.apache.lucene.index.DirectoryReader").open(directory)
    except JavaException as error:
        raise UserError(f"cannot read the Lucene index {folder}: {error}; build it again") from None
    searcher_class = jvm.java_class("org.apache.lucene.search.IndexSearcher")
    searcher = searcher_class(reader, signature="(Lorg/apache/lucene/index/IndexReader;)V")
    found = searcher.collectionStatistics(FIELD)  # None when every document is empty
    postings, weights = (found.sumDocFreq(), found.sumTotalTermFreq()) if found else (0, 0)
    documents = reader.numDocs()
    reader.close()
    return {"documents": documents, "postings": postings, "weights": weights}
