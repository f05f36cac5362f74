"""heroq.aio on asyncio's loop and on uvloop: many awaits and many coroutines at once, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import anyio
import heroq
import heroq.aio
import pytest
import uvloop
from support.server import Server, wait_until

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, T]], T]
Acting = Callable[..., Any]

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Iterator[Run[Any]]:
    """Runs a coroutine on a loop of its own."""
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        yield runner.run


async def until(condition: Callable[[], object], what: str = "the condition") -> None:
    """As wait_until, while the loop goes on."""
    end = asyncio.get_running_loop().time() + 20
    while not condition():
        assert asyncio.get_running_loop().time() < end, f"{what} did not come true"
        await asyncio.sleep(0.01)


@contextmanager
def at_work(
    server: Server, *handlers: heroq.Handler[[heroq.aio.Job], Coroutine[Any, Any, Any]], **options: Any
) -> Iterator[None]:
    """heroq.aio.serve on a loop in another thread."""
    ready: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        stopping = asyncio.Event()
        ready.append((asyncio.get_running_loop(), stopping))
        await heroq.aio.serve(*handlers, server=server.url, stopping=stopping, **options)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        yield
    finally:
        wait_until(lambda: ready, what="the loop")
        loop, stopping = ready[0]
        loop.call_soon_threadsafe(stopping.set)
        thread.join()


def echo(job: heroq.Job) -> None:
    job.finish(job.script)


def connections(server: Server) -> int:
    return len(server.command("CLIENT", "LIST").splitlines()) - 1  # without the one that asks


# ---- awaits ----


def test_a_thousand_awaits_share_three_connections(server: Server, run: Run[Any], acting: Acting) -> None:
    before = threading.enumerate()  # idle ones of other tests, for some seconds

    async def main() -> None:
        async with heroq.aio.Supervisor(server.url) as sup:
            waits = [asyncio.create_task(sup.run_job_and_await_result(str(i), "osis", timeout=60)) for i in range(1000)]
            await until(lambda: server.command("LLEN", "hero:q:work:type:osis") == 1000, "the submits")
            assert connections(server) <= 3
            assert sum(thread.name == "heroq-call" for thread in threading.enumerate() if thread not in before) <= 4
            with acting("osis", echo):
                assert await asyncio.gather(*waits) == [str(i).encode() for i in range(1000)]

    run(main())


def test_how_an_await_ends(server: Server, run: Run[Any], acting: Acting) -> None:
    def handler(job: heroq.Job) -> None:
        job.fail("as asked", final=True)

    async def main() -> None:
        async with heroq.aio.Supervisor(server.url) as sup:
            with acting("osis", handler):
                with pytest.raises(heroq.JobFailed) as failed:
                    await sup.run_job_and_await_result("x", "osis", timeout=20)
                assert failed.value.error == b"as asked"
            with pytest.raises(heroq.TimeoutError):
                await sup.run_job_and_await_result("x", "nobody", timeout=0.05)
            with pytest.raises(heroq.NotFoundError):
                await sup.await_result("no-such-job", timeout=20)
            with pytest.raises(heroq.InvalidError):
                await sup.run_job_and_await_result("x")
            waiting = asyncio.create_task(sup.run_job_and_await_result("x", "nobody"))
            await until(lambda: server.command("LLEN", "hero:q:work:type:nobody") == 2)
        with pytest.raises(heroq.ClosedError):
            await waiting
        with pytest.raises(heroq.ClosedError):
            await sup.run_job_and_await_result("x", "nobody")

    run(main())


def test_cancelling_leaves_nothing_behind(server: Server, run: Run[Any], acting: Acting) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with heroq.aio.Supervisor(server.url) as sup:
            tasks = [asyncio.create_task(sup.run_job_and_await_result("x", "osis")) for _ in range(100)]
            await until(lambda: server.command("LLEN", "hero:q:work:type:osis") == 100, "the submits")
            for task in tasks:
                task.cancel()
            assert all(
                isinstance(e, asyncio.CancelledError) for e in await asyncio.gather(*tasks, return_exceptions=True)
            )
            assert sup._awaits is not None and len(sup._awaits.waiter) == 0
            assert not loop.remove_reader(sup._awaits.waiter.fd())
            assert asyncio.all_tasks() == {asyncio.current_task()}
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(sup.run_job_and_await_result("x", "nobody"), 0.05)
            assert len(sup._awaits.waiter) == 0
            with acting("osis", echo):  # the jobs went on
                await until(lambda: server.command("LLEN", "hero:q:work:type:osis") == 0)
                assert await sup.run_job_and_await_result("last", "osis", timeout=20) == b"last"

    run(main())
    wait_until(lambda: not server.command("KEYS", "hero:q:reply:*"), what="the end of the reply lists")


def test_the_waiter_gives_futures(server: Server, run: Run[Any], acting: Acting) -> None:
    async def main() -> None:
        waiter = heroq.aio.Waiter(server.url)
        with pytest.raises(heroq.StateError, match="async with"):
            waiter.submit(heroq.Job("x", "osis"))
        async with waiter:
            one = waiter.submit(heroq.Job("one", "osis"), timeout=20)
            many = waiter.submit_many(["a", heroq.Job("b", "osis")], "osis", timeout=20)
            elsewhere = waiter.add("no-such-job")
            lost = waiter.submit(heroq.Job("x", "nobody"))
            lost.cancel()
            with acting("osis", echo):
                assert await asyncio.gather(one, *many) == [b"one", b"a", b"b"]
            with pytest.raises(heroq.NotFoundError):
                await elsewhere
            stopped = waiter.submit(job := heroq.Job("x", "nobody"))
            await until(lambda: server.command("LLEN", "hero:q:work:type:nobody") == 2)
            assert (await waiter.fetch(job, timeout=20))["status"] == "dispatched"
            assert await waiter.stop(job, timeout=20) == "cancelled"
            with pytest.raises(heroq.JobFailed):
                await stopped
            with pytest.raises(heroq.NotFoundError):
                await waiter.fetch("no-such-job", timeout=20)
            assert len(waiter) == 0

    run(main())


def test_the_calls_of_a_supervisor(server: Server, run: Run[Any], acting: Acting) -> None:
    def handler(job: heroq.Job) -> None:
        job.progress(50, "half")
        job.log("a line")
        for chunk in (b"one", b"two"):
            job.stream(chunk)
        job.finish("done")

    async def main() -> None:
        sup = heroq.aio.Supervisor(server.url)  # opened by the first call
        job = await sup.create_job("x", "osis", id="mine", timeout=20)
        assert await sup.get_status(job) == "dispatched"
        await sup.start_job(job)
        assert await sup.get_output(job) is None and await sup.get_progress(job) is None
        with acting("osis", handler):
            assert [chunk async for chunk in sup.stream(job, timeout=20)] == [b"one", b"two"]
            assert await sup.await_result("mine", timeout=20) == b"done"
            progress = await sup.get_progress(job)
            assert progress is not None and progress["percent"] == 50
            assert await sup.get_logs(job) == [b"a line"]
            assert (await sup.redis_lines(job))["found"] == 1
            await sup.requeue_job(job)
            assert await sup.await_result(job, timeout=20) == b"done"
        ids = await sup.submit_many((f"{i}" for i in range(3)), "nobody")
        other = await sup.submit("x", "nobody")
        assert {row["id"] async for row in sup.list_jobs(type="nobody")} == {*ids, other.id}
        page = await sup.page_of_jobs(type="nobody", id_prefix=other.id)
        assert [row["id"] for row in page["rows"]] == [other.id] and page["source"] == "scan"
        assert await sup.stop_job(other) == "cancelled"
        assert await sup.get_error(other) == b"cancelled"
        await sup.delete_job(ids[0])
        assert (await sup.get_job(ids[1])).script == b"1"
        with pytest.raises(heroq.TimeoutError):
            async for _ in sup.stream(ids[1], timeout=0.1):
                pass
        await sup.close()

    run(main())


def test_no_thread_is_left_when_all_is_closed(server: Server, run: Run[Any]) -> None:
    before = threading.enumerate()

    async def main() -> None:
        async with heroq.aio.Supervisor(server.url) as sup, heroq.aio.Actor(server.url, types="osis") as actor:
            job = await sup.submit("x", "osis")
            with pytest.raises(heroq.TimeoutError):
                await anext(sup.stream(job, timeout=0.05))
            taken = await actor.take(20)
            assert taken is not None
            await taken.finish_sync()

    run(main())
    left = "heroq-call"
    wait_until(lambda: not [one for one in threading.enumerate() if one.name == left and one not in before], 5)


def test_calls_that_wait_do_not_stop_the_loop(server: Server, run: Run[Any]) -> None:
    async def main() -> None:
        async with heroq.aio.Supervisor(server.url, op_timeout=30) as sup:
            await sup.get_status((await sup.submit("x", "osis")).id)
            server.pause()
            try:
                calls = [asyncio.create_task(sup.submit("x", "osis")) for _ in range(50)]
                for _ in range(20):  # a loop that hangs in a call would never get here
                    await asyncio.sleep(0.005)
                assert not any(call.done() for call in calls)
                calls[-1].cancel()
            finally:
                server.cont()
            done = await asyncio.gather(*calls, return_exceptions=True)
            assert sum(isinstance(one, heroq.Job) for one in done) == 49
        assert server.command("LLEN", "hero:q:work:type:osis") == 50

    run(main())


# ---- loops ----


def test_a_supervisor_goes_with_the_next_loop(server: Server, acting: Acting) -> None:
    sup = heroq.aio.Supervisor(server.url)

    async def leave_open() -> None:
        waiting = asyncio.ensure_future(sup.run_job_and_await_result("x", "nobody"))
        await until(lambda: sup._awaits is not None and len(sup._awaits.waiter) == 1)
        waiting.cancel("the loop ends, and nobody awaits it")

    for factory in LOOPS.values():
        loop = factory()
        loop.run_until_complete(leave_open())
        loop.close()
    with acting("osis", echo):
        assert asyncio.run(sup.run_job_and_await_result("again", "osis", timeout=20)) == b"again"
    asyncio.run(sup.close())


@pytest.mark.parametrize("kind", LOOPS)
def test_a_loop_that_is_closed_with_everything_open(server: Server, start: Callable[..., Any], kind: str) -> None:
    code = f"""
import asyncio, gc, heroq.aio, uvloop
loop = {"asyncio" if kind == "asyncio" else "uvloop"}.new_event_loop()
sup = heroq.aio.Supervisor(); actor = heroq.aio.Actor(types="osis")
async def main():
    tasks = [asyncio.ensure_future(sup.run_job_and_await_result("x", "nobody")) for _ in range(10)]
    tasks += [asyncio.ensure_future(actor.take()), asyncio.ensure_future(actor.next_event(None))]
    await sup.submit("y", "osis")
    await sup.submit("z", "osis")
    job = await actor.take(10)
    return tasks, job
tasks, job = loop.run_until_complete(main())
loop.close()
del tasks, job
gc.collect()
print("ended", flush=True)
"""
    process = start("-W", "ignore", "-c", code)
    out, errors = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, b"ended\n"), errors


def test_another_loop_is_refused_while_the_first_is_open(server: Server) -> None:
    sup = heroq.aio.Supervisor(server.url)

    async def main() -> None:
        await sup.submit("x", "osis")
        with pytest.raises(RuntimeError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, sup.submit("x", "osis"))
        await sup.close()

    asyncio.run(main())


def test_no_asyncio_loop_is_a_clear_error(server: Server) -> None:
    sup = heroq.aio.Supervisor(server.url)
    with pytest.raises(RuntimeError, match="trio"):
        sup.submit("x", "osis").send(None)


def test_two_loops_in_two_threads(server: Server) -> None:
    @heroq.aio.actor("osis")
    async def osis(job: heroq.aio.Job) -> bytes:
        await asyncio.sleep(0.01)
        return job.script

    client = heroq.Client(server.url)
    wrong: list[object] = []

    async def main(name: str) -> None:
        async with heroq.aio.Supervisor(client) as sup:
            texts = [f"{name} {i}" for i in range(200)]
            outputs = await asyncio.gather(*(sup.run_job_and_await_result(t, "osis", timeout=60) for t in texts))
            wrong.extend(o for o, t in zip(outputs, texts, strict=True) if o != t.encode())

    threads = [threading.Thread(target=lambda n=n: asyncio.run(main(n))) for n in ("one", "two")]
    with at_work(server, osis):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    client.close()


def test_anyio(server: Server, acting: Acting) -> None:
    outputs: list[bytes] = []

    async def main() -> None:
        async with heroq.aio.Supervisor(server.url) as sup:

            async def one(i: int) -> None:
                outputs.append(await sup.run_job_and_await_result(str(i), "osis", timeout=20))

            async with anyio.create_task_group() as group:
                for i in range(50):
                    group.start_soon(one, i)
            with anyio.move_on_after(0.05) as scope:
                await sup.run_job_and_await_result("x", "nobody")
            assert scope.cancelled_caught
            assert sup._awaits is not None and len(sup._awaits.waiter) == 0
            actor = heroq.aio.Actor(server.url, types="nobody2")
            assert await actor.take(0) is None
            with anyio.CancelScope() as scope:
                async with actor:
                    scope.cancel()
                    await actor.take()  # and the close, too, is cancelled as soon as it waits
            assert actor._sync is not None
            with pytest.raises(heroq.ClosedError):
                while True:
                    actor._sync.next_event(0)
                    await asyncio.sleep(0.01)

    with acting("osis", echo):
        for options in ({}, {"use_uvloop": True}):
            anyio.run(main, backend_options=options)
    assert sorted(outputs) == sorted(str(i).encode() for i in range(50) for _ in range(2))


def test_fork(server: Server, run: Run[Any], acting: Acting) -> None:
    async def child() -> None:
        async with heroq.aio.Supervisor(server.url) as mine:
            await mine.submit("from the child", "sal")

    def be_the_child(sup: heroq.aio.Supervisor, actor: heroq.aio.Actor) -> None:
        status = 1
        try:
            for call in (sup.submit("x", "sal"), sup.run_job_and_await_result("x", "sal"), actor.take()):
                with pytest.raises(heroq.StateError) as caught:
                    asyncio.run(call)
                assert caught.value.name == "HEROQ_E_FORKED"
            asyncio.run(sup.close())
            asyncio.run(child())
            status = 0
        finally:
            os._exit(status)

    async def main() -> None:
        sup = heroq.aio.Supervisor(server.url)
        waiting = asyncio.create_task(sup.run_job_and_await_result("x", "osis", timeout=60))
        await until(lambda: server.command("LLEN", "hero:q:work:type:osis") == 1)
        assert sup._awaits is not None
        actor = heroq.aio.Actor(server.url, types="osis2")
        assert await actor.take(0) is None
        pid = os.fork()
        if pid == 0:
            sup._awaits._readable.stop()  # as a finalizer in the child would
            threading.Thread(target=be_the_child, args=(sup, actor)).start()
            threading.Event().wait()
        assert os.waitpid(pid, 0)[1] == 0
        assert server.command("LLEN", "hero:q:work:type:sal") == 1
        with acting("osis", echo):
            assert await waiting == b"x"
        await actor.close()
        await sup.close()

    run(main())


# ---- actors ----


def test_two_hundred_coroutines_at_a_time(server: Server, sup: heroq.Supervisor, run: Run[Any]) -> None:
    now = most = 0
    together = asyncio.Event()
    stopping = asyncio.Event()
    left = 400

    @heroq.aio.actor("osis")
    async def osis(job: heroq.aio.Job) -> None:
        nonlocal now, most, left
        now += 1
        most = max(most, now)
        if now == 200:
            together.set()
        await together.wait()
        now -= 1
        left -= 1
        if left == 0:
            stopping.set()

    ids = sup.submit_many(["x"] * left, "osis")
    run(heroq.aio.serve(osis, server=server.url, concurrency=200, stopping=stopping))
    assert most == 200
    assert {sup.get_status(one) for one in ids} == {"finished"}


def test_what_comes_of_a_handler(server: Server, sup: heroq.Supervisor) -> None:
    @heroq.aio.actor("osis", retries=1, backoff=0.05)
    async def osis(job: heroq.aio.Job) -> object:
        await asyncio.sleep(0)
        if job.script == b"raise":
            raise ValueError("as asked")
        if job.script == b"retry" and job.attempt == 1:
            raise heroq.Retry("again", delay=0.01)
        if job.script == b"give up":
            raise heroq.Fail("never")
        if job.script == b"settle":
            job.finish("by itself")
        if job.script == b"sync":
            with pytest.raises(heroq.InvalidError):
                job.finish("x", sync=True)
            await job.finish_sync("sync")
        if job.script == b"cancelled":
            raise asyncio.CancelledError("from within")
        return {"script": job.text, "attempt": job.attempt}

    def failure(script: str) -> bytes:
        with pytest.raises(heroq.JobFailed) as caught:
            sup.run_job_and_await_result(script, "osis", timeout=20)
        return caught.value.error

    with at_work(server, osis):
        assert sup.run_job_and_await_result("x", "osis", timeout=20) == b'{"script": "x", "attempt": 1}'
        assert sup.run_job_and_await_result("retry", "osis", timeout=20) == b'{"script": "retry", "attempt": 2}'
        assert sup.run_job_and_await_result("settle", "osis", timeout=20) == b"by itself"
        assert sup.run_job_and_await_result("sync", "osis", timeout=20) == b"sync"
        text = failure("raise")
        assert text.startswith(b"ValueError: as asked\n") and b"aio/runner.py" not in text
        assert failure("give up") == b"never"
        assert failure("cancelled").startswith(b"asyncio.exceptions.CancelledError: from within")


def test_a_stop_request_cancels_the_coroutine(server: Server, sup: heroq.Supervisor) -> None:
    seen: list[heroq.StopReason] = []

    @heroq.aio.actor("osis", lease=1)
    async def osis(job: heroq.aio.Job) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append(job.stop_reason)
            raise

    with at_work(server, osis):
        job = sup.submit("x", "osis")
        wait_until(lambda: sup.get_status(job) == "started", what="the start")
        assert sup.stop_job(job) == "stopping"
        with pytest.raises(heroq.JobFailed):
            sup.await_result(job, timeout=20)
    assert seen == [heroq.StopReason.REQUESTED]
    assert sup.get_error(job) == b"cancelled"


def test_the_end_of_a_jobs_time_cancels_the_coroutine(server: Server, sup: heroq.Supervisor) -> None:
    seen: list[heroq.StopReason] = []

    @heroq.aio.actor("osis", retries=0)
    async def osis(job: heroq.aio.Job) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append(job.stop_reason)
            raise

    with at_work(server, osis), pytest.raises(heroq.JobFailed) as caught:
        sup.run_job_and_await_result(heroq.Job("x", "osis", timeout=1), timeout=30)
    assert seen == [heroq.StopReason.TIMEOUT]
    assert caught.value.error == b"timeout"


def test_a_loop_that_hangs_for_leases_keeps_its_jobs(server: Server, sup: heroq.Supervisor) -> None:
    hung: list[int] = []

    @heroq.aio.actor("osis", lease=0.6)
    async def osis(job: heroq.aio.Job) -> bytes:
        hung.append(job.attempt)
        threading.Event().wait(2.0)  # three leases, and nothing else runs on this loop
        return b"done"

    with at_work(server, osis), heroq.Actor(server.url, types="osis", lease=0.6) as other:
        job = sup.submit("x", "osis")
        wait_until(lambda: hung or other.stats()["out"], what="the start")
        assert other.take(0) is None
        assert sup.await_result(job, timeout=20) == b"done"
    assert hung == [1]


def test_log_and_stream_wait_for_room_and_the_loop_goes_on(server: Server, sup: heroq.Supervisor) -> None:
    ticks = 0
    told = threading.Event()
    line = b"x" * 100_000

    @heroq.aio.actor("osis", op_timeout=30, lease=30)
    async def osis(job: heroq.aio.Job) -> bytes:
        nonlocal ticks

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                if ticks == 20:
                    told.set()
                await asyncio.sleep(0.005)

        ticking = asyncio.create_task(tick())
        server.pause()
        job.progress(1, "telling")
        for i in range(15):  # more than the MiB that may wait
            await (job.log(line) if i % 2 else job.stream(line))
        ticking.cancel()
        return b"told"

    with at_work(server, osis):
        job = sup.submit("x", "osis")
        try:
            assert told.wait(20), "the loop stood still"
        finally:
            server.cont()
        assert sup.await_result(job, timeout=30) == b"told"
    assert sup.get_logs(job) == [line] * 7
    assert b"".join(sup.stream(job, timeout=20)) == line * 8


def test_what_runs_is_given_back_after_the_grace(server: Server, sup: heroq.Supervisor, run: Run[Any]) -> None:
    stopping = asyncio.Event()
    cleaned: list[str] = []

    @heroq.aio.actor("osis")
    async def osis(job: heroq.aio.Job) -> str:
        if job.script == b"quick":
            stopping.set()
            await asyncio.sleep(0.2)
            return "in time"
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.append(job.id)
        return "never"

    slow = sup.submit("slow", "osis")
    quick = sup.submit("quick", "osis")
    run(heroq.aio.serve(osis, server=server.url, grace=1.0, stopping=stopping))
    assert cleaned == [slow.id]
    assert sup.get_output(quick) == b"in time"
    assert sup.get_status(slow) == "dispatched"
    assert server.command("LRANGE", "hero:q:work:type:osis", 0, -1) == [slow.id.encode()]


def test_cancelling_a_drain_ends_it_at_once(server: Server, sup: heroq.Supervisor, run: Run[Any]) -> None:
    running, stopping = asyncio.Event(), asyncio.Event()

    @heroq.aio.actor("osis")
    async def osis(job: heroq.aio.Job) -> None:
        running.set()
        await asyncio.sleep(60)

    async def main() -> None:
        serving = asyncio.create_task(heroq.aio.serve(osis, server=server.url, grace=60, stopping=stopping))
        await asyncio.wait_for(running.wait(), 20)
        stopping.set()
        await asyncio.sleep(0.05)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(serving, 20)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    job = sup.submit("x", "osis")
    run(main())
    assert sup.get_status(job) == "dispatched"


def test_cancelling_serve_gives_the_jobs_back(server: Server, sup: heroq.Supervisor, run: Run[Any]) -> None:
    running = asyncio.Event()

    @heroq.aio.actor("osis")
    async def osis(job: heroq.aio.Job) -> None:
        running.set()
        await asyncio.sleep(60)

    async def main() -> None:
        serving = asyncio.create_task(heroq.aio.serve(osis, server=server.url))
        await asyncio.wait_for(running.wait(), 20)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert asyncio.all_tasks() == {asyncio.current_task()}

    job = sup.submit("x", "osis")
    run(main())
    assert server.command("LRANGE", "hero:q:work:type:osis", 0, -1) == [job.id.encode()]
    assert connections(server) <= 2  # the supervisor's own


def test_the_bare_loop(server: Server, sup: heroq.Supervisor, run: Run[Any]) -> None:
    async def main() -> None:
        async with heroq.aio.Actor(server.url, types="osis") as actor:
            assert await actor.take(0) is None
            assert await actor.take(0.01) is None
            cancelled = [asyncio.create_task(actor.take()) for _ in range(5)]
            takers = [asyncio.create_task(actor.take(20)) for _ in range(5)]
            await asyncio.sleep(0)
            for task in cancelled:
                task.cancel()
            sup.submit_many([str(i) for i in range(5)], "osis")
            jobs = await asyncio.gather(*takers)
            assert sorted(job.text for job in jobs if job) == [str(i) for i in range(5)]
            for job in jobs:
                assert isinstance(job, heroq.aio.Job)
                job.finish("done")
            assert actor.stats()["taken"] == 5
            left = sup.submit("last", "osis")
            async for job in actor:
                job.finish("done")
                actor.drain(1.0)
            event = await actor.next_event(20)
            assert event is not None and event["event"] == "drained"
            del jobs, takers
        with pytest.raises(heroq.ClosedError):
            await actor.take()
        assert sup.get_output(left) == b"done"

    run(main())
    gc.collect()


def test_what_is_no_coroutine_function_is_refused() -> None:
    with pytest.raises(TypeError, match="async def"):
        heroq.aio.actor("osis")(print)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="async def"):
        asyncio.run(heroq.aio.serve(heroq.actor("osis")(print)))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="script types"):
        heroq.aio.actor()

    @heroq.aio.actor("osis")
    async def osis(job: heroq.aio.Job) -> None: ...

    with pytest.raises(TypeError, match=r"heroq\.aio\.run"):
        heroq.run(osis)  # type: ignore[arg-type]


def test_the_first_calls_may_come_together(server: Server, run: Run[Any]) -> None:
    async def main() -> None:
        for _ in range(20):
            actor, sup = heroq.aio.Actor(server.url, types="osis"), heroq.aio.Supervisor(server.url)

            async def busy(sup: heroq.aio.Supervisor = sup, actor: heroq.aio.Actor = actor) -> None:
                while sup._sync is None or actor._sync is None:  # the threads get ahead of the loop
                    await asyncio.sleep(0)
                assert await actor.take(0) is None
                with pytest.raises(heroq.TimeoutError):
                    await sup.run_job_and_await_result("x", "nobody", timeout=0)

            await asyncio.gather(actor.take(0), sup.submit("x", "nobody"), busy())
            await asyncio.gather(sup.close(), actor.close())

    run(main())


def test_no_server_is_an_error_and_the_next_call_tries_again(new_server: Callable[..., Server]) -> None:
    server = new_server()
    server.stop()

    @heroq.aio.actor("osis")
    async def osis(job: heroq.aio.Job) -> None: ...

    async def main() -> None:
        sup = heroq.aio.Supervisor(server.url, connect_timeout=0.5)
        with pytest.raises(heroq.ConnectionError):
            await sup.submit("x", "osis")
        with pytest.raises(heroq.ConnectionError):
            await heroq.aio.serve(osis, server=server.url, connect_timeout=0.5)
        server.restart()
        await sup.submit("x", "osis")
        await sup.close()

    asyncio.run(main())
