"""Whether a worker is well, for who watches over it: a file that is fresh, or a port that answers."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from .errors import InvalidError

#: what is told: "ok" and more
State = dict[str, Any]
_EVERY = 1.0


class File:
    """Written anew each second while all is well, so that its age tells; gone at the end."""

    def __init__(self, path: str):
        self._path = Path(path)
        self._next = 0.0
        try:
            self._path.unlink(missing_ok=True)
            self._path.touch()
            self._path.unlink()
        except OSError as error:
            raise InvalidError(f"the health file {path!r} cannot be written: {error.strerror}") from None

    def look(self, state: State) -> None:
        if not state["ok"] or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _EVERY
        with contextlib.suppress(OSError):  # then it grows old, which says enough
            new = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            new.write_text(json.dumps(state) + "\n")
            new.replace(self._path)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


def host_and_port(where: str, what: str) -> tuple[str, int]:
    """Of "PORT" or "HOST:PORT"; without a host it is this machine's own."""
    host, _, port = where.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise InvalidError(f"a {what} is PORT or HOST:PORT, not {where!r}")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


class Port:
    """HTTP: any GET answers the state as JSON, 200 where all is well and 503 where not."""

    def __init__(self, where: str, state: Callable[[], State]):
        host, port = host_and_port(where, "health port")

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                now = state()
                body = json.dumps(now).encode() + b"\n"
                self.send_response(200 if now["ok"] else 503)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass  # who watches asks every few seconds

        try:
            self._server = ThreadingHTTPServer((host, port), Answer)
        except OSError as error:
            raise InvalidError(f"no health port {where}: {error.strerror}") from None
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
