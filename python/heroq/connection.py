"""The supervisor that handlers submit through."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from .client import Client
from .options import Value
from .supervisor import Supervisor

if TYPE_CHECKING:
    from .aio.connection import OnLoop
    from .embedded import Embedded


class Line:
    """A supervisor, else one by HEROQ_URL; in a child made by fork one like it with connections of its own."""

    def __init__(self, supervisor: Supervisor | None = None):
        self._supervisor, self._pid = supervisor, os.getpid()
        #: heroq.aio's, of this server
        self.on_loops: list[OnLoop] = []

    def get(self) -> Supervisor:
        if self._supervisor is None or self._pid != os.getpid():
            with _lock:
                if self._supervisor is None:
                    self._supervisor = Supervisor()
                elif self._pid != os.getpid():
                    self._supervisor = Supervisor(self._supervisor.client.reopen())
                self._pid = os.getpid()
        return self._supervisor


_lock = threading.Lock()
_connected: Line | None = None  # by connect
_found: Line | None = None  # by HEROQ_URL
#: in the threads and tasks of a worker: its server
_running: ContextVar[Line | None] = ContextVar("heroq_running", default=None)


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def connect(server: Supervisor | Client | Embedded | str | None = None, **opts: Value | None) -> Supervisor:
    """From now on the handlers of this process submit to this server, from any thread, and in children made by fork.

    Without it they submit to the server of the worker they run in, else to HEROQ_URL, else to redis://localhost.
    """
    supervisor = server if isinstance(server, Supervisor) else Supervisor(server, **opts)
    use(Line(supervisor))
    return supervisor


def use(line: Line) -> None:
    global _connected
    _connected = line


@contextmanager
def connected(server: Supervisor | Client | Embedded | str | None = None, **opts: Value | None) -> Iterator[Supervisor]:
    """connect for the length of a `with`; afterwards all is as it was."""
    global _connected
    before = _connected
    supervisor = connect(server, **opts)
    try:
        yield supervisor
    finally:
        _connected = before
        if supervisor is not server:
            supervisor.close()


def default_line() -> Line:
    """What `connect` was told, else the running worker's server, else HEROQ_URL."""
    global _found
    line = _connected or _running.get() or _found
    if line is None:
        with _lock:
            line = _found = _found or Line()
    return line


def default_supervisor() -> Supervisor:
    return default_line().get()


def run_here(client: Client) -> None:
    """The handlers of this thread, or task, submit to the client's server, unless `connect` was told another one."""
    _running.set(Line(Supervisor(client)))
