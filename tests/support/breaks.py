"""Harm to a system, by the doctor's finding that it must lead to: a function of each finding's name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import heroq
import pytest

from .server import Server

Q = "hero:q:work:type:osis"
H = "{" + Q + "}"
LONG_AGO = "2026-01-02T03:04:05Z"
FAR = 99999999999999


class System:
    """What a break breaks: a healthy server, and the means to do harm."""

    def __init__(self, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server, self.tmp_path, self.monkeypatch = server, tmp_path, monkeypatch
        self.url, self.options = server.url, dict[str, Any]()
        self.undo = contextlib.ExitStack()
        self.do = server.command

    def other_server(self, *args: str) -> Server:
        server = self.undo.enter_context(Server(args=["--appendonly", "yes", *args]))
        self.url, self.do = server.url, server.command
        return server

    def config(self, name: str, value: str) -> None:
        before = self.server.command("CONFIG", "GET", name)[1]
        self.undo.callback(self.server.command, "CONFIG", "SET", name, before)
        self.server.command("CONFIG", "SET", name, value)

    def known(self) -> None:
        self.do("ZADD", "{heroq}:queues", 1, Q)

    def actor(self) -> None:
        self.known()
        self.do("ZADD", f"{H}:actors", FAR, "host.1.x")

    def job(self, job_id: str, status: str = "dispatched", **fields: str) -> None:
        given = {"script": "x", "status": status, "script_type": "osis", "createdAt": LONG_AGO, **fields}
        self.do("HSET", f"hero:job:{job_id}", *[part for pair in given.items() for part in pair])

    def held(self, job_id: str, lease: int | None = None, holder: bool = True) -> None:
        self.known()
        self.job(job_id, "started", hq_token="7:host.1.x", hq_queue=Q)
        if lease is not None:
            self.do("ZADD", f"{H}:leases", lease, job_id)
        if holder:
            self.do("HSET", f"{H}:holders", job_id, "7:host.1.x")

    def examine(self, fix: Any = "no") -> dict[str, Any]:
        with heroq.Client(self.url, connect="lazy", log="off", **self.options) as client:
            return heroq.examine(client, fix=fix)

    def found(self, finding: str, fix: Any = "no") -> list[dict[str, Any]]:
        return [row for row in self.examine(fix)["checks"] if row["finding"] == finding]


Break = Callable[[System], None]


def registers(harms: dict[str, Break]) -> Callable[[Break], Break]:
    """A decorator for functions that are listed by their names."""

    def register(harm: Break) -> Break:
        harms[harm.__name__] = harm
        return harm

    return register
