"""Bad documents, duplicate docids and the cutting of a corpus into shards."""

import numpy as np
import pytest

from pyserini_dupmae.data import corpus as corpus_module
from pyserini_dupmae.data.corpus import Corpus, shard_range
from pyserini_dupmae.util.errors import UserError

GOOD = {"id": "good", "contents": "a text"}
BAD = [
    (b'{"id": "x", "contents": ', "not JSON"),
    (b"[" * 100_000, "not JSON"),
    (b'["x"]', "a JSON list, not an object"),
    (b'{"contents": "no id"}', "no id"),
    (b'{"id": null, "contents": "no id"}', "no id"),
    (b'{"id": "x"}', "no contents and no text"),
    (b'{"id": "x", "contents": ["a", "b"]}', "'contents' is a list, not a text"),
    (b'{"id": "x", "contents": "\xff\xfe"}', "invalid UTF-8 at byte 26"),
    (b'{"id": "x", "contents": "\\ud800"}', "surrogate"),
    (b'{"id": "two words", "contents": "a"}', "'two words' is empty or has white space"),
    (b'{"id": " x", "contents": "a"}', "white space"),
    (b'{"id": "", "contents": "a"}', "empty"),
    (b'{"id": {"a": 1}, "contents": "a"}', "neither a string nor a whole number"),
    (b'{"id": true, "contents": "a"}', "neither a string nor a whole number"),
    (b'{"id": 1.5, "contents": "a"}', "neither a string nor a whole number"),
]


def corpus(path, skip=False):
    return Corpus.open(path, skip=skip)


@pytest.mark.parametrize(("line", "message"), BAD)
def test_a_bad_document_is_an_error_that_names_file_and_line(jsonl, line, message):
    path = jsonl([GOOD, line])
    with pytest.raises(UserError) as error:
        corpus(path).survey()
    assert str(error.value).startswith(f"{path}:2: ")
    assert message in str(error.value)
    assert "--on-error skip" in str(error.value)


def test_bad_documents_are_counted_when_skipped(jsonl):
    path = jsonl([GOOD, *(line for line, _ in BAD), {"id": 2, "contents": None}])
    found = corpus(path, skip=True)
    assert (found.survey().documents, found.survey().skipped) == (2, len(BAD))
    assert [(document.docid, document.place) for document in found] == [
        ("good", f"{path}:1"),
        ("2", f"{path}:{len(BAD) + 2}"),
    ]


@pytest.mark.parametrize("line", ["only one column", "a\tb\tc\td"])
def test_a_bad_line_of_a_table(tmp_path, line):
    path = tmp_path / "collection.tsv"
    path.write_text(f"1\tfine\n{line}\n")
    with pytest.raises(UserError, match=r"collection\.tsv:2: .*column"):
        corpus(path).survey()


def test_duplicate_docids_are_refused_naming_both_places(jsonl, tmp_path):
    first = jsonl([{"id": str(i), "contents": ""} for i in range(100)], "folder/a.jsonl")
    second = jsonl([{"id": "new", "contents": ""}, {"id": "41", "contents": "other"}], "folder/b.jsonl")
    for skip in (False, True):
        with pytest.raises(UserError) as error:
            corpus(tmp_path / "folder", skip).survey()
        assert f"'41' occurs twice, at {first}:42 and at {second}:2" in str(error.value)


def test_docids_that_only_share_a_hash_are_accepted(jsonl, monkeypatch):
    monkeypatch.setattr(corpus_module, "hash64", lambda text: len(text))
    path = jsonl([{"id": docid, "contents": ""} for docid in ("aa", "bb", "c")])
    assert corpus(path).survey().documents == 3


@pytest.mark.parametrize("records", [[], [b"", b"  "]])
def test_an_empty_corpus_is_an_error(jsonl, records):
    with pytest.raises(UserError, match="no documents"):
        corpus(jsonl(records)).survey()


@pytest.mark.parametrize(("documents", "shards"), [(10, 3), (9, 3), (5, 5), (1, 1)])
def test_shards_are_cut_as_pyserini_cuts_them(documents, shards):
    ranges = [shard_range(documents, i, shards) for i in range(shards)]
    assert np.concatenate([list(part) for part in ranges]).tolist() == list(range(documents))
    assert all(len(part) == documents // shards for part in ranges[:-1])


@pytest.mark.parametrize(
    ("shard_id", "shard_num", "message"), [(2, 2, "0 to 1"), (-1, 2, "0 to 1"), (0, 11, "cut fewer")]
)
def test_a_shard_that_does_not_exist_is_an_error(shard_id, shard_num, message):
    with pytest.raises(UserError, match=message):
        shard_range(10, shard_id, shard_num)
