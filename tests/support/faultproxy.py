"""A TCP proxy before a private server that does harm at a chosen moment.

    with FaultProxy(server.port) as proxy:
        proxy.arm(b"BLMOVE", "lose")        # at the next BLMOVE that a client sends
        … a client of redis://127.0.0.1:{proxy.port}/0 …
        proxy.fired.wait(5)

What is armed happens once, on the connection whose client sends the word (a command's name, or a script's sha) for the
k-th time. Other connections pass, and so do those that come later.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from typing import Self

HARMS = (
    "drop",  # the request is not passed on: the connection is reset
    "lose",  # the request is passed on, its answers are lost: reset
    "close",  # the same with a FIN instead of a reset
    "stall",  # the request is passed on, and then nothing moves any more, in no direction, without a FIN
    "zombie",  # the request is held back, its client sees a reset; it is passed on when release() is called
    "cut",  # the answer ends in the middle
    "corrupt",  # the answer's first byte is another
    "drip",  # the answers come byte by byte
    "delay",  # the answers come late
)


def _reset(s: socket.socket) -> None:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


class FaultProxy:
    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.fired = threading.Event()
        self._release = threading.Event()
        self._lock = threading.Lock()
        self._armed: tuple[bytes, str, int] | None = None
        self._seconds = 0.0
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def arm(self, word: str | bytes, harm: str, occurrence: int = 1, seconds: float = 0.3) -> None:
        if harm not in HARMS:
            raise ValueError(f"harm {harm!r}; there are {', '.join(HARMS)}")
        text = word if isinstance(word, bytes) else word.encode()
        with self._lock:
            self.fired.clear()
            self._release.clear()
            self._seconds = seconds
            self._armed = (b"\r\n" + text + b"\r\n", harm, occurrence)

    def release(self) -> None:
        """Passes on what a zombie connection holds back."""
        self._release.set()

    def close(self) -> None:
        self._release.set()
        self._listener.close()
        with self._lock:
            left, self._open = self._open, []
        for one in left:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- one thread a connection ----

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._to), 5)
        except OSError:
            client.close()
            return
        with self._lock:
            self._open += [client, server]
        with contextlib.suppress(OSError):
            self._pass(client, server)
        for one in (client, server):
            with contextlib.suppress(OSError):
                one.close()

    def _harm_in(self, data: bytes) -> str | None:
        with self._lock:
            if not self._armed:
                return None
            word, harm, left = self._armed
            left -= data.count(word)
            if left > 0:
                self._armed = (word, harm, left)
                return None
            self._armed = None
            return harm

    def _pass(self, client: socket.socket, server: socket.socket) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ)
            ready.register(server, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    if not data:
                        return
                    if key.fileobj is server:
                        client.sendall(data)
                        continue
                    harm = self._harm_in(data)
                    if not harm:
                        server.sendall(data)
                    elif self._do(harm, data, client, server):
                        return

    def _do(self, harm: str, data: bytes, client: socket.socket, server: socket.socket) -> bool:
        """True: the connection has ended."""
        if harm == "drop":
            _reset(client)
        elif harm == "zombie":
            _reset(client)
            self.fired.set()
            self._release.wait(30)
            server.sendall(data)
            server.recv(65536)
        elif harm == "stall":
            server.sendall(data)
            self.fired.set()
            self._release.wait(30)
        else:
            server.sendall(data)
            answer = server.recv(65536)
            if harm == "lose":
                _reset(client)
            elif harm == "cut":
                client.sendall(answer[: len(answer) // 2])
                _reset(client)
            elif harm == "corrupt":
                client.sendall(b"X" + answer[1:])
            elif harm == "drip":
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for i in range(len(answer)):
                    client.sendall(answer[i : i + 1])
            elif harm == "delay":
                time.sleep(self._seconds)
                client.sendall(answer)
        self.fired.set()
        return harm not in ("corrupt", "drip", "delay")
