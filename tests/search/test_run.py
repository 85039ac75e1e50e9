"""`search` as a program calls it; the command beside it is tested in test_search_command."""

from __future__ import annotations

import pytest

import pyserini_dupmae.api as dupmae
from pyserini_dupmae.search.run import SearchResult


def test_topics_can_be_given_as_they_are(encoded, tiny_model_dir, topics, topics_file, tmp_path):
    runs = []
    for number, given in enumerate((topics_file, topics, dict(topics))):
        output = tmp_path / f"{number}.txt"
        found = dupmae.search(encoded, topics=given, output=output, encoder=tiny_model_dir, hits=5, batch_size=8)
        assert (found.path, found.queries, found.proved, len(found.batch_seconds)) == (output, 20, (True,) * 20, 3)
        runs.append(output.read_bytes())
    assert runs[0] == runs[1] == runs[2]


def test_it_says_how_it_went():
    found = SearchResult("run.txt", 10, (True, True, False), (128, 256, 128), 2, (0.5, 0.25), 12.34, 30.0)
    assert (found.queries, found.seconds) == (3, 0.75)
    assert str(found) == (
        "top 10 proved for 2 of 3 queries; NOT PROVED for 1\n"
        "4.0 queries/s, encoding included; a batch of 2 took 375.0 ms (median), 487.5 ms (95th percentile); "
        "depth 128 (median), 256 (largest)\n"
        "terms on average: 12.3 in a query, 30.0 in a document"
    )


def test_terms_are_counted(encoded, tiny_model_dir, topics, queries, documents, tmp_path):
    arguments = {"topics": topics, "encoder": tiny_model_dir, "hits": 5}
    found = dupmae.search(encoded, output=tmp_path / "all.txt", **arguments)
    assert found.query_terms == pytest.approx(sum(len(query.token_ids) for query in queries) / len(queries))
    assert found.document_terms == pytest.approx((documents.mu > 0).sum() / len(documents.docids))
    found = dupmae.search(encoded, output=tmp_path / "few.txt", query_top_k=3, query_max_length=10, **arguments)
    assert found.query_terms == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"topics": {}}, "no topics are given"),
        ({"topics": [("1", "a"), ("1", "b")]}, "the query id '1' is given twice"),
        ({"topics": [("one two", "a")]}, "a query id must be one word, got 'one two'"),
        ({"topics": [(1, "a")]}, "both of them strings, not 1 and 'a'"),
        ({"hits": 0}, "hits must be at least 1, got 0"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"mode": "both"}, "unknown mode 'both'"),
        ({"output_format": "csv"}, "unknown output format 'csv'; choose one of trec, msmarco"),
    ],
)
def test_mistakes_are_user_errors_and_write_nothing(encoded, tiny_model_dir, tmp_path, options, message):
    arguments = {"topics": {"1": "a file"}, "output": tmp_path / "run.txt", "encoder": tiny_model_dir} | options
    with pytest.raises(dupmae.UserError, match=message):
        dupmae.search(encoded, **arguments)
    assert not list(tmp_path.iterdir())
