"""Count what is in an index, quickly: ``python -m pyserini_dupmae.reproduce.statistics --index OUT --output FILE``.

Writes JSON: ``documents``, ``postings`` (weights other than 0), ``weights`` (the sum of the quantised ones) and
``dimension`` (d'). All four are read from the indexes, which keep them, not from what was written about them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pyserini_dupmae import jvm
from pyserini_dupmae.util.command import run_command
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import write_json

FIELD = "contents"


def statistics(index: Path) -> dict[str, int]:
    """The four numbers of the folder ``index``; raises `UserError` when an index is missing or the two disagree."""
    faiss = _faiss(index / "faiss" / "index")
    lucene = _lucene(index / "lucene")
    if faiss["documents"] != lucene["documents"]:
        raise UserError(
            f"the FAISS index in {index} has {faiss['documents']} documents and the Lucene index "
            f"{lucene['documents']}; build both again"
        )
    return {**lucene, **faiss}


def _faiss(path: Path) -> dict[str, int]:
    try:
        import faiss
    except ImportError:
        raise UserError("this needs FAISS: pip install faiss-cpu") from None
    try:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
    except RuntimeError as error:
        raise UserError(f"cannot read the FAISS index {path}: {str(error).splitlines()[0]}; build it again") from None
    return {"documents": index.ntotal, "dimension": index.d}


def _lucene(folder: Path) -> dict[str, int]:
    paths = jvm.java_class("java.nio.file.Paths")
    from jnius import JavaException

    try:
        directory = jvm.java_class("org.apache.lucene.store.FSDirectory").open(paths.get(str(folder)))
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


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    result = argparse.ArgumentParser(prog="python -m pyserini_dupmae.reproduce.statistics", description=__doc__)
    result.add_argument("--index", type=Path, required=True, help="folder that has faiss and lucene")
    result.add_argument("--output", type=Path, required=True, help="the file to write")
    return result


def main() -> None:
    """Run the command; raises `UserError`."""
    options = parser().parse_args()
    write_json(options.output, statistics(options.index))


if __name__ == "__main__":
    run_command(main)
