from __future__ import annotations

import errno
import json
from collections import Counter
from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
import pytest

from pyserini_dupmae.index import lucene
from pyserini_dupmae.index.lucene import write_lucene
from pyserini_dupmae.index.quantisation import Quantisation
from pyserini_dupmae.jvm import java_class, start
from pyserini_dupmae.store import ForwardStore
from pyserini_dupmae.util.errors import UserError
from tests.index.conftest import Documents, random_documents


def write(documents: Documents, folder: Path, top_k: int | None = None, bits: int = 8) -> tuple[Path, Quantisation]:
    store = ForwardStore(documents.write(folder) / "store")
    quantisation = Quantisation.of(store.max_weight, bits)
    write_lucene(folder / "lucene", store, top_k or store.top_k, quantisation)
    return folder / "lucene", quantisation


def expected_postings(documents: Documents, top_k: int, scale: float) -> dict[str, dict[int, int]]:
    """{term: {row: quantised weight}}, a document and a weight at a time, in exact arithmetic."""
    postings: dict[str, dict[int, int]] = {}
    for row in range(len(documents.docids)):
        for token_id, weight in list(zip(documents.token_ids[row], documents.weights[row], strict=True))[:top_k]:
            if weight > 0:
                level = ceil(Fraction(float(weight)) / Fraction(scale))
                postings.setdefault(documents.terms[token_id], {})[row] = level
    return postings


def read_postings(index: Path) -> dict[str, dict[int, int]]:
    """Every posting of ``contents``, through Pyserini's reader."""
    start()
    from pyserini.index.lucene import LuceneIndexReader

    reader = LuceneIndexReader(str(index))
    postings = {}
    for entry in reader.terms():
        found = read_term(reader, entry.term)
        assert len(found) == entry.df
        assert sum(found.values()) == entry.cf
        postings[entry.term] = found
    return postings


def read_term(reader, term: str) -> dict[int, int]:
    """The postings of one term, from Lucene itself."""
    multi_terms = java_class("org.apache.lucene.index.MultiTerms")
    name = java_class("org.apache.lucene.util.BytesRef")(term.encode())
    enumerator = multi_terms.getTermPostingsEnum(reader.reader, "contents", name)
    found = {}
    while (row := enumerator.nextDoc()) != 2**31 - 1:
        found[row] = enumerator.freq()
    return found


def stored(index: Path, name: str) -> list[str | None]:
    """A stored field of every document, by Lucene's number."""
    start()
    from pyserini.index.lucene import LuceneIndexReader

    fields = LuceneIndexReader(str(index)).reader.storedFields()
    count = LuceneIndexReader(str(index)).stats()["documents"]
    return [fields.document(number).get(name) for number in range(count)]


@pytest.mark.parametrize(("top_k", "bits"), [(None, 8), (4, 8), (None, 3), (None, 16)])
def test_postings_are_the_store_quantised(documents, tmp_path, top_k, bits):
    index, quantisation = write(documents, tmp_path, top_k, bits)
    expected = expected_postings(documents, top_k or 12, quantisation.scale)
    assert read_postings(index) == expected
    assert {"|", "café", "\U0001f600", "##日", "x" * 300} <= set(expected)


def test_documents_keep_their_rows(documents, tmp_path):
    index, _ = write(documents, tmp_path)
    assert stored(index, "id") == documents.docids
    assert set(stored(index, "raw")) == {None}


def test_documents_keep_their_rows_through_flushes_and_merges(tmp_path, monkeypatch):
    monkeypatch.setattr(lucene, "_BUFFER_MB", 0.01)  # a segment for every few documents
    documents = random_documents(80, [f"t{i}" for i in range(300)], 40)
    index, quantisation = write(documents, tmp_path)
    assert stored(index, "id") == documents.docids
    names = {path.name[1:].split("_")[0].split(".")[0] for path in index.glob("_*")}
    assert max(int(name, 36) for name in names) > len(names) + 10  # Lucene numbers segments, so some were merged
    assert read_postings(index) == expected_postings(documents, 40, quantisation.scale)


def test_contents_can_be_shown(documents, tmp_path):
    documents.contents = [f"text {row} é\U0001f600\n" for row in range(100)]
    index, _ = write(documents, tmp_path)
    raw = [json.loads(line) for line in stored(index, "raw")]
    assert raw == [
        {"id": docid, "contents": text} for docid, text in zip(documents.docids, documents.contents, strict=True)
    ]


class FixedQueries:
    """A query encoder as `LuceneImpactSearcher` takes one."""

    def __init__(self, queries: dict[str, dict[str, int]]):
        self.queries = queries

    def encode(self, text: str) -> dict[str, int]:
        return self.queries[text]


def test_unmodified_impact_searcher_gives_the_scores_of_a_scan(documents, tmp_path):
    documents.contents = [f"text {row}" for row in range(100)]
    index, quantisation = write(documents, tmp_path)
    from pyserini.search.lucene import LuceneImpactSearcher

    rng = np.random.default_rng(1)
    askable = [term for term in documents.terms if len(term) < 256]  # Pyserini's searcher cuts longer ones
    queries = {
        f"q{i}": {term: int(rng.integers(1, 9)) for term in rng.permutation(askable)[:8].tolist()} for i in range(10)
    }
    searcher = LuceneImpactSearcher(str(index), FixedQueries(queries), min_idf=-1)
    postings = expected_postings(documents, 12, quantisation.scale)
    for name, query in queries.items():
        scores: Counter[str] = Counter()
        for term, weight in query.items():
            for row, level in postings.get(term, {}).items():
                scores[documents.docids[row]] += weight * level
        hits = {hit.docid: hit.score for hit in searcher.search(name, 100)}
        assert hits == scores
    assert json.loads(searcher.doc("d7").raw()) == {"id": "d7", "contents": "text 7"}


def test_negative_weights_are_left_out_and_counted(documents, tmp_path, caplog):
    documents.activation = "none"
    documents.weights[:, -1] = -1.5
    with caplog.at_level("INFO", "pyserini_dupmae"):
        index, quantisation = write(documents, tmp_path)
    assert read_postings(index) == expected_postings(documents, 12, quantisation.scale)
    assert "100 kept weights are negative (activation none)" in caplog.text


def test_no_weight_at_all(documents, tmp_path):
    documents.weights[:] = 0
    index, _ = write(documents, tmp_path)
    assert stored(index, "id") == documents.docids


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (["a", ""], "token 1 .* is '': .* empty"),
        (["a", "b c"], "token 1 .* is 'b c': .* white space"),
        (["a", "b\u2028"], "token 1 .* white space"),
        (["a", "b", "a"], "tokens 0 and 2 .* both 'a'"),
        (["".join(map(chr, range(1, 9))) + "".join(map(chr, range(14, 28)))], "none is left"),
    ],
)
def test_vocabularies_that_an_impact_index_cannot_hold(terms, message, documents, tmp_path):
    documents.terms, documents.token_ids, documents.weights = (
        terms,
        documents.token_ids[:, :1] * 0,
        documents.weights[:, :1],
    )
    with pytest.raises(UserError, match=message):
        write(documents, tmp_path)


def test_a_control_character_in_the_vocabulary_is_not_the_delimiter(documents, tmp_path):
    documents.terms[:3] = ["a\x01b", "\x02", "c\x03"]
    index, quantisation = write(documents, tmp_path)
    assert read_postings(index) == expected_postings(documents, 12, quantisation.scale)


def test_a_full_disk():
    stream = java_class("java.io.FileOutputStream")("/dev/full", signature="(Ljava/lang/String;)V")
    with pytest.raises(OSError, match="No space left") as caught, lucene._java_errors(Path("/out")):
        stream.write(1)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == "/out"


def test_too_little_memory():
    buffer = java_class("java.nio.ByteBuffer")
    with pytest.raises(UserError, match="PYSERINI_DUPMAE_JVM_OPTS=-Xmx"), lucene._java_errors(Path("/out")):
        buffer.allocate(2**31 - 1)
