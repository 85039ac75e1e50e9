"""What a file of experiments may hold. `reader` reads such files; a mistake is reported with its file and line.

A file has sections. `Header` has those that stand alone: ``description``, ``extends``, ``variables``, ``inputs``,
``expected`` and ``tolerance``. The others are lists of entries, each of which may stand for many by a ``matrix``:

- ``steps``: commands, each depending on what others leave (`StepEntry`); a file of steps is a recipe.
- ``models``, ``collections`` and ``conditions`` (`Model`, `Collection`, `Condition`, `MeanCondition`): a condition is
  one collection, encoded by one model and searched in one way, and stands for the steps that this takes.

What comes out in the end is checked against ``expected``, of a recipe as of a condition.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt, StringConstraints, model_validator

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""A name that can be a folder's."""

Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
"""A name that can be a folder's and that ``${...}`` can refer to."""

Command = Annotated[str, StringConstraints(pattern=r"^[a-z_]+(\.[a-z_]+)*( [a-z]+)*$")]
"""A module of this package, and words that follow it: ``training.finetune``, ``training.teacher score``."""

Reference = Annotated[str, StringConstraints(pattern=r"^\$\{[\w-]+\}$")]

MetricName = Annotated[str, StringConstraints(pattern=r"^\w+(\([^)]*\))?(@\d+)?$")]
"""As in `pyserini_dupmae.evaluation`: nDCG@10, R(rel=2)@1000, MRR@10."""

Scores = dict[str, dict[MetricName, float]]
"""topic set -> metric -> value."""

STATISTICS = ("documents", "postings", "weights", "dimension")


class Entry(BaseModel):
    """Anything in a file: no other keys than those that are known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Statistics(Entry):
    """Of an index: ``weights`` is the sum of all quantised weights, ``dimension`` d'."""

    documents: int | None = None
    postings: int | None = None
    weights: int | None = None
    dimension: int | None = None


class Tolerance(Entry):
    """How far off is still [OKish]: ``scores`` absolute, ``statistics`` relative."""

    scores: NonNegativeFloat = 0.001
    statistics: NonNegativeFloat = 0.0


class Measured(Entry):
    """What a run gave on the day when somebody measured it. ``tolerance`` takes the place of the experiment's."""

    statistics: Statistics = Statistics()
    scores: Scores = {}
    tolerance: Tolerance | None = None


class Expectation(Entry):
    """What comes out in the end: the measured numbers, or null when nobody has measured any.

    ``expected_by_python`` is for collections that differ between Python versions: "3.11" or, nearer, "3.11.7" -> what
    it gave there.
    """

    expected: Measured | None = None
    expected_by_python: dict[str, Measured] = {}
    tolerance: Tolerance = Tolerance()

    @model_validator(mode="after")
    def _is_said_once(self) -> Expectation:
        if self.expected and self.expected_by_python:
            raise ValueError("give either expected or expected_by_python")
        return self

    def measured(self, python: str) -> Measured | None:
        """What is expected under the Python version ``python`` ("3.11.7"); None when nobody measured it."""
        minor = python.rpartition(".")[0]
        return self.expected or self.expected_by_python.get(python) or self.expected_by_python.get(minor)

    def allowed(self, python: str) -> Tolerance:
        """How far off is still [OKish] under the Python version ``python``."""
        measured = self.measured(python)
        return (measured and measured.tolerance) or self.tolerance


class Header(Expectation):
    """What stands in a file beside its lists. Values that are null have to be given with ``--set``.

    A file that has ``extends`` in place of steps and inputs is the recipe of that name with other variables.

    Attributes:
        variables: what entries refer to as ``${name}``: numbers, words, lists, mappings. May refer to variables above.
        inputs: the files and folders that steps start from, in the forms of `inputs.find_input`, one or a list; may
            refer to variables. A step depends on the contents of those that it refers to.
        expected: its scores are those of evaluations, by the name of each (``"data-dev.stage 3.hybrid"``).
    """

    description: str = ""
    extends: Word | None = None
    variables: dict[Word, Any] = {}
    inputs: dict[Word, str | list[str] | None] = {}


class StepEntry(Entry):
    """A command of this package, which writes to the folder ``${output}``; later steps know it by the step's name.

    Attributes:
        arguments: option -> value, a list of values, true (the option alone), false or null (not given), or a mapping:
            a group of options, as in ``pyserini_dupmae.encode input ... output ...``. The command, given again
            after an interruption, has to go on or to begin anew; several need ``resume`` or ``overwrite`` for that.
        processes: how many; more than one are started by torchrun.
    """

    name: Word
    command: Command
    arguments: dict[str, Any]
    processes: PositiveInt | Reference = 1


class Model(Entry):
    """A model that conditions name: it must be given with ``--model``, unless it is made from a checkpoint.

    Attributes:
        package: an installed package with a checkpoint in it, ``module/folder``; ``requirement`` is what pip calls it.
        seed: of what the checkpoint lacks.
    """

    name: Name
    description: str
    package: str | None = None
    requirement: str | None = None
    seed: int = 0


class TopicSet(Entry):
    """Queries and judgements of a collection, and where to find them: in local files, or in the registries.

    ``split`` is BEIR's (``qrels/SPLIT.tsv``); ``topics`` and ``qrels`` are file names, any one of which will do.
    """

    split: str | None = None
    topics: list[str] = []
    qrels: list[str] = []
    ir_datasets: str | None = None
    pyserini_topics: str | None = None
    pyserini_qrels: str | None = None


class Docstrings(Entry):
    """How much of the standard library's docstrings to take: None is all documents."""

    documents: PositiveInt | None = None
    queries: PositiveInt


class Collection(Entry):
    """Documents and their topic sets.

    Attributes:
        obtain: where a person gets the files; every error about missing files repeats it.
        documents: how many there are, when that is published; another number in an index is a failure.
        beir: the folder in BEIR's layout (or ``.zip`` of that name) in the ``--data`` folder; ``md5`` is the zip's.
        corpus: file or folder names in the ``--data`` folder, any one of which will do.
        titles: two file names, passages and titles, that are joined when no ``corpus`` is there (RocketQA's form).
        ir_datasets: where the documents come from without ``--data``.
        docstrings: built from the running Python's standard library; the settings of that.
        docid_field, fields: options of the encode command for local files that have other fields than it expects.
    """

    name: Name
    description: str
    obtain: str
    documents: PositiveInt | None = None
    beir: str | None = None
    md5: str | None = None
    corpus: list[str] = []
    titles: tuple[str, str] | None = None
    ir_datasets: str | None = None
    docstrings: Docstrings | None = None
    docid_field: str | None = None
    fields: list[str] = []
    topics: dict[Name, TopicSet] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_documents(self) -> Collection:
        if not (self.beir or self.corpus or self.docstrings or self.ir_datasets):
            raise ValueError("one of beir, corpus, ir_datasets and docstrings must say where the documents are")
        return self


class Encoding(Entry):
    """Options of the encode command. Equal ones let conditions share an encoding.

    Attributes:
        max_length: tokens kept of a document; None: as many as the model's configuration says.
        shards: the collection is encoded in so many parts, each a store of its own, which are searched as one.
    """

    batch_size: PositiveInt = 64
    max_length: PositiveInt | None = None
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    shards: PositiveInt = 1


class Indexing(Entry):
    """Options of the index command; ``top_k`` None keeps what the model gives; a model that gives less is refused."""

    top_k: PositiveInt | None = None
    bits: PositiveInt = 8


class Searching(Entry):
    """Options of the search command.

    Attributes:
        remove_query: drop the document that has the query's own id, as BEIR does.
        query_max_length: tokens kept of a query; None: as many as the model's configuration says.
    """

    mode: Literal["hybrid", "dense", "sparse"] = "hybrid"
    hits: PositiveInt = 1000
    remove_query: bool = False
    query_max_length: PositiveInt | None = None


class Scored(Expectation):
    """What every condition has: a name, metrics for each topic set, and the paper's numbers for them."""

    name: Name
    description: str
    topics: dict[Name, list[MetricName]] = Field(min_length=1)
    paper: Scores = {}

    @model_validator(mode="after")
    def _scores_are_of_its_metrics(self) -> Scored:
        measured = [self.expected, *self.expected_by_python.values()]
        for scores in [self.paper, *(one.scores for one in measured if one)]:
            for topics, values in scores.items():
                for metric in values:
                    if metric not in self.topics.get(topics, []):
                        raise ValueError(f"a score is given for {metric} on {topics}, which is not measured here")
        return self


class Condition(Scored):
    """One collection, encoded by one model, searched in one way.

    ``cls_dim`` is the d' that the condition is about; a model with another is a failure.
    """

    collection: Name
    model: Name
    cls_dim: PositiveInt | None = None
    encode: Encoding = Encoding()
    index: Indexing = Indexing()
    search: Searching = Searching()


class MeanCondition(Scored):
    """The mean of other conditions' scores, metric by metric; ``mean_of`` has their names or patterns of names."""

    mean_of: list[str] = Field(min_length=1)


AnyCondition = Condition | MeanCondition


def condition(entry: Any) -> AnyCondition:
    """Validate one condition; raises pydantic's ValidationError."""
    kind = MeanCondition if isinstance(entry, dict) and "mean_of" in entry else Condition
    return kind.model_validate(entry)
