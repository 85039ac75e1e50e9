"""Lines of a text file with their numbers, for readers whose errors name the place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pyserini_dupmae.encode import compression
from pyserini_dupmae.errors import UserError


def numbered_lines(path: str | os.PathLike) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line without its end) for every line of ``path`` that is not blank.

    A name that ends in ``.gz`` or ``.zst`` is decompressed. Raises `UserError` for a file that cannot be read, is
    damaged or not UTF-8, or holds no line at all.
    """
    number = found = 0
    try:
        for number, line in compression.numbered_lines(Path(path)):
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            if text and not text.isspace():
                found += 1
                yield number, text
    except UnicodeDecodeError:
        raise UserError(f"{path}:{number}: not UTF-8 text; convert the file or give the right one") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    if not found:
        raise UserError(f"{path} is empty")
