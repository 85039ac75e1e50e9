"""Every form of collection, what is said of those that cannot be read, and a record's docid and text."""

import gzip
import json
from pathlib import Path

import ir_datasets
import pytest
import zstandard
from ir_datasets.formats import TsvDocs

from pyserini_dupmae.data.corpus import Corpus
from pyserini_dupmae.data.readers import BadDocumentError, FieldParser, FileRecords
from pyserini_dupmae.util.errors import UserError

EXPECTED = [("d1", "Hot water rises"), ("d2", "Wärme und Kälte"), ("d3", "")]


def read(path: Path, **options) -> list[tuple[str, str]]:
    return [(document.docid, document.text) for document in Corpus.open(path, **options)]


def as_jsonl(docid_field: str = "id", text_field: str = "contents") -> bytes:
    return b"".join(json.dumps({docid_field: docid, text_field: text}).encode() + b"\n" for docid, text in EXPECTED)


@pytest.mark.parametrize("docid_field", ["id", "_id", "docid"])
@pytest.mark.parametrize("text_field", ["contents", "text"])
def test_jsonl(tmp_path, docid_field, text_field):
    path = tmp_path / "a.jsonl"
    path.write_bytes(as_jsonl(docid_field, text_field))
    assert read(path) == EXPECTED


def test_gzip(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(as_jsonl()))
    assert read(path) == EXPECTED


@pytest.mark.parametrize("frames", [1, 3])
def test_zstandard(tmp_path, frames):
    data = as_jsonl()
    parts = [data[i * len(data) // frames : (i + 1) * len(data) // frames] for i in range(frames)]
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(b"".join(zstandard.compress(part) for part in parts))
    assert read(path) == EXPECTED


def test_byte_order_mark_blank_lines_and_crlf(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + as_jsonl().replace(b"\n", b"\r\n\r\n"))
    assert read(path) == EXPECTED


def test_a_beir_folder_gives_its_corpus_alone(tmp_path):
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n")
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "a query"}\n')
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d", "title": "A title", "text": "and a text", "metadata": {}}\n')
    assert read(tmp_path) == [("d", "A title and a text")]


def test_an_ms_marco_folder_gives_its_collection_alone(tmp_path):
    (tmp_path / "queries.dev.tsv").write_text("1\ta query\n")
    (tmp_path / "collection.tsv").write_text("".join(f"{docid}\t{text}\n" for docid, text in EXPECTED))
    assert read(tmp_path) == EXPECTED


def test_of_two_collections_in_a_folder_the_one_with_titles_is_read(tmp_path):
    (tmp_path / "collection.tsv").write_text("7\tThe text\n")
    (tmp_path / "corpus.tsv").write_text("7\tThe title\tThe text\n")
    assert read(tmp_path) == [("7", "The title [SEP] The text")]


def test_tsv_with_titles(tmp_path):
    path = tmp_path / "para.tsv"
    path.write_text("7\tThe title\tThe text\n8\t\tNo title\n")
    assert read(path) == [("7", "The title [SEP] The text"), ("8", "No title")]
    assert read(path, fields=["text"]) == [("7", "The text"), ("8", "No title")]


def test_the_files_of_a_folder_are_read_in_sorted_order(tmp_path):
    for number in (2, 10, 1):
        (tmp_path / f"docs{number:02d}.jsonl").write_text(json.dumps({"id": number, "contents": "x"}) + "\n")
    (tmp_path / "README.md").write_text("not a document")
    assert [docid for docid, _ in read(tmp_path)] == ["1", "2", "10"]


def test_ir_datasets(tmp_path):
    path = tmp_path / "docs.tsv"
    path.write_text("".join(f"{docid}\t{text}\n" for docid, text in EXPECTED))
    documents = TsvDocs(ir_datasets.util.LocalDownload(path))
    ir_datasets.registry.register("local-test", ir_datasets.Dataset(documents))
    documents = list(Corpus.open(ir_dataset="local-test"))
    assert [(document.docid, document.text) for document in documents] == EXPECTED
    assert documents[1].place == "local-test:2"


def test_an_ir_dataset_that_does_not_exist_is_an_error():
    with pytest.raises(UserError, match="'beir/nowhere' is no dataset of ir_datasets"):
        Corpus.open(ir_dataset="beir/nowhere")


def test_missing_corpus(tmp_path):
    with pytest.raises(UserError, match=r"no file or folder .*nowhere"):
        FileRecords(tmp_path / "nowhere")


def test_unknown_format(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(UserError, match=r"a\.txt does not tell its format"):
        FileRecords(tmp_path / "a.txt")
    with pytest.raises(UserError, match="holds no collection file"):
        FileRecords(tmp_path)


@pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".zst", zstandard.compress)])
@pytest.mark.parametrize("damage", [lambda data: data[:-20], lambda data: b"no archive at all"])
def test_a_damaged_archive_is_an_error(tmp_path, suffix, compress, damage):
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(damage(compress(as_jsonl() * 50)))
    with pytest.raises(UserError, match=r"a\.jsonl.* is damaged after line \d+"):
        read(path)


@pytest.mark.parametrize(
    ("record", "options", "text"),
    [
        ({"contents": " all of it\nas it is "}, {}, "all of it\nas it is"),
        ({"title": "T", "text": "x"}, {}, "T x"),
        ({"title": None, "text": "x"}, {}, "x"),
        ({"title": "T", "text": ""}, {}, "T"),
        ({"title": "T", "text": "x", "contents": "c"}, {}, "c"),
        ({"title": " T ", "text": "x", "contents": "c"}, {"fields": ["title", "text"]}, "T x"),
        ({"title": "T", "text": "x", "url": "u"}, {"fields": ["text", "url"]}, "x u"),
        ({"contents": "T\nx"}, {"fields": ["title", "text"]}, "T x"),
        ({"contents": "T\nx\n"}, {"fields": ["title", "text"]}, "T x"),
        ({"contents": "T\n"}, {"fields": ["title", "text"]}, "T"),
        ({"contents": "x\n"}, {"fields": ["text"]}, "x"),
        ({"contents": "T||x y"}, {"fields": ["title", "text"], "delimiter": "||"}, "T x y"),
    ],
)
def test_the_text_of_a_record(record, options, text):
    assert FieldParser(**options).parse({"id": "d", **record}) == ("d", text)


def test_the_docid_of_a_record():
    record = {"key": 17, "id": "other", "text": "x"}
    assert FieldParser(docid_field="key").parse(record) == ("17", "x")
    with pytest.raises(BadDocumentError, match="no id \\(nothere\\)"):
        FieldParser(docid_field="nothere").parse(record)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"text": "x"}, "no field 'title'"),
        ({"contents": "a\nb\nc"}, "3 part"),
        ({"contents": "a"}, "1 part"),
        ({"title": 3, "text": "x"}, "'title' is a int"),
    ],
)
def test_a_missing_or_wrong_field_is_named(record, message):
    with pytest.raises(BadDocumentError, match=message):
        FieldParser(["title", "text"]).parse({"id": "d", **record})
