"""What a run tells while it goes on: progress, log, stream."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import heroq
import pytest
from support.server import Server, wait_until


@pytest.fixture
def actor(server: Server) -> Iterator[heroq.Actor]:
    with heroq.Actor(server.url, types="osis", lease="2s", block="200ms", retries=1, backoff="50ms", grace=0) as made:
        yield made


def take(actor: heroq.Actor) -> heroq.Job:
    job = actor.take(5)
    assert job
    return job


def test_progress_is_the_newest(sup: heroq.Supervisor, actor: heroq.Actor) -> None:
    job = sup.submit("x", script_type="osis")
    assert sup.get_progress(job) is None
    taken = take(actor)
    for i in range(101):
        taken.progress(i, f"step {i}")
    wait_until(lambda: (sup.get_progress(job) or {}).get("percent") == 100.0)
    told = sup.get_progress(job)
    assert told and told["text"] == "step 100" and told["attempt"] == 1
    assert abs(told["time"] / 1000 - time.time()) < 10
    taken.progress(12.345)
    taken.finish("done", sync=True)
    told = sup.get_progress(job)
    assert told and (told["percent"], told["text"]) == (12.35, "")
    for wrong in (-1, 100.01, float("nan")):
        with pytest.raises(heroq.InvalidError, match="0 to 100"):
            taken.progress(wrong)
    with pytest.raises(heroq.SettledError):
        taken.progress(1)
    with pytest.raises(heroq.NotFoundError):
        sup.get_progress("never")


def test_log_and_result_come_in_order(sup: heroq.Supervisor, actor: heroq.Actor) -> None:
    job = sup.submit("x", script_type="osis")
    taken = take(actor)
    for i in range(3000):
        taken.log(f"line {i}\n")
    taken.log(bytes(range(256)))
    taken.finish("done", sync=True)
    lines = sup.get_logs(job, last=1000)
    assert lines == [b"line %d" % i for i in range(2001, 3000)] + [bytes(range(256))]
    assert sup.get_logs(job, last=1) == [bytes(range(256))]
    with pytest.raises(heroq.StateError):
        sup.create_job("y", script_type="osis").log("not taken")


def test_stream_is_read_while_it_is_written(sup: heroq.Supervisor, actor: heroq.Actor) -> None:
    job = sup.submit("x", script_type="osis")
    taken = take(actor)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.extend(sup.stream(job, timeout=20)))
    reader.start()
    taken.stream("first")
    wait_until(lambda: got == [b"first"], what="the first chunk arrives while the job runs")
    for i in range(500):
        taken.stream(b"%d" % i)
    taken.finish("done")
    reader.join(20)
    assert got == [b"first"] + [b"%d" % i for i in range(500)]
    assert list(sup.stream(job)) == got


def test_a_reader_is_told_when_its_time_is_over(sup: heroq.Supervisor) -> None:
    job = sup.submit("x", script_type="nobody")
    with pytest.raises(heroq.TimeoutError, match="goes on"):
        list(sup.stream(job, timeout=0.2))


def test_a_full_buffer_waits_and_nothing_is_lost(sup: heroq.Supervisor, actor: heroq.Actor, server: Server) -> None:
    job = sup.submit("x", script_type="osis")
    taken = take(actor)
    server.pause()
    chunk = b"x" * 100_000
    done = threading.Event()

    def tell() -> None:
        for _ in range(30):
            taken.stream(chunk)
        taken.finish("done", sync=True)
        done.set()

    teller = threading.Thread(target=tell)
    teller.start()
    try:
        assert not done.wait(0.5), "3 MB went into a buffer of 1"
    finally:
        server.cont()
    teller.join(20)
    assert done.is_set()
    assert sum(len(c) for c in sup.stream(job)) == 30 * len(chunk)


def test_the_next_attempt_tells_its_own(sup: heroq.Supervisor, actor: heroq.Actor, server: Server) -> None:
    job = sup.submit("x", script_type="osis")
    first = take(actor)
    first.stream("one")
    first.log("one")
    first.fail("not yet")
    second = take(actor)
    assert second.attempt == 2
    second.stream("two")
    second.finish("done", sync=True)
    assert list(sup.stream(job)) == [b"one", b"two"]
    page = server.command("XRANGE", f"{{hero:job:{job.id}}}:stream", "-", "+")
    assert [entry[1] for entry in page] == [[b"attempt", b"1", b"chunk", b"one"], [b"attempt", b"2", b"chunk", b"two"]]
    for part in ("log", "stream"):
        assert 86_000_000 < server.command("PTTL", f"{{hero:job:{job.id}}}:{part}") <= 86_400_000
    assert server.command("KEYS", "hero:job:*") == [f"hero:job:{job.id}".encode()]


def test_what_a_lost_run_tells_is_refused(sup: heroq.Supervisor, server: Server) -> None:
    """The actor is frozen out for longer than its lease; another one runs the job."""
    options = {"types": "osis", "lease": "600ms", "block": "200ms", "grace": 0, "log": "off"}
    with heroq.Actor(server.url, **options) as slow:
        job = sup.submit("x", script_type="osis")
        taken = take(slow)
        server.command("HSET", f"hero:job:{job.id}", "hq_token", "9999999999999999:other")
        taken.log("too late")
        taken.finish("too late")
        wait_until(lambda: slow.stats()["stale"] == 1)
        assert sup.get_logs(job) == []


def test_canonical_runs_tell_too(sup: heroq.Supervisor, server: Server) -> None:
    with heroq.Actor(server.url, types="osis", delivery="canonical", block="200ms", grace=0) as actor:
        job = sup.submit("x", script_type="osis")
        taken = take(actor)
        taken.progress(50, "half")
        taken.log("line")
        taken.stream("chunk")
        taken.finish("done", sync=True)
        assert sup.get_logs(job) == [b"line"]
        assert list(sup.stream(job)) == [b"chunk"]
        told = sup.get_progress(job)
        assert told and told["text"] == "half"


def test_show_tells_it(sup: heroq.Supervisor, actor: heroq.Actor, cli: Callable[..., Any]) -> None:
    job = sup.submit("x", script_type="osis")
    taken = take(actor)
    taken.progress(40, "reading")
    taken.log("one line")
    taken.finish("done", sync=True)
    lines = cli("show", job.id).stdout.decode().splitlines()
    assert "progress\t40 % reading" in lines
    assert "log\tone line" in lines
