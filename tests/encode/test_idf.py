"""How rare the words of a collection are in it: the weights of a finished store, against counting in plain Python."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest

from pyserini_dupmae.encode import idf
from pyserini_dupmae.modeling.initialise import init
from pyserini_dupmae.modeling.loading import load_model
from pyserini_dupmae.search.explanation import explain
from pyserini_dupmae.search.searcher import DupMAESearcher
from pyserini_dupmae.store import ForwardStore
from pyserini_dupmae.util.errors import UserError
from tests.helpers import words_of

SMALL = ("--store-only", "--shard-size", "100")


@pytest.fixture(scope="module")
def lexical_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with own words."""
    folder = tmp_path_factory.mktemp("lexical") / "model"
    texts = ["return the files of a list", "a file", "the list of the words", "copy it"]
    init(tiny_model_dir, output=folder, lexical="bm25", ot_norm="query-sum", texts=texts, top_k=48)
    return folder


def weights(folder: Path) -> dict[str, dict[int, float]]:
    """The bag of words of each document."""
    store = ForwardStore(folder / "store")
    _, ids, values = store.gather(range(len(store)))
    assert (values[:, :-1] >= values[:, 1:]).all()
    rows = zip(store.docids, ids.tolist(), values.tolist(), strict=True)
    return {docid: {t: w for t, w in zip(of, all_, strict=True) if w} for docid, of, all_ in rows}


def test_weights_have_the_idf_of_the_collection(encode, corpus, corpus_file, lexical_dir, tmp_path):
    assert encode(corpus_file, *SMALL, model=lexical_dir).status == 0
    general = tmp_path / "general"
    assert encode(corpus_file, *SMALL, model=lexical_dir, output=general, encoder=("--idf", "general")).status == 0
    model = load_model(str(lexical_dir)).model
    entries, rarity = model.own_words.entries.tolist(), model.own_words.rarity.tolist()
    found: Counter[int] = Counter()
    for _, text in corpus:
        ids = model.tokenizer(text, max_length=model.config.doc_max_length, truncation=True)["input_ids"][1:-1]
        words = words_of(model, ids)
        found.update({entries[piece] for pieces, _ in words for piece in pieces} | {word for _, word in words if word})
    n = len(corpus)

    def factor(token: int) -> float:
        share = math.log(1 + (n - found[token] + 0.5) / (found[token] + 0.5)) / math.log(1 + n)
        return min(20.0, max(0.05, share / max(rarity[token], 1e-3) ** 2))

    before, after = weights(general), weights(tmp_path / "out")
    for docid, bag in before.items():
        assert after[docid] == pytest.approx({token: weight * factor(token) for token, weight in bag.items()}, rel=1e-5)


def test_interrupted_at_the_end_it_goes_on(encode, corpus_file, lexical_dir, tmp_path, monkeypatch):
    assert encode(corpus_file, *SMALL, model=lexical_dir).status == 0
    done = []

    def weigh(*args):
        if done:
            raise KeyboardInterrupt
        done.append(args)
        return real(*args)

    real = idf.weigh_shard
    with monkeypatch.context() as patch:
        patch.setattr(idf, "weigh_shard", weigh)
        assert encode(corpus_file, *SMALL, model=lexical_dir, output=tmp_path / "again").status != 0
    assert not (tmp_path / "again/store/store.json").exists()
    assert encode(corpus_file, *SMALL, model=lexical_dir, output=tmp_path / "again").status == 0
    files = sorted(path.name for path in (tmp_path / "out/store").iterdir())
    assert files == sorted(path.name for path in (tmp_path / "again/store").iterdir())
    for name in files:
        assert (tmp_path / "out/store" / name).read_bytes() == (tmp_path / "again/store" / name).read_bytes()


def test_parts_take_the_idf_of_a_whole(encode, corpus_file, lexical_dir, tmp_path):
    assert encode(corpus_file, *SMALL, model=lexical_dir).status == 0
    parts = [("--shard-id", str(number), "--shard-num", "2") for number in range(2)]
    refused = encode(corpus_file, "--store-only", model=lexical_dir, output=tmp_path / "0", input=parts[0])
    assert refused.status == 2
    assert "--idf" in refused.stderr
    given = ("--idf", str(tmp_path / "out"))
    for number, part in enumerate(parts):
        output = tmp_path / str(number)
        assert encode(corpus_file, *SMALL, model=lexical_dir, output=output, input=part, encoder=given).status == 0
    found = weights(tmp_path / "0") | weights(tmp_path / "1")
    for docid, bag in weights(tmp_path / "out").items():  # batches of other documents round otherwise
        assert found.pop(docid) == pytest.approx(bag, rel=1e-4)
    assert not found
    ForwardStore(tmp_path / "0/store", tmp_path / "1/store")
    other = tmp_path / "other"
    options = {"output": other, "input": parts[1], "encoder": ("--idf", "general")}
    assert encode(corpus_file, *SMALL, model=lexical_dir, **options).status == 0
    with pytest.raises(UserError, match="--idf"):
        ForwardStore(tmp_path / "0/store", other / "store")


def test_a_model_without_own_words_has_no_idf(encode, corpus_file, tmp_path):
    refused = encode(corpus_file, "--store-only", encoder=("--idf", "general"))
    assert refused.status == 2
    assert "own words" in refused.stderr
    assert not (tmp_path / "out").exists()


def test_a_search_ranks_by_these_weights(encode, corpus_file, lexical_dir, tmp_path):
    assert encode(corpus_file, *SMALL, model=lexical_dir).status == 0
    searcher = DupMAESearcher(tmp_path / "out", lexical_dir, mode="sparse", engine="scan")
    text = "return a list of the files"
    (query,) = searcher.encode([text])
    bags = weights(tmp_path / "out")
    asked = dict(zip(query.token_ids.tolist(), query.weights.tolist(), strict=True))
    scores = {docid: sum(w * asked.get(t, 0.0) for t, w in bag.items()) for docid, bag in bags.items()}
    for hit in searcher.search(text, k=10):
        assert hit.score == pytest.approx(scores[hit.docid], rel=1e-5)
    best = max(scores.values())
    assert searcher.search(text, k=1)[0].score == pytest.approx(best, rel=1e-5)


def test_an_explanation_names_a_word_that_the_tokenizer_splits(encode, jsonl, lexical_dir, tmp_path):
    documents = jsonl([{"id": "a", "contents": "the zyx of a list"}, {"id": "b", "contents": "copy the files"}])
    assert encode(documents, "--store-only", model=lexical_dir).status == 0
    with DupMAESearcher(tmp_path / "out", lexical_dir, engine="scan") as searcher:
        tokens = [share.token for share in explain(searcher, query="zyx list", docid="a").tokens]
    assert "zyx" in tokens
    assert not any(token.startswith("[word") for token in tokens)
