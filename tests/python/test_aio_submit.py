"""Giving jobs to handlers from coroutines: submit, run, submit_many, using, connect, gather, as_completed."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import heroq
import heroq.aio
import pytest
import uvloop
from heroq import connection, testing
from support.server import Server, wait_until

Working = Callable[..., Any]
Run = Callable[[Coroutine[Any, Any, Any]], Any]
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


@heroq.actor("add")
def add(a: int, b: int = 0) -> int:
    if a < 0:
        raise heroq.Fail("negative")
    return a + b


@heroq.aio.actor("later")
async def later(text: str) -> str:
    return text.upper()


@heroq.aio.actor("count", lease=1)
async def count(n: int) -> AsyncIterator[int]:
    for i in range(n):
        yield i


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a coroutine on a loop of its own."""
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        yield runner.run


@pytest.fixture
def connected(server: Server) -> Iterator[heroq.Supervisor]:
    with testing.connected(server.url) as supervisor:
        yield supervisor


def field(server: Server, job_id: str, name: str) -> Any:
    return server.command("HGET", f"hero:job:{job_id}", name)


def connections(server: Server) -> int:
    return int(server.command("CLIENT", "LIST").count(b"\n"))


async def serving(server: Server, *handlers: heroq.aio.Handler[..., Any, ..., Any]) -> Callable[[], Any]:
    """They work on this loop until what it answers is awaited."""
    stopping = asyncio.Event()
    task = asyncio.create_task(heroq.aio.serve(*handlers, server=server.url, stopping=stopping))

    async def end() -> None:
        stopping.set()
        await task

    return end


def test_a_coroutines_own_submits(server: Server, connected: heroq.Supervisor, run: Run) -> None:
    async def main() -> None:
        end = await serving(server, later)
        job = await later.submit("one")
        assert (await job.result(timeout=20), await job.status(), await job.stop()) == ("ONE", "finished", "ended")
        assert ((await job.job()).output, await job.logs(), await job.progress()) == (b"ONE", [], None)
        assert await later.run("two") == "TWO"
        assert await later.using(id="mine", headers={"a": "b"}, wait=20).run("three") == "THREE"
        assert field(server, "mine", "hq_headers") == b'{"a":"b"}'
        with pytest.raises(heroq.TimeoutError):
            await later.using(script_type="nobody", wait=0.05).run("x")
        await end()

    run(main())
    assert repr(later.sync.submit("x")).startswith("<heroq.Submitted ")
    assert server.command("LLEN", "hero:q:work:type:later") == 1


def test_a_function_submitted_from_a_coroutine(working: Working, run: Run) -> None:
    async def main() -> None:
        assert await add.aio.run(1, b=2) == 3
        job = await add.aio.using(retries=2).submit(-1)
        with pytest.raises(heroq.JobFailed) as caught:
            await job.result(20)
        assert caught.value.error == b"negative"
        assert await add.using(timeout=9).aio.using(wait=20).run(4) == 4
        with pytest.raises(heroq.PayloadError):
            await add.aio.run("x")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="unexpected keyword argument 'dely'"):
            add.aio.using(dely=5)  # type: ignore[call-arg]

    with working(add):
        run(main())


def test_the_server_is_of_one_kind(connected: heroq.Supervisor) -> None:
    with pytest.raises(TypeError, match="not one for asyncio"):
        _ = add.using(server=connected).aio
    with pytest.raises(TypeError, match="not one for such a program"):
        _ = later.using(server=heroq.aio.Supervisor(connected.client)).sync


def test_submit_many(server: Server, connected: heroq.Supervisor, run: Run) -> None:
    async def main() -> None:
        told: list[tuple[int, int | None]] = []
        loop = threading.get_ident()

        def tell(done: int, total: int | None) -> None:
            assert threading.get_ident() == loop
            told.append((done, total))

        jobs = await add.aio.submit_many([(i, i) for i in range(4500)], progress=tell)
        assert len({job.id for job in jobs}) == server.command("LLEN", "hero:q:work:type:add") == 4500
        assert told == [(2000, 4500), (4000, 4500), (4500, 4500)]
        assert field(server, jobs[4321].id, "script") == b'{"a": 4321, "b": 4321}'
        texts = await later.using(retries=4).submit_many(["a", later.using(id="own").job("b")])
        assert [texts[1].id, field(server, texts[0].id, "retries")] == ["own", b"4"]
        with pytest.raises(heroq.PartialError) as caught:
            await later.submit_many(["c", later.using(id="own").job("other")])
        assert caught.value.failed == {1: "HEROQ_E_EXISTS"}

    run(main())


def test_gather_10000_over_three_connections(server: Server, connected: heroq.Supervisor, run: Run) -> None:
    async def main() -> None:
        jobs = await add.aio.submit_many([(i, 1) for i in range(10_000)])
        gathering = asyncio.create_task(heroq.aio.gather(jobs, timeout=100))
        while not field(server, jobs[-1].id, "hq_reply_to"):
            await asyncio.sleep(0.01)
        assert connections(server) - 1 <= 3
        with testing.working(add, server=server.url):
            assert await gathering == [i + 1 for i in range(10_000)]
        assert await heroq.aio.gather(jobs, timeout=100) == [i + 1 for i in range(10_000)], "when all have ended"

    run(main())


def test_gather_and_errors(working: Working, run: Run) -> None:
    async def main() -> None:
        jobs = [await add.aio.submit(n) for n in (1, -1, 3)]
        with pytest.raises(heroq.JobFailed):
            await heroq.aio.gather(jobs, timeout=20)
        one, two, three = await heroq.aio.gather(jobs, timeout=20, return_exceptions=True)
        assert (one, three, type(two)) == (1, 3, heroq.JobFailed)
        assert await heroq.aio.gather([]) == []
        [missing] = await heroq.aio.gather(["nothing"], return_exceptions=True, timeout=20)
        assert type(missing) is heroq.NotFoundError
        late = [await add.aio.using(script_type="nobody").submit(5) for _ in range(2)]
        with pytest.raises(heroq.TimeoutError, match="2 of 3 jobs have not ended in time; they go on"):
            await heroq.aio.gather([jobs[0], *late], timeout=0.1)
        found = await heroq.aio.gather([jobs[0], *late], timeout=0.1, return_exceptions=True)
        assert [found[0], *map(type, found[1:])] == [1, heroq.TimeoutError, heroq.TimeoutError]
        unawaited = add.aio.submit(1)
        with pytest.raises(TypeError, match="await f"):
            await heroq.aio.gather([unawaited])  # type: ignore[call-overload]
        unawaited.close()

    with working(add):
        run(main())


def test_as_completed_comes_in_the_order_of_the_ends(server: Server, connected: heroq.Supervisor, run: Run) -> None:
    gates = {name: asyncio.Event() for name in "abc"}

    @heroq.aio.actor("gate")
    async def gate(name: str) -> str:
        await gates[name].wait()
        return name

    async def main() -> None:
        end = await serving(server, gate)
        jobs = await gate.submit_many("abc")
        ends = heroq.aio.as_completed(jobs, timeout=60)
        for name, job in (("b", jobs[1]), ("c", jobs[2]), ("a", jobs[0])):
            gates[name].set()
            done = await anext(ends)
            assert (done, await done.result()) == (job, name)
        assert [job async for job in ends] == []
        async for done in heroq.aio.as_completed([job.id for job in jobs], timeout=60):
            assert await done.result() in (b"a", b"b", b"c")
            break
        await end()

    run(main())


def test_cancelling_a_gather_leaves_nothing_behind(server: Server, run: Run) -> None:
    async def main() -> None:
        async with heroq.aio.Supervisor(server.url) as sup:
            jobs = await add.aio.using(server=sup).submit_many(range(500))
            gathering = asyncio.create_task(heroq.aio.gather(jobs))
            assert sup._awaits is not None
            while len(sup._awaits.waiter) < 500:
                await asyncio.sleep(0.01)
            gathering.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gathering
            assert len(sup._awaits.waiter) == 0
            assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


# ---- streams ----


def test_an_async_generator_streams_what_it_yields(server: Server, connected: heroq.Supervisor, run: Run) -> None:
    @heroq.aio.actor("words")
    async def words(job: heroq.aio.Job):  # type: ignore[no-untyped-def]
        for word in job.text.split():
            await asyncio.sleep(0)
            yield None
            yield word

    @heroq.aio.actor("wrapped")
    async def wrapped(n: int) -> AsyncIterator[int]:
        return count(n)

    async def main() -> None:
        end = await serving(server, count, words, wrapped)
        for handler in (count, wrapped):
            job = await handler.submit(3)
            assert [chunk async for chunk in job.stream(timeout=20)] == [0, 1, 2]
            assert await job.result(20) is None  # type: ignore[func-returns-value]
        text = await words.submit("a b")
        assert [chunk async for chunk in text.stream(timeout=20)] == [b"a", b"b"]
        assert await text.result(20) == b""
        await end()

    run(main())


@pytest.mark.parametrize("pause", [None, 60])
def test_a_stop_request_closes_the_generator(
    server: Server, connected: heroq.Supervisor, run: Run, pause: float | None
) -> None:
    """Also one that awaits nothing."""
    ended: list[str] = []

    @heroq.aio.actor("endless", lease=1)
    async def endless() -> AsyncIterator[str]:
        try:
            while True:
                yield "again"
                if pause:
                    await asyncio.sleep(pause)
        finally:
            await asyncio.sleep(0)
            ended.append("closed")

    async def main() -> None:
        end = await serving(server, endless)
        job = await endless.submit()
        assert await anext(job.stream(timeout=20)) == "again"
        assert await job.stop() == "stopping"
        with pytest.raises(heroq.JobFailed):
            await job.result(20)
        while not ended:
            await asyncio.sleep(0.01)
        await end()

    run(main())
    assert ended == ["closed"]


def test_a_generator_that_raises_fails_its_job(server: Server, connected: heroq.Supervisor, run: Run) -> None:
    ended: list[str] = []

    @heroq.aio.actor("bad")
    async def bad(n: int) -> AsyncIterator[int]:
        try:
            yield n
            if n:
                raise ValueError("as asked")
            yield object()  # type: ignore[misc]
        finally:
            ended.append("closed")

    async def main() -> list[str]:
        end = await serving(server, bad)
        jobs = await bad.using(retries=0).submit_many([0, 1])
        found = await heroq.aio.gather(jobs, timeout=20, return_exceptions=True)
        await end()
        return [one.error.decode().partition("\n")[0] for one in found if isinstance(one, heroq.JobFailed)]

    unfit, raised = run(main())
    assert unfit.startswith("what bad yields does not fit: ") and "object has no form in JSON" in unfit
    assert raised == "ValueError: as asked"
    assert ended == ["closed"] * 2


def test_heroq_worker_runs_async_generators(
    server: Server, connected: heroq.Supervisor, start: Any, tmp_path: Path
) -> None:
    app = tmp_path / "app.py"
    app.write_text(
        "import heroq\n@heroq.actor('count')\nasync def count(n: int):\n    for i in range(n):\n        yield i\n"
    )
    start("-m", "heroq", "worker", str(app))
    assert list(count.sync.submit(3).stream(timeout=30)) == [0, 1, 2]


# ---- through what ----


def test_connect_is_for_all_handlers_of_the_process(server: Server, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_connected", None)

    async def main() -> None:
        async with await heroq.aio.connect(server.url) as sup:
            job = await later.submit("x")
            assert job._supervisor is sup
            await asyncio.to_thread(add.submit, 1)
            assert await heroq.aio.connect(sup) is sup
        with pytest.raises(heroq.ClosedError):
            await later.submit("x")
        with pytest.raises(heroq.ConnectionError):
            await heroq.aio.connect("redis://127.0.0.1:1", connect_timeout=0.5)

    run(main())
    assert [server.command("LLEN", f"hero:q:work:type:{name}") for name in ("later", "add")] == [1, 1]


def test_without_connect_it_is_heroq_url(server: Server, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEROQ_URL", server.url)
    monkeypatch.setattr(connection, "_found", None)
    monkeypatch.setattr(connection, "_connected", None)

    async def main() -> None:
        await asyncio.gather(*(later.submit(str(i)) for i in range(20)))

    run(main())
    assert server.command("LLEN", "hero:q:work:type:later") == 20


def test_a_coroutine_submits_to_the_server_of_its_worker(
    server: Server, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_connected", None)

    @heroq.aio.actor("outer")
    async def outer(text: str) -> str:
        return await later.run(text) + (await add.aio.submit(1)).id

    async def main() -> bytes:
        end = await serving(server, outer, later)
        async with heroq.aio.Supervisor(server.url) as sup:
            output = await sup.run_job_and_await_result("x", "outer", timeout=20)
        await end()
        return output

    output = run(main()).decode()
    assert output[0] == "X"
    assert server.command("LRANGE", "hero:q:work:type:add", 0, -1) == [output[1:].encode()]


def test_each_loop_has_its_own_and_the_next_one_inherits(server: Server, connected: heroq.Supervisor) -> None:
    async def main() -> Any:
        return (await later.submit("x"))._supervisor

    supervisors: list[Any] = [asyncio.run(main()), asyncio.run(main())]
    assert supervisors[0] is supervisors[1]
    together = threading.Barrier(3)

    async def beside() -> None:
        supervisors.append((await later.submit("x"))._supervisor)
        await asyncio.to_thread(together.wait, 20)

    threads = [threading.Thread(target=asyncio.run, args=(beside(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(set(supervisors[2:])) == 3
    assert server.command("LLEN", "hero:q:work:type:later") == 5


def test_a_child_made_by_fork_submits_too(server: Server, connected: heroq.Supervisor) -> None:
    async def submit(id: str) -> None:
        await later.using(id=id).submit("x")

    asyncio.run(submit("parent"))
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            asyncio.run(submit("child"))
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    asyncio.run(submit("again"))
    wait_until(lambda: server.command("LLEN", "hero:q:work:type:later") == 3)
