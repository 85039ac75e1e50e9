"""Readers of pre-training text, and what each says of a bad line."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import datasets
import ir_datasets
import pytest

from pyserini_dupmae.training.pretrain.sources import fingerprint, read_texts
from pyserini_dupmae.util.errors import UserError
from tests.helpers import write_beir, write_jsonl, write_lines

RECORDS = [{"_id": "1", "title": "A title", "text": "and a text "}, {"_id": "2", "title": "", "text": "alone"}]


def test_jsonl_joins_title_and_text(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", [*RECORDS, {"id": 3, "contents": "contents"}])
    assert list(read_texts(str(source))) == ["A title and a text", "alone", "contents"]
    assert list(read_texts(str(write_jsonl(tmp_path / "b.jsonl", RECORDS)), ["text"])) == ["and a text", "alone"]


def test_plain_text_has_a_text_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Première ligne\r\n\n  second line", encoding="utf-8")
    assert list(read_texts(str(tmp_path / "a.txt"))) == ["Première ligne", "second line"]


def test_a_folder_is_read_in_order_and_compressed_files_too(tmp_path: Path) -> None:
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"second", mtime=0))
    (tmp_path / "sub").mkdir()
    write_jsonl(tmp_path / "sub" / "c.jsonl", [{"text": "third"}])
    (tmp_path / "a.txt").write_text("first")
    (tmp_path / "README.md").write_text("not text to train on")
    assert list(read_texts(str(tmp_path))) == ["first", "second", "third"]


def test_official_tables(tmp_path: Path) -> None:
    write_lines(tmp_path / "collection.tsv", ["0\tone", "1\ttwo"])
    assert list(read_texts(str(tmp_path / "collection.tsv"))) == ["one", "two"]
    titled = write_lines(tmp_path / "titled.tsv", ["0\tA title\tone", "1\t\ttwo"])
    assert list(read_texts(str(titled))) == ["A title [SEP] one", "two"]
    assert list(read_texts(str(titled), ["text"])) == ["one", "two"]
    with pytest.raises(UserError, match=r"a\.tsv:2: 4 column\(s\), but a line is id TAB text"):
        list(read_texts(str(write_lines(tmp_path / "a.tsv", ["0\tone", "1\ta\tb\tc"]))))


def test_of_a_collection_in_a_folder_only_the_documents_are_read(tmp_path: Path) -> None:
    write_lines(tmp_path / "all" / "ms" / "collection.tsv", ["0\tone"])
    write_lines(tmp_path / "all" / "ms" / "queries.dev.tsv", ["1\ta query"])
    write_beir(tmp_path / "all" / "beir", {"d": "a document"}, {"q": "a query"}, train={"q": {"d": 1}})
    assert list(read_texts(str(tmp_path / "all" / "ms"))) == ["one"]
    assert list(read_texts(str(tmp_path / "all" / "beir"))) == ["a document"]
    assert list(read_texts(str(tmp_path / "all"))) == ["a document", "a query", "one"]


def test_datasets_from_a_folder_and_from_disk(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    write_jsonl(tmp_path / "raw" / "train.jsonl", RECORDS)
    datasets.Dataset.from_list(RECORDS).save_to_disk(str(tmp_path / "saved"))
    for name in ("raw", "saved"):
        assert list(read_texts(f"datasets:{tmp_path / name}")) == ["A title and a text", "alone"]


class _Document(NamedTuple):
    doc_id: str
    title: str
    body: str

    def default_text(self) -> str:
        return f"{self.title} {self.body}"


class _Documents(ir_datasets.formats.BaseDocs):
    def docs_iter(self) -> Iterator[_Document]:
        yield _Document("1", "a title", "a body")

    def docs_cls(self) -> type:
        return _Document


@pytest.fixture
def ir_name() -> Iterator[str]:
    name = "dupmae-pretraining-test"
    ir_datasets.registry.register(name, ir_datasets.Dataset(_Documents()))
    yield name
    ir_datasets.registry._registered.pop(name)


def test_ir_datasets(ir_name: str) -> None:
    assert list(read_texts(f"ir_datasets:{ir_name}")) == ["a title a body"]
    assert list(read_texts(f"ir_datasets:{ir_name}", ["title"])) == ["a title"]


def test_a_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    one, two = (str(write_jsonl(tmp_path / name, RECORDS)) for name in ("a.jsonl", "b.jsonl"))
    assert fingerprint(one) == fingerprint(two)
    assert fingerprint(one) != fingerprint(str(write_jsonl(tmp_path / "b.jsonl", RECORDS[:1])))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', "a.jsonl:2: not JSON"),
        ("a.jsonl", b'["a"]\n', "a.jsonl:1: a JSON list, not an object"),
        (
            "a.jsonl",
            b'{"text": "a"}\n\n{"title": "b"}\n',
            "a.jsonl:3: no field text or contents or body (it has title)",
        ),
        ("a.jsonl", b'{"text": null}\n', "a.jsonl:1: field 'text' is NoneType, not text"),
        ("a.jsonl", b'{"title": 4, "text": "a"}\n', "a.jsonl:1: field 'title' is int, not text"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "\xff"}\n', "a.jsonl:2: not UTF-8"),
        ("a.txt", b"fine\n\xe9\n", "a.txt:2: not UTF-8"),
        ("a.txt.gz", b"not compressed", "a.txt.gz is damaged after line 0"),
        ("a.txt.gz", gzip.compress(b"line\n" * 10, mtime=0)[:-12], "a.txt.gz is damaged after line"),
        ("a.csv", b"a,b\n", "holds no text that can be read (.jsonl"),
    ],
)
def test_bad_files_name_the_place(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as raised:
        list(read_texts(str(tmp_path / name)))
    assert message in str(raised.value)


def test_missing_sources_are_named(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", [{"other": "a"}])
    for source, message in [
        (str(tmp_path / "nothing.jsonl"), "no file or folder"),
        (f"datasets:{tmp_path}/nothing", "cannot open"),
        (f"datasets:{tmp_path}::nosplit", "cannot open"),
        (f"datasets:{tmp_path}", "record 1: no field text"),
        ("ir_datasets:no-such-set", "'no-such-set' is no dataset of ir_datasets"),
    ]:
        with pytest.raises(UserError, match=message):
            list(read_texts(source))


def test_a_field_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.jsonl:1: no field 'abstract' \(it has _id, title, text\)"):
        list(read_texts(str(write_jsonl(tmp_path / "a.jsonl", RECORDS)), ["title", "abstract"]))
