"""Tokenised corpora: segments, the cache, the held-out split and the order of an epoch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer, BertTokenizer

from pyserini_dupmae.training.pretrain.tokens import PretrainingCorpus, TokenFiles, cut, hold_out, tokenise
from pyserini_dupmae.training.sampler import EpochSampler
from pyserini_dupmae.util.errors import UserError


@pytest.fixture(scope="module")
def tokenizer(tiny_model_dir: Path) -> BertTokenizer:
    return AutoTokenizer.from_pretrained(tiny_model_dir)


@pytest.fixture(scope="module")
def files(tokenizer: BertTokenizer, corpus_file: Path, tmp_path_factory: pytest.TempPathFactory) -> TokenFiles:
    corpus = PretrainingCorpus((str(corpus_file),), max_length=34, min_tokens=1)
    return tokenise(corpus, tokenizer, len(tokenizer), tmp_path_factory.mktemp("cache"))


def test_segments_put_together_are_the_documents(files: TokenFiles, tokenizer: BertTokenizer, corpus: list) -> None:
    continuation = np.array(
        [token.startswith("##") for token in tokenizer.convert_ids_to_tokens(range(len(tokenizer)))]
    )
    texts = [text for _, text in corpus if text.strip()]
    assert files.documents.max() == len(texts) - 1
    for number, text in enumerate(texts):
        parts = [files[int(segment)] for segment in np.flatnonzero(files.documents == number)]
        ids = np.concatenate([tokens for tokens, _ in parts])
        assert ids.tolist() == tokenizer(text, add_special_tokens=False)["input_ids"]
        assert (np.concatenate([starts for _, starts in parts]) == ~continuation[ids]).all()
    assert files.lengths.max() <= 32


def test_long_documents_are_cut_where_words_end_without_a_tiny_rest() -> None:
    generator = np.random.default_rng(0)
    for total in (1, 31, 32, 33, 64, 65, 1000):
        starts = generator.random(total) < 0.6
        starts[0] = True
        segments = cut(starts, 32)
        assert [first for first, _ in segments] == [0, *(last for _, last in segments[:-1])]
        assert segments[-1][1] == total
        sizes = np.array([last - first for first, last in segments])
        assert sizes.max() <= 32
        assert sizes.min() >= min(total, 16)
        assert all(starts[first] for first, _ in segments)


def test_a_word_longer_than_a_segment_is_cut() -> None:
    starts = np.zeros(70, bool)
    starts[0] = True
    assert [last - first for first, last in cut(starts, 32)] == [24, 23, 23]


def folders(cache: Path) -> list[Path]:
    """What was built there; a file for each lock lies beside it."""
    return [path for path in cache.iterdir() if path.is_dir()]


def test_the_cache_is_used_until_the_content_changes(tokenizer: BertTokenizer, tmp_path: Path) -> None:
    source = tmp_path / "texts.txt"
    source.write_text("the first text\n\nthe second text\n")
    corpus = PretrainingCorpus((str(source),), max_length=16, min_tokens=1)
    tokenise(corpus, tokenizer, len(tokenizer), tmp_path / "cache")
    (folder,) = folders(tmp_path / "cache")
    stamp = (folder / "tokens.bin").stat().st_mtime_ns
    moved = source.rename(tmp_path / "moved.txt")
    again = PretrainingCorpus((str(moved),), max_length=16, min_tokens=1)
    assert len(tokenise(again, tokenizer, len(tokenizer), tmp_path / "cache")) == 2
    assert (folder / "tokens.bin").stat().st_mtime_ns == stamp
    moved.write_text("another text\n")
    assert len(tokenise(again, tokenizer, len(tokenizer), tmp_path / "cache")) == 1
    assert len(folders(tmp_path / "cache")) == 2


def test_a_failed_tokenisation_leaves_nothing(tokenizer: BertTokenizer, tmp_path: Path) -> None:
    source = tmp_path / "texts.jsonl"
    source.write_text('{"text": "fine"}\n{"text": 3}\n')
    with pytest.raises(UserError, match=r"texts\.jsonl:2:"):
        tokenise(PretrainingCorpus((str(source),), 16, 1), tokenizer, len(tokenizer), tmp_path / "cache")
    assert not folders(tmp_path / "cache")


def test_nothing_to_train_on_is_an_error(tokenizer: BertTokenizer, tmp_path: Path) -> None:
    source = tmp_path / "texts.jsonl"
    source.write_text(json.dumps({"text": "short"}) + "\n")
    with pytest.raises(UserError, match="at least 50 tokens"):
        tokenise(PretrainingCorpus((str(source),), 64, 50), tokenizer, len(tokenizer), tmp_path / "cache")


def test_documents_are_held_out_whole(files: TokenFiles) -> None:
    train, held_out = hold_out(files, 10, seed=0)
    trained, held = set(files.documents[train.numbers]), set(files.documents[held_out.numbers])
    assert len(held) == 10
    assert not trained & held
    assert len(train) + len(held_out) == len(files)
    assert hold_out(files, 0, seed=0)[1] is None
    assert len(set(files.documents[hold_out(files, 10**6, seed=0)[1].numbers])) == 30


@pytest.mark.parametrize("group", [0, 8])
def test_an_epoch_has_every_segment_once_in_an_order_of_its_own(files: TokenFiles, group: int) -> None:
    train, _ = hold_out(files, 10, seed=0)
    sampler = EpochSampler(train, seed=0, group=group)
    first = list(sampler)
    assert sorted(first) == list(range(len(train)))
    assert list(sampler) == first
    sampler.set_epoch(2)
    third = list(sampler)
    assert {train[key].epoch for key in third} == {2}
    assert sorted(key % len(train) for key in third) == sorted(first)
    assert [key % len(train) for key in third] != first


def test_grouping_by_length_saves_padding(files: TokenFiles) -> None:
    train, _ = hold_out(files, 10, seed=0)

    def padded(group: int) -> int:
        lengths = train.lengths[list(EpochSampler(train, 0, group))]
        return sum(len(part) * part.max() for part in np.split(lengths, range(8, len(lengths), 8)))

    assert padded(8) < 0.9 * padded(0)
