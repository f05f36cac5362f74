"""What a line of a search means, and the jobs that it finds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import InvalidError, NotFoundError
from ..supervisor import Supervisor
from .link import JobRow

#: jobs that a search shows
MOST_FOUND = 500
#: what a word may begin with, and the filter that it is
FILTERS = {
    "id": "id_prefix",
    "tag": "tag",
    "caller": "caller",
    "type": "type",
    "status": "status",
    "older": "older",
    "newer": "newer",
}
_Pages = Callable[..., Iterator[JobRow]]


def find(supervisor: Supervisor, line: str, stopped: Callable[[], bool]) -> Iterator[JobRow]:
    """Each job once: that with this id, those with this in their id, those with this tag; or those of the filters.

    Waits for the server, page by page; `stopped` is asked after each page.
    """

    def pages(**filters: Any) -> Iterator[JobRow]:
        cursor = ""
        while cursor != "0" and not stopped():
            page = supervisor.page_of_jobs(cursor, **filters)
            yield from page["rows"]
            cursor = page["cursor"]

    seen: set[str] = set()
    for rows in _ways(supervisor, line, pages):
        for row in rows:
            if row["id"] not in seen:
                seen.add(row["id"])
                yield row
            if len(seen) >= MOST_FOUND:
                return


def _ways(supervisor: Supervisor, line: str, pages: _Pages) -> Iterator[Iterator[JobRow]]:
    filters, words = _parts(line)
    if len(words) > 1:
        raise InvalidError("one word at most, and filters such as tag:red status:error")
    if not words:
        if filters:
            yield pages(**filters)
        return
    if not filters:
        yield _exactly(supervisor, words[0])
    yield _allowed(pages(**filters, text=words[0]))
    if "tag" not in filters:
        yield _allowed(pages(**filters, tag=words[0]))


def _parts(line: str) -> tuple[dict[str, str], list[str]]:
    """The filters, and the other words."""
    filters, words = {}, []
    for word in line.split():
        name, _, value = word.partition(":")
        if name in FILTERS and value:
            filters[FILTERS[name]] = value
        else:
            words.append(word)
    return filters, words


def _exactly(supervisor: Supervisor, job_id: str) -> Iterator[JobRow]:
    try:
        job = supervisor.get_job(job_id)
    except (InvalidError, NotFoundError):
        return
    first = 1 << 62  # of all, by age
    row = {"id": job.id, "status": job.status, "script_type": job.script_type, "tags": job.tags}
    yield {**row, "created": first, "size": len(job.script)}


def _allowed(rows: Iterator[JobRow]) -> Iterator[JobRow]:
    """A word that can be no id, or no tag, finds nothing."""
    with contextlib.suppress(InvalidError):
        yield from rows
