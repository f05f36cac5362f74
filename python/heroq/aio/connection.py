"""The supervisors, one for each event loop, that handlers submit through."""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import connection
from ..client import Client
from ..options import Value
from ..supervisor import Supervisor as SyncSupervisor
from .loop import running
from .supervisor import Supervisor

if TYPE_CHECKING:
    from ..embedded import Embedded


class _OfLine(Supervisor):
    def __init__(self, line: connection.Line):
        super().__init__()
        self._line = line

    def _make(self) -> SyncSupervisor:
        return SyncSupervisor(self._line.get().client)


@dataclass
class OnLoop:
    """A supervisor that only this loop may use until it is closed."""

    loop: asyncio.AbstractEventLoop
    supervisor: Supervisor
    pid: int

    def is_usable(self) -> bool:
        return self.pid == os.getpid() and not self.supervisor._closed


_lock = threading.Lock()


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


async def connect(server: Supervisor | Client | Embedded | str | None = None, **opts: Value | None) -> Supervisor:
    """As heroq.connect, and for the same handlers: from now on all of this process submit to this server."""
    supervisor = server if isinstance(server, Supervisor) else Supervisor(server, **opts)
    line = connection.Line(await supervisor._open())
    line.on_loops.append(OnLoop(running(), supervisor, os.getpid()))
    connection.use(line)
    return supervisor


def default_supervisor() -> Supervisor:
    """The running loop's, for the server of heroq.connect, else the running worker's, else HEROQ_URL."""
    line, loop = connection.default_line(), running()
    with _lock:
        line.on_loops = [one for one in line.on_loops if one.is_usable()]
        for one in line.on_loops:
            if one.loop is loop:
                return one.supervisor
        for one in line.on_loops:
            if one.loop.is_closed():
                one.loop = loop
                return one.supervisor
        made = _OfLine(line)
        line.on_loops.append(OnLoop(loop, made, os.getpid()))
    return made
