"""Which jobs: the options that `ls` and `export` share."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from . import complete

Status = Annotated[
    str | None,
    typer.Option("--status", "-s", help="Only jobs in this status.", autocompletion=complete.statuses),
]
OfType = Annotated[
    str | None, typer.Option("--type", "-t", help="Only this script type.", autocompletion=complete.script_types)
]
Caller = Annotated[str | None, typer.Option("--caller", help="Only jobs of this callerId.")]
Tag = Annotated[str | None, typer.Option("--tag", help="Only jobs with this tag.")]
Text = Annotated[str | None, typer.Option("--text", help="Only jobs with this in their id.")]
Prefix = Annotated[str | None, typer.Option("--prefix", help="Only jobs whose id begins with this.")]
Older = Annotated[str | None, typer.Option("--older", help="Only jobs made so long ago or before, as 1h.")]
Newer = Annotated[str | None, typer.Option("--newer", help="Only jobs made since then, as 10m.")]
Source = Annotated[
    str | None, typer.Option("--source", help="index, scan (all keys), or auto: first the index, then the keys.")
]


def given(
    status: str | None,
    script_type: str | None,
    caller: str | None,
    tag: str | None,
    text: str | None,
    id_prefix: str | None,
    older: str | None,
    newer: str | None,
    source: str | None,
) -> dict[str, Any]:
    """As Supervisor.list_jobs takes them."""
    named = {"status": status, "type": script_type, "caller": caller, "tag": tag, "text": text}
    return {**named, "id_prefix": id_prefix, "older": older, "newer": newer, "source": source}
