"""demo: real work through a real server, by an actor in C and one in Python."""

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import _heroq
from .. import demo as work
from ..client import Client
from ..embedded import Embedded, embedded
from ..errors import HeroqError, InvalidError, JobFailed, TimeoutError
from ..keys import job_hash, reply, work_type
from ..queue import Queue
from ..resp import Resp, as_redis_cli
from ..waiter import Waiter, result_of
from . import common
from .common import Json
from .progress import progress

_BATCH = 500
_SAMPLE = 200
_PATIENCE = 60.0  # seconds without any result


@dataclass
class Outcome:
    files: list[bytes]
    ids: list[str] = field(default_factory=list)
    results: dict[int, bytes | JobFailed] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    seconds: float = 0.0
    checked: int = 0
    wrong: list[int] = field(default_factory=list)

    @property
    def failed(self) -> dict[int, JobFailed]:
        return {tag: result for tag, result in self.results.items() if isinstance(result, JobFailed)}

    def by_actor(self) -> Counter[str]:
        import json

        return Counter(json.loads(r).get("actor", "?") for r in self.results.values() if isinstance(r, bytes))

    def wait(self, share: float) -> float:
        ordered = sorted(self.waits)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def demo(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A job is made for every file in it.")] = Path(),
    as_json: Json = False,
) -> None:
    """Count lines and words and take the SHA-256 of every file of a folder, by jobs.

    Starts a private server, an actor in C and one in Python, shows their progress, checks a sample of the results, and
    leaves nothing behind. Exit code 1 if a result is wrong.
    """
    if not folder.is_dir():
        raise InvalidError(f"{folder} is no folder")
    files = list(work.files_below(os.fsencode(folder.resolve())))
    if not files:
        raise InvalidError(f"there are no files in {folder}")
    with ExitStack() as stack:
        server = stack.enter_context(embedded())
        client = stack.enter_context(Client(server))
        for process in work.actors(server.url):
            stack.callback(process.end)
        _wait_for_actors(client)
        outcome = Outcome(files)
        with _progress(len(files), quiet=as_json) as advance:
            _run(client, outcome, advance)
        _check(outcome)
        _report(outcome, server, as_json)
    if outcome.wrong:
        raise typer.Exit(1)


def _wait_for_actors(client: Client) -> None:
    """Both are to have their share; one that needs long to start is not waited for."""
    end = time.monotonic() + 10.0
    with Queue(work.SCRIPT_TYPE, client) as queue:
        while queue.stats()["actors"] < 2 and time.monotonic() < end:
            time.sleep(0.02)


def _run(client: Client, outcome: Outcome, advance: Callable[[], None]) -> None:
    sent: dict[int, float] = {}
    began = time.monotonic()
    with Waiter(client) as waiter:
        for start in range(0, len(outcome.files), _BATCH):
            scripts = [work.script_for(path) for path in outcome.files[start : start + _BATCH]]
            sent.update(dict.fromkeys(range(start, start + len(scripts)), time.monotonic()))
            outcome.ids += waiter.submit_many(scripts, start, work.SCRIPT_TYPE)
        while len(outcome.results) < len(outcome.files):
            done = waiter.take(_PATIENCE)
            if done is None:
                raise TimeoutError(f"no result came for {_PATIENCE:.0f} s", _heroq.HEROQ_E_TIMEOUT)
            tag = done["tag"]
            outcome.results[tag] = _result(done)
            outcome.waits.append(time.monotonic() - sent[tag])
            advance()
    outcome.seconds = time.monotonic() - began


def _result(done: dict[str, Any]) -> bytes | JobFailed:
    result = result_of(done)
    if isinstance(result, HeroqError) and not isinstance(result, JobFailed):
        raise result
    return result


def _check(outcome: Outcome) -> None:
    """A sample of the results, and all failures, against this process's own computation."""
    done = sorted(set(outcome.results) - set(outcome.failed))
    sample = random.sample(done, min(_SAMPLE, len(done))) + sorted(outcome.failed)
    outcome.checked = len(sample)
    outcome.wrong = [tag for tag in sample if not work.agrees(outcome.files[tag], outcome.results[tag])]


@contextmanager
def _progress(total: int, quiet: bool) -> Iterator[Callable[[], None]]:
    if quiet:
        yield lambda: None
    elif sys.stderr.isatty():
        with progress("jobs", total) as advance:
            yield advance
    else:
        yield _PlainProgress(total)


class _PlainProgress:
    """A line for every tenth of the work."""

    def __init__(self, total: int):
        self._total, self._done, self._said = total, 0, 0

    def __call__(self) -> None:
        self._done += 1
        tenth = self._done * 10 // self._total
        if tenth > self._said:
            self._said = tenth
            print(f"jobs {self._done}/{self._total}", flush=True)


def _report(outcome: Outcome, server: Embedded, as_json: bool) -> None:
    shares = outcome.by_actor()
    figures: dict[str, Any] = {
        "jobs": len(outcome.files),
        "by_actor": {"C": shares["C"], "Python": shares["Python"]},
        "failed": len(outcome.failed),
        "jobs_per_second": round(len(outcome.files) / outcome.seconds),
        "wait_p50_ms": round(outcome.wait(0.50) * 1000, 1),
        "wait_p99_ms": round(outcome.wait(0.99) * 1000, 1),
        "checked": outcome.checked,
        "wrong": len(outcome.wrong),
    }
    if as_json:
        failures = {os.fsdecode(outcome.files[tag]): error.error for tag, error in outcome.failed.items()}
        common.put_json({**figures, "failures": failures})
        return
    rows = [
        ("jobs", figures["jobs"]),
        ("by the actor in C", shares["C"]),
        ("by the actor in Python", shares["Python"]),
        ("failed", figures["failed"]),
        ("jobs/s", figures["jobs_per_second"]),
        ("wait p50 / p99", f"{figures['wait_p50_ms']} ms / {figures['wait_p99_ms']} ms"),
        ("results checked", f"{outcome.checked}, {len(outcome.wrong)} wrong"),
    ]
    common.put_table(("heroq demo", ""), rows)
    for tag, error in list(outcome.failed.items())[:10]:
        print(f"failed: {common.shown(error.error)} (job {outcome.ids[tag]})")
    for tag in outcome.wrong[:10]:
        print(f"WRONG: {os.fsdecode(outcome.files[tag])} (job {outcome.ids[tag]})")
    _ask_the_server(server, outcome.ids[0])


def _ask_the_server(server: Embedded, job_id: str) -> None:
    """The guide's lines, and what the server answers now."""
    queue, job = work_type(work.SCRIPT_TYPE), job_hash(job_id)
    lines = [
        ("KEYS", "hero:q:*"),
        ("LLEN", queue),
        ("LRANGE", queue, "0", "-1"),
        ("KEYS", "hero:job:*"),
        ("HGETALL", job),
        ("HGET", job, "status"),
        ("HGET", job, "output"),
        ("LLEN", reply(job_id)),
    ]
    print("\nThe same with redis-cli:")
    connection = Resp(server.socket)
    try:
        for words in lines:
            print(f"redis> {' '.join(words)}")
            for line in as_redis_cli(connection.call(*words), 40 if words[0] == "HGETALL" else 3):
                print(line)
    finally:
        connection.close()


def add_to(app: typer.Typer) -> None:
    app.command()(demo)
