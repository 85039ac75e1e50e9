"""Own words in the bag of words, against plain Python and PyStemmer, through every way to compute them."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import Stemmer
import torch

from pyserini_dupmae.modeling import DupMAEConfig, DupMAEModel
from pyserini_dupmae.modeling.initialise import init, initialise
from pyserini_dupmae.modeling.own_words import collection_factors
from pyserini_dupmae.modeling.query_encoder import QueryModel
from pyserini_dupmae.training.finetune.model import FinetuneModel
from pyserini_dupmae.util.errors import UserError
from tests.helpers import words_of

TEXTS = [
    "Return a list of the files.",
    "returned",
    "",
    "a file returns its lists " * 5,
    "qwert (zyx) and zyx files: qwerts",
]
GENERAL = ["return the files", "a file", "the list", "the copy of zyx"]
SETTINGS = {"lexical": "bm25", "ot_norm": "query-sum"}


def lexical(folder: Path, **settings: str) -> DupMAEModel:
    return initialise(str(folder), texts=GENERAL, **(SETTINGS | settings)).eval()


def stems(model: DupMAEModel) -> dict[int, int]:
    """The entry of each token: the first with its stem."""
    stemmer, first, entries = Stemmer.Stemmer("english"), {}, {}
    for token, number in sorted(model.tokenizer.get_vocab().items(), key=lambda item: item[1]):
        word = token.isalpha() and token.isascii() and len(token) > 1
        entries[number] = first.setdefault(stemmer.stemWord(token), number) if word else number
    return entries


def by_hand(model: DupMAEModel, head: list[float], text: str, query: bool) -> list[float]:
    """The bag of words of ``text`` for which W^O gives the weights ``head``."""
    entries, own = stems(model), model.own_words
    bag = [0.0] * model.config.mu_size
    for token, weight in enumerate(head):
        entry = entries.get(token, token)
        bag[entry] = max(bag[entry], weight)
    ids = model.tokenizer(text, add_special_tokens=False)["input_ids"]
    counts: Counter[int] = Counter()
    for pieces, word in words_of(model, ids):
        for piece in pieces:
            counts[entries[piece]] += own.piece_share.item() if query and word is not None else 1
        if word is not None:
            counts[word] += 1
    for entry, count in counts.items():
        share = own.query_share.item() * count
        if not query:
            share = own.doc_share.item() * count / (count + 0.9 * (1 - 0.4 + 0.4 * len(ids) / 100))
        bag[entry] += share * own.rarity[entry].item()
    if query:
        scale = model.log_ot_scale.exp().item() / max(sum(bag), 1e-30) ** model.ot_power.item()
        bag = [scale * weight for weight in bag]
    return bag


@pytest.mark.parametrize("query", [False, True])
@pytest.mark.parametrize("activation", ["relu", "log1p_relu"])
@torch.no_grad()
def test_every_way_gives_the_same_weights(tiny_model_dir, tmp_path, activation, query):
    plain = initialise(str(tiny_model_dir), activation=activation).eval()
    model = lexical(tiny_model_dir, activation=activation)
    heads = [plain.encode_texts([text], full_bow=True).bow[0].tolist() for text in TEXTS]
    expected = torch.tensor([by_hand(model, head, text, query) for head, text in zip(heads, TEXTS, strict=True)])
    assert not expected[2].any()
    assert (expected[4, len(heads[0]) :] > 0).sum() == 2
    batch = model.tokenizer(TEXTS, padding=True, return_tensors="pt")
    texts = {name: batch[name] for name in ("input_ids", "attention_mask")}
    alone = [model.encode_texts([text], full_bow=True, query=query).bow for text in TEXTS]
    found = {
        "forward": model(**texts, query=query).mu,
        "represent": model.represent(**texts, query=query)[1],
        "fine-tuning": FinetuneModel(model).represent(texts, query=query)[1],
        "one at a time": torch.cat(alone),
    }
    if query:
        model.save_pretrained(tmp_path / "model")
        encoded = QueryModel.load(str(tmp_path / "model")).encode(TEXTS)
        found["queries"] = torch.stack([torch.from_numpy(one.mu(model.config.mu_size)) for one in encoded])
    for way, mu in found.items():
        torch.testing.assert_close(mu, expected, rtol=1e-4, atol=1e-5, msg=lambda text, way=way: f"{way}: {text}")


@torch.no_grad()
def test_rarity_is_that_of_the_texts_that_are_given(tiny_model_dir):
    model = lexical(tiny_model_dir)
    vocabulary = model.tokenizer.get_vocab()
    for word, df in {"file": 2, "return": 1, "the": 3}.items():
        idf = math.log(1 + (len(GENERAL) - df + 0.5) / (df + 0.5)) / math.log(1 + len(GENERAL))
        entry = stems(model)[vocabulary[word]]
        assert model.own_words.rarity[entry].item() == pytest.approx(math.sqrt(idf), rel=1e-5)
    ids = model.tokenizer("zyx thermoplastic", add_special_tokens=False)["input_ids"]
    (_, whole), (_, unseen) = words_of(model, ids)
    idf = [math.log(1 + (4 - df + 0.5) / (df + 0.5)) / math.log(5) for df in (1, 0)]
    assert model.own_words.rarity[[whole, unseen]].tolist() == pytest.approx([math.sqrt(one) for one in idf], rel=1e-5)


@torch.no_grad()
def test_a_split_word_is_found_by_its_stem_and_not_by_its_pieces(tiny_model_dir):
    model = lexical(tiny_model_dir)
    words = ["thermoplastic", "thermoplastics", "plasticthermo", "files"]
    bags = model.encode_texts(words, full_bow=True).bow[:, model.config.vocab_size :]
    assert (bags > 0).sum(dim=1).tolist() == [1, 1, 1, 0]
    assert torch.equal(bags[0] > 0, bags[1] > 0)
    assert not (bags[0] * bags[2]).any()
    without = lexical(tiny_model_dir, word_entries=0)
    assert without.encode_texts(words, full_bow=True).bow.shape == (4, model.config.vocab_size)
    assert len(model.terms) == model.config.mu_size == model.config.vocab_size + 32_768


def test_an_encoded_query_tells_its_split_words(tiny_model_dir, tmp_path):
    lexical(tiny_model_dir).save_pretrained(tmp_path / "model")
    model = QueryModel.load(str(tmp_path / "model"))
    queries = model.encode(["zyx files", "qwerts, qqzyx (zyx)", "a file"])
    (zyx,) = queries[0].words
    assert [sorted(query.words.values()) for query in queries] == [["zyx"], ["qqzyx", "qwerts", "zyx"], []]
    assert queries[1].words[zyx] == "zyx"
    assert zyx in queries[0].token_ids


def test_document_frequencies_are_those_of_each_text(tiny_model_dir):
    own = lexical(tiny_model_dir).own_words
    model = lexical(tiny_model_dir)
    tokens = [np.array(model.tokenizer(text)["input_ids"]) for text in TEXTS]
    expected = Counter()
    for ids in tokens:
        words = words_of(model, ids[1:-1].tolist())
        pieces = {stems(model)[piece] for of_word, _ in words for piece in of_word}
        expected.update(pieces | {word for _, word in words if word is not None})
    found = own.document_frequencies(tokens, (model.config.cls_token_id, model.config.sep_token_id))
    assert found.shape == (model.config.mu_size,)
    assert {entry: found[entry] for entry in np.flatnonzero(found)} == dict(expected)
    assert not own.document_frequencies([]).any()


def test_own_words_are_learned_saved_and_part_of_the_identity(tiny_model_dir, tmp_path):
    model = lexical(tiny_model_dir)
    batch = model.tokenizer(TEXTS, padding=True, return_tensors="pt")
    texts = {name: batch[name] for name in ("input_ids", "attention_mask")}
    finetuned = FinetuneModel(model)
    (finetuned.represent_queries(texts)[1] @ finetuned.represent(texts)[1].T).sum().backward()
    own = model.own_words
    assert all(part.grad.any() for part in (own.query_share, own.doc_share, own.piece_share, own.rarity))
    model.save_pretrained(tmp_path / "saved")
    again = DupMAEModel.from_pretrained(tmp_path / "saved")
    assert again.fingerprint == model.fingerprint
    assert torch.equal(again.own_words.entries, own.entries)
    assert torch.equal(again.own_words.whole.finals, own.whole.finals)
    again.own_words.entries[-1] = 0
    assert again.fingerprint != model.fingerprint
    with pytest.raises(UserError, match="word_entries 32768; 16 needs other parameters"):
        initialise(str(tmp_path / "saved"), word_entries=16)
    plain = initialise(str(tmp_path / "saved"), lexical="none", ot_norm="none")
    assert plain.fingerprint == DupMAEModel.from_pretrained(tiny_model_dir).fingerprint
    assert not any("own_words" in name for name in plain.state_dict())


def test_the_largest_of_a_stem_gets_the_gradient(tiny_model_dir):
    own = lexical(tiny_model_dir).own_words
    members = (own.entries == own.entries.mode().values).nonzero()[:, 0]
    assert len(members) > 1
    weights = torch.zeros(1, len(own.entries), requires_grad=True)
    with torch.no_grad():
        weights[0, members] = torch.arange(1.0, len(members) + 1)
    joined = own.join(weights)
    assert joined.nonzero()[:, 1].tolist() == [own.entries.mode().values.item()]
    joined.sum().backward()
    assert weights.grad[0, members].tolist() == [0.0] * (len(members) - 1) + [1.0]


def test_factors_put_one_idf_over_another():
    general = np.array([0.5, 1.0, 1.0, 1e-6])
    found = collection_factors(np.array([0, 3, 10, 1]), 10, general)
    share = [math.log(1 + (10 - df + 0.5) / (df + 0.5)) / math.log(11) for df in (0, 3, 10, 1)]
    assert found.dtype == np.float32
    assert found.tolist() == pytest.approx([share[0] / 0.5, share[1], 1 / 20, 20.0], rel=1e-6)


def test_refusals(tiny_model_dir, tmp_path):
    with pytest.raises(ValueError, match="lexical"):
        DupMAEConfig(lexical="tf-idf")
    with pytest.raises(ValueError, match="word_entries must be a whole number of at least 0, got -1"):
        DupMAEConfig(word_entries=-1)
    with pytest.raises(ValueError, match="activation is 'none'"):
        DupMAEConfig(lexical="bm25", activation="none")
    with pytest.raises(UserError, match="--ot-texts"):
        init(tiny_model_dir, output=tmp_path / "out", lexical="bm25")
    with pytest.raises(UserError, match="--calibrate"):
        init(tiny_model_dir, output=tmp_path / "out", lexical="bm25", texts=GENERAL, calibrate_on=TEXTS)
    assert not (tmp_path / "out").exists()
