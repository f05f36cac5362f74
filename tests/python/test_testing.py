"""heroq.testing and its pytest plugin."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import heroq
import heroq.aio
import pytest
from heroq.testing import Server, Trial, connected, run_inline, working


@heroq.actor("add")
def add(a: int, b: int = 2) -> int:
    return a + b


@heroq.actor("named")
def named() -> str | None:
    return heroq.current_job().header("name")


@heroq.actor("tell")
def tell(job: heroq.Job, name: str) -> Iterator[str]:
    job.progress(10, name)
    job.log(f"attempt {job.attempt} of {heroq.current_job().id}")
    yield name
    yield name.upper()


@heroq.actor("settle")
def settle(job: heroq.Job) -> None:
    how, _, text = job.text.partition(" ")
    if how == "finish":
        job.finish({"text": text})
    elif how == "fail":
        job.fail(text)
    elif how == "retry":
        job.retry(3.0, text)
    elif how == "raise":
        raise KeyError(text)
    else:
        job.release()


def test_run_inline() -> None:
    assert run_inline(add, 1) == 3
    assert run_inline(add, 1, b=5) == 6
    assert run_inline(named.using(headers={"name": "ada"})) == "ada"
    with pytest.raises(heroq.PayloadError, match=r'the value.b is "x"'):
        run_inline(add, 1, b="x")  # type: ignore[arg-type]


@heroq.aio.actor("double")
async def double(job: heroq.aio.Job, number: int) -> int:
    await asyncio.sleep(0)
    await job.log(f"attempt {job.attempt} of {heroq.current_job().id}")
    if number < 0:
        raise heroq.Fail("negative")
    return 2 * number


@heroq.aio.actor("letters")
async def letters(text: str) -> AsyncIterator[str]:
    for letter in text:
        yield letter


def test_coroutines() -> None:
    assert run_inline(double, 4) == 8
    assert run_inline(double.using(id="mine"), number=1) == 2
    trial = Trial(double, attempt=2)
    with pytest.raises(heroq.Fail, match="negative"):
        trial.run(-1)
    assert trial.job.logs == [f"attempt 2 of {trial.job.id}".encode()]
    stream = Trial(letters)
    assert stream.run("ab") is None
    assert stream.job.chunks == [b"a", b"b"]


def test_coroutines_where_a_loop_runs() -> None:
    async def test() -> None:
        assert await Trial(double).run_async(3) == 6
        with pytest.raises(TypeError, match="await Trial"):
            run_inline(double, 3)

    asyncio.run(test())


def test_a_trial_keeps_what_was_told() -> None:
    trial = Trial(tell, attempt=3)
    assert trial.run("ada") is None
    assert (trial.job.chunks, trial.job.told) == ([b"ada", b"ADA"], [(10, "ada")])
    assert trial.job.logs == [f"attempt 3 of {trial.job.id}".encode()]
    with pytest.raises(heroq.StateError):
        heroq.current_job()


def test_a_trial_that_is_told_to_stop() -> None:
    trial = Trial(tell, stop=heroq.StopReason.REQUESTED)
    with pytest.raises(heroq.Fail, match="stopped on request"):
        trial.run("ada")
    assert (trial.job.chunks, trial.job.is_stopping) == ([b"ada"], True)


def test_a_trial_of_a_handler_that_settles_itself() -> None:
    trial = Trial(settle)
    trial.run("finish x")
    assert trial.job.ended == b'{"text": "x"}'
    for script, kind in (("fail x", heroq.JobFailed), ("retry x", heroq.Retry), ("raise x", KeyError)):
        with pytest.raises(kind, match="x"):
            trial.run(script)
    with pytest.raises(heroq.StateError, match="released"):
        trial.run("release")


def test_advance_makes_delayed_jobs_due() -> None:
    with Server() as server, connected(server) as sup:
        far, near = add.using(delay=7200).submit(1), add.using(delay=3600).submit(2)
        grouped = sup.submit('{"a": 5}', "add", delay=3600, group="blue", instance="one")
        with working(add, server=server, group="blue", instance="one"):
            assert server.advance(10) == 0
            assert (far.status, near.status) == ("dispatched", "dispatched")
            assert server.advance(3600) == 2
            assert (near.result(20), sup.await_result(grouped, timeout=20)) == (4, b"7")
            assert far.status == "dispatched"
            assert server.advance(3600) == 1
            assert far.result(20) == 3


def test_advance_brings_retries_near() -> None:
    attempts: list[float] = []

    @heroq.actor("late", retries=1)
    def late(job: heroq.Job) -> str:
        attempts.append(time.monotonic())
        if job.attempt == 1:
            raise heroq.Retry(delay=3600)
        return "second"

    with Server() as server, connected(server), working(late, server=server):
        job = late.submit("")
        with heroq.Queue("late", server) as queue:
            end = time.monotonic() + 20
            while not queue.stats()["delayed"]:
                assert time.monotonic() < end
                time.sleep(0.01)
        assert server.advance(2 * 3600) == 1
        assert job.result(20) == "second"
    assert len(attempts) == 2


def test_many_delayed_jobs() -> None:
    with Server() as server, connected(server):
        add.using(delay=60).submit_many(range(1000))
        assert server.advance(61) == 1000
        with heroq.Queue("add", server) as queue:
            assert len(queue) == 1000


PLUGIN = """
import heroq

@heroq.actor("add")
def add(a: int, b: int) -> int:
    return a + b

def empty(supervisor):
    assert list(supervisor.list_jobs()) == []

def test_one(heroq_server, heroq_supervisor, heroq_work):
    empty(heroq_supervisor)
    heroq_work(add, threads=2)
    assert add.run(1, 2) == 3
    job = add.using(delay=3600).submit(3, 4)
    assert heroq_server.advance(3600) == 1
    assert job.result(timeout=20) == 7

def test_two(heroq_supervisor):
    empty(heroq_supervisor)
    add.submit(1, 2)

def test_three(heroq_supervisor):
    empty(heroq_supervisor)
    add.submit(1, 2)
"""


@pytest.mark.parametrize("parallel", [[], ["-n", "2"]], ids=["alone", "parallel"])
def test_the_plugin(tmp_path: Path, parallel: list[str]) -> None:
    (tmp_path / "test_app.py").write_text(PLUGIN)
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *parallel, str(tmp_path)]
    environment = {
        **os.environ,
        "HEROQ_URL": "redis://127.0.0.1:1",
    }  # nobody is there: only the fixtures' server is used
    done = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
