"""doctor: what is wrong with the system, and what mends it."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import Annotated, Any

import typer

from ..client import Client
from ..doctor import examine
from . import common
from .common import Json, Url

#: by what is worst and not mended
EXIT_CODES = {"ok": 0, "error": 1, "warning": 8, "unknown": 9}

_COLUMNS = ("severity", "check", "finding", "subject", "found", "means", "mend", "fix")
_STYLES = {"error": "bold red", "warning": "yellow", "unknown": "cyan", "ok": "green"}
_LABELS = ("looked", "found", "means", "mend", "fix")
_WIDEST = 100


def _paragraph(label: str, text: str, width: int) -> str:
    """A label and its text below it in a column; a command stays in one piece, so that it can be copied."""
    if label == "mend":
        return f"  {label:<7} {text}"
    return textwrap.fill(text, width, initial_indent=f"  {label:<7} ", subsequent_indent=" " * 10)


def _summary(report: dict[str, Any]) -> str:
    counts = [
        (report[name], name if report[name] == 1 or name in ("unknown", "ok") else f"{name}s") for name in EXIT_CODES
    ]
    parts = [f"{count} {name}" for count, name in sorted(counts, key=lambda one: one[1] == "ok") if count]
    return ", ".join([*parts, f"{report['fixed']} mended"] if report["fixed"] else parts)


def _put_report(report: dict[str, Any], asked_to_fix: bool) -> None:
    """For people: by severity, the worst first."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    width = min(shutil.get_terminal_size().columns, _WIDEST) - 1
    rows = report["checks"]
    for severity in ("error", "warning", "unknown"):
        for row in rows:
            if row["severity"] != severity:
                continue
            mark = "MENDED" if row["fixed"] else severity.upper()
            head = Text(f"{mark} ", style=_STYLES["ok" if row["fixed"] else severity])
            head.append(f"{row['finding']} ", style="bold")
            head.append(common.shown(row["subject"]), style="default")
            console.print(head)
            for label in _LABELS:
                if row[label]:
                    console.print(Text(_paragraph(label, common.shown(row[label]), width)))
            console.print()
    well = ", ".join(row["check"] for row in rows if row["severity"] == "ok")
    if well:
        console.print(Text(textwrap.fill(f"ok: {well}", width, subsequent_indent="    ")))
    console.print(Text(f"{_summary(report)} at {common.shown(report['url'])}", style=_STYLES[report["worst"]]))
    if not asked_to_fix and any(row["fixable"] and row["severity"] != "ok" for row in rows):
        console.print(Text("heroq doctor --fix mends some of this; with --dry-run it says what it would do."))


def doctor(
    url: Url = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend what can be mended without losing a job or running it twice.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what --fix would do.")] = False,
    as_json: Json = False,
) -> None:
    """Check the whole system: what is wrong, what it means, which command mends it.

    Exit codes: 0 nothing is wrong, 8 a warning, 1 an error, 9 only that something could not be looked at.
    """
    with Client(url, connect="lazy", log="off") as client:
        report = examine(client, fix="plan" if dry_run else "yes" if fix else "no")
    if as_json:
        common.put_json(report)
    elif sys.stdout.isatty():
        _put_report(report, fix or dry_run)
    else:
        common.put_table(_COLUMNS, ([row[name] for name in _COLUMNS] for row in report["checks"]))
    raise typer.Exit(EXIT_CODES[report["worst"]])


def add_to(app: typer.Typer) -> None:
    app.command()(doctor)
