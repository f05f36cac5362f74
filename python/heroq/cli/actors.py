"""actors: who listens."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..client import Client
from ..queue import list_queues
from . import common, complete
from .common import QUEUE_HELP, Json, Url
from .tables import age, number, put_table

_COLUMNS = ("actor", "host", "pid", "queues", "jobs", "MiB", "/s", "failed", "longest job")
_OF_ALL = (
    "actor",
    "actor_id",
    "host",
    "pid",
    "delivery",
    "since",
    "held",
    "finished",
    "failed",
    "takes_per_second",
    "rss",
)


def actors(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="QUEUE", help=QUEUE_HELP, autocompletion=complete.queues)
    ] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """List the actors: where they run, what they listen on, their jobs, memory and rate, as of the last ten seconds."""
    with common.client(url) as client:
        rows = _actors(client, names or _listened(client))
    if as_json:
        common.put_json(rows)
    else:
        right = ("pid", "jobs", "MiB", "/s", "failed")
        put_table(_COLUMNS, map(_cells, rows), dense=True, firm=("actor",), right=right)


def _listened(client: Client) -> list[str]:
    rows = [row for row in list_queues(client) if row["actors"]]
    return [common.path_of(row["script_type"], row["group"], row["instance"]) for row in rows]


def _actors(client: Client, names: list[str]) -> list[dict[str, Any]]:
    """One row an actor, though each queue has its own entry of it."""
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        with common.queue_of(client, name) as queue:
            for told in queue.actors():
                row = found.setdefault(
                    told["actor"], {**{key: told.get(key) for key in _OF_ALL}, "queues": [], "running": 0, "jobs": []}
                )
                row["queues"].append(name)
                row["running"] += told.get("running") or 0
                row["jobs"] += [{**job, "queue": name} for job in told.get("jobs") or ()]
    return sorted(found.values(), key=lambda row: (str(row["actor_id"]), row["actor"]))


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    longest = max(row["jobs"], key=lambda job: job["ms"], default=None)
    return (
        row["actor_id"] or row["actor"],
        row["host"],
        row["pid"],
        " ".join(row["queues"]),
        row["running"],
        number(round(row["rss"] / 2**20)) if row["rss"] else "",
        number(row["takes_per_second"]),
        row["failed"],
        f"{age(longest['ms'] / 1000)} {longest['id']}" if longest else "",
    )


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel=common.QUEUES)(actors)
