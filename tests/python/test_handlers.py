"""Handlers: what they take and give, how they end, what is called around them."""

from __future__ import annotations

import asyncio
import functools
import json
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

import heroq
import heroq.aio
import pytest
from heroq.runner import Runner
from support.server import Server, wait_until

Working = Callable[..., Any]


@dataclass
class Order:
    number: int
    items: list[str]


@heroq.actor("add")
def add(a: int, b: int = 2) -> int:
    return a + b


@heroq.actor("order")
def order(one: Order) -> Order:
    return Order(one.number + 1, [*one.items, "more"])


@heroq.actor("mixed")
def mixed(job: heroq.Job, text: str, /, times: int = 1, *, loud: bool = False, **more: int) -> dict[str, Any]:
    return {"id": job.id, "text": text * times, "loud": loud, "more": more}


@heroq.actor("upper")
def upper(text: str) -> str:
    return text.upper()


@heroq.actor("optional")
def optional(limit: int = 10) -> int:
    return limit


@heroq.actor("nothing")
def nothing() -> str:
    return heroq.current_job().text


def ask(sup: heroq.Supervisor, script: str | bytes, script_type: str) -> bytes:
    """As a producer that knows nothing of Python does it."""
    return sup.run_job_and_await_result(script, script_type, timeout=20)


def failure(sup: heroq.Supervisor, script: str | bytes, script_type: str, **options: Any) -> str:
    job = sup.submit(script, script_type, **options)
    with pytest.raises(heroq.JobFailed) as caught:
        sup.await_result(job, timeout=20)
    return caught.value.error.decode()


def test_any_producer_sends_plain_json(working: Working) -> None:
    with working(add, order, mixed, upper, optional, nothing) as sup:
        assert ask(sup, '{"a": 1}', "add") == b"3"
        assert ask(sup, '{"a": 1, "b": 5}', "add") == b"6"
        got = json.loads(ask(sup, '{"number": 1, "items": ["x"]}', "order"))
        assert got == {"number": 2, "items": ["x", "more"]}
        got = json.loads(ask(sup, '{"text": "ab", "times": 2, "loud": true, "extra": 1}', "mixed"))
        assert sup.get_status(got.pop("id")) == "finished"
        assert got == {"text": "abab", "loud": True, "more": {"extra": 1}}
        assert ask(sup, "straße", "upper").decode() == "STRASSE"
        assert [ask(sup, text, "optional") for text in ("", "3")] == [b"10", b"3"]
        assert ask(sup, "whatever", "nothing") == b"whatever"


@pytest.mark.parametrize(
    "script,said",
    [
        (
            '{"a": "x"}',
            'the payload does not fit add(a: int, b: int = 2): the value.a is "x", but should be a whole number',
        ),
        ("{}", "the value.a is missing in {}"),
        ('{"a": 1, "c": 2}', "the value has an argument 'c', there are a, b"),
        ("[1]", "the value is [1], but should be an object with the arguments of add"),
        ("print(1)", "this is not JSON"),
        (b"\xff\0", "this is not JSON"),
    ],
)
def test_a_payload_that_does_not_fit_fails_at_once(working: Working, script: str | bytes, said: str) -> None:
    with working(add) as sup:
        job = sup.submit(script, "add", retries=5)
        with pytest.raises(heroq.JobFailed) as caught:
            sup.await_result(job, timeout=20)
        assert said in caught.value.error.decode()
        assert sup.get_job(job).field("hq_attempt") == b"1"


def test_a_result_that_does_not_fit_fails_at_once(working: Working) -> None:
    @heroq.actor("text")
    def text(job: heroq.Job) -> str:
        return 5  # type: ignore[return-value]

    @heroq.actor("set")
    def thing(job: heroq.Job) -> heroq.Json:
        return object()  # type: ignore[return-value]

    with working(text, thing) as sup:
        assert failure(sup, "", "text", retries=3) == "the result of text does not fit: this is 5, but should be a str"
        assert "object has no form in JSON" in failure(sup, "", "set", retries=3)


def test_the_error_has_type_message_and_where(working: Working) -> None:
    @heroq.actor("raise")
    def fails(job: heroq.Job) -> None:
        try:
            helper()
        except KeyError as error:
            raise ValueError("two\nlines") from error

    def helper() -> None:
        raise KeyError("inner")

    @heroq.actor("exit")
    def exits(job: heroq.Job) -> None:
        raise SystemExit(3)

    with working(fails, exits, threads=1) as sup:
        error = failure(sup, "", "raise")
        assert error.startswith("ValueError: two\nlines\n\n")
        assert "in fails" in error and "because of:\nKeyError: 'inner'" in error and "in helper" in error
        assert "handler.py" not in error.replace("test_handlers.py", "")
        assert [failure(sup, "", "exit").partition("\n")[0] for _ in range(3)] == ["SystemExit: 3"] * 3


def test_retry_and_fail(working: Working) -> None:
    @heroq.actor("flaky", retries=3)
    def flaky(job: heroq.Job) -> str:
        if job.text == "never":
            raise heroq.Fail("not today")
        if job.attempt < 3:
            raise heroq.Retry(delay=0.01)
        return f"attempt {job.attempt}"

    with working(flaky) as sup:
        assert ask(sup, "", "flaky") == b"attempt 3"
        assert failure(sup, "never", "flaky") == "not today"


def test_a_generator_streams_what_it_yields(working: Working) -> None:
    @heroq.actor("count")
    def count(n: int) -> Generator[str, None, dict[str, int]]:
        for i in range(n):
            yield f"{i}\n"
        return {"n": n}

    @heroq.actor("pairs")
    def pairs(n: int) -> Iterator[tuple[int, int] | None]:
        for i in range(n):
            yield None
            yield i, i * i

    @heroq.actor("bare")
    def bare(job):  # type: ignore[no-untyped-def]
        return (word for word in job.text.split())

    with working(count, pairs, bare) as sup:
        job = count.submit(3)
        assert list(job.stream(timeout=20)) == ["0\n", "1\n", "2\n"]
        assert job.result(20) == {"n": 3}
        squares = pairs.submit(3)
        assert list(squares.stream(timeout=20)) == [(0, 0), (1, 1), (2, 4)]
        pairs.using(wait=20).run(0)
        words = sup.submit("a b c", "bare")
        assert list(sup.stream(words, timeout=20)) == [b"a", b"b", b"c"]
        assert sup.await_result(words, timeout=20) == b""


def test_a_stream_ends_when_the_job_is_to_stop(working: Working) -> None:
    closed = threading.Event()
    go_on = threading.Event()

    @heroq.actor("endless")
    def endless(job: heroq.Job) -> Iterator[str]:
        try:
            while True:
                yield "again"
                go_on.wait(0.01)
        finally:
            closed.set()

    with working(endless, lease=1.0) as sup:
        job = endless.submit("")
        assert next(job.stream(timeout=20)) == "again"
        assert job.stop() == "stopping"
        with pytest.raises(heroq.JobFailed):
            job.result(20)
        assert closed.wait(20)
        assert sup.get_status(job.id) == "error"


def test_a_stream_ends_with_its_time_and_is_tried_again(working: Working) -> None:
    attempts: list[int] = []

    @heroq.actor("slow", timeout=1, retries=1)
    def slow(job: heroq.Job) -> Iterator[None]:
        attempts.append(job.attempt)
        while True:
            time.sleep(0.01)
            yield None

    with working(slow, lease=1.0, timeout_grace=30.0) as sup:
        assert failure(sup, "", "slow") == "the time limit is over"
    assert attempts == [1, 2]


def test_a_job_and_arguments_without_annotations(working: Working) -> None:
    @heroq.actor("loose")
    def loose(job, a, b=None):  # type: ignore[no-untyped-def]
        return [job.attempt, a, b]

    class Base:
        def __call__(self, n: int) -> int:
            return n + 1

    class Derived(Base): ...

    with working(loose, heroq.actor("called")(Derived())) as sup:
        assert ask(sup, '{"a": [1]}', "loose") == b"[1, [1], null]"
        assert ask(sup, "1", "called") == b"2"


def test_the_current_job_is_each_threads_own(working: Working) -> None:
    together = threading.Barrier(4)

    @heroq.actor("who")
    def who(name: str) -> list[str]:
        together.wait(20)
        return [name, heroq.current_job().text, heroq.current_job().id]

    with working(who, threads=4):
        jobs = [who.submit(str(i)) for i in range(4)]
        assert [job.result(20) for job in jobs] == [[str(i), str(i), job.id] for i, job in enumerate(jobs)]
    with pytest.raises(heroq.StateError, match="no current job"):
        heroq.current_job()


def test_what_is_called_around_a_handler(working: Working) -> None:
    told: list[Any] = []

    def refuse(job: heroq.Job) -> None:
        if job.text == "refused":
            raise heroq.Fail("refused before it began")

    def broken(job: heroq.Job, error: BaseException) -> None:
        raise RuntimeError("of on_error")

    @heroq.actor(
        "osis",
        before=[lambda job: told.append(("before", job.text)), refuse],
        after=lambda job, result: told.append(("after", result)),
        on_error=[broken, lambda job, error: told.append(("error", type(error).__name__))],
    )
    def osis(text: str) -> str:
        if text == "bad":
            raise ValueError(text)
        return text + "!"

    with working(osis, threads=1) as sup:
        assert ask(sup, "good", "osis") == b"good!"
        assert failure(sup, "bad", "osis").startswith("ValueError: bad")
        assert failure(sup, "refused", "osis") == "refused before it began"
    assert told == [
        *[("before", "good"), ("after", "good!")],
        *[("before", "bad"), ("error", "ValueError")],
        *[("before", "refused"), ("error", "Fail")],
    ]


def test_a_handler_that_settles_its_job_itself(working: Working) -> None:
    @heroq.actor("own")
    def own(job: heroq.Job) -> str:
        job.finish("by itself")
        return "too late"

    with working(own) as sup:
        assert ask(sup, "", "own") == b"by itself"
        assert ask(sup, "", "own") == b"by itself"


def test_functions_of_all_kinds() -> None:
    def plain(job):  # type: ignore[no-untyped-def]
        return job.text

    @functools.wraps(upper.function)
    def wrapped(*args: Any, **kwargs: Any) -> str:
        return upper(*args, **kwargs) + "!"

    class Thing:
        def method(self, text: str) -> str:
            return text

        def __call__(self, text: str) -> str:
            return text

    def partly(prefix: str, text: str) -> str:
        return prefix + text

    job = heroq.Job("abc", "x")
    for function, result in (
        (plain, "abc"),
        (wrapped, "ABC!"),
        (Thing().method, "abc"),
        (Thing(), "abc"),
        (functools.partial(partly, "> "), "> abc"),
        (lambda job: job.text, "abc"),
        (lambda *whatever: whatever[0].text, "abc"),
    ):
        assert heroq.actor("x")(function).signature.invoke(job) == result


class Unknown: ...


def takes_unknown(one: Unknown) -> None: ...
def takes_bytes_inside(a: int, b: bytes) -> None: ...
def takes_the_job_last(a: int, job: heroq.Job) -> None: ...
def takes_any_number(a: int, *rest: int) -> None: ...
def takes_what_is_not_there(a: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    "function,said",
    [
        (takes_unknown, "takes_unknown: 'one' has an annotation that cannot be used: Unknown has no form in JSON"),
        (takes_bytes_inside, "bytes only as a whole payload"),
        (takes_the_job_last, "the Job comes first"),
        (takes_any_number, r"arguments have names, \*rest has none"),
        (takes_what_is_not_there, "'a' cannot be read, name 'Nowhere' is not defined.*not under TYPE_CHECKING alone"),
    ],
)
def test_a_wrong_signature_is_told_where_it_is_decorated(function: Callable[..., None], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        heroq.actor("x")(function)


def test_async_handlers_take_and_give_the_same(server: Server, sup: heroq.Supervisor) -> None:
    told: list[str] = []

    @heroq.aio.actor("order", on_error=lambda job, error: told.append(type(error).__name__))
    async def later(one: Order) -> Order:
        await asyncio.sleep(0)
        told.append(heroq.current_job().script_type)
        return Order(one.number + 1, one.items)

    @heroq.aio.actor("both")
    async def both(job: heroq.aio.Job, n: int) -> list[int]:
        return [job.attempt, n]

    async def main() -> tuple[bytes, bytes, str]:
        stopping = asyncio.Event()
        serving = asyncio.create_task(heroq.aio.serve(later, both, server=server.url, stopping=stopping))
        async with heroq.aio.Supervisor(server.url) as ours:
            good = await ours.run_job_and_await_result('{"number": 1, "items": []}', "order", timeout=20)
            also = await ours.run_job_and_await_result(both.job(5), timeout=20)
            with pytest.raises(heroq.JobFailed) as caught:
                await ours.run_job_and_await_result(heroq.Job("{}", "order", retries=5), timeout=20)
        stopping.set()
        await serving
        return good, also, caught.value.error.decode()

    good, also, bad = asyncio.run(main())
    assert (json.loads(good), also) == ({"number": 2, "items": []}, b"[1, 5]")
    assert "the value.number is missing in {}" in bad
    assert told == ["order", "Unfit"]


def test_an_async_handler_needs_a_loop(server: Server) -> None:
    @heroq.actor("later")
    async def later(n: int) -> int:
        return n

    with pytest.raises(TypeError, match="'later' is an `async def` function"):
        Runner([later], server.url)


def test_a_handlers_own_classes_may_be_local(working: Working) -> None:
    @dataclass
    class Local:
        x: int

    @heroq.actor("local")
    def local(one: Local) -> Local:
        return Local(one.x + 1)

    with working(local):
        assert local.using(wait=20).run(Local(1)) == Local(2)


def test_a_handler_submits_to_the_server_of_its_worker(server: Server, sup: heroq.Supervisor) -> None:
    @heroq.actor("outer")
    def outer(text: str) -> str:
        return upper.submit(text).id

    runner = Runner([outer], server.url)
    runner.start()
    try:
        inner = ask(sup, "x", "outer").decode()
    finally:
        runner.drain(5)
        runner.join(5)
        runner.close(1)
    wait_until(lambda: server.command("LRANGE", "hero:q:work:type:upper", 0, -1) == [inner.encode()])
