"""Exact hybrid search of an encoded collection, from topics to a run.

    python -m pyserini_dupmae.search --index OUT --encoder MODEL --topics TOPICS --output run.txt --hits 1000

The run holds exact scores only. What is printed at the end says for how many queries the top is proved.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from pyserini_dupmae.data.topics import Topic, read_topics
from pyserini_dupmae.modeling.default import DEFAULT_MODEL
from pyserini_dupmae.modeling.loading import DTYPES
from pyserini_dupmae.modeling.query_encoder import QueryModel
from pyserini_dupmae.search.fusion import Limits, Ranking
from pyserini_dupmae.search.searcher import MODES, DupMAESearcher
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import positive_int, run_command
from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.files import atomic_path

TAG = "dupmae"


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pyserini_dupmae.search", description="Exact hybrid search (Eq. 12) of an encoded collection."
    )
    add = parser.add_argument
    add("--index", required=True, help="folder that was --embeddings of pyserini_dupmae.encode")
    add(
        "--encoder",
        help="the model that encoded the collection: a folder or a name on the Hub (default: the package's)",
    )
    add("--topics", required=True, help="a name of Pyserini's, a file (.tsv, .txt, .jsonl, .trec) or an ir_datasets id")
    add("--output", required=True, help="the run to write")
    add("--output-format", choices=("trec", "msmarco"), default="trec", help="format of the run (default: trec)")
    add("--hits", type=positive_int, default=1000, metavar="N", help="documents a query (default: 1000)")
    add("--mode", choices=MODES, default="hybrid", help="both parts of Eq. 12, or one alone (default: hybrid)")
    add("--certify", type=positive_int, metavar="K", help="how many of the hits are to be proved (default: all)")
    add("--max-depth", type=positive_int, metavar="N", help="longest list to ask an index for (default: any)")
    add("--remove-query", action="store_true", help="leave out the document that has the query's own id")
    add("--batch-size", type=positive_int, default=32, metavar="N", help="queries taken together (default: 32)")
    add("--threads", type=positive_int, default=1, metavar="N", help="queries searched at a time (default: 1)")
    add("--device", default="cpu", help="where the queries are encoded (default: cpu)")
    add("--dtype", choices=tuple(DTYPES), default="float32", help="precision of the encoding (default: float32)")
    return parser.parse_args(argv)


@dataclass
class Summary:
    """What a run was like: ``proved`` and ``depths`` a query, ``seconds`` a batch."""

    certify: int
    batch_size: int
    proved: list[bool] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, rankings: list[Ranking], seconds: float) -> None:
        self.proved += [ranking.proved for ranking in rankings]
        self.depths += [ranking.depth for ranking in rankings]
        self.seconds.append(seconds)

    def lines(self) -> list[str]:
        queries, proved = len(self.proved), sum(self.proved)
        unproved = "" if proved == queries else f"; NOT PROVED for {queries - proved}"
        median, slow = 1000 * np.percentile(self.seconds, (50, 95))
        unit = "query" if self.batch_size == 1 else f"batch of {self.batch_size}"
        times = f"{median:.1f} ms (median), {slow:.1f} ms (95th percentile)"
        return [
            f"top {self.certify} proved for {proved} of {queries} queries{unproved}",
            f"{queries / sum(self.seconds):.1f} queries/s, encoding included; a {unit} took {times}; "
            f"depth {np.median(self.depths):.0f} (median), {max(self.depths)} (largest)",
        ]


def run(searcher: DupMAESearcher, topics: list[Topic], args: argparse.Namespace, summary: Summary) -> None:
    """Search the ``topics`` batch by batch and write the run."""
    from pyserini.output_writer import OutputFormat, get_output_writer

    with atomic_path(args.output) as temporary:
        writer = get_output_writer(str(temporary), OutputFormat(args.output_format), max_hits=args.hits, tag=TAG)
        with writer, tqdm(total=len(topics), unit="query", desc="searching") as progress:
            for start in range(0, len(topics), args.batch_size):
                batch = topics[start : start + args.batch_size]
                before = time.perf_counter()
                rankings = searcher.rank([text for _, text in batch], args.hits + args.remove_query, args.threads)
                summary.add(rankings, time.perf_counter() - before)
                for (qid, _), ranking in zip(batch, rankings, strict=True):
                    hits = searcher.sources.hits(ranking)
                    writer.write(qid, [hit for hit in hits if not (args.remove_query and hit.docid == qid)])
                progress.update(len(batch))


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    log.show()
    certify = args.certify or args.hits
    Limits(args.hits, certify, args.max_depth)
    if os.path.isdir(args.output):
        raise UserError(f"--output {args.output} is a folder; name a file")
    encoder = QueryModel.load(args.encoder or DEFAULT_MODEL, args.device, args.dtype)
    searcher = DupMAESearcher(args.index, encoder, args.mode, certify + args.remove_query, args.max_depth)
    topics = read_topics(args.topics)
    summary = Summary(certify, args.batch_size)
    run(searcher, topics, args, summary)
    print("\n".join(summary.lines()))


if __name__ == "__main__":
    run_command(main)
