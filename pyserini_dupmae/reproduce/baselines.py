"""Measure what anybody can do without DupMAE: BM25, by Lucene, and all-MiniLM-L6-v2; ``reproduce`` calls it.

    python -m pyserini_dupmae.reproduce.baselines --corpus corpus.jsonl --topics topics.tsv --qrels qrels.txt \\
        --metrics nDCG@10 --collection notes --output DIR

writes a record for each system, which `pyserini_dupmae.report` takes. all-MiniLM-L6-v2 needs the extra ``demo``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pyserini_dupmae.data.corpus import Corpus
from pyserini_dupmae.data.qrels import read_qrels
from pyserini_dupmae.data.topics import read_topics
from pyserini_dupmae.experiments.baselines import SYSTEMS, measure_baselines
from pyserini_dupmae.util import log
from pyserini_dupmae.util.command import add_corpus, add_device, make_parser, path_type, positive_int, run_command
from pyserini_dupmae.util.files import require_folder
from pyserini_dupmae.util.lock import alone


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    result = make_parser("reproduce.baselines", __doc__)
    add_corpus(result)
    add = result.add_argument
    add("--topics", required=True, help="as in pyserini_dupmae.search")
    add("--qrels", required=True, help="as in pyserini_dupmae.evaluate")
    add("--metrics", nargs="+", required=True, help="as in pyserini_dupmae.evaluate")
    add("--hits", type=positive_int, default=1000, help="documents a query")
    add("--remove-query", action="store_true", help="leave out the document that has the query's own id")
    add("--systems", nargs="+", choices=SYSTEMS, help="which ones (default: those that are installed)")
    add("--collection", required=True, metavar="NAME", help="what the records call it")
    add("--topic-set", metavar="NAME", help="what the records call the topics")
    add_device(result)
    add("--output", type=path_type, required=True, metavar="DIR", help="folder to write to")
    return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; raises `UserError`."""
    log.show()
    options = parser().parse_args(argv)
    output = require_folder(options.output)
    qrels = read_qrels(options.qrels)
    topics = {qid: text for qid, text in read_topics(options.topics) if qid in qrels}
    corpus = Corpus.open(
        options.corpus,
        options.ir_dataset,
        fields=options.fields,
        delimiter=options.delimiter,
        docid_field=options.docid_field,
    )
    with alone(output):
        measure_baselines(
            {document.docid: document.text for document in corpus},
            topics,
            qrels,
            output,
            collection=options.collection,
            topic_set=options.topic_set or "",
            metrics=options.metrics,
            hits=options.hits,
            remove_query=options.remove_query,
            device=options.device,
            systems=options.systems,
        )


if __name__ == "__main__":
    run_command(main)
