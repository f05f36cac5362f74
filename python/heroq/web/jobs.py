"""A job as JSON for the page."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from .. import _heroq, options
from ..errors import NotFoundError
from ..job import Job
from ..supervisor import Supervisor
from .answers import blob

#: lines of the log in one answer
LOG_LINES = 200
#: shown in a place of their own
_APART = frozenset(
    (
        *("jobId", "script", "script_type", "status", "output", "error", "createdAt", "updatedAt", "env_vars"),
        *("timeout", "retries", "callerId", "prerequisites", "dependents"),
        *("hq_headers", "hq_tags", "hq_progress", "hq_due", "hq_expires", "hq_attempt", "hq_retries", "hq_failed"),
        *("hq_last_error", "hq_queue"),
    )
)


def look(sup: Supervisor, job_id: str, line: int) -> dict[str, Any]:
    """job, progress, and the log from a line on (negative: so many of the last)."""
    found = sup.get_job(job_id)
    return {"job": as_json(found), "progress": sup.get_progress(job_id), "log": log(sup, job_id, line)}


def log(sup: Supervisor, job_id: str, line: int, count: int = LOG_LINES) -> dict[str, Any]:
    """rows (text), first, next: numbers of lines."""
    try:
        page = _heroq.heroq_supervisor_get_logs(sup._handle, job_id, line, options.handle({"count": count}))
    except NotFoundError:
        return {"rows": [], "first": 0, "next": 0}
    return {
        "rows": [row.decode(errors="replace") for row in page["rows"]],
        "first": page["first"],
        "next": page["next"],
    }


def as_json(job: Job) -> dict[str, Any]:
    fields = job.fields
    return {
        "id": job.id,
        "script_type": job.script_type,
        "status": job.status,
        "ended": job.is_terminal,
        "queue": _text(fields.get("hq_queue")),
        "caller": _text(fields.get("callerId")),
        "timeout": job.timeout,
        "retries": job.retries,
        "script": blob(job.script),
        "output": blob(job.output),
        "error": blob(job.error),
        "attempts": {
            "started": _number(fields.get("hq_attempt")),
            "failed": _number(fields.get("hq_failed") or fields.get("hq_retries")),
            "last_error": blob(job.field("hq_last_error")),
        },
        "timeline": _timeline(job, fields),
        "tags": job.tags,
        "headers": _object(fields.get("hq_headers")),
        "env": _object(fields.get("env_vars")),
        "prerequisites": _list(fields.get("prerequisites")),
        "dependents": _list(fields.get("dependents")),
        "fields": {name: _text(value) for name, value in sorted(fields.items()) if name not in _APART},
    }


def _timeline(job: Job, fields: dict[str, Any]) -> list[dict[str, Any]]:
    """What the hash knows of times, Unix ms, the first first."""
    changed = _moment(fields.get("updatedAt"))
    events = [("created", _moment(fields.get("createdAt"))), ("due", _number(fields.get("hq_due")))]
    status = job.status.lower()
    if job.is_terminal or status in ("started", "stopping"):
        events.append((status, changed))
    events.append(("expires", _number(fields.get("hq_expires"))))
    return sorted(({"what": what, "at": at} for what, at in events if at), key=lambda one: one["at"])


def _moment(value: object) -> int:
    """RFC 3339 as Unix ms; 0: there is none."""
    try:
        return round(datetime.fromisoformat(_text(value)).timestamp() * 1000)
    except ValueError:
        return 0


def _number(value: object) -> int:
    text = _text(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return "" if value is None else str(value)


def _json(value: object) -> Any:
    try:
        return json.loads(_text(value) or "null")
    except ValueError:
        return None


def _object(value: object) -> dict[str, str]:
    found = value if isinstance(value, dict) else _json(value)
    return {str(name): _text(item) for name, item in found.items()} if isinstance(found, dict) else {}


def _list(value: object) -> list[str]:
    found = value if isinstance(value, list) else _json(value)
    return [_text(item) for item in found] if isinstance(found, list) else []
