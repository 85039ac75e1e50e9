"""A proxy in front of a server, which drops, delays and cuts what passes."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

CHUNK = 1 << 14


class Proxy:
    """Forwards connections to ``port`` of this machine. What it does to them is changed while it runs.

    Attributes:
        port: where it listens.
        is_up: whether it takes connections; one that it takes all the same is closed at once.
        delay: seconds that each chunk of an answer waits.
        cuts: bytes of answers after which connections are closed, one after the other; then they are left alone.
    """

    def __init__(self, port: int):
        self.is_up, self.delay, self.cuts = True, 0.0, []
        self.passed = 0
        """Bytes of answers."""
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def drop(self) -> None:
        """Close all connections."""
        for one in list(self._open):
            self._close(one)

    def go_down(self) -> None:
        self.is_up = False
        self.drop()

    def close(self) -> None:
        self._listener.close()
        self.drop()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if not self.is_up:
                    client.close()
                    continue
                try:
                    server = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    client.close()
                    continue
                self._open |= {client, server}
                left = self.cuts.pop(0) if self.cuts else None
                for source, sink, limit in ((client, server, None), (server, client, left)):
                    arguments = (source, sink, limit, sink is client)
                    threading.Thread(target=self._pump, args=arguments, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, left: int | None, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                if is_answer:
                    time.sleep(self.delay)
                    self.passed += len(data)
                if left is not None and len(data) > left:
                    sink.sendall(data[:left])
                    break
                sink.sendall(data)
                left = None if left is None else left - len(data)
        self._close(source)
        self._close(sink)

    def _close(self, one: socket.socket) -> None:
        self._open.discard(one)
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
