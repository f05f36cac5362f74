"""The way to one server. Supervisors, actors, waiters and queues are made from a client, or make their own."""

from __future__ import annotations

import abc
import atexit
import weakref
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from . import _heroq, options
from .wait import wait_for

if TYPE_CHECKING:
    from .embedded import Embedded

_open: weakref.WeakSet[Closing] = weakref.WeakSet()


class Closing(abc.ABC):
    """What has a `close` and is closed at the end of a `with`, and at the end of the process."""

    def __init__(self) -> None:
        _open.add(self)

    @abc.abstractmethod
    def close(self) -> object:
        """Frees what it holds. Again is harmless."""

    def _close_at_exit(self) -> None:
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Client(Closing):
    """A connection pool for all threads. `server`: a URL, or an embedded one; None is HEROQ_URL, else redis://localhost:6379/0."""

    def __init__(self, server: Embedded | str | None = None, **opts: options.Value | None):
        url: Any = getattr(server, "url", server)  # what is neither is refused by the extension
        self._adopt(_heroq.heroq_client_open(url, options.handle(opts)))

    def _adopt(self, handle: Any) -> None:
        self._handle = handle
        super().__init__()

    def reopen(self) -> Client:
        """After fork, in the child: a client like this one, with connections of its own."""
        client = Client.__new__(Client)
        client._adopt(_heroq.heroq_client_reopen(self._handle))
        return client

    def ping(self) -> float:
        """Seconds of a round trip; ConnectionError if there is none."""
        return _heroq.heroq_client_ping(self._handle) / 1e6

    def server_info(self) -> dict[str, Any]:
        """server (redis or valkey), version, url (without secrets), role, mode, used_memory, maxmemory (bytes), …"""
        return _heroq.heroq_client_server_info(self._handle)

    def next_event(self, timeout: float | None = 0) -> dict[str, Any] | None:
        """What happened in the background, such as a lost connection: level, time (Unix ms), status, text, dropped.

        None if nothing came in `timeout` seconds. The first call takes warnings off stderr.
        """
        return wait_for(lambda: _heroq.heroq_client_next_event(self._handle, 0), self.event_fd, timeout)

    def event_fd(self) -> int:
        """Readable while next_event(0) would answer; to be polled only."""
        return _heroq.heroq_client_event_fd(self._handle)

    def close(self) -> None:
        """Closes what was opened from it too."""
        _heroq.heroq_client_close(self._handle)


def client_of(server: Client | Embedded | str | None, opts: dict[str, options.Value | None]) -> tuple[Client, bool]:
    """The client for a server, and whether it was made here."""
    if isinstance(server, Client):
        return server, False
    return Client(server, **opts), True


def _close_all() -> None:
    for thing in list(_open):
        thing._close_at_exit()


atexit.register(_close_all)
