"""A bare connection that speaks to the server as redis-cli does, for the demo's last page."""

from __future__ import annotations

import socket
from typing import Any

Answer = bytes | int | None | list[Any]


class Resp:
    def __init__(self, unix_socket: str):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(10.0)
        self._socket.connect(unix_socket)
        self._file = self._socket.makefile("rb")

    def call(self, *words: str) -> Answer:
        parts = [word.encode() for word in words]
        data = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        self._socket.sendall(data)
        return self._read()

    def _read(self) -> Answer:
        line = self._file.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:]
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self._file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self._read() for _ in range(int(rest))]
        return rest

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def as_redis_cli(answer: Answer, most: int = 1000) -> list[str]:
    """The lines that redis-cli shows on a terminal, at most so many of a list."""
    if answer is None:
        return ["(nil)"]
    if isinstance(answer, int):
        return [f"(integer) {answer}"]
    if isinstance(answer, bytes):
        return ['"' + "".join(_quoted(c) for c in answer) + '"']
    if not answer:
        return ["(empty array)"]
    lines = [f"{i}) {as_redis_cli(item)[0]}" for i, item in enumerate(answer[:most], 1)]
    return lines + ([f"… {len(answer) - most} more"] if len(answer) > most else [])


def _quoted(byte: int) -> str:
    known = {0x22: '\\"', 0x5C: "\\\\", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t"}
    return known.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}")
