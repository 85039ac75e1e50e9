"""Several processes that encode one store, a shard at a time each: process i of n takes the shards i, i + n, ...

A shard depends on its documents and the settings alone, so that the bytes are those of one process. Two crews do this:
`Processes` are started here and on this machine, `Torchrun` are those that torchrun has started, on one machine or on
several that share the output folder.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Protocol

import torch
import torch.distributed as dist

from pyserini_dupmae.data.corpus import Corpus
from pyserini_dupmae.encode.output import EncodingSettings
from pyserini_dupmae.encode.pipeline import Watch, WrittenShard, encode_shards
from pyserini_dupmae.modeling.loading import load_model
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.log import logger
from pyserini_dupmae.util.progress import Progress

GO_ON = "run the same command again; it goes on with what is there"
PATIENCE = timedelta(days=30)
"""How long processes of torchrun wait for each other; when one dies, torchrun ends the others at once."""


@dataclass(frozen=True)
class Job:
    """What every process has to know of an encoding.

    ``corpus``, ``ir_dataset``, ``fields``, ``delimiter``, ``docid_field`` and ``skip`` are those of `Corpus.open`;
    ``start`` and ``stop`` cut out the documents that the store gets.
    """

    corpus: Path | None
    ir_dataset: str | None
    fields: Sequence[str] | None
    delimiter: str
    docid_field: str | None
    skip: bool
    start: int
    stop: int
    encoder: str
    device: str
    settings: EncodingSettings
    folder: Path

    def encode(self, watch: Watch, number: int, count: int) -> Iterator[WrittenShard]:
        """Encode the shards of process ``number`` of ``count``."""
        documents = Corpus.open(
            self.corpus,
            self.ir_dataset,
            fields=self.fields,
            delimiter=self.delimiter,
            docid_field=self.docid_field,
            skip=self.skip,
        )
        model = load_model(self.encoder, self._device(number), self.settings.dtype).model
        part = islice(documents, self.start, self.stop)
        yield from encode_shards(part, model, self.settings, self.folder, watch, number, count)

    def _device(self, number: int) -> str:
        """Processes take the GPUs of their machine in turn, unless one is named."""
        if self.device != "cuda":
            return self.device
        return f"cuda:{int(os.environ.get('LOCAL_RANK', number)) % torch.cuda.device_count()}"


class Crew(Protocol):
    """Processes that encode together."""

    def encode(self, job: Job) -> list[WrittenShard]:
        """Encode all shards of ``job``. Raises `UserError`."""
        ...


class Shown(Progress):
    """`Progress` of an encoding, which need not hear which shard is begun."""

    def __init__(self, documents: int):
        super().__init__("encoding", documents, "documents")

    def begin(self, shard: Path) -> None:
        pass

    def advance(self, work: float) -> None:
        self.update(work)


class Processes:
    """``count`` processes on this machine, each with its part of the processor's cores."""

    def __init__(self, count: int):
        self.count = count

    def encode(self, job: Job) -> list[WrittenShard]:
        # Not forked: a process with threads, or with CUDA, cannot be copied.
        context = multiprocessing.get_context("spawn")
        threads = max(1, torch.get_num_threads() // self.count)
        started: list[SpawnProcess] = []
        workers: dict[Connection, _Worker] = {}
        try:
            for number in range(self.count):
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(job, number, self.count, threads, sender), daemon=True)
                process.start()
                sender.close()
                started.append(process)
                workers[receiver] = _Worker(number, process)
            return _listen(workers, job)
        finally:
            for process in started:
                process.terminate()
                process.join()


@dataclass
class _Worker:
    """A process, and the shard that it is at."""

    number: int
    process: SpawnProcess
    shard: Path | None = None

    def death(self) -> UserError:
        self.process.join()
        code = self.process.exitcode or 0
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        where = f"while it encoded {self.shard}" if self.shard else "before its first shard"
        return UserError(f"process {self.number} of the encoding {how} {where}; {GO_ON}")


def _listen(workers: dict[Connection, _Worker], job: Job) -> list[WrittenShard]:
    """Hear what ``workers`` say until all are done."""
    written: list[WrittenShard] = []
    with Shown(job.stop - job.start) as shown:
        while workers:
            for receiver in wait(list(workers)):
                assert isinstance(receiver, Connection)
                worker = workers[receiver]
                try:
                    kind, value = receiver.recv()
                except EOFError:
                    raise worker.death() from None
                if kind == "begin":
                    worker.shard = value
                elif kind == "advance":
                    shown.advance(value)
                elif kind == "skip":
                    shown.skip(value)
                elif kind == "written":
                    written.append(value)
                elif kind == "error":
                    raise UserError(value)
                else:
                    del workers[receiver]
    return written


class _Reports:
    """Sends what happens through a pipe."""

    def __init__(self, sender: Connection):
        self.sender = sender

    def begin(self, shard: Path) -> None:
        self.sender.send(("begin", shard))

    def advance(self, work: float) -> None:
        self.sender.send(("advance", work))

    def skip(self, documents: int) -> None:
        self.sender.send(("skip", documents))


def _work(job: Job, number: int, count: int, threads: int, sender: Connection) -> None:
    """What a process of `Processes` does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all; the first process ends the others
    torch.set_num_threads(threads)
    try:
        for shard in job.encode(_Reports(sender), number, count):
            sender.send(("written", shard))
        sender.send(("done", None))
    except UserError as error:
        sender.send(("error", str(error)))
    except BrokenPipeError:
        pass  # the first process is gone; nobody waits for the rest


class Torchrun:
    """The processes that torchrun has started, of which this is the first. The others call `follow`."""

    def encode(self, job: Job) -> list[WrittenShard]:
        _join()
        dist.broadcast_object_list([job])
        own = list(job.encode(_Logs(), 0, dist.get_world_size()))
        everyone: list[list[WrittenShard]] = [[] for _ in range(dist.get_world_size())]
        dist.gather_object(own, everyone)
        dist.destroy_process_group()
        return [shard for part in everyone for shard in part]


def follow() -> None:
    """Do the part of a process of torchrun that is not the first."""
    _join()
    received: list[Job | None] = [None]
    dist.broadcast_object_list(received)
    job = received[0]
    assert job is not None, "the first process sends a job or ends"
    dist.gather_object(list(job.encode(_Logs(), dist.get_rank(), dist.get_world_size())))
    dist.destroy_process_group()


def _join() -> None:
    dist.init_process_group("gloo", timeout=PATIENCE)


class _Logs:
    """Says which shard is begun, so that the last line of a process that died names it."""

    def begin(self, shard: Path) -> None:
        logger.info("process %d encodes %s", dist.get_rank(), shard)

    def advance(self, work: float) -> None:
        pass

    def skip(self, documents: int) -> None:
        pass
