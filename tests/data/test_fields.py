"""Docid and text of a record, by the rules of Pyserini's collection iterator."""

import pytest

from pyserini_dupmae.data.readers import BadDocumentError, FieldParser


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
def test_text(record, options, text):
    assert FieldParser(**options).parse({"id": "d", **record}) == ("d", text)


def test_docid_field():
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
