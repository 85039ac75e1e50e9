"""Collections brought from the forms that they come in into the forms that the commands read."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from pyserini_dupmae.data.beir import LAYOUT, write_beir
from pyserini_dupmae.data.qrels import read_qrels, write_qrels
from pyserini_dupmae.data.topics import read_topics, write_topics
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_path, holds_only, require_folder, require_replaceable

TOPICS = "topics.tsv"
QRELS = "qrels.txt"


def write_topic_set(
    topics: str, qrels: str, output: Path, *, judged_only: bool = False, most: int | None = None
) -> None:
    """Write queries and judgements as ``topics.tsv`` and ``qrels.txt`` (TREC's form) in the folder ``output``.

    Args:
        topics: as in `search`.
        qrels: as in `evaluate`; `data.qrels.pyserini_qrels` has the file of a name of Pyserini's registry.
        judged_only: leave out queries without judgements.
        most: leave out all but this many judged queries, spread evenly over the file, and the others' judgements.

    Raises:
        UserError: no query is judged, or one of both cannot be read.
    """
    require_replaceable(output, holds_only([TOPICS, QRELS]))
    queries, judgements = read_topics(topics), read_qrels(qrels)
    judged = [(qid, text) for qid, text in queries if qid in judgements]
    if not judged:
        raise UserError(f"none of the queries of {topics} is judged in {qrels}")
    if most is not None and most < len(judged):
        queries = judged = [judged[i * len(judged) // most] for i in range(most)]
        judgements = {qid: judgements[qid] for qid, _ in judged}
    with atomic_path(output) as folder:
        folder.mkdir()
        write_topics(folder / TOPICS, judged if judged_only else queries)
        write_qrels(folder / QRELS, judgements)


def unpack(archive: Path, folder: str, output: Path, *, md5: str | None = None) -> None:
    """Write what is in ``folder`` of a zip file; raises `UserError` unless the file has it and the checksum ``md5``."""
    require_folder(output)
    if not archive.is_file():
        raise UserError(f"there is no file {archive}; give a zip file with --archive")
    if md5:
        with open(archive, "rb") as stream:
            found = hashlib.file_digest(stream, "md5").hexdigest()
        if found != md5:
            raise UserError(f"{archive} is damaged or another version: its MD5 is {found}, not {md5}")
    inside = folder.rstrip("/") + "/"
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [one for one in opened.infolist() if one.filename.startswith(inside) and not one.is_dir()]
            if not members:
                raise UserError(f"{archive} has no folder {folder}")
            names = {member.filename.removeprefix(inside): member for member in members}
            for name in names:
                if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                    raise UserError(
                        f"{archive} has a file that would lie outside of {output}: {name!r}; nothing is unpacked"
                    )
            require_replaceable(output, holds_only(names))
            with atomic_path(output) as unpacked:
                for name, member in names.items():
                    target = unpacked / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with opened.open(member) as source, open(target, "wb") as stream:
                        shutil.copyfileobj(source, stream)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
        raise UserError(f"{archive} is damaged ({error}); get it again") from None


def write_docstrings(output: Path, *, queries: int, documents: int | None = None) -> None:
    """Write the docstrings of the standard library as a folder in BEIR's layout, with the split ``test``."""
    from pyserini_dupmae.demo.docstrings import build

    split = "test"
    require_replaceable(output, holds_only([LAYOUT.corpus, LAYOUT.topics, LAYOUT.qrels.format(split=split)]))
    built = build(queries, documents)
    with atomic_path(output) as folder, write_beir(folder, [split]) as collection:
        for docid, text in built.documents.items():
            collection.document(docid, text)
        for qid, text in built.queries.items():
            collection.query(qid, text)
            collection.judgement(split, qid, qid)
