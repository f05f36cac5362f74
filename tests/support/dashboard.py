"""A dashboard that is served for real, and plain requests to it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from .server import wait_until

TOKEN = "a-token-of-the-tests-0123"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    data: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.data)


@dataclass
class Dashboard:
    """`url` ends with a slash."""

    port: int
    path: str
    server: uvicorn.Server
    thread: threading.Thread
    app: Any = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """One request, with the headers that are given and no others but Host."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            data = None
            if method != "GET":
                named = {"Content-Type": "application/json", **named}
                data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
            connection.request(method, self.path + path, data, named)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def act(self, path: str, body: object = None, **headers: str) -> Answer:
        """With the token."""
        return self.ask("POST", path, body, Authorization=f"Bearer {TOKEN}", **headers)

    def stop(self) -> None:
        site = getattr(self.app.state, "site", None)  # another app may have it inside
        if site is not None:
            site.end()
        self.server.should_exit = True
        self.thread.join(20)


def serve(app: Any, path: str = "/", port: int = 0) -> Dashboard:
    listening = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    wait_until(lambda: server.started, 20, "the dashboard")
    return Dashboard(listening.getsockname()[1], path, server, thread, app)
