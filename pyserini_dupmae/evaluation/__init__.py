"""Measures over runs and judgements, equal to trec_eval's, and paired comparisons of runs.

Data flows one way: `measures` gives one value a query, `comparison` puts runs side by side and tests their differences,
`evaluate` does both for files. `collection` searches and measures in one step. `results` is the record that a report is
made from; `tables` writes text and Markdown.
"""

from pyserini_dupmae.data.qrels import read_qrels
from pyserini_dupmae.data.runs import Run, read_run
from pyserini_dupmae.evaluation.comparison import Comparison, compare
from pyserini_dupmae.evaluation.measures import Coverage, coverage, mean, measure

__all__ = ["Comparison", "Coverage", "Run", "compare", "coverage", "mean", "measure", "read_qrels", "read_run"]
