"""ls, show."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from ..errors import NotFoundError
from . import common, filters
from .common import JobId, Json, Url
from .filters import Caller, Newer, OfType, Older, Prefix, Source, Status, Tag, Text
from .tables import age, put_table

#: of the log that show prints
LOG_LINES = 20


def ls(
    status: Status = None,
    script_type: OfType = None,
    caller: Caller = None,
    tag: Tag = None,
    text: Text = None,
    id_prefix: Prefix = None,
    older: Older = None,
    newer: Newer = None,
    source: Source = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="At most so many; 0 = all.")] = 100,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """List jobs."""
    chosen = filters.given(status, script_type, caller, tag, text, id_prefix, older, newer, source)
    with common.supervisor(url) as sup:
        seen: dict[str, dict[str, Any]] = {}
        for row in sup.list_jobs(**chosen):
            seen.setdefault(row["id"], row)
            if limit and len(seen) >= limit:
                break
    if as_json:
        common.put_json(list(seen.values()))
        return
    _put_jobs(seen.values())
    if limit and len(seen) >= limit:
        print(f"heroq: only the first {limit}; --limit 0 lists all", file=sys.stderr)


def _put_jobs(rows: Iterable[dict[str, Any]]) -> None:
    if sys.stdout.isatty():
        now = time.time()
        cells = [(r["id"], r["status"], r["script_type"], _age(r, now), r["size"]) for r in rows]
        put_table(("id", "status", "type", "age", "size"), cells, dense=True, right=("age", "size"))
    else:
        put_table((), [(r["id"], r["status"], r["script_type"], _made(r), r["size"]) for r in rows])


def _age(row: dict[str, Any], now: float) -> str:
    return age(now - row["created"] / 1000) if row["created"] > 0 else ""


def _made(row: dict[str, Any]) -> str:
    made: int = row["created"]
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(made / 1000)) if made > 0 else ""


def show(
    job_id: JobId,
    redis: Annotated[
        bool, typer.Option("--redis", help="The redis-cli lines for this job, and what the server answers.")
    ] = False,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show all fields of a job, how far it is, and the end of its log."""
    if redis:
        _show_redis(job_id, url, as_json)
        return
    with common.supervisor(url) as sup:
        job, progress, log = sup.get_job(job_id), sup.get_progress(job_id), sup.get_logs(job_id, last=LOG_LINES)
    if as_json:
        print(json.dumps(json.loads(job.to_json()), ensure_ascii=False))
        return
    rows: list[tuple[str, object]] = list(job.fields.items())
    if progress:
        rows.append(("progress", f"{progress['percent']:g} % {progress['text']}".rstrip()))
    rows += [("log", line) for line in log]
    put_table(("field", "value"), rows, firm=("field",))


def _show_redis(job_id: str, url: str | None, as_json: bool) -> None:
    with common.supervisor(url) as sup:
        said = sup.redis_lines(job_id)
    if as_json:
        common.put_json(said["rows"])
    else:
        for row in said["rows"]:
            print(f"redis> {row['command']}\n{row['answer']}")
    if not said["found"]:
        raise NotFoundError(f"hero:job:{job_id} is not there")


def add_to(app: typer.Typer) -> None:
    for command in (ls, show):
        app.command(rich_help_panel=common.JOBS)(command)
