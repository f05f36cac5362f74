"""Interleavings that chance makes too seldom, step by step. Each begins with an empty server and one job, p."""

from __future__ import annotations

import time
from typing import Any

import others
from actor import Actor
from world import (
    BASE,
    GRACE,
    KEEP_DEAD,
    KEEP_STOPS,
    LEASE,
    MAX_RECOVERIES,
    Q1,
    Q2,
    REAP,
    RECHECK,
    WATCH,
    World,
    hash_of,
    key,
    reply_of,
)

P = "p"
H = hash_of(P)


class Stage:
    def __init__(self, world: World) -> None:
        self.world, self.link, self.names = world, world.link(), 0

    def new(self, *queues: str) -> tuple[Actor, Actor]:
        """The job in these queues, and two fresh actors."""
        self.link("FLUSHDB")
        self.world.kinds[P] = "ok"
        self.link("HSET", H, "status", "dispatched", "script", 0)
        for queue in queues:
            self.link("LPUSH", queue, P)
        return self.actor(), self.actor()

    def actor(self) -> Actor:
        self.names += 1
        return Actor(self.world, f"p{self.names}", faults=False)

    def on_queue(self, script: str, queue: str, *args: Any) -> Any:
        return self.link(*self.world.on_queue(script, queue, *args))

    def on_job(self, script: str, *args: Any) -> list[Any]:
        answer = self.link(*self.world.on_job(script, P, *args))
        return answer if isinstance(answer, list) else [answer]

    def take(self, actor: Actor, queue: str) -> str:
        """The token of the first id, or nothing."""
        answer = self.on_queue("take", queue, actor.name, LEASE, 9, "", RECHECK, 1)
        actor.note(queue, answer[1:])
        return answer[2] if len(answer) > 2 else ""

    def claim(self, token: str, queue: str) -> list[Any]:
        return self.on_job("claim", token, queue, "")

    def taken(self, actor: Actor, queue: str) -> str:
        token = self.take(actor, queue)
        self.claim(token, queue)
        return token

    def process(self, actor: Actor) -> None:
        actor.process(actor.ready.pop())

    def requeue(self, queue: str) -> None:
        self.on_job("requeue")
        if self.world.mode != "oldreply":
            self.link("DEL", reply_of(P))
        self.on_queue("push_again", queue, P)

    def later(self, ms: int) -> None:
        self.link("ZINCRBY", key(Q1, "leases"), -ms, P)
        for name in ("last_reap", "grace"):
            self.link("HINCRBY", key(Q1, "meta"), name, -ms)

    def dump(self, queue: str) -> bytes:
        self.link.send("DUMP", queue)
        return bytes(self.link.read_raw())

    def restore(self, queue: str, before: bytes) -> None:
        """The queue's slot as it was: nothing held, no sequence."""
        self.link("DEL", *[key(queue, name) for name in ("leases", "holders", "meta")])
        self.link("RESTORE", queue, 0, before)

    def status(self) -> str:
        return str(self.link("HGET", H, "status"))

    def waiting(self, queue: str) -> int:
        return int(self.link("ZCARD", key(queue, "delayed")) + self.link("LLEN", queue))

    def held(self, queue: str) -> int:
        return int(self.link("HLEN", key(queue, "holders")))

    def expect(self, holds: object, what: str) -> None:
        if not holds:
            self.world.violation("PROBE " + what)


def undone_take(s: Stage) -> None:
    """A's TAKE is undone by a failover; it claims after B and learns with its BEAT that it holds nothing."""
    a, b = s.new(Q2)
    before = s.dump(Q2)
    s.link("HSET", key(Q2, "meta"), "seq", 8 * 10**15)
    first = s.take(a, Q2)
    s.restore(Q2, before)
    second = s.taken(b, Q2)
    s.claim(first, Q2)
    if s.on_job("finish", second, "x")[0] == -3:
        b.stale(Q2, P, second)
    s.expect(s.waiting(Q2) or s.held(Q2), "a job whose TAKE was undone is in no structure")


def undone_take_after_claim(s: Stage) -> None:
    a, b = s.new(Q2)
    before = s.dump(Q2)
    s.link("HSET", key(Q2, "meta"), "seq", 8 * 10**15)
    s.taken(a, Q2)
    s.restore(Q2, before)
    s.take(b, Q2)
    s.process(b)
    s.expect(s.waiting(Q2), "a job claimed with a larger number before its TAKE was undone is in no structure")


def requeue_while_held(s: Stage) -> None:
    a, b = s.new(Q1)
    token = s.taken(a, Q1)
    s.on_job("finish", token, "x")
    s.requeue(Q1)
    s.take(b, Q1)
    a.done(Q1, P, token)
    s.expect(s.waiting(Q1), "the copy of a held id, pushed by a requeue, is lost")


def stale_finish(s: Stage) -> None:
    a, b = s.new(Q1)
    token = s.taken(a, Q1)
    s.link("DEL", key(Q1, "leases"), key(Q1, "holders"))
    s.link("LPUSH", Q1, P)
    s.taken(b, Q1)
    s.on_job("finish", token, "stale")
    s.expect(not s.link("HGET", H, "output"), "output of a stale run")


def stale_finish_with_reply(s: Stage) -> None:
    """The newer run has not ended: who waits gets nothing from the older one."""
    a, b = s.new(Q1)
    s.link("HSET", H, "hq_reply_to", reply_of(P))
    token = s.taken(a, Q1)
    s.link("DEL", key(Q1, "leases"), key(Q1, "holders"))
    s.link("LPUSH", Q1, P)
    s.taken(b, Q1)
    s.link(*s.world.on_job_and_reply("finish_reply", P, reply_of(P), token, "stale", ""))
    s.expect(not s.link("HGET", H, "output"), "output of a stale run")
    s.expect(not s.link("LLEN", reply_of(P)), "reply of a stale run")


def release_after_stop(s: Stage) -> None:
    a, _ = s.new(Q1)
    token = s.taken(a, Q1)
    s.on_job("cancel")
    s.on_job("unclaim", token, 0)
    s.expect(s.status() == "error", "the release of a job undid its stop")
    s.expect(s.on_job("requeue")[0] == 1 and s.on_job("requeue")[0] == 1, "a requeue cannot be repeated")


def old_reply(s: Stage) -> None:
    a, _ = s.new(Q1)
    s.link("LPUSH", reply_of(P), "out:x:0")
    s.requeue(Q1)
    s.world.generation[P] = 1
    others.wait_for(a, P)
    s.world.generation.clear()


def stale_holder_elsewhere(s: Stage) -> None:
    """A stale holder of Q1 claims after the job was finished and requeued into Q2, and dies."""
    a, b = s.new(Q1)
    token = s.take(a, Q1)
    s.later(LEASE + 1)
    s.link("HSET", key(Q1, "meta"), "last_reap", int(time.time() * 1000) - REAP)
    b.reap(Q1)
    s.take(b, Q1)
    s.process(b)
    s.requeue(Q2)
    s.claim(token, Q1)
    end = time.time() + 4 * LEASE / 1000
    while s.status() != "finished" and time.time() < end:
        s.on_queue("promote", Q2, 9)
        s.take(b, Q2)
        for known in list(b.known):
            b.process(known)
        time.sleep(0.02)
    s.expect(s.status() == "finished", "a requeued job waits for ever for a queue that does not hold it")


def outage(s: Stage) -> None:
    a, b = s.new(Q1)
    token = s.take(a, Q1)
    b.reap(Q1)
    s.later(int(LEASE * 0.8))
    s.link("ZADD", key(Q1, "leases"), int(time.time() * 1000) - 1, P)
    args = (9, MAX_RECOVERIES, BASE, LEASE // 3, LEASE, GRACE, KEEP_STOPS, KEEP_DEAD)
    s.on_queue("reap", Q1, "x", *args)
    s.expect(s.link("HGET", key(Q1, "holders"), P) == token, "after an outage a living holder lost its job")
    # Its holder is dead and the queue is reaped seldom: every round looks like one after an outage.
    for _ in range(6):
        s.later(int(LEASE * 0.7))
        b.reap(Q1)
    s.expect(not s.held(Q1), "seldom reaped: a lost lease is extended for ever")


def suspect_ahead(s: Stage) -> None:
    """A suspect lies before p2, and the only actor has a job that does not end."""
    a, _ = s.new(Q1, Q2)
    s.take(a, Q2)
    s.link("HDEL", key(Q2, "holders"), P)
    s.link("LPUSH", Q1, "p2")
    s.link("HSET", key(Q1, "recoveries"), P, 2)
    end = time.time() + 2.5 * LEASE / 1000
    while len(a.known) < 2 and time.time() < end:
        a.take()
        a.last_beat = time.time()
    s.expect(len(a.known) == 2, "a suspect blocks the queue while an actor never becomes empty")


def suspect_behind(s: Stage) -> None:
    """An actor waits in its blocked command and has a job meanwhile, when a suspect comes."""
    a, _ = s.new(Q2)
    s.take(a, Q2)
    s.link("LPUSH", Q1, "p2")
    s.link("HSET", key(Q1, "recoveries"), "p2", 2)
    a.block(Q1)
    s.expect(len(a.known) == 1, "a suspect was taken beside a job behind a BLMOVE")
    s.expect(s.waiting(Q1) == 1, "a suspect behind a BLMOVE did not go back")


def left_in_the_handoff(s: Stage) -> None:
    """Somebody moved p and died; then p2 comes: one is taken behind the BLMOVE, the other is named."""
    a, _ = s.new()
    s.link("LPUSH", key(Q1, "handoff"), P)
    s.link("LPUSH", Q1, "p2")
    s.expect(a.block(Q1) == "p2", "what is left in the handoff hides what was moved")
    s.expect([id for _, id in a.known.values()] == [P], "the oldest in the handoff is not taken")


def watch_of_the_dead(s: Stage) -> None:
    """Who looks for what is due dies, and all others are idle."""
    a, b = s.new()
    a.promote(Q1)
    b.promote(Q1)
    s.link("ZADD", key(Q1, "delayed"), 1, P)
    end = time.time() + 4 * WATCH / 1000
    while not s.link("LLEN", Q1) and time.time() < end:
        b.promote(Q1)
        time.sleep(0.02)
    s.expect(s.link("LLEN", Q1), "nobody looks for what is due")


def old_stop(s: Stage) -> None:
    a, b = s.new(Q1)
    s.on_job("cancel")
    s.requeue(Q1)
    token = s.taken(a, Q1)
    s.on_job("fail", token, "x", 9, 1)
    a.retry(Q1, P, token, 100)
    others.make_due(a, P)
    if not s.link("ZCARD", key(Q1, "delayed")):
        s.take(b, Q1)
        s.expect(b.known, "a requeued job that waits for its retry is dropped by the last step of an old stop")


def old_hint(s: Stage) -> None:
    a, _ = s.new(Q1)
    s.take(a, Q1)
    s.link("ZADD", key(Q1, "stops"), int(time.time() * 1000), P)
    s.process(a)
    s.expect(not s.link("HGET", H, "error"), "stopped by the hint of an earlier run")


def late_bury(s: Stage) -> None:
    a, b = s.new(Q1)
    token = s.taken(a, Q1)
    s.on_job("fail", token, "x", 0, 1)
    s.requeue(Q1)
    a.bury(Q1, P, token, "failed")
    s.take(b, Q1)
    s.process(b)
    s.expect(not s.link("ZCARD", key(Q1, "dead")), "a late BURY leaves a finished job in dead")


def late_reply(s: Stage) -> None:
    """An actor that only replies popped it before the requeue."""
    a, _ = s.new(Q1)
    s.link("LPOP", Q1)
    s.requeue(Q1)
    s.link("LPUSH", reply_of(P), "old")
    others.wait_for(a, P)
    s.expect(not s.link("HGET", H, "output"), "an old reply became the result of a requeued job")


def old_output(s: Stage) -> None:
    """A foreign supervisor dispatches a finished job again, and somebody awaits it while it runs."""
    a, b = s.new(Q1)
    s.take(a, Q1)
    s.process(a)
    s.link("HSET", H, "status", "dispatched")
    s.link("LPUSH", Q1, P)
    s.taken(b, Q1)
    others.wait_for(a, P)
    s.expect(not s.link("HGET", H, "output"), "the old output of a job dispatched again became its result")


def dropped_by_every_holder(s: Stage) -> None:
    a, _ = s.new(Q1)
    for _ in range(MAX_RECOVERIES + 1):
        token = s.taken(a, Q1)
        if token:
            a.release(Q1, P, token, 2)
        s.link("ZADD", key(Q1, "delayed"), "XX", 1, P)
        s.on_queue("promote", Q1, 9)
    reason = s.link("HGET", key(Q1, "reasons"), P)
    s.expect(s.status() == "error" and reason == "lost", "a job that every holder drops is not buried")
    s.expect(not s.waiting(Q1) and not s.held(Q1), "a job that every holder drops is still about")


def killed_by_its_holder(s: Stage) -> None:
    """The drop over the limit, where the release did not reach the hash: the token still stands there."""
    a, _ = s.new(Q1)
    token = s.taken(a, Q1)
    a.kill(Q1, P, token)
    s.expect(s.status() == "error" and s.link("ZCARD", key(Q1, "dead")), "a holder cannot give its own job up")


def expired(s: Stage) -> None:
    """Its first holder died; its time was over before the next one came."""
    a, b = s.new(Q1)
    s.world.expires.add(P)
    s.taken(a, Q1)
    s.link("HSET", H, "hq_expires", 1)
    s.later(2 * LEASE)
    a.reap(Q1)
    s.take(b, Q1)
    s.process(b)
    s.expect(s.status() == "error" and not s.held(Q1), "a job whose time was over was not ended")


ALL = (
    expired,
    undone_take,
    undone_take_after_claim,
    requeue_while_held,
    stale_finish,
    stale_finish_with_reply,
    release_after_stop,
    old_reply,
    stale_holder_elsewhere,
    outage,
    suspect_ahead,
    old_stop,
    old_hint,
    late_bury,
    late_reply,
    old_output,
    dropped_by_every_holder,
    killed_by_its_holder,
    suspect_behind,
    left_in_the_handoff,
    watch_of_the_dead,
)


def run(world: World) -> None:
    stage = Stage(world)
    for probe in ALL:
        probe(stage)
    stage.link("FLUSHDB")
    world.kinds.clear()
    world.results.clear()
    world.expires.clear()
