"""worker: runs Python handlers."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import worker as workers
from ..client import Client
from ..log import to_stderr
from ..parent import Parent, Settings
from . import common
from .common import Options, Url

Target = Annotated[str, typer.Argument(metavar="TARGET", help="file.py or module, with :name for one of its handlers.")]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads of each handler in a process.")]
AtOnce = Annotated[int, typer.Option("--async", min=1, help="Jobs at a time of each `async def` handler in a process.")]
Grace = Annotated[float, typer.Option("--grace", min=0, help="Seconds that running jobs have after SIGTERM.")]
Types = Annotated[str, typer.Option("--types", help="Only these script types, separated by commas.")]
Group = Annotated[str | None, typer.Option("--group", help="Take from this group's queue too.")]
MaxJobs = Annotated[int, typer.Option("--max-jobs", min=0, help="Replace a process after so many jobs; 0: never.")]
MaxRss = Annotated[int, typer.Option("--max-rss", min=0, help="Replace a process with more MiB of memory; 0: never.")]
LogJson = Annotated[bool, typer.Option("--log-json", help="Write the log as JSON, an object a line.")]


def worker(
    target: Target,
    processes: Annotated[
        int, typer.Option("--processes", min=1, help="Processes; one that dies is started again.")
    ] = 1,
    threads: Threads = 1,
    at_once: AtOnce = 100,
    types: Types = "",
    group: Group = None,
    option: Options = None,
    grace: Grace = 30.0,
    max_jobs: MaxJobs = 0,
    max_rss: MaxRss = 0,
    reload: Annotated[bool, typer.Option("--reload", help="Renew the processes when a .py file changes.")] = False,
    health_file: Annotated[
        str | None, typer.Option("--health-file", help="A file that is written each second while all is well.")
    ] = None,
    health_port: Annotated[
        str | None,
        typer.Option("--health-port", metavar="[HOST:]PORT", help="Answer HTTP with 200 while all is well, else 503."),
    ] = None,
    log_json: LogJson = False,
    url: Url = None,
) -> None:
    """Run the handlers of a Python file or module.

    SIGTERM drains, Ctrl-C ends at once, SIGHUP renews the processes one after the other (new code, no job is disturbed
    within the grace), SIGUSR1 writes what runs to the log.
    """
    to_stderr(log_json)
    argv = [sys.executable, "-m", "heroq", "worker-child", target, "--threads", str(threads), "--grace", str(grace)]
    argv += ["--async", str(at_once), "--types", types, "--max-jobs", str(max_jobs), "--max-rss", str(max_rss)]
    argv += ["--group", group] if group else []
    argv += [part for item in option or () for part in ("--option", item)]
    argv += ["--log-json"] if log_json else []
    _handlers(target, types)
    common.pairs(option)
    Client(url).close()  # a wrong server is one clear error here, not one in each child again and again
    environment = {**os.environ, "HEROQ_URL": url} if url else dict(os.environ)  # not where everybody can read it
    if reload:
        environment["PYTHONDONTWRITEBYTECODE"] = "1"  # as for the file itself: see worker.py
    place = target.partition(":")[0]
    folder = str(Path(place).resolve().parent) if place.endswith(".py") else os.getcwd()
    settings = Settings(processes, grace, health_file, health_port, folder if reload else None)
    raise typer.Exit(Parent(argv, environment, settings).run())


def worker_child(
    target: Target,
    threads: Threads = 1,
    at_once: AtOnce = 100,
    types: Types = "",
    group: Group = None,
    option: Options = None,
    grace: Grace = 30.0,
    max_jobs: MaxJobs = 0,
    max_rss: MaxRss = 0,
    log_json: LogJson = False,
    report: Annotated[int | None, typer.Option(help="Descriptor for reports.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only load the handlers.")] = False,
    url: Url = None,
) -> None:
    """What `worker` starts."""
    to_stderr(log_json)
    if check:
        _handlers(target, types)
        return
    options: dict[str, Any] = {"group": group, **common.pairs(option)}
    recycling = workers.Recycling(max_jobs, max_rss)
    workers.work(
        target, url, threads, grace, at_once=at_once, types=_names(types), recycling=recycling, report=report, **options
    )


def _names(types: str) -> list[str]:
    return [name.strip() for name in types.split(",") if name.strip()]


def _handlers(target: str, types: str) -> None:
    """Whether the target can be worked with; what is loaded here is not used."""
    workers.is_async(workers.of_types(workers.load(target), _names(types)))


def add_to(app: typer.Typer) -> None:
    app.command()(worker)
    app.command(hidden=True)(worker_child)
