"""The model that comes with the package."""

from __future__ import annotations

import torch

from pyserini_dupmae.modeling.default import DEFAULT_FOLDER, DEFAULT_MODEL
from pyserini_dupmae.modeling.equations import relevance
from pyserini_dupmae.modeling.loading import load_model

QUERIES = ["how do I copy a directory?", "why do the tides rise?"]
DOCUMENTS = ["Recursively duplicate a whole folder tree to another place.", "The moon's gravity pulls the sea up."]


def test_it_is_small_and_keeps_few_terms():
    assert sum(path.stat().st_size for path in DEFAULT_FOLDER.iterdir()) < 50_000_000
    model = load_model(DEFAULT_MODEL).model
    documents = model.encode_texts(DOCUMENTS)
    queries = model.encode_texts(QUERIES, max_length=model.config.query_max_length, full_bow=True, query=True)
    assert ((documents.weights > 0).sum(dim=1) <= model.config.top_k).all()
    assert (queries.bow > 0).any(dim=1).all()


def test_each_part_alone_finds_the_document_that_answers():
    model = load_model(DEFAULT_MODEL).model
    queries = model.encode_texts(QUERIES, model.config.query_max_length, full_bow=True, query=True)
    assert (queries.cls @ model.encode_texts(DOCUMENTS).cls.T).argmax(dim=1).tolist() == [0, 1]
    inflected = ["Copies whole directories to another place.", "The tide comes in when the moon pulls the sea up."]
    assert (queries.bow @ model.encode_texts(inflected, full_bow=True).bow.T).argmax(dim=1).tolist() == [0, 1]


def test_it_knows_words_and_what_they_mean():
    model = load_model(DEFAULT_MODEL).model
    found = model.encode_texts(["sourdough bread rises"], top_k=20)
    assert {"bread", "rise"} <= set(model.tokenizer.convert_ids_to_tokens(found.token_ids[0].tolist()))
    queries = model.encode_texts(QUERIES, model.config.query_max_length, full_bow=True, query=True)
    documents = model.encode_texts(DOCUMENTS)
    scores = relevance(queries.cls, queries.bow, documents.cls, documents.token_ids, documents.weights)
    assert scores.argmax(dim=1).tolist() == [0, 1]
    assert torch.isfinite(scores).all()
