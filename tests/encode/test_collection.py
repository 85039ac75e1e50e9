"""`encode` as a program calls it: what it returns, what it goes on with, and that it does what the commands do."""

import json

import pytest

import pyserini_dupmae.api as dupmae
from pyserini_dupmae.encode import pipeline
from pyserini_dupmae.store import ForwardStore
from tests.encode.test_command import contents_of

TEXTS = ("the file", "the path", "a line of text", "one day", "the turtle turns", "a socket")


@pytest.fixture
def small(jsonl):
    return jsonl([{"id": f"d{i}", "contents": text} for i, text in enumerate(TEXTS)])


def test_it_says_what_it_did(small, tiny_model_dir, tmp_path):
    done = dupmae.encode(small, output=tmp_path / "out", encoder=tiny_model_dir, to="faiss", store_contents=True)
    assert (done.folder, done.documents, done.encoded, done.indexes) == (tmp_path / "out", 6, 6, ("faiss",))
    assert done.bytes == sum(len(data) for data in contents_of(tmp_path / "out").values())
    assert done.next_commands == (f"python -m pyserini_dupmae.index --index {tmp_path}/out --to-faiss --to-lucene",)
    assert str(done).startswith("6 documents, 6 of them encoded in ")
    bags = [bag for shard in ForwardStore(tmp_path / "out" / "store").shards for bag in shard.weights.tolist()]
    assert done.terms == pytest.approx(sum(weight > 0 for bag in bags for weight in bag) / 6)
    assert f"\nterms on average: {done.terms:.1f} in a document\n" in str(done)
    assert ForwardStore(tmp_path / "out" / "store").content(4) == TEXTS[4]


def test_interrupted_the_same_call_goes_on(small, tiny_model_dir, tmp_path, monkeypatch):
    def arguments(name):
        return {"output": tmp_path / name, "encoder": tiny_model_dir, "to": [], "shard_size": 2}

    def interrupted(path, *rest):
        if path.name == "shard-000001.safetensors":
            raise KeyboardInterrupt
        write_shard(path, *rest)

    write_shard = pipeline.write_shard
    monkeypatch.setattr(pipeline, "write_shard", interrupted)
    with pytest.raises(KeyboardInterrupt):
        dupmae.encode(small, **arguments("out"))
    monkeypatch.setattr(pipeline, "write_shard", write_shard)
    assert dupmae.encode(small, **arguments("out")).encoded == 4
    dupmae.encode(small, **arguments("whole"))
    assert contents_of(tmp_path / "out") == contents_of(tmp_path / "whole")
    with pytest.raises(dupmae.UserError, match="holds a finished encoding"):
        dupmae.encode(small, **arguments("out"))
    assert dupmae.encode(small, **arguments("out"), resume=True).encoded == 0
    assert dupmae.encode(small, **arguments("out"), overwrite=True).encoded == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ir_dataset": "beir/nfcorpus"}, "a corpus or the id of an ir_datasets collection, and not both"),
        ({"to": ["faiss", "annoy"]}, "no index of the kind 'annoy'; choose among faiss, lucene, postings, jsonl"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"shard_num": 0}, "shard_num must be at least 1, got 0"),
        ({"dtype": "int8"}, "unknown dtype 'int8'"),
        ({"on_error": "ignore"}, "on_error is 'ignore'; give 'fail' or 'skip'"),
    ],
)
def test_mistakes_are_user_errors_and_write_nothing(small, tiny_model_dir, tmp_path, options, message):
    with pytest.raises(dupmae.UserError, match=message):
        dupmae.encode(small, **{"output": tmp_path / "out", "encoder": tiny_model_dir, "to": []} | options)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_python_and_the_commands_write_the_same_bytes(corpus, topics, run_command, tmp_path, monkeypatch):
    """With the package's own model and paths relative to where they run, as in the README."""
    outputs = {}
    for name in ("python", "commands"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        with open("corpus.jsonl", "w", encoding="utf-8") as stream:
            stream.writelines(json.dumps({"id": docid, "contents": text}) + "\n" for docid, text in corpus[:12])
        with open("topics.tsv", "w", encoding="utf-8") as stream:
            stream.writelines(f"{qid}\t{text}\n" for qid, text in topics[:4])
        if name == "python":
            encoded = dupmae.encode("corpus.jsonl", output="OUT")
            with dupmae.DupMAESearcher("OUT") as searcher:
                hits = {qid: searcher.search(text, k=10) for qid, text in topics[:4]}
            found = dupmae.search("OUT", topics="topics.tsv", output="run.txt", hits=10)
        else:
            for command in (
                "encode input --corpus corpus.jsonl output --index OUT encoder",
                "search --index OUT --topics topics.tsv --output run.txt --hits 10",
            ):
                assert run_command(command).returncode == 0
        outputs[name] = {path: data for path, data in contents_of(tmp_path / name).items() if "lucene/" not in path}
    assert outputs["python"] == outputs["commands"]
    assert (encoded.documents, found.queries, found.certify, all(found.proved)) == (12, 4, 10, True)
    ranked = [line.split() for line in outputs["python"]["run.txt"].decode().splitlines()]
    assert [(line[0], line[2]) for line in ranked] == [(qid, hit.docid) for qid in hits for hit in hits[qid]]
