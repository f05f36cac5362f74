"""Everybody but the reliable actors: producers, callers, foreign actors, and the weather that the server has."""

from __future__ import annotations

import time

from actor import Client, Crash
from world import (
    CTL,
    LEASE,
    Q1,
    QUEUES,
    TERMINAL,
    UNSETTLED,
    Link,
    World,
    hash_of,
    key,
    reply_of,
)


def producer(world: World) -> None:
    random, link = world.random("producer"), world.link()
    late: list[tuple[float, str]] = []

    def store(id: str) -> None:
        expires = []
        if random.random() < 0.08:
            world.expires.add(id)
            expires = ["hq_expires", int(time.time() * 1000 + random.uniform(0, 400))]
        link("HSET", hash_of(id), "status", "dispatched", "script", 0, "hq_ttl", 3_600_000, *expires)

    while not world.drain or late:
        if not world.drain:
            id, x = f"j{world.jobs}", random.random()
            queue, other = QUEUES[random.random() < 0.4], QUEUES[random.random() < 0.5]
            shares = (("poison", 0.012), ("final", 0.03), ("never", 0.04), ("late", 0.06), ("ok", 1))
            kind = world.kinds[id] = next(kind for kind, share in shares if x < share)
            with world.enqueue:
                if kind == "late":
                    late.append((time.time() + random.uniform(0.02, 0.4), id))
                elif kind != "never":
                    store(id)
                link("LPUSH", queue, id)
                if random.random() < 0.08:
                    link("LPUSH", other, id)
                    world.count("copy" if queue == other else "copy-in-other")
            world.jobs += 1
        for due, id in [x for x in late if x[0] < time.time()]:
            late.remove((due, id))
            world.kinds[id] = "late" if time.time() - due < 0.1 else "never"
            store(id)
        time.sleep(random.uniform(0, 0.012))


# ---- callers: they lose replies, die between two steps, repeat the whole or give up ----


def requeue(client: Client, id: str) -> None:
    world, began, excused = client.world, time.time(), id in client.world.excused
    client.lost_reply = False
    # A caller that dies after REQUEUE and does not repeat has acknowledged nothing.
    world.excused.add(id)
    answer = client.on_job("requeue", id)
    if not excused and (answer[0] != 1 or (not answer[4] and not client.lost_reply)):
        world.excused.discard(id)
    if answer[0] != 1:
        return
    if world.mode != "oldreply":
        client.sure("DEL", reply_of(id))
    with world.enqueue:  # back to the queue that ran it: only there DONE undoes a late BURY
        client.on_queue("push_again", answer[1] or Q1, id)
        world.excused.discard(id)
        world.generation[id], world.requeued_at[id] = answer[3], began
        world.count("requeued")
    if client.random.random() < 0.25:
        wait_for(client, id)


def make_due(client: Client, id: str) -> None:
    for queue in QUEUES:
        if client.world.mode == "cancelzrem":
            client.sure("ZREM", key(queue, "delayed"), id)
        else:
            client.on_queue("stop", queue, id, 0)


def stop(client: Client, id: str) -> None:
    world, answer = client.world, client.on_job("cancel", id)
    world.count(f"cancel{answer[0]}")
    if answer[0] == 4:
        client.sure("LPUSH", CTL, id)
    if answer[0] == 1:
        world.ended.append(id)
        client.nap(0.4)
        make_due(client, id)
    if answer[0] == 2:
        client.nap(0.4)
        client.on_queue("stop", answer[1], id, 1)
    if answer[0] in (1, 2):
        world.stops.append((id, answer[4], answer[2]))


def delete(client: Client, id: str) -> None:
    if client.on_job("delete", id, 3_600_000)[0] == 1:
        client.world.deleted.add(id)
        for queue in QUEUES:
            out = "redis.call('ZREM', KEYS[1], ARGV[1]) redis.call('HDEL', KEYS[2], ARGV[1])"
            client.sure("EVAL", out, 2, key(queue, "dead"), key(queue, "reasons"), id)


def stop_by_ctl(client: Client, id: str) -> None:
    if client.random.random() < 0.4:  # a foreign supervisor stops a job of heroq's
        client.sure("LPUSH", CTL, id)
        return
    foreign = f"f{client.random.randint(0, 10**9)}"
    client.sure("HSET", hash_of(foreign), "status", "started", "script", 0)
    stop(client, foreign)
    client.world.foreign_stops.add(foreign)


def wait_for(client: Client, id: str) -> None:
    """Awaits as part 1 says, and checks that what it gets is of the newest run."""
    world, replies = client.world, reply_of(id)
    generation, requeued = world.generation.get(id, 0), world.requeued_at.get(id, 0.0)
    seen: tuple[tuple[str, str], float] | None = None
    got, piece, end = None, 0.05, time.time() + 1.5
    client.on_job("await", id, replies)
    world.count("await")
    while time.time() < end and not world.stop:
        v = client.sure("HMGET", hash_of(id), "status", "output", "error", "script", "hq_requeued")
        status, output, error, script, again = v
        if status in TERMINAL:
            world.count("awaited")
            world.results.append((id, script, status, output or error))
            old = (output or "").startswith("out:") and int(output.split(":")[-1]) < generation
            older = generation and world.foreign_wrote.get(output, 9e99) < requeued
            if status == "finished" and (old or older):
                world.violation("await returned an old run's result", id, v, generation)
            client.sure("DEL", replies)
            return
        replied = got and (world.mode == "replyattempt" or not again)
        found = ("output", output) if output else ("reply", got) if replied else None
        if not found or not seen or seen[0] != found:
            seen = (found, time.time()) if found else None
        elif time.time() - seen[1] > UNSETTLED:
            world.count("settle-" + found[0], client.on_job("settle", id, *found)[0])
            seen = got = None
            continue
        answer = client.sure("BLPOP", replies, f"{piece:.3f}")
        piece = min(piece * 2, 0.4)
        if answer:
            got = answer[1]
            if check_reply(client, id, got, generation):
                return


def check_reply(client: Client, id: str, got: str, generation: int) -> bool:
    """True: the waiter believes the reply."""
    if not got.startswith("out:"):
        return False
    status, script = client.sure("HMGET", hash_of(id), "status", "script")
    run = got.split(":")[-1]
    if status not in (*TERMINAL, None) and script == run:
        client.world.violation("a reply before its result", id, got)
    if client.world.mode != "oldreply":
        return False
    if int(run) < generation:
        client.world.violation("await returned an old run's result", id, got, generation)
    return True


def caller(world: World, number: int) -> None:
    client = Client(world, f"caller {number}")
    acts = ((requeue, 0.5), (stop, 0.75), (delete, 0.76), (stop_by_ctl, 0.84), (wait_for, 1))
    while not world.drain:
        id = f"j{max(0, world.jobs - int(client.random.expovariate(0.03)) - 1)}"
        x = client.random.random()
        if world.kinds.get(id) == "never" and x < 0.6:
            continue
        if x < 0.35 and world.ended:
            id = list(world.ended)[-1 - int(client.random.random() ** 2 * len(world.ended))]
        if 0.5 < x < 0.7 and world.running:
            id = client.random.choice(list(world.running) or [id])
        act = next(act for act, share in acts if x < share)
        if act is wait_for and world.foreign_fresh and client.random.random() < 0.7:
            id = world.foreign_fresh.pop()
        for _ in range(2):
            try:
                act(client, id)
                break
            except (Crash, OSError):
                client = Client(world, client.random.random())
            if client.random.random() < 0.3:
                break  # left half done; else a new process repeats the whole
        time.sleep(client.random.uniform(0, 0.02))


# ---- foreign actors: kind hash writes output and status, output only that, reply only a reply ----


def foreign_actor(world: World, kind: str) -> None:
    random, link, n = world.random(kind), world.link(), 0
    while not world.stop:
        time.sleep(random.uniform(0.02, 0.25))
        popped = link("BLPOP", Q1, "0.1")
        if not popped:
            continue
        id, n = popped[1], n + 1
        status, token, requeued = link("HMGET", hash_of(id), "status", "hq_token", "hq_requeued")
        world.foreign[id] = (kind, requeued)
        if not status or status in TERMINAL or world.kinds.get(id) == "poison":
            continue  # it died, or had nothing to do
        output, wrote = f"{kind}:{n}", time.time()
        world.count("foreign-" + kind)
        if token:
            world.count("foreign-after-heroq")
        if kind == "hash":
            link("HSET", hash_of(id), "status", "started")
            time.sleep(0.02)
            link("HSET", hash_of(id), "output", output, "status", "finished")
        elif kind == "output":
            time.sleep(0.02)
            link("HSET", hash_of(id), "output", output)
        else:
            time.sleep(random.uniform(0, 0.1))
            link("LPUSH", reply_of(id), output)
        world.foreign_wrote[output] = wrote if kind == "reply" else time.time()
        world.ended.append(id)
        if kind != "hash":
            world.foreign_fresh.append(id)


def foreign_ctl(world: World) -> None:
    link = world.link()
    while not world.stop:
        popped = link("BLPOP", CTL, "0.1")
        if popped and popped[1] in world.foreign_stops:
            world.foreign_stopped.add(popped[1])
            link("HSET", hash_of(popped[1]), "status", "error")
        elif popped and popped[1].startswith("f"):  # its stop is not acknowledged yet
            link("LPUSH", CTL, popped[1])
        time.sleep(0.05)


# ---- weather ----


def weather(world: World) -> None:
    random, link = world.random("weather"), world.link()
    while not world.drain:
        time.sleep(random.uniform(0.2, 1))
        queue, x = QUEUES[random.random() < 0.5], random.random()
        if x < 0.25:
            pause(world, link, queue)
        elif x < 0.85:
            failover(world, link, queue, random.uniform(0.02, 0.12))
        elif not world.drain:
            world.server.pause()
            time.sleep(LEASE / 1000 * random.uniform(0.8, 1.8))
            world.server.cont()
            world.count("outage")


def pause(world: World, link: Link, queue: str) -> None:
    with world.enqueue:
        link("HSET", key(queue, "meta"), "paused", 1)
        before = set(link("HVALS", key(queue, "holders")))
        time.sleep(0.3)
        after = [token for token in link("HVALS", key(queue, "holders")) if not token.endswith("!")]
        link("HDEL", key(queue, "meta"), "paused")
        world.count("pause")
    taken = [token for token in after if token not in before]
    if taken and world.mode != "minekill":
        world.violation("taken while paused", *taken[:3])


def failover(world: World, link: Link, queue: str, seconds: float) -> None:
    """What the queue's slot did for a moment is undone."""
    names = [
        "Q",
        "handoff",
        "seen",
        "leases",
        "holders",
        "delayed",
        "recoveries",
        "missing",
        "dead",
        "reasons",
        "stops",
        "meta",
    ]

    def transaction(*commands: tuple[object, ...]) -> None:
        link("MULTI")
        for command in commands:
            link(*command)
        link.send("EXEC")

    with world.enqueue:
        keys = [key(queue, name) for name in names]
        transaction(*[("DUMP", k) for k in keys])
        dumps = link.read_raw()
        time.sleep(seconds)
        old = zip(keys, dumps, strict=True)
        transaction(*[("DEL", k) if dump is None else ("RESTORE", k, 0, dump, "REPLACE") for k, dump in old])
        link.read()
        world.count("failover")
