"""A TCP proxy before a private server that does harm at a chosen moment.

    with FaultProxy(server.port) as proxy:
        proxy.arm("BLMOVE", "lose")        # at the next BLMOVE that a client sends
        … a client of proxy.url …
        proxy.fired.wait(5)

What is armed happens on the connection whose client sends the word (a command's name, or a script's sha) for the k-th
time, and on the `times` - 1 that send it next. Other connections pass, and so do those that come later.
"""

from __future__ import annotations

import contextlib
import math
import random
import selectors
import socket
import struct
import threading
import time
from dataclasses import dataclass, replace
from typing import Self

HARMS = (
    "drop",  # the request is not passed on: the connection is reset
    "lose",  # the request is passed on, its answers are lost: reset
    "close",  # the same with a FIN instead of a reset
    "half",  # the request is passed on, its client sees a FIN; what it still sends is passed on
    "stall",  # the request is passed on, and then nothing moves any more, in no direction, without a FIN
    "swallow",  # the request is not passed on, and then nothing moves any more
    "zombie",  # the request is held back, its client sees a reset; it is passed on when release() is called
    "orphan",  # the request is passed on, its client sees a reset, and the server nothing: its answer is kept
    "late",  # the request is passed on when `seconds` are over; the connection lives
    "cut",  # side: only the first `at` bytes come through (None: half of them), then a reset
    "corrupt",  # side: the byte `at` (None: the first) is another
    "drip",  # side: byte by byte, at first one in 10 ms
    "delay",  # the answers come late
    "garbage",  # `data` is the answer, the server is not asked; then a FIN
)
SIDES = ("request", "answer")


@dataclass(frozen=True)
class _Harm:
    word: bytes
    name: str
    left: int
    times: int
    seconds: float
    side: str
    at: int | None
    data: bytes


def _reset(s: socket.socket) -> None:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def _drip(to: socket.socket, data: bytes) -> None:
    to.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for i in range(len(data)):
        to.sendall(data[i : i + 1])
        if i < 20:  # as slow as that line is, for as long as the tests' timeouts allow
            time.sleep(0.01)


class FaultProxy:
    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.fired = threading.Event()
        self._release = threading.Event()
        self.kept = b""  # what the server answered to an orphan
        self._moving = threading.Event()
        self._moving.set()
        self._lock = threading.Lock()
        self._armed: _Harm | None = None
        self._noise: tuple[random.Random, float] | None = None
        self._rate = math.inf
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def arm(
        self,
        word: str | bytes,
        harm: str,
        occurrence: int = 1,
        seconds: float = 0.3,
        side: str = "answer",
        at: int | None = None,
        data: bytes = b"",
        times: int = 1,
    ) -> None:
        if harm not in HARMS or side not in SIDES:
            raise ValueError(f"harm {harm!r} on {side!r}; there are {', '.join(HARMS)} on {', '.join(SIDES)}")
        text = word if isinstance(word, bytes) else word.encode()
        with self._lock:
            self.fired.clear()
            self._release.clear()
            self._armed = _Harm(b"\r\n" + text + b"\r\n", harm, occurrence, times, seconds, side, at, data)

    def noise(self, seed: int, chance: float) -> None:
        """From now on each piece of an answer has one wrong byte with this chance; 0 ends it."""
        self._noise = (random.Random(seed), chance) if chance else None

    def slow(self, rate: float) -> None:
        """From now on so many bytes a second; of those, a connection that is made later holds few itself."""
        self._rate = rate
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)

    def freeze(self) -> None:
        """Nothing moves any more on any connection, old or new, in no direction, without a FIN."""
        self._moving.clear()

    def thaw(self) -> None:
        self._moving.set()

    def release(self) -> None:
        """Passes on what a zombie connection holds back."""
        self._release.set()

    def close(self) -> None:
        self._release.set()
        self._moving.set()
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
        server.settimeout(None)
        with self._lock:
            self._open += [client, server]
        with contextlib.suppress(OSError):
            self._pass(client, server)
        for one in (client, server):
            with contextlib.suppress(OSError):
                one.close()
        with self._lock:
            self._open = [one for one in self._open if one not in (client, server)]

    def _harm_in(self, data: bytes) -> _Harm | None:
        with self._lock:
            harm = self._armed
            if not harm:
                return None
            left = harm.left - data.count(harm.word)
            if left > 0:
                self._armed = replace(harm, left=left)
                return None
            self._armed = replace(harm, left=1, times=harm.times - 1) if harm.times > 1 else None
            return harm

    def _noisy(self, data: bytes) -> bytes:
        with self._lock:
            if not self._noise or self._noise[0].random() >= self._noise[1]:
                return data
            chance = self._noise[0]
            changed = bytearray(data)
            changed[chance.randrange(len(data))] = chance.choice(b"\r\n:$*-+_09aZ\0\xff")
            return bytes(changed)

    def _pass(self, client: socket.socket, server: socket.socket) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ)
            ready.register(server, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    self._moving.wait()
                    data = key.fileobj.recv(65536)  # type: ignore[union-attr]
                    if not data:
                        return
                    time.sleep(len(data) / self._rate)
                    if key.fileobj is server:
                        client.sendall(self._noisy(data))
                        continue
                    harm = self._harm_in(data)
                    if not harm:
                        server.sendall(data)
                    elif self._do(harm, data, client, server):
                        return

    def _do(self, harm: _Harm, data: bytes, client: socket.socket, server: socket.socket) -> bool:
        """True: the connection has ended."""
        if harm.name in ("drop", "zombie"):
            _reset(client)
        if harm.name == "zombie":
            self.fired.set()
            self._release.wait(30)
            server.sendall(data)
            server.recv(65536)
        elif harm.name == "orphan":
            server.sendall(data)
            _reset(client)
            self.fired.set()
            self.kept = server.recv(65536)
        elif harm.name in ("stall", "swallow"):
            if harm.name == "stall":
                server.sendall(data)
            self.fired.set()
            self._release.wait(30)
        elif harm.name == "late":
            self.fired.set()
            time.sleep(harm.seconds)
            server.sendall(data)
        elif harm.name == "garbage":
            client.sendall(harm.data)
            client.shutdown(socket.SHUT_WR)
        elif harm.name == "half":
            server.sendall(data)
            client.shutdown(socket.SHUT_WR)
            self.fired.set()
            while rest := client.recv(65536):
                server.sendall(rest)
        elif harm.name in ("cut", "corrupt", "drip") and harm.side == "request":
            self._spoil(harm, data, server, client)
        elif harm.name != "drop":
            server.sendall(data)
            self._answer(harm, server.recv(65536), client, server)
        self.fired.set()
        return harm.name not in ("corrupt", "drip", "delay", "late")

    def _answer(self, harm: _Harm, answer: bytes, client: socket.socket, server: socket.socket) -> None:
        if harm.name == "lose":
            _reset(client)
        elif harm.name == "delay":
            time.sleep(harm.seconds)
            client.sendall(answer)
        elif harm.name != "close":
            self._spoil(harm, answer, client, client)

    def _spoil(self, harm: _Harm, data: bytes, to: socket.socket, client: socket.socket) -> None:
        if harm.name == "drip":
            _drip(to, data)
        elif harm.name == "cut":
            to.sendall(data[: len(data) // 2 if harm.at is None else harm.at])
            _reset(client)
        else:
            at = (harm.at or 0) % len(data)
            to.sendall(data[:at] + (b"Y" if data[at : at + 1] == b"X" else b"X") + data[at + 1 :])
