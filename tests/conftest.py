"""Fixtures of all pytest tiers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.server import Server

TESTS = Path(__file__).parent


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Server]:
    """One server for the tests of a module, for those that share it knowingly."""
    with Server() as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Server:
    """The module's server, emptied. Tests that stop it, or need other arguments, use new_server."""
    shared_server.command("FLUSHALL")
    return shared_server


@pytest.fixture
def new_server() -> Iterator[Callable[..., Server]]:
    """Makes servers that end with the test: new_server("--appendonly", "yes", kind="valkey")."""
    made: list[Server] = []

    def make(*args: str, kind: str | None = None) -> Server:
        made.append(Server(kind, args))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def vectors() -> Callable[[str], Any]:
    """vectors("keys") is tests/vectors/keys.json."""

    def read(name: str) -> Any:
        return json.loads((TESTS / "vectors" / f"{name}.json").read_text(encoding="utf-8"))

    return read
