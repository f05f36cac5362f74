"""Ports before a private server that change its answers on their way."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from typing import Self


class Rewriting:
    def __init__(self, port: int) -> None:
        self._upstream = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._links: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def change(self, answer: bytes) -> bytes:
        return answer

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._upstream))
                self._links += [client, server]
                for source, sink, answers in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._pump, args=(source, sink, answers), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 20):
                sink.sendall(self.change(data) if answers else data)
            sink.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for link in (self._listener, *self._links):
            link.close()


class OldServer(Rewriting):
    """As old as Redis 5, as far as INFO goes."""

    def change(self, answer: bytes) -> bytes:
        answer = re.sub(rb"(redis_version:)[^\r]*", lambda m: b"redis_version:5" + b" " * (len(m[0]) - 15), answer)
        return answer.replace(b"valkey_version:", b"valkey_before_:")


class SlowServer(Rewriting):
    """30 ms away."""

    def change(self, answer: bytes) -> bytes:
        time.sleep(0.03)
        return answer
