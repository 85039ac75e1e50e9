"""Collections brought from the forms that they come in into the forms that the commands read."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from pathlib import Path

from pyserini_dupmae.data.beir import write_beir
from pyserini_dupmae.data.qrels import read_qrels, write_qrels
from pyserini_dupmae.data.topics import read_topics, write_topics
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_path

TOPICS = "topics.tsv"
QRELS = "qrels.txt"


def write_topic_set(topics: str, qrels: str, output: Path, *, judged_only: bool = False) -> None:
    """Write queries and judgements as ``topics.tsv`` and ``qrels.txt`` (TREC's form) in the folder ``output``.

    Args:
        topics: as in `search`.
        qrels: as in `evaluate`; `data.qrels.pyserini_qrels` has the file of a name of Pyserini's registry.
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
        write_topics(folder / TOPICS, judged if judged_only else queries)
        write_qrels(folder / QRELS, judgements)


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


def write_docstrings(output: Path, *, queries: int, documents: int | None = None) -> None:
    """Write the docstrings of the standard library as a folder in BEIR's layout, with the split ``test``."""
    from pyserini_dupmae.demo.docstrings import build

    built = build(queries, documents)
    with atomic_path(output) as folder, write_beir(folder, ["test"]) as collection:
        for docid, text in built.documents.items():
            collection.document(docid, text)
        for qid, text in built.queries.items():
            collection.query(qid, text)
            collection.judgement("test", qid, qid)
