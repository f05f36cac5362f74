"""pytest's fixtures for programs that use heroq. Each test has its own server, so tests may run in parallel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from . import testing
    from .supervisor import Supervisor


@pytest.fixture
def heroq_server() -> Iterator[testing.Server]:
    """A private server, which handlers submit to; `advance(seconds)` makes its delayed jobs due."""
    from . import testing

    with testing.Server() as server, testing.connected(server):
        yield server


@pytest.fixture
def heroq_supervisor(heroq_server: testing.Server) -> Iterator[Supervisor]:
    """A supervisor on the private server."""
    from .supervisor import Supervisor

    with Supervisor(heroq_server) as supervisor:
        yield supervisor


@pytest.fixture
def heroq_work(heroq_server: testing.Server) -> Iterator[Callable[..., None]]:
    """`heroq_work(handler, …, threads=1)`: they handle the private server's jobs until the test ends."""
    from . import testing

    with ExitStack() as stack:

        def work(*handlers: Any, **options: Any) -> None:
            stack.enter_context(testing.working(*handlers, server=heroq_server, **options))

        yield work
