"""Keys of wrong types, nonsense in hashes, ids that are there many times, structures that somebody removed."""

from __future__ import annotations

import threading
import time
from collections import Counter
from functools import partial

import heroq
import pytest
from support.acting import H, Q, Runner, ended, enqueue, enqueue_many, field, store, wait_until_idle
from support.server import Server, wait_until

OTHER = "hero:q:work:type:other"
KEYS = ["handoff", "leases", "holders", "delayed", "dead", "reasons", "recoveries", "missing", "stops", "meta", "seen"]
KEYS += ["actors", "intents"]


def make_wrong(server: Server, key: str) -> None:
    server.command("DEL", key)
    server.command("SET", key, "wrong")


def others_go_on(server: Server, prefix: str) -> None:
    """Three jobs of another queue, one after the other, while one is ill."""
    for i in range(3):
        ids = [f"{prefix}{i}"]
        enqueue(server, ids[0], queue=OTHER)
        wait_until(partial(ended, server, ids), seconds=5, what="the other queue goes on")


@pytest.mark.parametrize("name", KEYS)
def test_32_wrongtype_of_an_idle_queue(server: Server, name: str) -> None:
    key = f"{H}:{name}"
    with Runner(server.url, types="fault,other", lease="3s") as runner:
        enqueue(server, "warm")
        wait_until(lambda: ended(server, ["warm"]))
        wait_until_idle(server)
        make_wrong(server, key)
        enqueue(server, "a")
        others_go_on(server, "o")
        # the actors' list and the intents are nothing that a job needs
        if name not in ("actors", "intents"):
            wait_until(lambda: any(key in text for text in runner.said()), seconds=5, what=f"{key} is named")
        assert len(runner.said()) < 30
        server.command("DEL", key)
        wait_until(lambda: ended(server, ["a"]), seconds=15, what="the job ends when the key is gone")
        wait_until_idle(server)
        assert runner.run_count() == {"warm": 1, "a": 1, "o0": 1, "o1": 1, "o2": 1}


@pytest.mark.parametrize("name", KEYS)
def test_32_wrongtype_while_a_job_runs(server: Server, name: str) -> None:
    """What the key held is lost with it; the job is not."""
    key, gate = f"{H}:{name}", threading.Event()

    def handler(job: heroq.Job) -> None:
        if job.id == "a":
            assert gate.wait(30)
        job.finish(f"done {job.attempt}")

    with Runner(server.url, handler, types="fault,other") as runner:
        enqueue(server, "a")
        wait_until(lambda: runner.runs)
        make_wrong(server, key)
        gate.set()
        others_go_on(server, "o")
        server.command("DEL", key)
        wait_until(lambda: ended(server, ["a"]), seconds=15, what="the job ends when the key is gone")
        wait_until_idle(server)
        assert field(server, "a", "output") == f"done {runner.run_count()['a']}".encode()


def test_32_an_ill_queue_is_not_emptied_into_memory(server: Server) -> None:
    """Results that cannot be put away hold back what would come after them."""
    ids = [f"j{i}" for i in range(5000)]
    enqueue_many(server, ids)
    make_wrong(server, f"{H}:dead")
    with Runner(server.url) as runner:
        wait_until(lambda: any(f"{H}:dead" in text for text in runner.said()), what="the key is named")
        time.sleep(2)  # the length of the trouble
        assert 1 <= server.command("HLEN", f"{H}:holders") < 500
        server.command("DEL", f"{H}:dead")
        wait_until(lambda: ended(server, ids), seconds=30)
        wait_until_idle(server)
        assert runner.run_count() == dict.fromkeys(ids, 1)


def test_32_wrongtype_of_the_queue(server: Server) -> None:
    with Runner(server.url, types="fault,other") as runner, heroq.Supervisor(server.url) as sup:
        make_wrong(server, Q)
        for call in (
            lambda: sup.submit("run", script_type="fault"),
            lambda: sup.submit("run", script_type="fault", urgent=True),
            lambda: sup.start_job(sup.create_job("run", script_type="fault", id="later")),
            lambda: heroq.Queue("fault", server.url).stats(),
        ):
            with pytest.raises(heroq.HeroqError, match=Q) as caught:
                call()
            assert caught.value.name == "HEROQ_E_WRONG_TYPE"
        store(server, "delayed")
        server.command("ZADD", f"{H}:delayed", 1, "delayed")
        others_go_on(server, "o")
        wait_until(lambda: any(Q in text for text in runner.said()), what="the queue is named")
        server.command("DEL", Q)
        sup.start_job("later", "fault")
        wait_until(lambda: ended(server, ["later", "delayed"]), seconds=15)
        wait_until_idle(server)


def test_32_wrongtype_when_a_canonical_actor_gives_back(server: Server) -> None:
    """The id is in its hands alone: it waits until the queue is one again."""
    gate = threading.Event()

    def handler(job: heroq.Job) -> None:
        if gate.is_set():
            job.finish("done")
        else:
            make_wrong(server, Q)
            job.release()
            gate.set()

    with Runner(server.url, handler, delivery="canonical") as runner:
        enqueue(server, "a")
        wait_until(lambda: any(Q in text for text in runner.said()), what="the queue is named")
        server.command("DEL", Q)
        wait_until(lambda: ended(server, ["a"]), what="it runs again")
        assert [job_id for job_id, _ in runner.runs] == ["a", "a"]


def test_32_wrongtype_of_job_reply_and_ctl(server: Server) -> None:
    gate = threading.Event()

    def handler(job: heroq.Job) -> None:
        assert job.id != "a" or gate.wait(30)
        job.finish("done")

    with Runner(server.url, handler, types="fault,other") as runner, heroq.Supervisor(server.url) as sup:
        make_wrong(server, "hero:q:ctl:type:fault")
        enqueue(server, "a", hq_reply_to="hero:q:reply:a")
        wait_until(lambda: runner.runs)
        make_wrong(server, "hero:q:reply:a")
        gate.set()
        wait_until(lambda: ended(server, ["a"]))
        wait_until_idle(server)
        assert any("hero:q:reply:a" in text for text in runner.said())
        make_wrong(server, "hero:job:b")
        server.command("LPUSH", Q, "b")
        wait_until(lambda: server.command("HGET", f"{H}:reasons", "b") == b"bad_hash", what="it is buried")
        others_go_on(server, "o")
        wait_until_idle(server)
        for call in (
            lambda: sup.get_job("b"),
            lambda: sup.get_status("b"),
            lambda: sup.stop_job("b"),
            lambda: sup.delete_job("b"),
            lambda: sup.requeue_job("b"),
            lambda: sup.await_result("b", timeout=1),
            lambda: sup.submit("run", script_type="fault", id="b"),
        ):
            with pytest.raises(heroq.HeroqError, match="hero:job:b") as caught:
                call()
            assert caught.value.name == "HEROQ_E_WRONG_TYPE"
        assert server.command("GET", "hero:job:b") == b"wrong"
        # a job that runs as its key becomes wrong ends in the dead letters too
        gate.clear()
        enqueue(server, "a")
        wait_until(lambda: len(runner.runs) == 5)
        make_wrong(server, "hero:job:a")
        gate.set()
        wait_until(lambda: server.command("HGET", f"{H}:reasons", "a") == b"bad_hash", what="it is buried")
        wait_until_idle(server)


BIG = b"x" * 10_000_000
NONSENSE: dict[str, dict[bytes, bytes]] = {
    "status": {b"status": b"\xff\xfe"},
    "big_status": {b"status": BIG},
    "spaced_status": {b"status": b" dispatched\0"},
    "attempt": {b"hq_attempt": b"abc"},
    "negative_attempt": {b"hq_attempt": b"-7"},
    "big_attempt": {b"hq_attempt": b"9007199254740993"},
    "endless_attempt": {b"hq_attempt": b"1e400"},
    "negative_timeout": {b"timeout": b"-1"},
    "endless_timeout": {b"timeout": b"1e400"},
    "big_timeout": {b"timeout": b"99999999999999999999"},
    "timeout_nan": {b"timeout": b"nan"},
    "retries": {b"retries": b"-99999999999999999999"},
    "retries_text": {b"retries": b"0x10"},
    "retried": {b"hq_retries": b"inf"},
    "ttl": {b"hq_ttl": b"-5"},
    "ttl_text": {b"hq_ttl": b"soon"},
    "big_ttl": {b"hq_ttl": b"9223372036854775807"},
    "fraction_ttl": {b"hq_ttl": b"0.5"},
    "reply_elsewhere": {b"hq_reply_to": b"hero:job:other"},
    "big_reply": {b"hq_reply_to": BIG},
    "token": {b"hq_token": b"\0\xff"},
    "token_without_seq": {b"hq_token": b":::", b"hq_queue": Q.encode()},
    "queue": {b"hq_queue": b"{\r\n", b"hq_token": b"1:a", b"status": b"started"},
    "env": {b"env_vars": b'{"a": '},
    "headers": {b"hq_headers": b"\xff"},
    "no_names": {b"": b"a field without a name", b"\0": b"\0"},
    "big_name": {BIG: b""},
    "empty_script": {b"script": b""},
    "bytes_script": {b"script": bytes(range(256))},
    "big_script": {b"script": b"x" * (17 << 20)},
    "failres": {b"hq_failres": b"\xff", b"hq_failed": b"\xff"},
    "dead": {b"hq_dead": b"\xff" * 100},
    "output": {b"output": b"of an earlier run", b"error": b"\xff"},
}


@pytest.mark.parametrize("what", NONSENSE)
def test_34_corrupted_fields(server: Server, what: str) -> None:
    """It runs with the default in place of the nonsense, or is buried; nobody falls over it."""
    hash_of = {b"script": b"run", b"status": b"dispatched", **NONSENSE[what]}
    server.command("HSET", "hero:job:a", *[part for pair in hash_of.items() for part in pair])
    with Runner(server.url, handler=lambda job: job.finish(b"done"), recheck="50ms") as runner:
        server.command("LPUSH", Q, "a")
        enqueue(server, "b")
        wait_until(lambda: ended(server, ["b"]), what="the next job runs")
        wait_until(
            lambda: ended(server, ["a"]) or server.command("ZSCORE", f"{H}:dead", "a"), seconds=20, what="it ends"
        )
        wait_until_idle(server)
        if ended(server, ["a"]):
            assert field(server, "a", "output") == b"done"
            assert runner.run_count() == {"a": 1, "b": 1}
    with heroq.Supervisor(server.url) as sup:
        sup.get_job("a").to_json()
        assert [row["id"] for row in sup.list_jobs() if row["id"] == "a"] == ["a"]
        heroq.doctor.examine(sup.client)
        sup.stop_job("a")
        sup.requeue_job("a", type="fault")
        sup.delete_job("a")


@pytest.mark.parametrize("what", NONSENSE)
def test_34_corrupted_fields_and_a_canonical_actor(server: Server, what: str) -> None:
    hash_of = {b"script": b"run", b"status": b"dispatched", **NONSENSE[what]}
    server.command("HSET", "hero:job:a", *[part for pair in hash_of.items() for part in pair])
    with Runner(server.url, handler=lambda job: job.finish(b"done"), delivery="canonical") as runner:
        server.command("LPUSH", Q, "a")
        enqueue(server, "b")
        wait_until(lambda: ended(server, ["a", "b"]) or any("hero:job:a" in text for text in runner.said()))
        wait_until(lambda: ended(server, ["b"]))
        assert server.command("LLEN", Q) == 0


def test_34_ids_that_are_none(server: Server) -> None:
    bad = [b"", b" ", b"{a}", b"a b", b"\xff", b"a\r\nSET x y", b"\0", b"x" * 257, b"x" * 1_000_000]
    with Runner(server.url) as runner:
        server.command("LPUSH", Q, *bad)
        enqueue(server, "b")
        wait_until(lambda: ended(server, ["b"]))
        wait_until(lambda: server.command("ZCARD", f"{H}:dead") == len(bad), what="they are buried")
        assert set(server.command("HVALS", f"{H}:reasons")) == {b"bad_id"}
        wait_until_idle(server)
        assert runner.runs == [("b", 1)]
        assert not [key for key in server.command("KEYS", "hero:job:*") if key != b"hero:job:b"]


def test_34_an_empty_id_alone(server: Server) -> None:
    """The blocked command brings it, and '' names nothing for TAKE: without care it would go round for ever."""
    with Runner(server.url) as runner:
        enqueue(server, "b")
        wait_until(lambda: ended(server, ["b"]))
        server.command("LPUSH", Q, "")
        wait_until(lambda: server.command("HGET", f"{H}:reasons", "") == b"bad_id", what="it is buried")
        wait_until_idle(server)
        assert runner.runs == [("b", 1)]


def test_35_dup_ids(server: Server) -> None:
    """A thousand copies of one id and as many actors as fit: one run, and the queue is empty in the end."""
    gate = threading.Event()

    def handler(job: heroq.Job) -> None:
        assert job.id != "a" or gate.wait(30)
        job.finish(f"done {job.id}")

    runners = [Runner(server.url, handler) for _ in range(3)]
    try:
        store(server, "a")
        for _ in range(4):
            server.command("LPUSH", Q, *["a"] * 250)
        wait_until(lambda: [runner for runner in runners if runner.runs])
        for i in range(10):  # copies must not stand in the way of others
            enqueue(server, f"b{i}")
        wait_until(lambda: ended(server, [f"b{i}" for i in range(10)]), what="the others run beside it")
        wait_until(lambda: server.command("HLEN", f"{H}:holders") == 1, what="of the others nothing is left")
        gate.set()
        wait_until(lambda: ended(server, ["a"]))
        wait_until_idle(server)
        runs = sum((runner.run_count() for runner in runners), Counter())
        assert runs == {"a": 1, **{f"b{i}": 1 for i in range(10)}}
        assert field(server, "a", "hq_attempt") == b"1"
    finally:
        gate.set()
        for runner in runners:
            runner.close()
