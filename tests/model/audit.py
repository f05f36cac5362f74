"""The checker: the invariants of PROTOCOL.md against the server's state and the ledger."""

from __future__ import annotations

import time
from dataclasses import dataclass

from world import CTL, QUEUES, TERMINAL, Link, World, hash_of, key

# Counts jobs, and names those that break a rule by themselves. KEYS: lists and sorted sets that hold ids.
LOOK = """
local seen, ended, lost, badout, stray, ttls, dead = {}, 0, {}, {}, {}, {}, {}
for _, k in ipairs(KEYS) do
  local list = redis.call('TYPE', k).ok == 'list'
  for _, x in ipairs(redis.call(list and 'LRANGE' or 'ZRANGE', k, 0, -1)) do seen[x] = true end
end
for _, k in ipairs(redis.call('KEYS', 'hero:job:j*')) do
  local status, output, token, script, buried, queue =
    unpack(redis.call('HMGET', k, 'status', 'output', 'hq_token', 'script', 'hq_dead', 'hq_queue'))
  local id, ttl = string.sub(k, 10), redis.call('PTTL', k)
  local ends = status == 'finished' or status == 'error'
  if ends then
    ended = ended + 1
  else
    if output then table.insert(stray, id) end
    if not seen[id] then table.insert(lost, id) end
  end
  if status == 'finished' and string.sub(output or '', 1, 4) == 'out:'
    and output ~= 'out:' .. (token or '') .. ':' .. (script or '') then table.insert(badout, id) end
  if ends ~= (ttl >= 0) then table.insert(ttls, id) end
  if buried then
    table.insert(dead, id)
    table.insert(dead, queue)
  end
end
return {ended, lost, badout, stray, ttls, dead}
"""


@dataclass
class Look:
    lost: set[str]  # I1
    buried: list[tuple[str, str]]  # jobs whose hash says that they are in dead, and the queue


def look(world: World, link: Link) -> Look:
    keys = [key(q, name) for q in QUEUES for name in ("Q", "handoff", "leases", "delayed", "dead")]
    _, lost, badout, stray, ttls, dead = link("EVAL", LOOK, len(keys), *keys)
    for ids, what in (
        (badout, "output of a stale run"),
        (stray, "output on a hash that is not terminal"),
        (ttls, "ttl on a living hash, or none on an ended one"),
    ):
        for id in ids:
            if id not in world.foreign:
                world.violation(what, id)
    for queue in QUEUES:
        same_ids(world, link, queue, "holders", "leases")
        same_ids(world, link, queue, "reasons", "dead")
    gone = {id for id in lost if id not in world.foreign and id not in world.excused}
    return Look(gone, list(zip(dead[::2], dead[1::2], strict=True)))


def same_ids(world: World, link: Link, queue: str, of_hash: str, of_zset: str) -> None:
    both = "return {redis.call('HKEYS', KEYS[1]), redis.call('ZRANGE', KEYS[2], 0, -1)}"
    a, b = link("EVAL", both, 2, key(queue, of_hash), key(queue, of_zset))
    if set(a) != set(b):
        world.violation(f"{of_zset} and {of_hash} differ", set(a) ^ set(b))


def left_over(link: Link) -> dict[str, int]:
    size = {"Q": "LLEN", "handoff": "LLEN", "leases": "ZCARD", "holders": "HLEN", "delayed": "ZCARD", "stops": "ZCARD"}
    return {name: sum(link(command, key(q, name)) for q in QUEUES) for name, command in size.items()}


def final(world: World, link: Link) -> tuple[int, int]:
    """After the drain. Answers how many jobs are terminal and how many are lost."""
    # What a waiter does in the end.
    for id in world.foreign:
        link(*world.on_job("settle", id, "output", link("HGET", hash_of(id), "output") or ""))
    time.sleep(0.5)
    seen = look(world, link)
    for id in seen.lost:
        world.violation("lost", id)
    ended = every_job(world, link)
    for queue in QUEUES:
        dead_letters(world, link, queue, seen)
    stops_and_results(world, link)
    return ended, len(seen.lost)


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


def dead_letters(world: World, link: Link, queue: str, seen: Look) -> None:
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
