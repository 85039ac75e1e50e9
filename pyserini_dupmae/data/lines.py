"""The lines of a plain, gzip or zstandard file, numbered for readers whose errors name the place."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from pyserini_dupmae.util.errors import UserError
from pyserini_dupmae.util.lazy import require

COMPRESSIONS = (".gz", ".zst")
_CHUNK = 1 << 20


def plain_suffix(path: Path) -> str:
    """The suffix that tells a file's format, without that of a compression."""
    return (path.with_suffix("") if path.suffix in COMPRESSIONS else path).suffix


def find_file(folder: Path, name: str) -> Path | None:
    """The file ``name`` of ``folder``, plain or compressed; None where there is none."""
    candidates = (folder / (name + suffix) for suffix in ("", *COMPRESSIONS))
    return next((path for path in candidates if path.is_file()), None)


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Each line of ``path`` as bytes, with its number from 1.

    Raises:
        UserError: the file cannot be read, its compressed data is damaged or cut short, or zstandard is not installed.
    """
    number = 0
    try:
        for number, line in enumerate(_lines(path), 1):
            yield number, line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is damaged after line {number} ({error}); get the file again") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None


def numbered_texts(path: str | os.PathLike) -> Iterator[tuple[int, str]]:
    """Each line of ``path`` that is not blank, as text without its end, with its number from 1.

    Raises:
        UserError: as `numbered_lines`, or a line is not UTF-8.
    """
    for number, line in numbered_lines(Path(path)):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise UserError(f"{path}:{number}: not UTF-8 text; convert the file or give the right one") from None
        if text and not text.isspace():
            yield number, text


def _lines(path: Path) -> Iterator[bytes]:
    if path.suffix == ".zst":
        yield from _split(_zstandard_chunks(path))
    else:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as stream:
            yield from stream


def _zstandard_chunks(path: Path) -> Iterator[bytes]:
    """What a zstandard file holds. Frame by frame, since the library's own reader is silent when the last is cut."""
    zstandard = require("zstandard", f"reading {path}", "zstandard")
    decompressor = zstandard.ZstdDecompressor()
    frame = None
    with open(path, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            while chunk:
                frame = frame or decompressor.decompressobj()
                try:
                    yield frame.decompress(chunk)
                except zstandard.ZstdError as error:
                    raise EOFError(error) from None
                chunk = frame.unused_data
                if frame.eof:
                    frame = None
    if frame is not None:
        raise EOFError("it ends within a frame")


def _split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    if rest:
        yield rest
