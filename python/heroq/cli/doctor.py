"""doctor."""

from __future__ import annotations

import typer

from ..doctor import examine
from . import common
from .common import Json, Url

_COLUMNS = ("severity", "check", "subject", "found", "means", "mend")


def doctor(url: Url = None, as_json: Json = False) -> None:
    """Check the whole system; exit code 1 if something is wrong."""
    with common.client(url) as client:
        report = examine(client)
    if as_json:
        common.put_json(report)
    else:
        common.put_table(_COLUMNS, ([row.get(name) for name in _COLUMNS] for row in report["checks"]))
    if report["worst"] == "error":
        raise typer.Exit(1)


def add_to(app: typer.Typer) -> None:
    app.command()(doctor)
