"""Where the documents, queries and judgements of a collection come from: the ``--data`` folder, or the registries.

Documents come from the folder when one is given, else from ir_datasets. Queries and judgements that the folder lacks
come from ir_datasets or, for collections that it does not have, from Pyserini's registry.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pyserini_dupmae.reproduce.schema import Collection, Docstrings, TopicSet
from pyserini_dupmae.util.errors import UserError

COMPRESSED = ("", ".gz", ".zst")
BEIR_CORPUS = "corpus.jsonl"


@dataclass(frozen=True)
class Files:
    """Documents that the encode command can read as they are."""

    path: Path


@dataclass(frozen=True)
class Archive:
    """A zip file, in which ``folder`` is a collection in BEIR's layout."""

    path: Path
    folder: str
    md5: str | None


@dataclass(frozen=True)
class Titled:
    """Passages and their titles in two files, to be joined."""

    passages: Path
    titles: Path


@dataclass(frozen=True)
class Dataset:
    """Documents of ir_datasets."""

    name: str


Documents = Files | Archive | Titled | Dataset | Docstrings


@dataclass(frozen=True)
class Topics:
    """Queries and judgements, each a file or a registry's name.

    ``judged_only`` leaves out the queries of other splits; ``pyserini`` says which registry has the judgements.
    """

    topics: str | Path
    qrels: str | Path
    judged_only: bool = False
    pyserini: bool = False


def documents(collection: Collection, data: Path | None) -> Documents:
    """The documents of ``collection``. Raises `UserError` that names what was looked for and where to get it."""
    if collection.docstrings:
        return collection.docstrings
    if data is None:
        if collection.ir_datasets:
            return Dataset(collection.ir_datasets)
        names = " or ".join(_names(collection))
        raise UserError(
            f"the collection {collection.name} cannot be downloaded; give a folder that has {names} with --data DIR "
            f"({collection.obtain})"
        )
    if not data.is_dir():
        raise UserError(f"there is no folder {data}; give the folder that has the collections with --data")
    found = _in_beir_layout(collection, data) or _in_files(collection, data)
    if found is None:
        raise UserError(
            f"the collection {collection.name} is not in {data}; looked for {', '.join(_names(collection))} there and "
            f"in {data / collection.name}. To get it: {collection.obtain}"
        )
    return found


def topics(collection: Collection, name: str, data: Path | None, beir_folder: Path | None) -> Topics:
    """The queries and judgements of the topic set ``name``.

    ``beir_folder`` is the folder in BEIR's layout from which the documents come, if they do; its files may be yet to
    be unpacked. Raises `UserError` when neither a file nor a registry has them.
    """
    wanted = collection.topics[name]
    if wanted.split and beir_folder:
        return Topics(beir_folder / "queries.jsonl", beir_folder / "qrels" / f"{wanted.split}.tsv", judged_only=True)
    local = (_first(collection, data, wanted.topics), _first(collection, data, wanted.qrels))
    registry = _registry(wanted)
    if local[0] and local[1]:
        return Topics(local[0], local[1])
    if registry is None:
        looked = [file for file, found in zip((wanted.topics, wanted.qrels), local, strict=True) if not found]
        raise UserError(
            f"no registry has the topics {name} of {collection.name}; looked in {data or '--data, which is not given'} "
            f"for {' and for '.join(' or '.join(names) for names in looked)}. To get them: {collection.obtain}"
        )
    return Topics(local[0] or registry.topics, local[1] or registry.qrels, pyserini=registry.pyserini and not local[1])


def _registry(wanted: TopicSet) -> Topics | None:
    if wanted.ir_datasets:
        return Topics(wanted.ir_datasets, wanted.ir_datasets)
    if wanted.pyserini_topics and wanted.pyserini_qrels:
        return Topics(wanted.pyserini_topics, wanted.pyserini_qrels, pyserini=True)
    return None


def _names(collection: Collection) -> list[str]:
    beir = [f"{collection.beir}/{BEIR_CORPUS}", f"{_archive_name(collection)}"] if collection.beir else []
    return [*beir, *collection.corpus, *([" with ".join(collection.titles)] if collection.titles else [])]


def _archive_name(collection: Collection) -> str:
    return f"{(collection.beir or '').partition('/')[0]}.zip"


def _in_beir_layout(collection: Collection, data: Path) -> Files | Archive | None:
    if not collection.beir:
        return None
    for folder in (data / collection.beir, data):
        corpora = [folder / (BEIR_CORPUS + suffix) for suffix in COMPRESSED]
        if folder.name == Path(collection.beir).name and (found := next(filter(Path.is_file, corpora), None)):
            return Files(found)
    archive = data / _archive_name(collection)
    return Archive(archive, collection.beir, collection.md5) if archive.is_file() else None


def _in_files(collection: Collection, data: Path) -> Files | Titled | None:
    if path := _first(collection, data, collection.corpus):
        return Files(path)
    if collection.titles:
        passages, titles = (_first(collection, data, [name]) for name in collection.titles)
        if passages and titles:
            return Titled(passages, titles)
    return None


def _first(collection: Collection, data: Path | None, names: list[str]) -> Path | None:
    """The first of ``names`` in the data folder or in the collection's own folder there, compressed or not."""
    if data is None:
        return None
    candidates = (
        folder / (name + suffix) for name in names for folder in (data, data / collection.name) for suffix in COMPRESSED
    )
    return next((path for path in candidates if path.exists()), None)
