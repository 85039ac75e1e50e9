"""A condition as steps. Conditions that share a collection, a model and settings share what these write.

Below the ``--output`` folder::

    models/MODEL/                      a model that is made here
    collections/COLLECTION/            what was unpacked or joined, and topics-SET/{topics.tsv, qrels.txt}
    encodings/COLLECTION.MODEL/        forward stores, one a shard
    indexes/COLLECTION.MODEL/          FAISS and Lucene, and the statistics of both
    conditions/CONDITION/              run.SET.txt, explanations.SET.jsonl, scores.SET.jsonl, provenance.json
    results/                           CONDITION.SET.{result.json,queries.jsonl}, what `pyserini_dupmae.report` reads
    results/baselines/                 COLLECTION.SET.SYSTEM/, the same of BM25 and all-MiniLM-L6-v2

Settings other than the default are part of the names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pyserini_dupmae.experiments.baselines import installed_systems
from pyserini_dupmae.experiments.catalogue import Catalogue
from pyserini_dupmae.experiments.inputs import find_documents, find_in_package, find_topics
from pyserini_dupmae.experiments.planning import Names, plan_step
from pyserini_dupmae.experiments.prepare import QRELS, TOPICS
from pyserini_dupmae.experiments.schema import Collection, Condition, Model
from pyserini_dupmae.experiments.steps import Step
from pyserini_dupmae.index.postings import BLOCK
from pyserini_dupmae.util.command import BASELINES
from pyserini_dupmae.util.errors import UserError

PREPARE = "reproduce.prepare"
SMALL = 100_000
"""So many documents other systems get through in minutes."""


@dataclass(frozen=True)
class Workplace:
    """What the user gave: the folder to work in, the folder of local collections, models by name, and what computes.

    That is a device, an engine and a number of threads; results do not depend on the last two. ``baselines`` says of
    which collections, of `BASELINES`, other systems are measured too.
    """

    output: Path
    data: Path | None = None
    models: dict[str, str] = field(default_factory=dict)
    device: str | None = None
    engine: str = "auto"
    threads: int | None = None
    baselines: str = BASELINES[0]

    def condition(self, name: str) -> Path:
        return self.output / "conditions" / name


@dataclass(frozen=True)
class ConditionPlan:
    """The steps of a condition in order, where its index and statistics are, and by topic set scores and judgements.

    ``baselines`` are the steps that measure other systems on its collection: no check depends on them.
    """

    condition: Condition
    collection: Collection
    steps: list[Step]
    index: Path
    statistics: Path
    scores: dict[str, Path]
    qrels: dict[str, Path]
    baselines: list[Step]

    def explanations(self, topics: str) -> Path:
        """What the search of a topic set has found, query by query."""
        return self.scores[topics].with_name(f"explanations.{topics}.jsonl")


class _Steps(list[Step]):
    """Steps that are added one after another; what one writes has a name for those that follow."""

    def __init__(self, place: Workplace):
        super().__init__()
        places = {"device": place.device, "engine": place.engine, "threads": place.threads}
        self.names = Names(places=places)

    def add(self, name: str, command: str, arguments: dict[str, Any], output: Path, **more: Any) -> Path:
        """Add the step that writes ``output``; `plan_step` has the arguments, which call the output ``name``."""
        more = {"title": name, **more}
        self.append(plan_step(command=command, arguments=arguments, names=self.names, output=output, **more))
        self.call(name, output)
        return output

    def call(self, name: str, what: Path | str) -> None:
        """From now on ``name`` stands for a path, whose contents matter, or for a word."""
        self.names.inputs.pop(name, None)
        self.names.values.pop(name, None)
        if isinstance(what, Path):
            self.names.inputs[name] = what
        else:
            self.names.values[name] = what


def plan_condition(condition: Condition, catalogue: Catalogue, place: Workplace) -> ConditionPlan:
    """The steps of ``condition``. Raises `UserError` when its model is not given or its files are not there."""
    collection = catalogue.collections[condition.collection]
    steps = _Steps(place)
    _add_model(steps, catalogue.models[condition.model], condition.name, place)

    prepared = place.output / "collections" / collection.name
    documents = find_documents(collection, place.data, prepared)
    if made := documents.preparation:
        for name, path in made.inputs.items():
            steps.call(name, path)
        steps.add(made.title, f"{PREPARE} {made.command}", made.arguments, made.output, guarded=True)
    if documents.path:
        steps.call("collection", documents.path)

    folder = _variant(f"{condition.collection}.{condition.model}", condition.encode)
    stores = _add_encoding(steps, condition, documents.arguments, place.output / "encodings" / folder)
    index = place.output / "indexes" / _variant(folder, condition.index)
    arguments: dict[str, Any] = {"index": [f"${{{store}}}" for store in stores], "output": "${output}"}
    arguments |= {"to-faiss": True, "to-lucene": True, "overwrite": True}
    arguments |= {"to-postings": True} if _needs_postings(collection, place.engine) else {}
    arguments |= {"quantization-bits": condition.index.bits, "top-k": condition.index.top_k}
    steps.add("index", "index", arguments, index, guarded=True)
    statistics = index.with_name(index.name + ".statistics.json")
    steps.add("statistics", "reproduce.statistics", {"index": "${index}", "output": "${output}"}, statistics)

    home, scores, qrels = place.condition(condition.name), {}, {}
    baselines: list[Step] = []
    for name, metrics in condition.topics.items():
        topics = find_topics(collection, name, place.data, documents.beir)
        steps.call("topics", topics.topics)
        steps.call("qrels", topics.qrels)
        arguments = {"topics": "${topics}", "pyserini-qrels" if topics.pyserini else "qrels": "${qrels}"}
        arguments |= {"output": "${output}", "judged-only": topics.judged_only}
        judged = steps.add(f"topics {name}", f"{PREPARE} topics", arguments, prepared / f"topics-{name}")
        steps.call("topics", judged / TOPICS)
        steps.call("qrels", judged / QRELS)
        qrels[name] = judged / QRELS
        steps.call("run", _add_search(steps, condition, name, stores, home / f"run.{name}.txt"))
        arguments = {"run": "${run}", "qrels": "${qrels}", "metrics": metrics, "per-query": "${output}"}
        scores[name] = steps.add(f"evaluate {name}", "evaluate", arguments, home / f"scores.{name}.jsonl")
        if are_wanted(place.baselines, collection.documents):
            baselines += _baselines(steps.names, catalogue, collection.name, name, documents.arguments, place.output)
    return ConditionPlan(condition, collection, steps, index, statistics, scores, qrels, baselines)


def are_wanted(baselines: str, documents: int | None) -> bool:
    """Whether a collection of so many ``documents``, None where that is not known, gets ``baselines``."""
    return baselines == "all" or (baselines == "small" and (documents or 0) <= SMALL)


def _needs_postings(collection: Collection, engine: str) -> bool:
    """Whether postings are written with the index, for the search not to write them there.

    A collection that is known to be larger than a block has them whatever the engine is, so that ``auto`` may scan. The
    others are scanned from memory.
    """
    return engine == "scan" if collection.documents is None else collection.documents > BLOCK


def _variant(name: str, settings: BaseModel) -> str:
    """``name``, followed by the settings that are not the default."""
    changed = settings.model_dump(exclude_defaults=True)
    return ".".join([name, *(f"{key}-{value}" for key, value in changed.items())])


def _add_model(steps: _Steps, wanted: Model, condition: str, place: Workplace) -> None:
    given = place.models.get(wanted.name)
    if given is not None:
        steps.call("model", Path(given) if Path(given).exists() else given)
        return
    if wanted.package is None:
        raise UserError(
            f"the condition {condition} needs the model {wanted.name} ({wanted.description}), which nobody has "
            f"released; give yours with --model {wanted.name}=DIR"
        )
    purpose = f"the model {wanted.name} is made from a package"
    steps.call("checkpoint", find_in_package(wanted.package, purpose, wanted.requirement))
    arguments = {"from": "${checkpoint}", "output": "${output}", "seed": wanted.seed}
    steps.add("model", "init", arguments, place.output / "models" / wanted.name, guarded=True)


def _add_encoding(steps: _Steps, condition: Condition, documents: dict[str, Any], output: Path) -> list[str]:
    """One step a shard; the names of their outputs."""
    options = condition.encode
    encoder = {"encoder": "${model}", "batch-size": options.batch_size, "dtype": options.dtype}
    encoder |= {"max-length": options.max_length, "device": "${device}"}
    stores = []
    for shard in range(options.shards):
        part = {"shard-id": shard, "shard-num": options.shards} if options.shards > 1 else {}
        writing = {"index": "${output}", "store-only": True, "resume": True}
        arguments = {"input": {**documents, **part}, "output": writing, "encoder": encoder}
        title = f"encode {shard + 1} of {options.shards}" if part else "encode"
        stores.append(f"store-{shard}")
        steps.add(stores[-1], "encode", arguments, output / str(shard), title=title, guarded=True)
    return stores


def _add_search(steps: _Steps, condition: Condition, topics: str, stores: list[str], output: Path) -> Path:
    options = condition.search
    arguments: dict[str, Any] = {
        "index": "${index}",
        "encoder": "${model}",
        "topics": "${topics}",
        "output": "${output}",
    }
    steps.names.places["explanations"] = output.with_name(f"explanations.{topics}.jsonl")
    arguments |= {"hits": options.hits, "mode": options.mode, "explanations": "${explanations}"}
    arguments |= {"remove-query": options.remove_query, "query-max-length": options.query_max_length}
    arguments |= {"device": "${device}", "engine": "${engine}", "threads": "${threads}"}
    return steps.add(f"search {topics}", "search", arguments, output, reads=stores)


def _baselines(
    names: Names, catalogue: Catalogue, collection: str, topics: str, documents: dict[str, Any], output: Path
) -> Iterator[Step]:
    """The steps that measure each system that is installed on a topic set, by all that any condition wants to know."""
    conditions = [
        one
        for one in catalogue.conditions.values()
        if isinstance(one, Condition) and one.collection == collection and topics in one.topics
    ]
    arguments = {**documents, "topics": "${topics}", "qrels": "${qrels}", "device": "${device}", "output": "${output}"}
    arguments["metrics"] = list(dict.fromkeys(metric for one in conditions for metric in one.topics[topics]))
    arguments["hits"] = max(one.search.hits for one in conditions)
    arguments["remove-query"] = any(one.search.remove_query for one in conditions)
    arguments |= {"collection": collection, "topic-set": topics}
    for system in installed_systems():
        folder = output / "results" / "baselines" / f"{collection}.{topics}.{system}"
        of_system = {**arguments, "systems": system}
        yield plan_step(f"{system} {topics}", "reproduce.baselines", of_system, names, folder)
