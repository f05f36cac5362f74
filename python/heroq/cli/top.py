"""top."""

from __future__ import annotations

import importlib.util
import sys
from typing import Annotated

import typer

from ..errors import InvalidError
from . import common
from .common import Url


def top(
    refresh: Annotated[float, typer.Option("--refresh", min=0.1, help="Seconds from one look to the next.")] = 2.0,
    url: Url = None,
) -> None:
    """Queues and jobs on the whole terminal: look, search, stop, run again, dispatch; ? tells the keys."""
    if importlib.util.find_spec("textual") is None:
        raise InvalidError("heroq top needs Textual: pip install 'heroq[tui]'")
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise InvalidError("heroq top needs a terminal; heroq queues tells the same once, also as JSON")
    from ..top import run

    raise typer.Exit(run(url, refresh))


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel=common.QUEUES)(top)
