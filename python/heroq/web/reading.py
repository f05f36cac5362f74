"""What the page and programs read. Each function waits for the server: never on the event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from .. import _heroq, options
from ..errors import InvalidError, NotFoundError
from ..queue import Queue
from . import jobs
from .answers import answer, attachment

if TYPE_CHECKING:
    from .site import Site

PARTS = ("script", "output", "error", "log")
TABS = ("waiting", "in_flight", "delayed", "dead", "finished", "failed", "actors")
#: rows of a page, if nothing is said, and at most
_ROWS, _MOST = 50, 500
_FILTERS = ("status", "type", "caller", "tag", "text", "id_prefix", "older", "newer", "source")


def board(site: Site, request: Request) -> Response:
    look = site.latest.get()
    if look.error is not None:
        raise look.error
    return Response(look.board, media_type="application/json")


def queue(site: Site, request: Request) -> Response:
    """stats, and the counters of the last hour."""
    with queue_of(site, request) as one:
        return answer({"queue": one.key, "stats": one.stats(), "counters": one.counters(newer="1h")})


def queue_page(site: Site, request: Request) -> Response:
    """A page of one tab: rows, and the cursor of the next, "0" after the last."""
    what = request.path_params["what"]
    if what not in TABS:
        raise NotFoundError(f"there are {', '.join(TABS)}, not {what[:50]!r}")
    handle = options.handle({"count": _count(request)})
    cursor = request.query_params.get("cursor") or None
    with queue_of(site, request) as one:
        return answer(_heroq.heroq_queue_page(one._handle, what, cursor, handle))


def queue_of(site: Site, request: Request) -> Queue:
    params = request.query_params
    return Queue(
        request.path_params["type"],
        site.client,
        group=params.get("group") or None,
        instance=params.get("instance") or None,
    )


def search(site: Site, request: Request) -> Response:
    """A page of jobs that fit: as Supervisor.page_of_jobs has it."""
    params = request.query_params
    filters: dict[str, Any] = {name: params[name] for name in _FILTERS if params.get(name)}
    return answer(site.sup.page_of_jobs(params.get("cursor") or "", count=_count(request), **filters))


def job(site: Site, request: Request) -> Response:
    return answer(jobs.look(site.sup, request.path_params["id"], -jobs.LOG_LINES))


def part(name: str) -> Callable[[Site, Request], Response]:
    """The script, output or error, byte for byte, or the log, as a file."""

    def read(site: Site, request: Request) -> Response:
        job_id = request.path_params["id"]
        if name == "log":
            data: bytes | None = b"".join(line + b"\n" for line in site.sup.get_logs(job_id, last=1000))
        else:
            data = site.sup.get_job(job_id).field(name)
        if data is None:
            raise NotFoundError(f"job {job_id} has no {name}")
        return attachment(data, f"{job_id}-{name}")

    return read


def _count(request: Request) -> int:
    text = request.query_params.get("count") or str(_ROWS)
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _MOST):
        raise InvalidError(f"count is from 1 to {_MOST}, not {text[:50]!r}")
    return int(text)
