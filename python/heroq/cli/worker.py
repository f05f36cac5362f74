"""worker: runs Python handlers."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from .. import worker as workers
from ..client import Client
from .common import Url

Target = Annotated[str, typer.Argument(metavar="TARGET", help="file.py or module, with :name for one of its handlers.")]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads of each handler in a process.")]
Grace = Annotated[float, typer.Option("--grace", min=0, help="Seconds that running jobs have after SIGTERM.")]


def worker(
    target: Target,
    processes: Annotated[
        int, typer.Option("--processes", min=1, help="Processes; one that dies is started again.")
    ] = 1,
    threads: Threads = 1,
    grace: Grace = 30.0,
    url: Url = None,
) -> None:
    """Run the handlers of a Python file or module. SIGTERM drains, Ctrl-C ends at once."""
    _log()
    workers.load(target)
    Client(url).close()  # a wrong server is one clear error here, not one in each child again and again
    raise typer.Exit(workers.supervise(target, url, processes=processes, threads=threads, grace=grace))


def worker_child(target: Target, threads: Threads = 1, grace: Grace = 30.0, url: Url = None) -> None:
    """What `worker` starts."""
    _log()
    workers.work(target, url, threads, grace)


def _log() -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)


def add_to(app: typer.Typer) -> None:
    app.command()(worker)
    app.command(hidden=True)(worker_child)
