"""A Milvus that answers, or a clear error: connecting, credentials, bounded retries.

Every call ends: it waits `answer_seconds` for an answer, is tried `ATTEMPTS` times with a line in the log each time,
and then fails as a `UserError`. An answer is taken whole or not at all, and every call may be made twice.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pyserini_dupmae.util.errors import UserError, first_line
from pyserini_dupmae.util.lazy import require
from pyserini_dupmae.util.log import logger

ATTEMPTS = 6
PAUSE_SECONDS = 1.0
"""Before the second attempt; twice as long before each further one."""
ANSWER_SECONDS = 60.0
CONNECT_SECONDS = 10.0

TIMEOUT = "MILVUS_TIMEOUT"
TOKEN = "MILVUS_TOKEN"
TOKEN_FILE = "MILVUS_TOKEN_FILE"
"""Environment variables: seconds to wait for an answer; ``user:password`` or an API key, or a file that holds it."""

DEFAULT_COLLECTION = "dupmae"
INSTALL = '"pyserini_dupmae[milvus]"'
RELEASED = ("state 'released'", "not loaded")
"""What Milvus Lite, and Milvus, say of a collection that has to be loaded before it is searched."""
# What another attempt does not mend.
FINAL = ("UNIMPLEMENTED", "UNAUTHENTICATED", "PERMISSION_DENIED", "INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "NOT_FOUND")


class Milvus:
    """A file of Milvus Lite (``milvus.db``), or a server (``http://host:19530``).

    Args:
        uri: which. Credentials are not part of it; they come from the environment, see `TOKEN`.
        must_exist: refuse a file that is not there, instead of making it.

    Raises:
        UserError: the uri is none, pymilvus is not installed, or nobody answers.
    """

    def __init__(self, uri: str, must_exist: bool = False):
        self.uri = uri
        _require_uri(uri, must_exist)
        pymilvus = require("pymilvus", "Milvus", INSTALL)
        if "://" not in uri:
            require("milvus_lite", "Milvus in a file", INSTALL)
        # They log each failed call with a traceback, and Milvus Lite what it does not know; here it becomes one line.
        for name in ("pymilvus", "milvus_lite", "grpc._server"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._token = _token()
        self._client = self._try("connect", lambda: self._connect(pymilvus))

    def ask(self, method: str, *args: Any, seconds: float | None = None, **kwargs: Any) -> Any:
        """What ``MilvusClient.method`` answers to the arguments.

        ``seconds`` is how long to wait for it, by default as long as `TIMEOUT` says.

        Raises:
            UserError: Milvus refuses, or does not answer after several attempts.
        """
        call = getattr(self._client, method)
        timeout = seconds or answer_seconds()

        def answer() -> Any:
            from pymilvus.exceptions import MilvusException

            try:
                return call(*args, timeout=timeout, **kwargs)
            except MilvusException as error:
                if not any(word in str(error.message) for word in RELEASED):
                    raise
                # A server that was started again has to be told that it is to be searched.
                self._client.load_collection(args[0], timeout=timeout)
                return call(*args, timeout=timeout, **kwargs)

        return self._try(method, answer)

    def close(self) -> None:
        self._client.close()

    def _connect(self, pymilvus: Any) -> Any:
        # pymilvus pings every ten seconds, which a server may take for an attack; a call has a time limit of its own.
        calm = {"grpc.keepalive_time_ms": 300_000}
        return pymilvus.MilvusClient(uri=self.uri, token=self._token, timeout=CONNECT_SECONDS, grpc_options=calm)

    def _try(self, what: str, call: Any) -> Any:
        import grpc
        from pymilvus.exceptions import MilvusException

        for attempt in range(1, ATTEMPTS + 1):
            try:
                return call()
            except (grpc.RpcError, MilvusException) as error:
                said = self._said(error)
                if not _may_pass(error, what):
                    locked = what == "connect" and "://" not in self.uri
                    hint = "; only one process at a time can have the file open" if locked else ""
                    raise UserError(f"Milvus at {self.uri} refuses {what}: {said}{hint}") from None
                if attempt == ATTEMPTS:
                    raise UserError(
                        f"Milvus at {self.uri} does not answer ({what}: {said}), after {ATTEMPTS} attempts; see "
                        "whether it runs, and run the same command again"
                    ) from None
                pause = PAUSE_SECONDS * 2 ** (attempt - 1)
                logger.warning(
                    "Milvus at %s does not answer (%s: %s); attempt %d of %d in %g s",
                    *(self.uri, what, said, attempt + 1, ATTEMPTS, pause),
                )
                time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _said(self, error: Exception) -> str:
        """What an error says, in one line that does not show the credentials."""
        details = error.details() if hasattr(error, "details") else getattr(error, "message", None)
        said = str(details) if details else first_line(error)
        for secret in (self._token, self._token.partition(":")[2]):
            said = said.replace(secret, "***") if secret else said
        return said.splitlines()[0]


def answer_seconds() -> float:
    """How long to wait for an answer: ``MILVUS_TIMEOUT``, by default `ANSWER_SECONDS`."""
    given = os.environ.get(TIMEOUT)
    try:
        seconds = ANSWER_SECONDS if given is None else float(given)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise UserError(f"{TIMEOUT} is {given!r}; give a number of seconds above 0")
    return seconds


def _require_uri(uri: str, must_exist: bool) -> None:
    if "://" not in uri:
        if not uri.endswith(".db"):
            raise UserError(f"--uri {uri} is neither a file that ends in .db nor http://HOST:PORT")
        if must_exist and not Path(uri).exists():
            raise UserError(f"there is no {uri}; load it with: pyserini_dupmae.index --to-milvus --uri {uri}")
        Path(uri).absolute().parent.mkdir(parents=True, exist_ok=True)
        return
    try:
        parts = urlsplit(uri)
        is_plain = parts.username is None and parts.password is None and "@" not in uri
    except ValueError as error:
        raise UserError(f"--uri is no address ({error}); give http://HOST:PORT") from None
    if not is_plain:
        raise UserError(f"--uri holds credentials; give them by {TOKEN} or {TOKEN_FILE} in the environment")


def _token() -> str:
    """The credentials, empty where there are none."""
    place = os.environ.get(TOKEN_FILE)
    if os.environ.get(TOKEN) or not place:
        return os.environ.get(TOKEN, "")
    try:
        return Path(place).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {place}, which {TOKEN_FILE} names ({type(error).__name__})") from None


def _may_pass(error: Exception, what: str) -> bool:
    """Whether another attempt may succeed: the connection is at fault, or the server has too much to do."""
    import grpc
    from pymilvus.client.types import Status
    from pymilvus.exceptions import ConnectionConfigException, MilvusUnavailableException

    if isinstance(error, ConnectionConfigException):
        return False
    if isinstance(error, MilvusUnavailableException):
        return True
    code = getattr(error, "code", None)
    code = code() if callable(code) else code
    if isinstance(code, grpc.StatusCode):
        return code.name not in FINAL
    return code == Status.CONNECT_FAILED or what == "connect"
