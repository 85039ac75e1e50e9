"""A condition as commands. Conditions that share a collection, a model and settings share what these commands write.

Below the ``--output`` folder::

    models/MODEL/                      a model that is made here
    collections/COLLECTION/            what was unpacked or joined, and topics-SET/{topics.tsv, qrels.txt}
    encodings/COLLECTION.MODEL/        forward stores, one a shard
    indexes/COLLECTION.MODEL/          FAISS and Lucene, and the statistics of both
    conditions/CONDITION/              run.SET.txt, scores.SET.jsonl, provenance.json
    results/                           CONDITION.SET.result.json, what `pyserini_dupmae.report` reads

Settings other than the default are part of the names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pyserini_dupmae.experiments.packages import installed
from pyserini_dupmae.experiments.steps import Step
from pyserini_dupmae.reproduce import sources
from pyserini_dupmae.reproduce.catalogue import Catalogue
from pyserini_dupmae.reproduce.prepare import QRELS, TOPICS
from pyserini_dupmae.reproduce.schema import Collection, Condition, Docstrings, Encoding
from pyserini_dupmae.util.errors import UserError

PACKAGE = "pyserini_dupmae"
PREPARE = f"{PACKAGE}.reproduce.prepare"


@dataclass(frozen=True)
class Workplace:
    """What the user gave: the folder to work in, the folder of local collections, models by name, and a device."""

    output: Path
    data: Path | None = None
    models: dict[str, str] = field(default_factory=dict)
    device: str | None = None

    def condition(self, name: str) -> Path:
        return self.output / "conditions" / name


@dataclass(frozen=True)
class Plan:
    """The steps of a condition in order, and where its index, its statistics and (by topic set) its scores will be."""

    condition: Condition
    collection: Collection
    steps: list[Step]
    index: Path
    statistics: Path
    scores: dict[str, Path]


def plan(condition: Condition, catalogue: Catalogue, place: Workplace) -> Plan:
    """The steps of ``condition``. Raises `UserError` when its model is not given or its files are not there."""
    collection = catalogue.collections[condition.collection]
    model, steps = _model(condition, catalogue, place)
    found, prepared = _documents(collection, place)
    steps += prepared
    folder = _variant(f"{condition.collection}.{condition.model}", condition.encode)
    stores = _encode(condition, found, model, place.output / "encodings" / folder, place.device)
    index = _index(condition, stores, place.output / "indexes" / _variant(folder, condition.index))
    statistics = _statistics(index)
    steps += [*stores, index, statistics]
    home = place.condition(condition.name)
    scores = {}
    for name, metrics in condition.topics.items():
        topics = _topics(collection, name, found, place)
        search = _search(condition, name, index, stores, topics.output / TOPICS, model, home, place.device)
        measure = _evaluate(name, metrics, search.output, topics.output / QRELS, home)
        steps += [topics, search, measure]
        scores[name] = measure.output
    return Plan(condition, collection, steps, index.output, statistics.output, scores)


def _variant(name: str, settings: BaseModel) -> str:
    """``name``, followed by the settings that are not the default."""
    changed = settings.model_dump(exclude_defaults=True)
    return ".".join([name, *(f"{key}-{value}" for key, value in changed.items())])


@dataclass(frozen=True)
class _Model:
    name: str
    inputs: dict[str, Path]


def _model(condition: Condition, catalogue: Catalogue, place: Workplace) -> tuple[_Model, list[Step]]:
    wanted = catalogue.models[condition.model]
    given = place.models.get(wanted.name)
    if given is not None:
        return _Model(given, {"model": Path(given)} if Path(given).exists() else {}), []
    if wanted.package is None:
        raise UserError(
            f"the condition {condition.name} needs the model {wanted.name} ({wanted.description}), which nobody has "
            f"released; give yours with --model {wanted.name}=DIR"
        )
    checkpoint = installed(wanted.package, f"the model {wanted.name} is made from a package", wanted.requirement)
    output = place.output / "models" / wanted.name
    command = [f"{PACKAGE}.init", "--from", str(checkpoint), "--output", str(output), "--seed", str(wanted.seed)]
    step = Step("model", command, output, {"checkpoint": checkpoint}, {"seed": wanted.seed}, guarded=True)
    return _Model(str(output), {"model": output}), [step]


@dataclass(frozen=True)
class _Documents:
    """``arguments`` of the encode command; ``beir`` is the folder in BEIR's layout, if they come from one."""

    arguments: list[str]
    inputs: dict[str, Path]
    settings: dict[str, Any]
    beir: Path | None = None


def _documents(collection: Collection, place: Workplace) -> tuple[_Documents, list[Step]]:
    found = sources.documents(collection, place.data)
    folder = place.output / "collections" / collection.name
    match found:
        case sources.Dataset(name):
            return _Documents(["--ir-dataset", name], {}, {"ir_datasets": name}), []
        case sources.Files(path):
            return _files(collection, path, path.parent if path.name.startswith(sources.BEIR_CORPUS) else None), []
        case sources.Archive(path, inside, md5):
            unpacked = folder / "beir"
            command = [PREPARE, "unpack", "--archive", str(path), "--folder", inside, "--output", str(unpacked)]
            command += ["--md5", md5] if md5 else []
            return _files(collection, unpacked / sources.BEIR_CORPUS, unpacked), [
                Step("unpack", command, unpacked, {"archive": path}, {"folder": inside}, guarded=True)
            ]
        case sources.Titled(passages, titles):
            joined = folder / "corpus.tsv"
            command = [PREPARE, "titles", "--passages", str(passages), "--titles", str(titles), "--output", str(joined)]
            return _files(collection, joined), [
                Step("join titles", command, joined, {"passages": passages, "titles": titles}, guarded=True)
            ]
        case Docstrings():
            made = folder / "beir"
            command = [PREPARE, "docstrings", "--queries", str(found.queries), "--output", str(made)]
            command += ["--documents", str(found.documents)] if found.documents else []
            return _files(collection, made / sources.BEIR_CORPUS, made), [
                Step("docstrings", command, made, settings=found.model_dump(), guarded=True)
            ]


def _files(collection: Collection, path: Path, beir: Path | None = None) -> _Documents:
    arguments = ["--corpus", str(path)]
    arguments += ["--docid-field", collection.docid_field] if collection.docid_field else []
    arguments += ["--fields", *collection.fields] if collection.fields else []
    settings = {"docid_field": collection.docid_field, "fields": collection.fields}
    return _Documents(arguments, {"collection": path}, settings, beir)


def _encode(condition: Condition, found: _Documents, model: _Model, output: Path, device: str | None) -> list[Step]:
    """One step a shard."""
    options: Encoding = condition.encode
    encoder = ["--encoder", model.name, "--batch-size", str(options.batch_size), "--dtype", options.dtype]
    encoder += ["--max-length", str(options.max_length)] if options.max_length else []
    encoder += ["--device", device] if device else []
    settings = {**options.model_dump(), **found.settings}
    settings |= {} if model.inputs else {"model": model.name}
    steps = []
    for shard in range(options.shards):
        part = ["--shard-id", str(shard), "--shard-num", str(options.shards)] if options.shards > 1 else []
        target = output / str(shard)
        command = [f"{PACKAGE}.encode", "input", *found.arguments, *part]
        command += ["output", "--embeddings", str(target), "--store-only", "--resume", "encoder", *encoder]
        title = f"encode {shard + 1} of {options.shards}" if part else "encode"
        steps.append(
            Step(title, command, target, {**found.inputs, **model.inputs}, {**settings, "shard": shard}, guarded=True)
        )
    return steps


def _index(condition: Condition, stores: list[Step], output: Path) -> Step:
    options = condition.index
    command = [f"{PACKAGE}.index", "--embeddings", *(str(store.output) for store in stores), "--output", str(output)]
    command += ["--to-faiss", "--to-lucene", "--overwrite", "--quantization-bits", str(options.bits)]
    command += ["--top-k", str(options.top_k)] if options.top_k else []
    inputs = {f"store {number}": store.output for number, store in enumerate(stores)}
    return Step("index", command, output, inputs, options.model_dump(), guarded=True)


def _statistics(index: Step) -> Step:
    output = index.output.with_name(index.output.name + ".statistics.json")
    command = [f"{PACKAGE}.reproduce.statistics", "--index", str(index.output), "--output", str(output)]
    return Step("statistics", command, output, {"index": index.output})


def _topics(collection: Collection, name: str, found: _Documents, place: Workplace) -> Step:
    source = sources.topics(collection, name, place.data, found.beir)
    output = place.output / "collections" / collection.name / f"topics-{name}"
    command = [PREPARE, "topics", "--topics", str(source.topics)]
    command += ["--pyserini-qrels" if source.pyserini else "--qrels", str(source.qrels), "--output", str(output)]
    command += ["--judged-only"] if source.judged_only else []
    given = {"topics": source.topics, "qrels": source.qrels}
    inputs = {key: value for key, value in given.items() if isinstance(value, Path)}
    settings = {key: value for key, value in given.items() if isinstance(value, str)}
    return Step(f"topics {name}", command, output, inputs, settings)


def _search(
    condition: Condition,
    name: str,
    index: Step,
    stores: list[Step],
    topics: Path,
    model: _Model,
    home: Path,
    device: str | None,
) -> Step:
    options = condition.search
    output = home / f"run.{name}.txt"
    command = [f"{PACKAGE}.search", "--index", str(index.output), "--encoder", model.name, "--topics", str(topics)]
    command += ["--output", str(output), "--hits", str(options.hits), "--mode", options.mode]
    command += ["--remove-query"] if options.remove_query else []
    command += ["--device", device] if device else []
    inputs = {"index": index.output, "topics": topics, **model.inputs}
    inputs |= {f"store {number}": store.output for number, store in enumerate(stores)}
    return Step(f"search {name}", command, output, inputs, options.model_dump())


def _evaluate(name: str, metrics: list[str], run: Path, qrels: Path, home: Path) -> Step:
    output = home / f"scores.{name}.jsonl"
    command = [f"{PACKAGE}.evaluate", "--run", str(run), "--qrels", str(qrels), "--metrics", *metrics]
    command += ["--per-query", str(output)]
    return Step(f"evaluate {name}", command, output, {"run": run, "qrels": qrels}, {"metrics": metrics})
