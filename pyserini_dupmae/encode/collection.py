"""Encoding a collection: from its texts to a folder that can be searched."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pyserini_dupmae.data.corpus import Corpus, shard_range
from pyserini_dupmae.encode.idf import choose_idf
from pyserini_dupmae.encode.output import EncodingSettings, OutputFolder
from pyserini_dupmae.encode.pipeline import begin_store, encode_shards, finish_store
from pyserini_dupmae.encode.workers import Crew, Job, Processes, Shown
from pyserini_dupmae.index.build import index, known_kinds, require_tools, search_command
from pyserini_dupmae.index.info import DEFAULT_KINDS
from pyserini_dupmae.index.quantisation import Quantisation
from pyserini_dupmae.modeling.default import DEFAULT_MODEL
from pyserini_dupmae.modeling.loading import AUTO, LoadedModel, default_device, load_model, resolve_dtype
from pyserini_dupmae.util.errors import UserError, require_positive
from pyserini_dupmae.util.lock import locks_output
from pyserini_dupmae.util.log import logger

GPU_BATCH_SIZE = 256
CPU_BATCH_SIZE = 32  # larger ones do not fit the caches


@dataclass(frozen=True)
class EncodeResult:
    """What `encode` did.

    Attributes:
        folder: what was written to.
        documents: how many the store holds.
        encoded: how many of them were encoded now; the others were there already.
        seconds: what encoding took, without loading the model and without the indexes.
        terms: how many terms a document has in its bag of words, on average.
        bytes: the size of the store and of the ``indexes`` that were asked for.
        indexes: their kinds.
        next_commands: what searches the collection, Pyserini's command last, or, where an index for that is not asked
            for, builds it.
    """

    folder: Path
    documents: int
    encoded: int
    seconds: float
    terms: float
    bytes: int
    indexes: tuple[str, ...]
    next_commands: tuple[str, ...]

    def __str__(self) -> str:
        searchable = set(DEFAULT_KINDS) <= set(self.indexes)
        commands = "\n".join(self.next_commands)
        return (
            f"{self.documents} documents, {self.encoded} of them encoded in {self.seconds:.1f} s "
            f"({self.encoded / self.seconds:.1f} a second); {self.bytes:,} bytes in {self.folder}\n"
            f"terms on average: {self.terms:.1f} in a document\n"
            f"{'search it with' if searchable else 'make it searchable with'}:\n{commands}"
        )


@locks_output
def encode(
    corpus: str | os.PathLike | None = None,
    *,
    output: str | os.PathLike,
    encoder: str | os.PathLike | None = None,
    ir_dataset: str | None = None,
    to: str | Sequence[str] = DEFAULT_KINDS,
    store_contents: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    fields: Sequence[str] | None = None,
    docid_field: str | None = None,
    delimiter: str = "\n",
    on_error: str = "fail",
    shard_id: int = 0,
    shard_num: int = 1,
    shard_size: int = 8192,
    max_length: int | None = None,
    top_k: int | None = None,
    faiss_factory: str = "Flat",
    bits: int = 8,
    batch_size: int | None = None,
    device: str | None = None,
    dtype: str = "auto",
    processes: int | Crew = 1,
    idf: str | os.PathLike | None = None,
) -> EncodeResult:
    """Encode a collection with a DupMAE model, and index it.

    For example, with the model that comes with the package::

        import pyserini_dupmae.api as dupmae

        print(dupmae.encode("corpus.jsonl", output="OUT"))
        print(dupmae.DupMAESearcher("OUT").search("why do tides rise?", k=10))

    ``OUT/store`` holds the representations, ``OUT/faiss`` and ``OUT/lucene`` the indexes. When it is interrupted, the
    same call goes on where it was. Equal arguments give equal bytes, interrupted or not. Memory: a few shards of the
    store, however many documents there are.

    Args:
        corpus: a .jsonl or .tsv file, also .gz or .zst, or a folder of such files. Either this or ``ir_dataset``.
        output: the folder to write to.
        encoder: a DupMAE model: a folder, or a name on the Hugging Face Hub (default: the package's own).
        ir_dataset: a collection of ir_datasets, such as ``beir/nfcorpus``.
        to: which indexes to write: ``"faiss"``, ``"lucene"``, ``"postings"``, ``"jsonl"``; ``[]`` for the store alone.
        store_contents: keep the texts in the store, and in the Lucene index.
        resume: where a finished encoding is found, build the indexes that are missing, which may be none; without
            ``resume`` an encoding that is complete is a mistake.
        overwrite: delete what is there and begin again.
        fields: the fields to encode, in order (default: ``contents``, or ``title`` and ``text``).
        docid_field: the field of the docid (default: ``id``, ``_id`` or ``docid``).
        delimiter: what separates the fields in ``contents``.
        on_error: at a bad document ``"fail"``, or ``"skip"`` and count it.
        shard_id, shard_num: encode one part, from 0, of a collection that is cut into ``shard_num``.
        shard_size: documents a shard of the store.
        max_length: tokens kept of a document (default: the model's).
        top_k: entries of mu kept of a document, k of Eq. 11 (default: the model's).
        faiss_factory: FAISS's name of the dense index; only ``"Flat"`` gives exact search.
        bits: of a weight in the Lucene index, 1 to 16.
        batch_size: documents encoded together (default: 32, on a GPU 256).
        device: where the model runs: ``cpu``, ``cuda``, ``cuda:1``, ... (default: ``cuda`` if there is one).
        dtype: what the model computes in: ``"float32"``, ``"bfloat16"``, ``"float16"``, or ``"auto"``, bfloat16 on a
            GPU that has it natively, else float32. The store says what it was.
        processes: how many encode, each a shard at a time: on GPUs one process each, on a CPU with a part of its cores.
            The bytes are those of one process. A script that gives more than 1 needs ``if __name__ == "__main__":``.
        idf: how a model with own words weighs them in documents: by how many documents of this collection have each
            (``"collection"``, the default), not (``"general"``), or by how many of another one that the model encoded,
            whose folder is given.

    Raises:
        UserError: there is no such corpus or model, a document is bad or a docid occurs twice, an option is out of
            range, an index cannot be built on this machine, or the folder holds something else: a finished encoding,
            one that was begun with other options or another corpus, or files that are not this function's.
    """
    if on_error not in ("fail", "skip"):
        raise UserError(f"on_error is {on_error!r}; give 'fail' or 'skip'")
    require_positive(
        shard_num=shard_num, shard_size=shard_size, max_length=max_length, top_k=top_k, batch_size=batch_size
    )
    crew = _crew(processes)
    target = OutputFolder(Path(output), known_kinds(to))
    target.admit(resume, overwrite)
    _require_buildable(target.indexes if overwrite else target.missing_indexes(), bits)
    documents = Corpus.open(
        corpus,
        ir_dataset,
        fields=fields,
        delimiter=delimiter,
        docid_field=docid_field,
        skip=on_error == "skip",
    )
    device = device or default_device()
    if dtype == AUTO and not overwrite:
        dtype = target.begun_dtype() or dtype
    dtype = resolve_dtype(dtype, device)
    name = str(encoder or DEFAULT_MODEL)
    loaded = load_model(name, device, dtype)
    weighing = choose_idf(idf, loaded.model, whole=shard_num == 1)
    settings = EncodingSettings(
        model=loaded.identity,
        max_length=_checked_length(max_length, loaded),
        dtype=dtype,
        device=loaded.model.device.type,
        top_k=min(top_k or loaded.model.config.top_k, loaded.model.config.mu_size),
        batch_size=batch_size or (CPU_BATCH_SIZE if loaded.model.device.type == "cpu" else GPU_BATCH_SIZE),
        shard_size=shard_size,
        store_contents=store_contents,
        fields=None if fields is None else list(fields),
        delimiter=delimiter,
        docid_field=docid_field,
        shard_id=shard_id,
        shard_num=shard_num,
        on_error=on_error,
        idf=None if weighing is None else weighing.setting,
    )
    if not overwrite:
        target.require_same(settings)
    part = shard_range(documents.survey().documents, shard_id, shard_num)
    if overwrite:
        target.clear()
    started = time.perf_counter()
    job = Job(
        corpus=None if corpus is None else Path(corpus),
        ir_dataset=ir_dataset,
        fields=fields,
        delimiter=delimiter,
        docid_field=docid_field,
        skip=on_error == "skip",
        start=part.start,
        stop=part.stop,
        encoder=name,
        device=device,
        settings=settings,
        folder=target.store,
    )
    begin_store(target.store, settings, loaded.model.terms)
    if crew is None:
        with Shown(len(part)) as shown:
            shards = islice(documents, part.start, part.stop)
            done = list(encode_shards(shards, loaded.model, settings, target.store, shown))
    else:
        del loaded  # its memory is for the processes
        done = crew.encode(job)
    written = finish_store(target.store, settings, done, weighing)
    seconds = time.perf_counter() - started
    missing = target.missing_indexes()
    if missing:
        logger.info("writing %s", " and ".join(missing))
        index(target.folder, to=missing, faiss_factory=faiss_factory, bits=bits)
    return EncodeResult(
        folder=target.folder,
        documents=len(part),
        encoded=written.encoded,
        seconds=seconds,
        terms=written.terms,
        bytes=target.size(),
        indexes=tuple(target.indexes),
        next_commands=_next_commands(target, name),
    )


def _crew(processes: int | Crew) -> Crew | None:
    """Who encodes beside this process; None: it does so itself."""
    if not isinstance(processes, int):
        return processes
    require_positive(processes=processes)
    return Processes(processes) if processes > 1 else None


def _require_buildable(indexes: Sequence[str], bits: int) -> None:
    """Raise `UserError` now, not after hours of encoding, if the indexes cannot be built on this machine."""
    if indexes:
        Quantisation.of(0, bits)
        require_tools(indexes)


def _checked_length(max_length: int | None, loaded: LoadedModel) -> int:
    config = loaded.model.config
    try:
        return config.check_length("--max-length", max_length or config.doc_max_length)
    except ValueError as error:
        raise UserError(str(error)) from None


def _next_commands(target: OutputFolder, model: str) -> tuple[str, ...]:
    if set(DEFAULT_KINDS) <= set(target.indexes):
        words = ["--index", str(target.folder), "--encoder", model, "--topics", "TOPICS", "--output", "run.txt"]
        return f"python -m pyserini_dupmae.search {shlex.join(words)}", search_command(target.folder, model)
    return (f"python -m pyserini_dupmae.index --index {target.folder} --to-faiss --to-lucene",)
