"""Odd input of many kinds: each is one sentence that says where it is."""

import json
import os
import signal
import subprocess
import sys

import pytest
import yaml

from pyserini_dupmae.data.corpus import Corpus
from pyserini_dupmae.data.jsonl import read_objects
from pyserini_dupmae.data.qrels import read_qrels
from pyserini_dupmae.data.readers import FieldParser, FileRecords
from pyserini_dupmae.data.topics import read_topics
from pyserini_dupmae.evaluation.measures import parse_metric
from pyserini_dupmae.experiments.yaml_lines import load, parse
from pyserini_dupmae.training.pair.settings import PairOptions
from pyserini_dupmae.util.command import run_command, seed_type
from pyserini_dupmae.util.errors import UserError, is_disk_full
from pyserini_dupmae.util.json_text import DEEPEST, parse_json
from tests.helpers import write_lines

DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("text", "is_deep"),
    [
        ("[" * DEEPEST + "]" * DEEPEST, False),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), True),
        ('{"a":' * (DEEPEST + 1) + "1" + "}" * (DEEPEST + 1), True),
        (json.dumps([[1], {"a": []}] * 1000), False),
        (json.dumps({"text": "[" * 1000 + '\\"{'}), False),
        (DEEP, True),
    ],
)
def test_nesting_is_bounded_before_it_is_parsed(text, is_deep):
    if is_deep:
        with pytest.raises(ValueError, match="nested more than"):
            parse_json(text)
    else:
        assert parse_json(text) == json.loads(text)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (DEEP, "nested more than 100 deep"),
        (json.dumps({"id": "x" * 32_767, "text": ""}), "more than 32,766 bytes"),
        (json.dumps({"id": "é" * 16_384, "text": ""}), "more than 32,766 bytes"),
        ('{"id": "a\\ud83d", "text": ""}', "half of a surrogate pair"),
        ('{"id": "a", "text": "b \\udc00"}', "half of a surrogate pair"),
    ],
)
def test_documents(tmp_path, line, message):
    path = write_lines(tmp_path / "corpus.jsonl", ['{"id": "good", "text": ""}', line])
    with pytest.raises(UserError, match=rf"corpus\.jsonl:2: .*{message}"):
        list(Corpus(FileRecords(path), FieldParser()))


def test_the_longest_docid(tmp_path):
    path = write_lines(tmp_path / "corpus.jsonl", [json.dumps({"id": "x" * 32_766, "text": ""})])
    assert len(list(Corpus(FileRecords(path), FieldParser()))) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (DEEP, "nested more than"),
        ('{"id": "1", "text": "\\ud83d"}', "surrogate"),
        ('{"id": "\\ud83d", "text": ""}', "surr"),
    ],
)
def test_topics(tmp_path, line, message):
    path = write_lines(tmp_path / "topics.jsonl", ['{"id": "7", "text": "good"}', line])
    with pytest.raises(UserError, match=rf"topics\.jsonl:2: .*{message}"):
        read_topics(path)


@pytest.mark.parametrize(("line", "message"), [(DEEP, "nested more than"), ('{"a": ["\\ud83d"]}', "surrogate pair")])
def test_lines_of_training_data(tmp_path, line, message):
    path = write_lines(tmp_path / "train.jsonl", ['{"a": "\\ud83d\\ude00 \\u00e9"}', line])
    with pytest.raises(UserError, match=rf"train\.jsonl:2: .*{message}"):
        list(read_objects(path))


def test_trec_topics_that_are_no_text(tmp_path):
    (tmp_path / "topics.trec").write_bytes(b"<top>\xff\xfe")
    with pytest.raises(UserError, match=r"topics\.trec:1: not UTF-8"):
        read_topics(tmp_path / "topics.trec")


@pytest.mark.parametrize("relevance", ["10001", "-10001", "9" * 30, "9" * 5000, "1.5", "nan"])
def test_relevances_that_are_none(tmp_path, relevance):
    path = write_lines(tmp_path / "qrels.txt", ["q 0 d 1", f"q 0 e {relevance}"])
    with pytest.raises(UserError, match=r"qrels\.txt:2: relevance") as caught:
        read_qrels(path)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("metric", ["nDCG@0", "RR@0", "R@-1", "P@0", "nDCG@x", "nDCG@"])
def test_metrics_that_look_at_nothing(metric):
    with pytest.raises(UserError, match="metric"):
        parse_metric(metric)


LAUGHS = "\n".join(["a0: &a0 [x, x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9))])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x\n  b: *x\n", r":2: \*x refers to what it stands in"),
        ("a: 1\nb: &x [*x]", r":2: \*x refers to what it stands in"),
        ("[" * 100_000, "nested more than 100 deep"),
        (LAUGHS, "more than 1,000,000 entries"),
        ("a: *nothing", "undefined alias|nothing"),
    ],
)
def test_yaml_that_has_no_end(tmp_path, text, message):
    path = tmp_path / "file.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        load(path)
    with pytest.raises(yaml.YAMLError):
        parse(text)


def test_yaml_that_refers_to_what_is_above(tmp_path):
    (tmp_path / "file.yaml").write_text("a: &x {b: [1, 2]}\nc: *x\nd: [*x, *x]\n")
    found = load(tmp_path / "file.yaml")
    assert found["d"] == [found["a"], {"b": [1, 2]}]


@pytest.mark.parametrize("text", ["-1", "4294967296", "1e3", "x", ""])
def test_seeds(text):
    with pytest.raises(Exception, match="whole number from 0 to 4294967295"):
        seed_type(text)


@pytest.mark.parametrize(
    "options",
    [
        {"seed": -1},
        {"steps": 0},
        {"groups": 0},
        {"learning_rate": float("nan")},
        {"learning_rate": -1.0},
        {"head_rate": float("inf")},
        {"average": 1.5},
    ],
)
def test_numbers_that_train_nothing(options):
    with pytest.raises(UserError, match="give a number from"):
        PairOptions(**options)


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(28, "No space left on device"), True),
        (OSError(13, "Permission denied"), False),
        (
            RuntimeError("[enforce fail at x.cc:664] . PytorchStreamWriter failed writing file data/0"),
            True,
        ),
        (
            Exception(
                'Error while serializing: I/O error: Os { code: 28, kind: StorageFull, message: "No space left" }'
            ),
            True,
        ),
        (ValueError("wrong"), False),
    ],
)
def test_a_full_disk_in_every_librarys_words(error, full, capsys):
    assert is_disk_full(error) == full

    def work():
        raise error

    if full:
        with pytest.raises(SystemExit):
            run_command(work)
        assert capsys.readouterr().err.startswith("error: no space left on the disk")


WORK = """
import sys, time
from pathlib import Path
from pyserini_dupmae.util.command import run_command
from pyserini_dupmae.util.files import atomic_open
from pyserini_dupmae.util.lock import alone

def work():
    out = Path(sys.argv[1])
    with alone(out), atomic_open(out / "file") as stream:
        stream.write("half")
        print("begun", flush=True)
        time.sleep(600)

run_command(work)
"""


@pytest.mark.parametrize(
    ("number", "said"), [(signal.SIGTERM, "terminated"), (signal.SIGHUP, "hung up"), (signal.SIGINT, "interrupted")]
)
def test_a_signal_ends_with_a_word_and_leaves_nothing(tmp_path, number, said):
    pipe = subprocess.PIPE
    # Where the tests were started by nohup or in the background, these are ignored, and their children inherit it.
    heard = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    heard += "".join(f"signal.signal({one:d}, signal.SIG_DFL)\n" for one in (signal.SIGTERM, signal.SIGHUP))
    command = [sys.executable, "-c", heard + WORK, str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        assert process.stderr.read() == f"{said}\n"
    assert process.returncode == 128 + number
    assert not (tmp_path / "out").exists()


def test_a_signal_that_is_ignored_stays_so(tmp_path):
    nohup = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + WORK.replace("600", "0.5")
    command = [sys.executable, "-c", nohup, str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
    assert process.returncode == 0
    assert (tmp_path / "out" / "file").read_text() == "half"


def test_names_that_are_not_ascii_where_python_is_told_that_all_are(tmp_path):
    script = tmp_path / "dupmae.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom pyserini_dupmae.util.command import run_command\n"
        "run_command(lambda: print(Path(sys.argv[1]).name, Path(sys.argv[1]).read_text()))\n"
    )
    (tmp_path / "é日").write_text("ü", encoding="utf-8")
    ascii_only = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, str(script), str(tmp_path / "é日")]
    finished = subprocess.run(command, env=os.environ | ascii_only, capture_output=True, check=False)
    assert finished.stderr.decode() == ""
    assert finished.stdout.decode() == "é日 ü\n"


def test_a_file_that_the_system_does_not_give(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run_command(lambda: (tmp_path / ("x" * 300)).read_text())
    assert stopped.value.code == 2
    assert capsys.readouterr().err.endswith("x: File name too long\n")
