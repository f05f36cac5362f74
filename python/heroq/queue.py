"""A queue as people see it: what waits, runs, is delayed or dead."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from . import _heroq, options
from .client import Client, Closing, client_of

if TYPE_CHECKING:
    from .embedded import Embedded


def list_queues(server: Client | Embedded | str | None = None) -> Iterator[dict[str, Any]]:
    """Rows of queue, script_type, group, instance, waiting, in_flight, delayed, dead, paused, actors, oldest; of the
    last five minutes finished_per_minute, failed_per_minute, wait_p95, run_p95 (ms); minutes: finished, failed, retried
    and lost of the last 15. `heroq.board` has the same, and what it means."""
    client, owns = client_of(server, {})
    try:
        page = _heroq.heroq_queue_list(client._handle, None)
    finally:
        if owns:
            client.close()
    yield from page["rows"]


class Queue(Closing):
    """The queue of a script type, or of a group, or of an instance."""

    def __init__(
        self,
        script_type: str,
        server: Client | Embedded | str | None = None,
        *,
        group: str | None = None,
        instance: str | None = None,
        **opts: options.Value | None,
    ):
        self.client, self._owns_client = client_of(server, opts)
        self._handle = _heroq.heroq_queue_open(self.client._handle, script_type, group, instance)
        super().__init__()

    @property
    def key(self) -> str:
        """Its name on the server."""
        return _heroq.heroq_queue_key(self._handle)

    def stats(self) -> dict[str, Any]:
        """How many jobs are waiting, in_flight, delayed, dead, in handoff; paused; actors.

        Unix ms, 0 for none: oldest (when the one that waits longest was made), next_due (of delayed ones),
        oldest_lease, last_reap, now.
        """
        return _heroq.heroq_queue_stats(self._handle)

    def __len__(self) -> int:
        """How many jobs wait."""
        waiting: int = self.stats()["waiting"]
        return waiting

    def __bool__(self) -> bool:
        return True

    def counters(self, newer: options.Value | None = None) -> dict[str, Any]:
        """What ended in the last hour, or in the time `newer`: finished, failed, retried, lost, in all and as rows by
        minute; wait and run: count, p50, p95, p99 (ms) and rows of from, to, count."""
        return _heroq.heroq_queue_counters(self._handle, options.handle({"newer": newer}))

    def page(
        self,
        what: str = "waiting",
        count: int = 100,
        *,
        older: options.Value | None = None,
        newer: options.Value | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Entries of waiting, in_flight, delayed, dead, finished, failed or actors: id, and time, holder, reason, info
        where they exist. Of dead, finished and failed, the newest first, also only those of at least the age `older`,
        at most `newer`."""
        cursor = ""
        while cursor != "0":
            page = self.page_of(what, cursor, count=count, older=older, newer=newer)
            yield from page["rows"]
            cursor = page["cursor"]

    def page_of(self, what: str, cursor: str = "", **opts: options.Value | None) -> dict[str, Any]:
        """One page of `page`: rows, and the cursor of the next ("0" after the last). A cursor is the number of entries
        before the page, so that any page can be read."""
        return _heroq.heroq_queue_page(self._handle, what, cursor, options.handle(opts))

    def actors(self) -> Iterator[dict[str, Any]]:
        """Who listens, as each said within the last ten seconds: actor, actor_id, host, pid, types, delivery, since,
        jobs (id, ms) that its handlers have of this queue, running, held, finished, failed, takes_per_second, rss."""
        for row in self.page("actors"):
            try:
                info = json.loads(row["info"])
            except ValueError:
                info = None
            yield {**(info if isinstance(info, dict) else {}), "actor": row["id"], "until": row["time"]}

    def pause(self) -> None:
        """No actor takes from it until resume; what runs goes on. Foreign actors do not know of it."""
        _heroq.heroq_queue_pause(self._handle)

    def resume(self) -> None:
        """Ends a pause."""
        _heroq.heroq_queue_resume(self._handle)

    def purge_dead(self, job_id: str | None = None) -> int:
        """Takes an entry, or all of them, out of the dead letters; answers how many."""
        return _heroq.heroq_queue_purge_dead(self._handle, job_id)

    def tend(self) -> dict[str, Any]:
        """Does what idle actors do: makes due jobs ready and returns those of dead actors."""
        return _heroq.heroq_queue_tend(self._handle)

    def close(self) -> None:
        """Closes its connections, if it made them; the queue on the server stays."""
        _heroq.heroq_queue_close(self._handle)
        if self._owns_client:
            self.client.close()
