"""Where what an experiment starts from is: files and folders, packages, collections in official files or registries."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pyserini_dupmae.data.beir import LAYOUT as BEIR
from pyserini_dupmae.data.lines import COMPRESSIONS, find_file
from pyserini_dupmae.experiments.schema import Collection, TopicSet
from pyserini_dupmae.util.errors import UserError

PACKAGE, HUB = "package:", "hub:"
BY_NAME = ("ir_datasets:", "datasets:")


@dataclass(frozen=True)
class Input:
    """``word`` stands for it in commands. ``path`` has the files that may change; None: its name tells what it is."""

    word: str
    path: Path | None


@dataclass(frozen=True)
class Preparation:
    """A command that makes documents of what is there; its ``arguments`` refer to ``inputs`` and to ``${output}``."""

    title: str
    command: str
    arguments: dict[str, Any]
    output: Path
    inputs: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Documents:
    """The documents of a collection.

    Attributes:
        arguments: what tells the encode command about them; ``${collection}`` in it stands for ``path``.
        path: the file or folder; None for ir_datasets.
        beir: the folder in BEIR's layout, if they come from one.
        preparation: makes ``path``; None when it is there.
    """

    arguments: dict[str, Any]
    path: Path | None = None
    beir: Path | None = None
    preparation: Preparation | None = None


@dataclass(frozen=True)
class Topics:
    """Queries and judgements, each a file or a registry's name.

    ``judged_only`` leaves out the queries of other splits; ``pyserini`` says which registry has the judgements.
    """

    topics: str | Path
    qrels: str | Path
    judged_only: bool = False
    pyserini: bool = False


def find_input(name: str, value: str) -> Input:
    """The input ``name`` of a recipe, whose ``value`` is one of

    - a file or folder, relative to where the command is run;
    - ``package:MODULE/FOLDER``, a folder of an installed package;
    - ``hub:NAME``, a model of the Hugging Face Hub;
    - ``ir_datasets:ID`` or ``datasets:NAME``, as the commands take them.

    Raises:
        UserError: there is no such path or package.
    """
    if value.startswith(BY_NAME):
        return Input(value, None)
    if value.startswith(HUB):
        return Input(value.removeprefix(HUB), None)
    if value.startswith(PACKAGE):
        package = value.removeprefix(PACKAGE)
        requirement = package.partition("/")[0].replace("_", "-")
        path = find_in_package(package, f"the recipe's input {name} is in a package that is missing", requirement)
    else:
        path = Path(value)
    if not path.exists():
        raise UserError(f"the recipe's input {name} is not there: {path}; give it with --set {name}=PATH")
    return Input(str(path), path)


def find_in_package(package: str, purpose: str, requirement: str | None) -> Path:
    """The folder ``MODULE/FOLDER`` of an installed package; `UserError`: ``purpose``, and what pip has to install."""
    module, _, folder = package.partition("/")
    found = find_spec(module)
    if found is None or found.origin is None:
        raise UserError(f"{purpose}: pip install {requirement}")
    return Path(found.origin).parent / folder


def find_documents(collection: Collection, data: Path | None, prepared: Path) -> Documents:
    """The documents of ``collection``: from the folder ``data`` when one is given, else from ir_datasets.

    Args:
        prepared: the folder for what has to be unpacked, joined or built.

    Raises:
        UserError: they are not there; the message names what was looked for and where to get it.
    """
    if made := collection.docstrings:
        arguments = {"queries": made.queries, "output": "${output}", "documents": made.documents}
        return _beir(collection, Preparation("docstrings", "docstrings", arguments, prepared / "beir"))
    if data is None:
        if collection.ir_datasets:
            return Documents({"ir-dataset": collection.ir_datasets})
        names = " or ".join(_names(collection))
        raise UserError(
            f"the collection {collection.name} cannot be downloaded; give a folder that has {names} with --data DIR "
            f"({collection.obtain})"
        )
    if not data.is_dir():
        raise UserError(f"there is no folder {data}; give the folder that has the collections with --data")
    found = _find_beir(collection, data, prepared) or _find_files(collection, data, prepared)
    if found is None:
        raise UserError(
            f"the collection {collection.name} is not in {data}; looked for {', '.join(_names(collection))} there and "
            f"in {data / collection.name}. To get it: {collection.obtain}"
        )
    return found


def find_topics(collection: Collection, name: str, data: Path | None, beir: Path | None) -> Topics:
    """The queries and judgements of the topic set ``name``.

    What the folder ``data`` lacks comes from ir_datasets or, for collections that it does not have, from Pyserini's
    registry. ``beir`` is the folder in BEIR's layout from which the documents come, if they do; its files may be yet to
    be unpacked. Raises `UserError` when neither a file nor a registry has them.
    """
    wanted = collection.topics[name]
    if wanted.split and beir:
        return Topics(beir / BEIR.topics, beir / BEIR.qrels.format(split=wanted.split), judged_only=True)
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
    beir = [f"{collection.beir}/{BEIR.corpus}", f"{_archive_name(collection)}"] if collection.beir else []
    return [*beir, *collection.corpus, *([" with ".join(collection.titles)] if collection.titles else [])]


def _archive_name(collection: Collection) -> str:
    return f"{(collection.beir or '').partition('/')[0]}.zip"


def _find_beir(collection: Collection, data: Path, prepared: Path) -> Documents | None:
    if not collection.beir:
        return None
    for folder in (data / collection.beir, data):
        if folder.name == Path(collection.beir).name and (found := find_file(folder, BEIR.corpus)):
            return _files(collection, found, beir=folder)
    archive = data / _archive_name(collection)
    if not archive.is_file():
        return None
    arguments = {"archive": "${archive}", "folder": collection.beir, "output": "${output}", "md5": collection.md5}
    return _beir(collection, Preparation("unpack", "unpack", arguments, prepared / "beir", {"archive": archive}))


def _find_files(collection: Collection, data: Path, prepared: Path) -> Documents | None:
    if path := _first(collection, data, collection.corpus):
        return _files(collection, path, beir=path.parent if path.name.startswith(BEIR.corpus) else None)
    if collection.titles:
        passages, titles = (_first(collection, data, [name]) for name in collection.titles)
        if passages and titles:
            arguments = {"passages": "${passages}", "titles": "${titles}", "output": "${output}"}
            joined, given = prepared / "corpus.tsv", {"passages": passages, "titles": titles}
            return _files(
                collection, joined, preparation=Preparation("join titles", "titles", arguments, joined, given)
            )
    return None


def _beir(collection: Collection, preparation: Preparation) -> Documents:
    return _files(collection, preparation.output / BEIR.corpus, preparation.output, preparation)


def _files(
    collection: Collection, path: Path, beir: Path | None = None, preparation: Preparation | None = None
) -> Documents:
    fields = {"docid-field": collection.docid_field, "fields": collection.fields or None}
    return Documents({"corpus": "${collection}", **fields}, path, beir, preparation)


def _first(collection: Collection, data: Path | None, names: list[str]) -> Path | None:
    """The first of ``names`` in the data folder or in the collection's own folder there, compressed or not."""
    if data is None:
        return None
    candidates = (
        folder / (name + suffix)
        for name in names
        for folder in (data, data / collection.name)
        for suffix in ("", *COMPRESSIONS)
    )
    return next((path for path in candidates if path.exists()), None)
