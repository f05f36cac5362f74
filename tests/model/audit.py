"""The checker: the invariants of PROTOCOL.md against the server's state and the ledger."""

from __future__ import annotations

import time

from world import CTL, QUEUES, TERMINAL, Link, World, hash_of, key, oracle

# What the actors here write: out:TOKEN:GENERATION.
OLD_RUN = "string.sub(output, 1, 4) == 'out:' and output ~= 'out:' .. token .. ':' .. script"
LEFT_OVER = ("Q", "handoff", "leases", "holders", "delayed", "stops")  # foreign actors leave more (2.9)


def look(world: World, link: Link) -> oracle.Look:
    """Notes what breaks a rule; what foreign actors did to their jobs is their affair."""
    seen = oracle.look(link, QUEUES, "j*", OLD_RUN)
    for what, ids in seen.breaches():
        for id in ids:
            if id not in world.foreign:
                world.violation(what, id)
    for queue in QUEUES:
        for what, differing in oracle.different_ids(link, queue):
            world.violation(what, differing)
    return seen


def lost(world: World, seen: oracle.Look) -> set[str]:
    return {id for id in seen.lost if id not in world.foreign and id not in world.excused}


def left_over(link: Link) -> dict[str, int]:
    return oracle.left_over(link, QUEUES, LEFT_OVER)


def final(world: World, link: Link) -> tuple[int, int]:
    """After the drain. Answers how many jobs are terminal and how many are lost."""
    # What a waiter does in the end.
    for id in world.foreign:
        link(*world.on_job("settle", id, "output", link("HGET", hash_of(id), "output") or ""))
    time.sleep(0.5)
    seen = look(world, link)
    gone = lost(world, seen)
    for id in gone:
        world.violation("lost", id)
    ended = every_job(world, link)
    for queue in QUEUES:
        dead_letters(world, link, queue, seen)
    stops_and_results(world, link)
    return ended, len(gone)


def every_job(world: World, link: Link) -> int:
    ended = 0
    for id, kind in world.kinds.items():
        status, output, error = link("HMGET", hash_of(id), "status", "output", "error")
        ended += status in TERMINAL
        if error == "stopped":
            world.violation("stopped by a stale hint", id)
        if status in TERMINAL or kind == "never":
            continue
        if id in world.excused:
            world.count("requeue-given-up")
        elif id in world.foreign and (world.foreign[id][0] != "output" or not output):
            world.count("foreign-lost")
        else:
            world.violation("acknowledged, not terminal", id, kind, status)
    return ended


def dead_letters(world: World, link: Link, queue: str, seen: oracle.Look) -> None:
    for name in ("recoveries", "missing"):
        left = [id for id in link("HKEYS", key(queue, name)) if id not in world.foreign]
        if left:
            world.violation("left over in " + name, *left[:3])
    flat = link("HGETALL", key(queue, "reasons"))
    reasons = dict(zip(flat[::2], flat[1::2], strict=True))
    world.count("dead", len(reasons))
    for id, reason in reasons.items():
        if id in world.foreign:
            continue
        if world.dead_for.get(world.kinds.get(id, "")) != reason:
            world.violation("innocent in dead", id, world.kinds.get(id), reason)
        if reason != "missing_hash" and not link("HGET", hash_of(id), "hq_dead") and id not in world.excused:
            world.violation("in dead, but its hash does not say so", id)
    for id, where in seen.buried:
        if where == queue and id not in reasons and id not in world.foreign:
            world.violation("to be buried, but not in dead", id)


def stops_and_results(world: World, link: Link) -> None:
    for id, generation, token in world.stops:
        script, status, now = link("HMGET", hash_of(id), "script", "status", "hq_token")
        if script == generation and status == "finished" and id not in world.foreign and (now or "") != token:
            world.violation("an acknowledged stop was undone", id, token, now)
    for id, generation, status, text in world.results:
        script, now, output, error = link("HMGET", hash_of(id), "script", "status", "output", "error")
        if script != generation or id in world.foreign or id in world.deleted:
            continue
        if (now, output or error) != (status, text):
            world.violation("a terminal status changed without a requeue", id, status, text, now)


def ctl_list(world: World, link: Link) -> None:
    """A stop message of a foreign actor is taken by it, or still there."""
    missed = world.foreign_stops - world.foreign_stopped
    if missed:
        time.sleep(2.5)
        missed = world.foreign_stops - world.foreign_stopped
    if missed and not missed & set(link("LRANGE", CTL, 0, -1)):
        world.violation("a foreign actor's stop message was eaten", *list(missed)[:3])
