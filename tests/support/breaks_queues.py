"""Harm to queues, jobs and replies, by the doctor's finding."""

from __future__ import annotations

import time

from .breaks import FAR, Break, H, Q, System, registers

BREAKS: dict[str, Break] = {}
breaks = registers(BREAKS)


@breaks
def queue_wrong_type(s: System) -> None:
    s.known()
    s.do("SET", Q, "x")


@breaks
def key_wrong_type(s: System) -> None:
    s.known()
    s.do("SET", f"{H}:leases", "x")


@breaks
def too_many_keys(s: System) -> None:
    s.do("EVAL", f"for i = 1, 10001 do redis.call('LPUSH', '{Q}' .. i, 'a') end", 0)


@breaks
def paused(s: System) -> None:
    s.actor()
    s.do("HSET", f"{H}:meta", "paused", 1)


@breaks
def no_actor(s: System) -> None:
    s.job("a")
    s.do("LPUSH", Q, "a")


@breaks
def starved(s: System) -> None:
    no_actor(s)
    s.actor()


@breaks
def mixed_types(s: System) -> None:
    s.actor()
    s.job("a", script_type="sal", createdAt="2999-01-01T00:00:00Z")
    s.do("LPUSH", Q, "a")


@breaks
def no_hash(s: System) -> None:
    s.actor()
    s.do("LPUSH", Q, "a")


@breaks
def dead_letters(s: System) -> None:
    s.actor()
    s.job("a", "error")
    s.do("ZADD", f"{H}:dead", round(time.time() * 1000), "a")


@breaks
def overdue(s: System) -> None:
    s.known()
    s.job("a")
    s.do("ZADD", f"{H}:delayed", 1000, "a")


@breaks
def no_lease(s: System) -> None:
    s.held("a")


@breaks
def no_holder(s: System) -> None:
    s.held("a", FAR, holder=False)


@breaks
def unreaped(s: System) -> None:
    s.held("a", 1000)


@breaks
def old_handoff(s: System) -> None:
    s.actor()
    s.job("a")
    s.do("LPUSH", f"{H}:handoff", "a")


@breaks
def hash_wrong_type(s: System) -> None:
    s.do("SET", "hero:job:a", "x")


@breaks
def hash_broken(s: System) -> None:
    s.do("HSET", "hero:job:a", "last_heartbeat", "1")


@breaks
def hash_status(s: System) -> None:
    s.job("a", "runing")


@breaks
def unsettled(s: System) -> None:
    s.job("a", "started", output="42")


@breaks
def reply_only(s: System) -> None:
    s.job("a")
    s.do("LPUSH", "hero:q:reply:a", "42")


@breaks
def never_started(s: System) -> None:
    s.job("a")


@breaks
def lost(s: System) -> None:
    s.job("a", "started", hq_token="7:host.1.x", hq_queue=Q)


@breaks
def foreign_run(s: System) -> None:
    s.job("a", "started")


@breaks
def half_requeued(s: System) -> None:
    s.actor()
    s.job("a", hq_requeued="1", hq_queue=Q)
    s.do("ZADD", f"{H}:dead", 5, "a")


@breaks
def not_searched(s: System) -> None:
    s.actor()
    s.job("a")
    s.do("EVAL", f"for i = 1, 21000 do redis.call('LPUSH', '{Q}', 'id' .. i) end", 0)


@breaks
def endless_replies(s: System) -> None:
    for i in range(12):
        s.job(f"j{i}", "finished")
        s.do("LPUSH", f"hero:q:reply:j{i}", "42")
