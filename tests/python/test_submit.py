"""Giving jobs to handlers: options, many at once, and waiting for many results."""

from __future__ import annotations

import datetime
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import heroq
import pytest
from heroq import connection, testing
from heroq.caller import CallOptions
from support.server import Server, wait_until

Working = Callable[..., Any]
UNIX_MS = 1_800_000_000_000


@heroq.actor("add", "sum")
def add(a: int, b: int = 0) -> int:
    if a < 0:
        raise heroq.Fail("negative")
    return a + b


@heroq.actor("raw", group="blue")
def raw(job: heroq.Job) -> bytes:
    return job.script


@pytest.fixture
def connected(server: Server) -> Iterator[heroq.Supervisor]:
    with testing.connected(server.url) as supervisor:
        yield supervisor


def fields(server: Server, job_id: str, *names: str) -> list[bytes | None]:
    found: list[bytes | None] = server.command("HMGET", f"hero:job:{job_id}", *names)
    return found


def test_what_goes_to_the_wire(server: Server, connected: heroq.Supervisor) -> None:
    job = add.submit(1, b=2)
    assert fields(server, job.id, "script", "script_type", "status") == [b'{"a": 1, "b": 2}', b"add", b"dispatched"]
    assert server.command("LRANGE", "hero:q:work:type:add", 0, -1) == [job.id.encode()]
    assert fields(server, add.submit(1).id, "script") == [b'{"a": 1}']
    assert fields(server, raw.submit(b"\0x").id, "script") == [b"\0x"]
    assert server.command("LLEN", "hero:q:work:type:raw:group:blue") == 1


def test_options_of_a_job(server: Server, connected: heroq.Supervisor) -> None:
    job = add.using(
        id="mine",
        timeout=30,
        retries=7,
        expires=60,
        tags="red,blue",
        ttl=datetime.timedelta(hours=1),
        script_type="sum",
        headers={"trace": "t1"},
        env={"HOME": "/"},
    ).submit(1)
    assert job.id == "mine"
    found = fields(server, "mine", "timeout", "retries", "hq_ttl", "script_type", "hq_headers", "env_vars", "hq_tags")
    assert found == [b"30", b"7", b"3600000", b"sum", b'{"trace":"t1"}', b'{"HOME":"/"}', b"red,blue"]
    expires, created = (one.decode() for one in fields(server, "mine", "hq_expires", "createdAt") if one)
    assert int(expires) == round(datetime.datetime.fromisoformat(created).timestamp() * 1000) + 60_000
    later = add.using(delay=60).submit(1)
    at = datetime.datetime.fromtimestamp(UNIX_MS / 1000, datetime.UTC)
    then = [add.using(at=UNIX_MS).submit(2), add.using(at=at).submit(2), add.using(at=at.astimezone(None)).submit(3)]
    due = "{hero:q:work:type:add}:delayed"
    assert 50_000 < float(server.command("ZSCORE", due, later.id)) - time.time() * 1000 <= 60_000
    assert [float(server.command("ZSCORE", due, one.id)) for one in then] == [UNIX_MS] * 3
    ids = [add.submit(1).id, add.using(urgent=True).submit(1).id]
    assert server.command("RPOP", "hero:q:work:type:add") == ids[1].encode()


def test_using_takes_all_options_of_a_job() -> None:
    ours = {name for name, row in heroq.options.table().items() if row["scope"] == "job"}
    assert ours and ours <= CallOptions.__annotations__.keys()


def test_a_job_that_expires_before_it_starts_fails(connected: heroq.Supervisor, server: Server) -> None:
    late, in_time = add.using(expires=datetime.timedelta(milliseconds=1)), add.using(expires=3600)
    jobs = [*late.submit_many([1, 2]), late.submit(3), in_time.submit(4)]
    ends = int(fields(server, jobs[2].id, "hq_expires")[0] or 0)
    wait_until(lambda: time.time() * 1000 > ends + 1)
    with testing.working(add, server=server.url):
        found = heroq.gather(jobs, timeout=20, return_exceptions=True)
    assert [one.error for one in found if isinstance(one, heroq.JobFailed)] == [b"expired"] * 3
    assert found[3] == 4
    with pytest.raises(heroq.InvalidError, match="expires after 1000 ms, before it is due"):
        add.using(expires=1, delay=2).submit(1)


def test_using_leaves_the_handler_as_it_was_and_adds_up(server: Server, connected: heroq.Supervisor) -> None:
    twice = add.using(retries=2).using(timeout=9)
    assert fields(server, twice.submit(1).id, "retries", "timeout") == [b"2", b"9"]
    assert fields(server, add.submit(1).id, "retries") == fields(server, twice.using(retries=2).job(1).id, "retries")
    with pytest.raises(TypeError, match="unexpected keyword"):
        add.using(dely=5)  # type: ignore[call-arg]
    with pytest.raises(heroq.InvalidError, match="retries"):
        add.using(retries=-5).submit(1)


def test_the_same_id_is_the_same_job(server: Server, connected: heroq.Supervisor) -> None:
    once = add.using(id="once")
    assert [once.submit(1).id, once.submit(1).id] == ["once", "once"]
    with pytest.raises(heroq.StateError) as caught:
        once.submit(2)
    assert caught.value.name == "HEROQ_E_EXISTS"


def test_arguments_are_checked_before_they_are_sent(server: Server, connected: heroq.Supervisor) -> None:
    call: Any = add.submit
    with pytest.raises(
        heroq.PayloadError, match=r'this is no payload for add\(a: int, b: int = 0\): the value.a is "x"'
    ):
        call("x")
    for names in ({}, {"a": 1, "c": 2}):
        with pytest.raises(TypeError, match="argument"):
            call(**names)
    with pytest.raises(heroq.PayloadError, match="has no form in JSON"):
        call(object())
    assert server.command("KEYS", "*") == []


def test_run(working: Working) -> None:
    with working(add):
        assert add.run(1, 2) == 3
        with pytest.raises(heroq.JobFailed) as caught:
            add.run(-1)
        assert caught.value.error == b"negative"


def test_run_in_vain(connected: heroq.Supervisor) -> None:
    with pytest.raises(heroq.TimeoutError):
        add.using(wait=0.1).run(1)
    with pytest.raises(heroq.TimeoutError):
        add.using(wait=datetime.timedelta(seconds=0.1)).run(1)


def test_a_result_of_another_type_is_told(working: Working) -> None:
    @heroq.actor("add")
    def other(job: heroq.Job) -> str:
        return "many"

    with working(other), pytest.raises(heroq.PayloadError, match="the result of add does not fit its annotation"):
        add.using(wait=20).run(1)


def test_submitted(working: Working) -> None:
    @heroq.actor("tell")
    def tell(job: heroq.Job, n: int) -> int:
        job.progress(50, "half")
        job.log("a line")
        return n

    with working(tell):
        job = tell.submit(5)
        assert job.result(20) == 5
        told = job.progress()
        assert told and (told["percent"], told["text"]) == (50.0, "half")
        assert (job.status, job.logs(), job.stop(), job.job().output) == ("finished", [b"a line"], "ended", b"5")


def test_submit_many(server: Server, connected: heroq.Supervisor) -> None:
    told: list[tuple[int, int | None]] = []
    jobs = add.submit_many([(i, i) for i in range(4500)], progress=lambda done, total: told.append((done, total)))
    assert len({job.id for job in jobs}) == server.command("LLEN", "hero:q:work:type:add") == 4500
    assert told == [(2000, 4500), (4000, 4500), (4500, 4500)]
    assert fields(server, jobs[4321].id, "script") == [b'{"a": 4321, "b": 4321}']
    calls = (add.using(headers={"n": str(i)}, id=f"job{i}").job(i) for i in range(3))
    mixed = add.using(retries=4).submit_many(calls, progress=lambda done, total: told.append((done, total)))
    assert ([job.id for job in mixed], told[-1]) == (["job0", "job1", "job2"], (3, None))
    assert fields(server, add.using(retries=4).submit_many([5])[0].id, "script", "retries") == [b'{"a": 5}', b"4"]
    assert fields(server, add.using(headers={"a": "b"}).submit_many([5])[0].id, "hq_headers") == [b'{"a":"b"}']
    assert raw.submit_many([b"\0", "x"]) and server.command("LLEN", "hero:q:work:type:raw:group:blue") == 2
    with pytest.raises(TypeError, match="cannot share an id"):
        add.using(id="x").submit_many([1, 2])
    with pytest.raises(heroq.PayloadError):
        add.submit_many([1, "x"])  # type: ignore[list-item]
    with pytest.raises(heroq.PartialError) as caught:
        add.submit_many([add.job(1), add.using(id="job0").job(99)])
    assert caught.value.failed == {1: "HEROQ_E_EXISTS"}


# ---- many results ----


def test_gather_10000(working: Working, server: Server) -> None:
    with working(add, threads=1):
        jobs = add.submit_many([(i, 1) for i in range(10_000)])
        assert heroq.gather(jobs, timeout=100) == [i + 1 for i in range(10_000)]
        assert heroq.gather(jobs, timeout=100) == [i + 1 for i in range(10_000)], "once more, when all have ended"


def test_gather_needs_few_connections(server: Server, connected: heroq.Supervisor) -> None:
    jobs = add.submit_many([(i, 1) for i in range(1000)])
    before = connections(server)
    failed: list[BaseException] = []

    def wait() -> None:
        try:
            heroq.gather(jobs, timeout=60)
        except BaseException as error:
            failed.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    wait_until(lambda: server.command("HEXISTS", f"hero:job:{jobs[-1].id}", "hq_reply_to"), 30, "the last wait")
    assert connections(server) - before <= 3
    with testing.working(add, server=server.url):
        waiter.join(60)
    assert not failed and not waiter.is_alive()


def connections(server: Server) -> int:
    return int(server.command("CLIENT", "LIST").count(b"\n"))


def test_gather_and_errors(working: Working) -> None:
    with working(add):
        jobs = [add.submit(1), add.submit(-1), add.submit(3)]
        with pytest.raises(heroq.JobFailed) as caught:
            heroq.gather(jobs, timeout=20)
        assert caught.value.error == b"negative"
        one, two, three = heroq.gather(jobs, timeout=20, return_exceptions=True)
        assert (one, three, type(two)) == (1, 3, heroq.JobFailed)
        assert heroq.gather([]) == []
        assert heroq.gather(["nothing"], return_exceptions=True, timeout=20)[0].__class__ is heroq.NotFoundError


def test_gather_in_vain(connected: heroq.Supervisor) -> None:
    jobs = add.submit_many([1, 2])
    with pytest.raises(heroq.TimeoutError, match="2 of 2 jobs have not ended in time; they go on"):
        heroq.gather(jobs, timeout=0.1)
    found = heroq.gather(jobs, timeout=0.1, return_exceptions=True)
    assert [type(one) for one in found] == [heroq.TimeoutError] * 2
    assert jobs[0].status == "dispatched"


def test_as_completed_comes_in_the_order_of_the_ends(working: Working) -> None:
    gates = {name: threading.Event() for name in "abc"}

    @heroq.actor("gate")
    def gate(name: str) -> str:
        assert gates[name].wait(60)
        return name

    with working(gate, threads=3):
        jobs = gate.submit_many("abc")
        ends = heroq.as_completed(jobs, timeout=60)
        for name, job in (("b", jobs[1]), ("c", jobs[2]), ("a", jobs[0])):
            gates[name].set()
            done = next(ends)
            assert (done, done.result()) == (job, name)
        assert list(ends) == []


def test_as_completed_of_jobs_and_ids(working: Working, sup: heroq.Supervisor) -> None:
    with working(add):
        first, second = sup.submit('{"a": 1}', "add"), sup.submit('{"a": 2}', "add")
        assert {job.id: job.result() for job in heroq.as_completed([first, second.id], server=sup)} == {
            first.id: b"1",
            second.id: b"2",
        }
        with pytest.raises(heroq.InvalidError, match="several connections"):
            heroq.gather([heroq.Submitted(first.id, sup), add.submit(3)])


def test_as_completed_may_be_left(connected: heroq.Supervisor, server: Server) -> None:
    jobs = add.submit_many([1, 2, 3])
    with testing.working(add, server=server.url):
        for job in heroq.as_completed(jobs, timeout=60):
            assert job.result(20) > 0
            break
        assert sorted(heroq.gather(jobs, timeout=60)) == [1, 2, 3]


# ---- through what ----


def test_the_server_of_submits(server: Server, new_server: Callable[..., Server], monkeypatch: Any) -> None:
    other, third = new_server(), new_server()
    monkeypatch.setenv("HEROQ_URL", other.url)
    monkeypatch.setattr(connection, "_found", None)
    monkeypatch.setattr(connection, "_connected", None)
    assert fields(other, add.submit(1).id, "status") == [b"dispatched"]
    assert isinstance(heroq.connect(third.url), heroq.Supervisor)
    assert fields(third, add.submit(1).id, "status") == [b"dispatched"]
    with heroq.Supervisor(server.url) as sup:
        assert fields(server, add.using(server=sup).submit(1).id, "status") == [b"dispatched"]


def test_submits_from_many_threads(connected: heroq.Supervisor, server: Server) -> None:
    ids: list[str] = []

    def submit() -> None:
        ids.extend(add.submit(i).id for i in range(50))

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(ids)) == server.command("LLEN", "hero:q:work:type:add") == 400


def test_a_child_made_by_fork_submits_too(connected: heroq.Supervisor, server: Server) -> None:
    add.using(id="parent").submit(1)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            add.using(id="child").submit(1)
            jobs = [threading.Thread(target=add.submit, args=(i,)) for i in range(3)]
            for job in jobs:
                job.start()
            for job in jobs:
                job.join(30)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    add.submit(2)
    assert fields(server, "child", "status") == [b"dispatched"]
    assert server.command("LLEN", "hero:q:work:type:add") == 6
