"""Tokenised corpora: segments, the cache, the held-out split and the order of an epoch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer, BertTokenizer

from pyserini_dupmae.training.pretrain.tokens import PretrainingCorpus, TokenFiles, cut, hold_out, packed, tokenise
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


def sentences(folder: Path, corpus: list, tokenizer: BertTokenizer) -> tuple[Path, list[str]]:
    """A file with a short text a line: what stands between full stops and has at most 60 tokens."""
    lines = [" ".join(part.split()) for _, text in corpus[:60] for part in text.split(".") if part.strip()]
    lines = [line for line in lines if len(tokenizer.tokenize(line)) <= 60]
    source = folder / "sentences.txt"
    source.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return source, lines


def segments_of(files: TokenFiles) -> list[list[int]]:
    return [files[number][0].tolist() for number in range(len(files))]


def test_short_records_are_packed_greedily(tokenizer: BertTokenizer, corpus: list, tmp_path: Path) -> None:
    source, lines = sentences(tmp_path, corpus, tokenizer)
    limit = 62
    expected: list[list[int]] = []
    first: list[int] = []
    room = 0
    for number, line in enumerate(lines):
        ids = tokenizer(line, add_special_tokens=False)["input_ids"]
        assert len(ids) <= limit
        if len(ids) > room:
            expected.append([])
            first.append(number)
            room = limit
        expected[-1] += ids
        room -= len(ids)
    files = tokenise(
        PretrainingCorpus((str(source),), limit + 2, 1, pack="always"), tokenizer, len(tokenizer), tmp_path / "cache"
    )
    assert segments_of(files) == expected
    assert files.documents.tolist() == first
    assert len(expected) < len(lines) / 2
    apart = tokenise(PretrainingCorpus((str(source),), limit + 2, 1), tokenizer, len(tokenizer), tmp_path / "cache")
    assert len(apart) == len(lines)
    starts = [np.concatenate([one[number][1] for number in range(len(one))]) for one in (files, apart)]
    assert (starts[0] == starts[1]).all()


def test_auto_packs_the_sources_whose_records_are_short(tokenizer: BertTokenizer, corpus: list, tmp_path: Path) -> None:
    source, lines = sentences(tmp_path, corpus, tokenizer)
    long = tmp_path / "long.txt"
    long.write_text("".join(" ".join(lines[start : start + 6]) + "\n" for start in range(0, 60, 6)))
    both = (str(long), str(source))
    corpora = {pack: PretrainingCorpus(both, 162, 1, pack=pack) for pack in ("never", "auto", "always")}
    found = {pack: tokenise(one, tokenizer, len(tokenizer), tmp_path / "cache") for pack, one in corpora.items()}
    apart = segments_of(found["never"])[: -len(lines)]
    assert segments_of(found["auto"])[: len(apart)] == apart
    assert len(found["always"]) < len(found["auto"]) < len(found["never"]) / 2


def test_a_record_that_is_longer_than_a_segment_is_cut_as_before() -> None:
    texts = [(np.arange(n), np.ones(n, bool)) for n in (70, 5, 6, 70, 7)]
    assert [(len(ids), count) for ids, _, count in packed(texts, 32)] == [(70, 1), (11, 2), (70, 1), (7, 1)]


def test_an_unknown_packing() -> None:
    with pytest.raises(UserError, match="pack must be one of never, auto, always, got 'sometimes'"):
        PretrainingCorpus(("a.txt",), 16, 1, pack="sometimes")
