"""What the page does to jobs and queues, for who has the token. Each function waits for the server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from ..errors import InvalidError, NotFoundError
from ..job import Job
from .answers import Refused, answer
from .reading import queue_of

if TYPE_CHECKING:
    from .site import Site

#: bytes of a request; a script of 16 MiB may grow when it is written as JSON
_LARGEST = 40 * 1024 * 1024
#: what a dispatched job may be told: text, numbers, lists and objects of text
_TEXTS = ("id", "group", "instance")
_NUMBERS = ("timeout", "retries", "ttl")
_STARTS = ("delay", "urgent")


async def body(request: Request) -> dict[str, Any]:
    """The object of a request."""
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > _LARGEST:
            raise Refused(413, f"a request has at most {_LARGEST} bytes")
    if not data:
        return {}
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise InvalidError("the request's body is no JSON") from None
    if not isinstance(found, dict):
        raise InvalidError("the request's body is no JSON object")
    return found


def dispatch(site: Site, request: Request, given: dict[str, Any]) -> Response:
    """Stores a job and starts it."""
    known = ("script", "script_type", "tags", "headers", "env", *_TEXTS, *_NUMBERS, *_STARTS)
    if unknown := sorted(given.keys() - set(known)):
        raise InvalidError(f"there is no {unknown[0][:50]!r}; there are {', '.join(sorted(known))}")
    script, script_type = _text(given, "script"), _text(given, "script_type")
    if script is None or not script_type:
        raise InvalidError("a job has a script and a script_type")
    keywords: dict[str, Any] = {name: _text(given, name) or None for name in _TEXTS}
    keywords |= {name: _number(given, name) for name in _NUMBERS}
    job = Job(
        script,
        script_type,
        tags=_list(given, "tags") or None,
        headers=_object(given, "headers"),
        env=_object(given, "env"),
        **keywords,
    )
    delay, urgent = _number(given, "delay") or 0, given.get("urgent")
    if not 0 <= delay < 1e9 or not isinstance(urgent, bool | None):
        raise InvalidError("delay is a number of seconds, urgent is true or false")
    where = {name: keywords[name] for name in ("group", "instance")}
    site.sup.create_job(job)
    site.sup.start_job(job, delay=delay or None, urgent=urgent or None, **where)
    return answer({"id": job.id}, 201)


def act(site: Site, request: Request, given: dict[str, Any]) -> Response:
    """stop, retry (run now what is delayed), requeue or delete one job."""
    job_id, what = request.path_params["id"], request.path_params["what"]
    if what == "stop":
        return answer({"id": job_id, "outcome": site.sup.stop_job(job_id)})
    if what == "retry":
        site.sup.retry_job(job_id)
        return answer({"id": job_id, "retried": True})
    if what == "requeue":
        site.sup.requeue_job(job_id)
        return answer({"id": job_id, "requeued": True})
    if what == "delete":
        site.sup.delete_job(job_id)
        return answer({"id": job_id, "deleted": True})
    raise NotFoundError(f"there are stop, retry, requeue and delete, not {what[:50]!r}")


def steer(site: Site, request: Request, given: dict[str, Any]) -> Response:
    """pause or resume a queue."""
    what = request.path_params["what"]
    with queue_of(site, request) as queue:
        if what == "pause":
            queue.pause()
        elif what == "resume":
            queue.resume()
        else:
            raise NotFoundError(f"there are pause and resume, not {what[:50]!r}")
        return answer({"queue": queue.key, "paused": what == "pause"})


def _text(given: dict[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidError(f"{name} is a text")
    return value


def _number(given: dict[str, Any], name: str) -> int | float | None:
    value = given.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise InvalidError(f"{name} is a number")
    return value


def _list(given: dict[str, Any], name: str) -> list[str]:
    value = given.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidError(f"{name} is a list of texts")
    return value


def _object(given: dict[str, Any], name: str) -> dict[str, str]:
    value = given.get(name) or {}
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise InvalidError(f"{name} is an object of texts")
    return value
