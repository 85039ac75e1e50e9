"""Collections brought from the forms that they come in into the forms that the commands read."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pyserini_dupmae.data.lines import numbered_texts
from pyserini_dupmae.data.qrels import Qrels, read_qrels
from pyserini_dupmae.data.topics import read_topics
from pyserini_dupmae.util.errors import UserError, first_line
from pyserini_dupmae.util.files import atomic_open, atomic_path

TOPICS = "topics.tsv"
QRELS = "qrels.txt"


def write_topics(topics: str, qrels: str, output: Path, *, judged_only: bool = False) -> None:
    """Write queries and judgements as ``topics.tsv`` and ``qrels.txt`` (TREC's form) in the folder ``output``.

    Args:
        topics: as in `search`.
        qrels: as in `evaluate`; `pyserini_qrels` has the file of a name of Pyserini's registry.
        judged_only: leave out queries without judgements.

    Raises:
        UserError: no query is judged, or one of both cannot be read.
    """
    queries, judgements = read_topics(topics), read_qrels(qrels)
    judged = [(qid, text) for qid, text in queries if qid in judgements]
    if not judged:
        raise UserError(f"none of the queries of {topics} is judged in {qrels}")
    with atomic_path(output) as folder:
        folder.mkdir()
        lines = (f"{qid}\t{' '.join(text.split())}\n" for qid, text in (judged if judged_only else queries))
        (folder / TOPICS).write_text("".join(lines), encoding="utf-8")
        (folder / QRELS).write_text("".join(_trec_lines(judgements)), encoding="utf-8")


def pyserini_qrels(name: str) -> str:
    """The file with the judgements ``name`` of Pyserini's registry; raises `UserError`."""
    from pyserini_dupmae import jvm

    jvm.prepare()
    from jnius import JavaException
    from pyserini.search import get_qrels_file

    try:
        return str(get_qrels_file(name))
    except (JavaException, OSError) as error:
        raise UserError(f"cannot have the judgements {name!r} from Pyserini's registry: {first_line(error)}") from None


def unpack(archive: Path, folder: str, output: Path, *, md5: str | None = None) -> None:
    """Write what is in ``folder`` of a zip file; raises `UserError` unless the file has it and the checksum ``md5``."""
    if md5:
        with open(archive, "rb") as stream:
            found = hashlib.file_digest(stream, "md5").hexdigest()
        if found != md5:
            raise UserError(f"{archive} is damaged or another version: its MD5 is {found}, not {md5}")
    inside = folder.rstrip("/") + "/"
    try:
        with zipfile.ZipFile(archive) as opened, atomic_path(output) as unpacked:
            members = [one for one in opened.infolist() if one.filename.startswith(inside) and not one.is_dir()]
            if not members:
                raise UserError(f"{archive} has no folder {folder}")
            for member in members:
                target = unpacked / member.filename.removeprefix(inside)
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as source, open(target, "wb") as stream:
                    shutil.copyfileobj(source, stream)
    except zipfile.BadZipFile as error:
        raise UserError(f"{archive} is damaged ({error}); get it again") from None


def join_titles(passages: Path, titles: Path, output: Path) -> None:
    """Write ``id TAB title TAB text``; a passage without a title gets an empty one. Memory: all titles."""
    found = dict(_columns(titles))
    if not found:
        raise UserError(f"{titles} is empty")
    with atomic_open(output) as stream:
        for docid, text in _columns(passages):
            stream.write(f"{docid}\t{found.get(docid, '')}\t{text}\n")


def write_docstrings(output: Path, *, queries: int, documents: int | None = None) -> None:
    """Write the docstrings of the standard library as a folder in BEIR's layout, with the split ``test``."""
    from pyserini_dupmae.demo.docstrings import build

    collection = build(queries, documents)
    with atomic_path(output) as folder:
        folder.mkdir()
        qrels = {"test": ((qid, qid) for qid in collection.queries)}
        write_beir(folder, collection.documents, collection.queries, qrels)


def write_beir(
    folder: Path,
    documents: Mapping[str, str],
    queries: Mapping[str, str],
    qrels: Mapping[str, Iterable[tuple[str, str]]],
) -> None:
    """Write texts by id, and the relevant (query id, docid) of each split, in BEIR's layout into ``folder``."""
    _write_jsonl(folder / "corpus.jsonl", documents)
    _write_jsonl(folder / "queries.jsonl", queries)
    (folder / "qrels").mkdir()
    for split, pairs in qrels.items():
        lines = ["query-id\tcorpus-id\tscore\n", *(f"{qid}\t{docid}\t1\n" for qid, docid in pairs)]
        (folder / "qrels" / f"{split}.tsv").write_text("".join(lines), encoding="utf-8")


def _write_jsonl(path: Path, texts: Mapping[str, str]) -> None:
    lines = [json.dumps({"_id": name, "text": text}, ensure_ascii=False) + "\n" for name, text in texts.items()]
    path.write_text("".join(lines), encoding="utf-8")


def _trec_lines(qrels: Qrels) -> Iterator[str]:
    for qid, judged in qrels.items():
        for docid, relevance in judged.items():
            yield f"{qid} 0 {docid} {relevance}\n"


def _columns(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in numbered_texts(path):
        docid, tab, text = line.partition("\t")
        if not tab or "\t" in text:
            raise UserError(f"{path}:{number}: expected an id, a tab and a text")
        yield docid, text
