"""What the shell completes besides commands and options: names that the server knows, asked for a second at most."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from .. import options
from ..client import Client
from ..errors import HeroqError
from ..queue import list_queues
from ..supervisor import Supervisor
from . import config
from .names import path_of

STATUSES = ("waiting_for_prerequisites", "dispatched", "started", "stopping", "finished", "error")
_MOST = 100


@contextmanager
def _server(ctx: typer.Context) -> Iterator[Client]:
    config.load(quiet=True)
    url = config.use(ctx.params.get("url") or os.environ.get("HEROQ_URL"))
    with Client(url, connect_timeout="1s", op_timeout="1s", log="off") as client:
        yield client


def job_ids(ctx: typer.Context, incomplete: str) -> list[str]:
    try:
        with _server(ctx) as client, Supervisor(client) as supervisor:
            rows = supervisor.page_of_jobs(id_prefix=incomplete or None, count=_MOST)["rows"]
            return sorted({str(row["id"]) for row in rows})
    except HeroqError:
        return []


def queues(ctx: typer.Context, incomplete: str) -> list[str]:
    try:
        with _server(ctx) as client:
            names = [path_of(row["script_type"], row["group"], row["instance"]) for row in list_queues(client)]
    except HeroqError:
        return []
    return sorted(name for name in names if name.startswith(incomplete))


def script_types(ctx: typer.Context, incomplete: str) -> list[str]:
    return sorted({name.partition("/")[0] for name in queues(ctx, incomplete)})


def statuses(incomplete: str) -> list[str]:
    return [status for status in STATUSES if status.startswith(incomplete)]


def job_options(incomplete: str) -> list[str]:
    return [f"{name}=" for name in options.table() if name.startswith(incomplete)]
