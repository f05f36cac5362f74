"""worker: runs Python handlers."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from .. import worker as workers
from ..client import Client
from ..log import to_stderr
from ..options import table
from . import common
from .common import Options, Url

Target = Annotated[str, typer.Argument(metavar="TARGET", help="file.py or module, with :name for one of its handlers.")]
Grace = Annotated[float, typer.Option("--grace", min=0, help="Seconds that running jobs have after SIGTERM.")]


@dataclass(frozen=True)
class Plan:
    """What each process is told, in its command line."""

    parent: int | None = None
    threads: int = 1
    at_once: int = 100
    types: Sequence[str] = ()
    grace: float = 30.0
    max_jobs: int = 0
    max_rss: int = 0
    log_json: bool = False
    metrics: bool = False
    options: Mapping[str, str | None] = field(default_factory=dict)

    def check(self, target: str) -> None:
        """Whether the target can be worked with; what is loaded here is not used."""
        workers.is_async(workers.of_types(workers.load(target), self.types))


def worker(
    target: Target,
    processes: Annotated[
        int, typer.Option("--processes", min=1, help="Processes; one that dies is started again.")
    ] = 1,
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads of each handler in a process.")] = 1,
    at_once: Annotated[
        int, typer.Option("--async", min=1, help="Jobs at a time of each `async def` handler in a process.")
    ] = 100,
    types: Annotated[str, typer.Option("--types", help="Only these script types, separated by commas.")] = "",
    group: Annotated[str | None, typer.Option("--group", help="Take from this group's queue too.")] = None,
    option: Options = None,
    grace: Annotated[
        float, typer.Option("--grace", min=0, help="Seconds that running jobs have after SIGTERM.")
    ] = 30.0,
    max_jobs: Annotated[
        int, typer.Option("--max-jobs", min=0, help="Replace a process after so many jobs; 0: never.")
    ] = 0,
    max_rss: Annotated[
        int, typer.Option("--max-rss", min=0, help="Replace a process with more MiB of memory; 0: never.")
    ] = 0,
    reload: Annotated[bool, typer.Option("--reload", help="Renew the processes when a .py file changes.")] = False,
    health_file: Annotated[
        str | None, typer.Option("--health-file", help="A file that is written each second while all is well.")
    ] = None,
    health_port: Annotated[
        str | None,
        typer.Option("--health-port", metavar="[HOST:]PORT", help="Answer HTTP with 200 while all is well, else 503."),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", metavar="[HOST:]PORT", help="Tell Prometheus what all processes do, on this port."),
    ] = None,
    log_json: Annotated[bool, typer.Option("--log-json", help="Write the log as JSON, an object a line.")] = False,
    url: Url = None,
) -> None:
    """Run the handlers of a Python file or module.

    SIGTERM drains, Ctrl-C ends at once, SIGHUP renews the processes one after the other (new code, no job is disturbed
    within the grace), SIGUSR1 writes what runs to the log.
    """
    from ..parent import Parent, Settings  # with http.server and all that it brings

    to_stderr(log_json)
    names = [name.strip() for name in types.split(",") if name.strip()]
    given = common.pairs(option)
    of_client = {name: text for name, text in given.items() if table().get(name, {}).get("scope") == "client"}
    others = {name: text for name, text in given.items() if name not in of_client}
    of_jobs = {"group": group, **others}
    asked = metrics is not None
    plan = Plan(os.getpid(), threads, at_once, names, grace, max_jobs, max_rss, log_json, asked, of_jobs)
    plan.check(target)
    Client(url, **of_client).close()  # a wrong server is one clear error here, not one in each child again and again
    # Not where everybody can read it.
    environment = {**os.environ, **{f"HEROQ_{name.upper()}": text for name, text in of_client.items()}}
    if url:
        environment["HEROQ_URL"] = url
    if reload:
        environment["PYTHONDONTWRITEBYTECODE"] = "1"  # as for the file itself: see worker.py
    place = target.partition(":")[0]
    folder = str(Path(place).resolve().parent) if place.endswith(".py") else os.getcwd()
    settings = Settings(processes, grace, health_file, health_port, metrics, folder if reload else None)
    argv = [sys.executable, "-m", "heroq", "worker-child", target, "--plan", json.dumps(asdict(plan))]
    raise typer.Exit(Parent(argv, environment, settings).run())


def worker_child(
    target: Target,
    plan: Annotated[str, typer.Option(help="Plan, as JSON.")] = "{}",
    report: Annotated[int | None, typer.Option(help="Descriptor for reports.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only load the handlers.")] = False,
    url: Url = None,
) -> None:
    """What `worker` starts."""
    told = Plan(**json.loads(plan))
    to_stderr(told.log_json)
    if check:
        told.check(target)
        return
    workers.work(
        target,
        url,
        told.threads,
        told.grace,
        at_once=told.at_once,
        types=told.types,
        recycling=workers.Recycling(told.max_jobs, told.max_rss),
        report=report,
        metrics=told.metrics,
        parent=told.parent,
        **told.options,
    )


def add_to(app: typer.Typer) -> None:
    app.command()(worker)
    app.command(hidden=True)(worker_child)
