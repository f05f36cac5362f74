"""`heroq metrics`: all queues, for Prometheus."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import heroq
import pytest
from heroq.metrics import table
from heroq.metrics.board import BoardCollector
from heroq.metrics.serving import text_of
from support.scrape import Scrape, free_port, names, promtool, scrape
from support.server import Server, wait_until

Q = {"queue": "hero:q:work:type:osis", "script_type": "osis", "group": "", "queue_instance": ""}
KINDS = {metric.name: metric for metric in table.OF_BOARD}


def environment(url: str) -> dict[str, str]:
    return {**os.environ, "HEROQ_URL": url}


def look(collector: BoardCollector) -> Scrape:
    return Scrape(text_of(collector))


@pytest.fixture
def collector(sup: heroq.Supervisor) -> BoardCollector:
    return BoardCollector(sup.client, pause=0)


@contextmanager
def serving(url: str, *argv: str) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "heroq", "metrics", "--listen", f"127.0.0.1:{port}", *argv]
    with subprocess.Popen(command, env=environment(url)) as process:

        def answers() -> bool:
            try:
                return bool(scrape(port))
            except OSError:
                assert process.poll() is None
                return False

        try:
            wait_until(answers, seconds=20)
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0


def test_the_table_is_what_is_exposed(
    server: Server, sup: heroq.Supervisor, collector: BoardCollector, acting: Callable[..., Any]
) -> None:
    sup.submit("x", script_type="osis", group="g", delay=60)
    with acting("osis", lambda job: job.finish(b"")):
        sup.run_job_and_await_result("x", script_type="osis", timeout=30)

        def whole() -> Scrape | None:
            seen = look(collector)
            return seen if seen.all(table.RUN.name) and seen.all(table.WAIT.name) else None

        seen = wait_until(whole, seconds=20, what="the first minute's figures")
    assert names(seen.families) == set(KINDS)
    for family in seen.families:
        metric = KINDS[names([family]).pop()]
        assert (family.type, family.documentation) == (metric.kind, metric.text)
        assert family.samples and all(
            tuple(s.labels) and set(s.labels) == set(metric.labels) for s in family.samples if metric.labels
        ), metric.name
    assert promtool("check", "metrics", stdin=seen.text) == ""


def test_what_is_told_of_a_queue(server: Server, sup: heroq.Supervisor, collector: BoardCollector) -> None:
    sup.submit_many(["x"] * 3, "osis")
    sup.submit("x", script_type="osis", delay=60)
    server.command("ZADD", f"{{{Q['queue']}}}:dead", 1, "a", 2, "b")
    seen = wait_until(lambda: (s := look(collector)).one(table.OLDEST.name, **Q) > 0.05 and s)
    found = {metric.name: seen.one(metric.name, **Q) for metric in (table.WAITING, table.DELAYED, table.DEAD)}
    assert found == {table.WAITING.name: 3, table.DELAYED.name: 1, table.DEAD.name: 2}
    assert seen.one(table.ACTORS.name, **Q) == 0
    states = {labels["state"]: value for labels, value in seen.all(table.STATE.name, **Q)}
    assert states == {"ok": 0, "idle": 0, "paused": 0, "no_actor": 1, "stuck": 0}
    with heroq.Queue("osis", server.url) as queue:
        queue.pause()
    paused = look(collector)
    assert paused.one(table.STATE.name, **Q, state="paused") == 1
    assert paused.one(table.ALERTS.name, **Q, severity="warning") == 1
    assert paused.one(table.ALERTS.name, **Q, severity="error") == 0


def test_counters_only_grow(
    server: Server, sup: heroq.Supervisor, collector: BoardCollector, acting: Callable[..., Any]
) -> None:
    """What ended before the first look is no growth, and what is read twice counts once."""

    def handle(job: heroq.Job) -> None:
        if job.text == "bad":
            job.fail("no", final=True)
        elif job.text == "again" and job.attempt == 1:
            job.retry(0)
        else:
            job.finish(b"")

    def ended() -> dict[str, float]:
        return {labels["outcome"]: value for labels, value in look(collector).all(table.ENDED.name, **Q)}

    with acting("osis", handle, backoff=0.01, retries=1):
        sup.run_job_and_await_result("before", script_type="osis", timeout=30)
        with heroq.Queue("osis", server.url) as queue:
            wait_until(lambda: queue.counters()["finished"] == 1, seconds=20)
        assert ended() == {"finished": 0, "failed": 0, "retried": 0, "lost": 0}
        done = sup.submit_many(["x", "x", "bad", "again"], "osis")
        heroq.gather(done, timeout=30, return_exceptions=True, server=sup)
        expected = {"finished": 3, "failed": 1, "retried": 1, "lost": 0}
        wait_until(lambda: ended() == expected, seconds=20)
        for _ in range(3):
            assert ended() == expected
        sup.run_job_and_await_result("x", script_type="osis", timeout=30)
        wait_until(lambda: ended()["finished"] == 4, seconds=20)


def test_a_queue_that_is_new_counts_from_its_first_job(
    sup: heroq.Supervisor, collector: BoardCollector, acting: Callable[..., Any]
) -> None:
    look(collector)
    with acting("osis", lambda job: job.finish(b"")):
        sup.run_job_and_await_result("x", script_type="osis", timeout=30)
        wait_until(lambda: look(collector).one(table.ENDED.name, **Q, outcome="finished") == 1, seconds=20)


def test_labels_are_bounded(sup: heroq.Supervisor) -> None:
    for i in range(5):
        sup.submit("x", script_type=f"osis-{i}")
    sup.submit("x", script_type="zz")
    seen = look(BoardCollector(sup.client, max_queues=2))
    assert len(seen.all(table.WAITING.name)) == 2
    assert (seen.one(table.QUEUES.name), seen.one(table.QUEUES_LEFT_OUT.name)) == (6, 4)


def test_names_that_foreign_programs_chose(server: Server, collector: BoardCollector) -> None:
    """What is no name of a queue is none here either; the longest and the oddest ones are."""
    server.command("LPUSH", 'hero:q:work:type:a"b\\c\nd} 1', "id")
    longest = f"{'x' * 60}.-_A9"
    server.command("LPUSH", f"hero:q:work:type:{longest}", "id")
    seen = look(collector)
    assert [labels["script_type"] for labels, _ in seen.all(table.WAITING.name)] == [longest]
    assert promtool("check", "metrics", stdin=seen.text) == ""


def test_the_port_outlives_the_server(new_server: Callable[..., Server]) -> None:
    server = new_server()
    with heroq.Supervisor(server.url) as sup:
        sup.submit("x", script_type="osis")
    with serving(server.url) as port:
        assert scrape(port).one(table.WAITING.name, **Q) == 1
        server.stop()
        seen = wait_until(lambda: (s := scrape(port)).one(table.UP.name) == 0 and s, seconds=20)
        assert not seen.all(table.QUEUES.name)
        server.restart()
        wait_until(lambda: scrape(port).one(table.UP.name) == 1, seconds=20)
        server.pause()
        wait_until(lambda: scrape(port).one(table.UP.name) == 0, seconds=20, what="a server that hangs is noticed")
        server.cont()
        wait_until(lambda: scrape(port).one(table.UP.name) == 1, seconds=20)


def test_once(server: Server, sup: heroq.Supervisor, cli: Callable[..., Any]) -> None:
    sup.submit("x", script_type="osis")
    done = cli("metrics", "--once")
    assert done.returncode == 0 and Scrape(done.stdout.decode()).one(table.WAITING.name, **Q) == 1
    away = cli("metrics", "--once", url=f"redis://127.0.0.1:{free_port()}")
    assert away.returncode == 5 and Scrape(away.stdout.decode()).one(table.UP.name) == 0
    assert cli("metrics", "--listen", "here").stderr == b"heroq: a metrics port is PORT or HOST:PORT, not 'here'\n"


def test_the_package_is_missing(server: Server) -> None:
    code = (
        "import sys; sys.modules['prometheus_client'] = None; sys.argv[0] = 'heroq'; import heroq.cli; heroq.cli.main()"
    )
    argv = [sys.executable, "-c", code, "metrics", "--once"]
    done = subprocess.run(argv, env=environment(server.url), capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"heroq: prometheus_client is missing: pip install heroq[metrics]\n"
