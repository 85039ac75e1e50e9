"""Outputs: that one cannot be written is known before work begins, and what is not ours stays."""

import os
import stat
import tempfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pyserini_dupmae.util.errors import UserError, is_disk_full
from pyserini_dupmae.util.files import (
    atomic_open,
    holds_only,
    require_file,
    require_folder,
    require_replaceable,
    share_weights,
)

NOBODY = 65534


@pytest.fixture
def pipe(tmp_path):
    """A named pipe that is read, and what comes out of it."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    yield path, lambda: os.read(reader, 100)
    os.close(reader)


def test_what_is_no_file_is_written_to(pipe, tmp_path):
    path, read = pipe
    link = tmp_path / "link"
    link.symlink_to(path)
    for target in (path, link):
        with atomic_open(target) as stream:
            stream.write("line\n")
        assert read() == b"line\n"
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert link.is_symlink()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link", "pipe"]


def test_a_device_that_is_full_is_an_error():
    with pytest.raises(OSError, match="No space left") as caught, atomic_open("/dev/full") as stream:
        stream.write("line\n")
    assert is_disk_full(caught.value)
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


def test_standard_output_stays_what_it_is(tmp_path):
    file, link = tmp_path / "out.txt", tmp_path / "stdout"
    with open(file, "w") as stream:
        link.symlink_to(f"/proc/self/fd/{stream.fileno()}")
        with atomic_open(link) as through:
            through.write("line\n")
        assert os.path.samestat(os.fstat(stream.fileno()), file.stat())
    assert file.read_text() == "line\n"


def test_a_link_is_followed(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there/file")
    for text in ("one", "two"):
        with atomic_open(tmp_path / "link") as stream:
            stream.write(text)
        assert (tmp_path / "there" / "file").read_text() == text
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("check", [require_file, require_folder])
def test_outputs_that_cannot_be(check, tmp_path):
    (tmp_path / "file").touch()
    for path in ("", tmp_path / "file" / "x", tmp_path / "file" / "x" / "y", "/proc/x", "/proc/x/y", "a\0b"):
        with pytest.raises(UserError, match="the output"):
            check(path)
    for name in ("x" * 256, "x" * 253, "x" * 5000):
        with pytest.raises(UserError, match="File name too long"):
            check(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_files_and_folders_are_not_taken_for_each_other(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a folder; name a file"):
        require_file(tmp_path)
    for no_folder in (tmp_path / "file", "/dev/null"):
        with pytest.raises(UserError, match="is no folder"):
            require_folder(no_folder)
    for good in ("/dev/null", "/dev/stdout", tmp_path / "file", tmp_path / "a" / "b"):
        assert str(require_file(good)) == str(good)
    assert require_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert not (tmp_path / "a").exists()


def test_a_folder_that_is_read_only():
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as name:  # tmp_path lies in folders that are closed to others
        Path(name).chmod(0o555)
        if user == 0:  # who may write everywhere
            os.seteuid(NOBODY)
        try:
            assert os.listdir(name) == []
            with pytest.raises(UserError, match="Permission denied"):
                require_file(Path(name) / "x")
        finally:
            os.seteuid(user)


def test_only_what_is_ours_is_replaced(tmp_path):
    def check(overwrite=True):
        return require_replaceable(tmp_path, holds_only(["a", "b/c"]), overwrite=overwrite)

    assert check(overwrite=False) == tmp_path
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").touch()
    assert check() == tmp_path
    with pytest.raises(UserError, match="exists; give another --output, or --overwrite"):
        check(overwrite=False)
    (tmp_path / "b" / "thesis").touch()
    with pytest.raises(UserError, match="holds what this command did not make"):
        check()


def test_weights_are_as_readable_as_what_lies_beside_them(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "config.json").chmod(0o640)
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    share_weights(tmp_path)
    assert stat.S_IMODE((tmp_path / "model.safetensors").stat().st_mode) == 0o640
