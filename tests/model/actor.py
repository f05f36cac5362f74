"""A reliable actor, and the faults of its connection."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from support.server import ServerError
from world import (
    BASE,
    BEAT,
    BLOCK,
    CTL,
    GRACE,
    KEEP_DEAD,
    KEEP_STOPS,
    LEASE,
    MAX_RECOVERIES,
    QUEUES,
    REAP,
    RECHECK,
    SHORT_LEASE,
    WATCH,
    World,
    hash_of,
    key,
)

MISSING, TERMINAL, SUPERSEDED, STOPPED, ELSEWHERE = -1, -2, -3, -4, -5


class Crash(Exception):
    """The process dies here."""


class Drop(Exception):
    """The reply is lost; the old connection lives on."""


class Client:
    """A connection with faults: a crash before or after a command, a lost reply, a freeze."""

    def __init__(self, world: World, salt: Any, faults: bool = True) -> None:
        self.world, self.faults, self.random = world, faults, world.random(salt)
        self.link = world.link()
        self.safe = False  # no accidents now
        self.lost_reply = False

    def chance(self) -> float:
        return self.random.random() if self.faults and not self.world.drain else 0.5

    def call(self, *argv: Any, take: Callable[[Any], None] | None = None, behind: tuple[Any, ...] | None = None) -> Any:
        """take: what to do with the answer of a TAKE, before the next accident may come. behind: that TAKE, sent in one
        pipeline with the command."""
        world, x = self.world, self.chance()
        if x < 0.008 and not self.safe:
            world.count("crash-before")
            raise Crash
        self.link.send(*argv)
        if behind:
            self.link.send(*behind)
        if x < 0.016 and not self.safe and (behind or not take):
            world.count("crash-after-send")
            world.zombies.append(self.link)
            raise Crash
        if 0.016 <= x < 0.040:
            world.count("reply-lost")
            world.zombies.append(self.link)
            self.link = world.link()
            self.lost_reply = True
            self.safe = self.safe or take is not None
            raise Drop
        try:
            answer = self.link.read()
            taken = self.link.read() if behind else answer
        except ServerError as error:
            world.violation("error answer", str(error))
            raise Crash from error
        if take:
            take(taken)
        if x < 0.050 and not self.safe:
            world.count("crash-after-reply")
            raise Crash
        if x > 0.996 and not self.safe:
            world.count("freeze")
            time.sleep(LEASE / 1000 * self.random.uniform(0.5, 2.5))
        return answer

    def sure(self, *argv: Any) -> Any:
        """Repeated until it is answered."""
        while True:
            try:
                return self.call(*argv)
            except Drop:
                pass

    def nap(self, probability: float) -> None:
        if self.faults and not self.world.drain and self.random.random() < probability:
            time.sleep(self.random.uniform(0, 0.25))

    def on_queue(self, script: str, queue: str, *args: Any) -> Any:
        return self.sure(*self.world.on_queue(script, queue, *args))

    def on_job(self, script: str, id: str, *args: Any) -> list[Any]:
        answer = self.sure(*self.world.on_job(script, id, *args))
        return answer if isinstance(answer, list) else [answer]

    def reply(self, to: str, payload: str) -> None:
        if to:
            self.sure(*self.world.on_reply(to, payload))


class Actor(Client):
    def __init__(self, world: World, name: str, faults: bool = True) -> None:
        super().__init__(world, name, faults)
        self.name, self.admin = name, world.link()
        self.known: dict[str, tuple[str, str]] = {}  # token → queue, id
        self.recoveries: dict[str, int] = {}  # of a token's id when it was taken
        self.ready: list[str] = []  # tokens to be run
        self.asked: set[str] = set()  # tokens that are asked to stop
        self.alone: list[str] = []  # tokens of suspects
        self.waiting_since = 0.0  # a suspect lies ahead
        self.adopted = False  # a suspect may then have neighbours
        self.paused: dict[str, float] = {}
        self.promote_at: dict[str, float] = {}
        self.last_beat = 0.0

    # ---- what is held ----

    def note(self, queue: str, pairs: list[str], adopt: bool = False) -> None:
        for id, token in zip(pairs[::2], pairs[1::2], strict=True):
            if token in self.known:
                self.world.count("copy-of-mine")
                continue
            self.known[token] = (queue, id)
            self.ready.append(token)
            self.recoveries[token] = int(self.admin("HGET", key(queue, "recoveries"), id) or 0)
            if adopt:
                self.adopted = True
                self.world.count("adopted")
        self.look()

    def look(self) -> None:
        self.alone = [token for token in self.known if self.recoveries[token] >= 2]
        # Four accidents in a row are a poison job by definition: an innocent suspect is spared.
        self.safe = any(self.world.kinds.get(self.known[token][1]) != "poison" for token in self.alone)
        if not self.known:
            self.waiting_since, self.adopted = 0.0, False

    def forget(self, token: str) -> None:
        self.known.pop(token, None)
        self.look()

    def done(self, queue: str, id: str, token: str) -> None:
        self.nap(0.06)
        self.on_queue("done", queue, id, token)
        self.forget(token)

    def bury(self, queue: str, id: str, token: str, reason: str) -> None:
        self.world.ended.append(id)
        self.nap(0.4)
        self.on_queue("bury", queue, id, token, reason, 10_000)
        self.forget(token)

    def retry(self, queue: str, id: str, token: str, delay: int, why: int = 0, most: int = 0, seq: int = 0) -> int:
        answer: int = self.on_queue("retry", queue, id, token, delay, why, most, seq)
        if answer != 2:
            self.forget(token)
        return answer

    # ---- verdicts ----

    def claim(self, script: str, queue: str, id: str, token: str, *args: Any) -> list[Any]:
        over = ""
        while True:
            answer = self.on_job(script, id, token, queue, over, *args)
            if answer[0] != ELSEWHERE or self.world.mode in ("elsewhereforever", "elsewhere-done"):
                return answer
            if self.sure("HGET", key(answer[1], "holders"), id) == answer[2]:
                return answer
            over = answer[2]
            self.world.count("takeover")

    def follow(self, queue: str, id: str, token: str, answer: list[Any]) -> None:
        """What a holder does with a claim that is not to be run."""
        verdict, mode = answer[0], self.world.mode
        self.world.count(f"verdict{verdict}")
        if verdict == MISSING:
            if self.retry(queue, id, token, BASE, 1, 3) == 2:
                self.bury(queue, id, token, "missing_hash")
        elif verdict == SUPERSEDED and mode != "superseded-done":
            self.retry(queue, id, token, RECHECK, seq=answer[1])
        elif verdict == ELSEWHERE and not mode.startswith("elsewhere-"):
            self.retry(queue, id, token, LEASE)
        else:
            if verdict in (TERMINAL, STOPPED):
                self.reply(answer[1], answer[2])
            if verdict == TERMINAL and answer[3] and mode != "terminaldone":
                self.bury(queue, id, token, answer[3])
            else:
                self.done(queue, id, token)

    def stale(self, queue: str, id: str, token: str) -> None:
        self.world.count("stale")
        if self.world.mode == "finish3done":
            self.done(queue, id, token)
        else:
            self.retry(queue, id, token, RECHECK)

    # ---- the turn ----

    def beat(self) -> None:
        world = self.world
        if self.lost_reply and world.mode != "nomine":
            for queue in QUEUES:
                self.note(queue, self.on_queue("mine", queue, self.name), adopt=True)
            self.lost_reply = False
        if time.time() - self.last_beat < BEAT:
            return
        self.last_beat = time.time()
        for queue in QUEUES:
            held = [(id, token) for token, (q, id) in self.known.items() if q == queue]
            if held:
                lost, asked, _ = self.on_queue("beat", queue, LEASE, *[x for pair in held for x in pair])
                for id, token in held:
                    if id in lost:
                        world.count("lost-lease")
                        self.forget(token)
                    if id in asked:
                        self.asked.add(token)
            self.promote(queue)
            self.reap(queue)
        self.hear_ctl()

    def promote(self, queue: str) -> None:
        """An idle one leaves it to who keeps watch."""
        if not self.known and time.time() < self.promote_at.get(queue, 0):
            return
        watched = self.on_queue("promote", queue, 50, self.name, WATCH)[2]
        self.promote_at[queue] = time.time() + (watched / 1000 + self.random.uniform(0, 0.1) if watched else 0)

    def hear_ctl(self) -> None:
        ids = [self.sure("RPOP", CTL)] if self.world.mode == "ctlpop" else self.sure("LRANGE", CTL, 0, 255)
        for id in ids:
            if id and self.sure("HGET", hash_of(id), "hq_token"):
                answer = self.on_job("cancel", id)
                if answer[0] == 2:
                    self.on_queue("stop", answer[1], id, 1)
                self.sure("LREM", CTL, 0, id)
                self.world.count("ctl-stop")

    def reap(self, queue: str) -> None:
        world = self.world
        answer = self.on_queue(
            "reap", queue, self.name, 50, MAX_RECOVERIES, BASE, REAP, LEASE, GRACE, KEEP_STOPS, KEEP_DEAD
        )
        world.count("reaped", answer[0])
        world.count("handed-back", answer[1])
        for id, token in zip(answer[2::2], answer[3::2], strict=True):
            x = self.chance()
            if x < 0.3:
                world.count("crash-before-kill")
                raise Crash
            if x > 0.7:
                world.count("kill-answer-lost")
                self.lost_reply = True
                continue
            self.kill(queue, id, token)

    def kill(self, queue: str, id: str, token: str) -> None:
        self.recoveries[token] = MAX_RECOVERIES + 1
        answer = self.claim("kill", queue, id, token, "lost")
        self.world.count("killed")
        # ELSEWHERE: my lease runs out, the next reaper asks again.
        if self.world.mode != "killnotholder" and answer[0] != ELSEWHERE:
            self.follow(queue, id, token, answer)

    def has_expired(self, id: str, token: str) -> bool:
        """Whether a run that this token has not begun yet must not begin."""
        expires, held = self.sure("HMGET", hash_of(id), "hq_expires", "hq_token")
        return bool(expires) and held != token and time.time() * 1000 > int(expires)

    def process(self, token: str) -> None:
        world = self.world
        if token not in self.known:
            return
        queue, id = self.known[token]
        too_late = id in world.expires and self.has_expired(id, token)
        answer = self.claim("claim", queue, id, token)
        if answer[0] <= 0:
            self.follow(queue, id, token, answer)
            return
        if too_late and self.sure("HEXISTS", hash_of(id), "hq_expires"):  # else it was requeued meanwhile
            world.violation("run after it expired", id)
        if self.recoveries[token] > MAX_RECOVERIES:
            world.violation("run beyond max recoveries", id)
        if self.recoveries[token] >= 2 and len(self.known) > 1 and not self.adopted:
            world.violation("suspect not alone", id)
        world.count("run")
        if world.kinds.get(id) == "poison":
            world.count("poison")
            raise Crash
        self.run(queue, id, token, generation=answer[1][0], asks=answer[3] if len(answer) > 3 else "")

    def run(self, queue: str, id: str, token: str, generation: str, asks: str) -> None:
        world, x = self.world, 0.5 if self.world.drain else self.random.random()
        world.running[id] = token
        time.sleep(self.random.uniform(0, 0.25) if self.random.random() < 0.1 else 0.002)
        world.running.pop(id, None)
        slow = self.random.random() < 0.03 and not self.safe and not world.drain
        if slow:
            world.count("slow")
            time.sleep(LEASE / 1000 * self.random.uniform(0.5, 2))
            self.last_beat = 0
        if not slow or self.random.random() < 0.3:  # else it ends without having asked whether it still holds the job
            self.beat()
        if token not in self.known:
            return
        stop = token in self.asked and (
            world.mode == "stopblind" or self.sure("HGET", hash_of(id), "status") == "stopping"
        )
        final = world.kinds.get(id) == "final"
        if stop or (final and (generation == "0" or x < 0.5)) or x < 0.08:
            most = 0 if stop else 1 if final else 1000
            self.fail(queue, id, token, "stopped" if stop else "boom", most, 0 if stop else 1)
        elif x < 0.11:
            self.release(queue, id, token, -1)
        elif x < 0.12 and self.recoveries[token] < 2:  # a drop is an accident too: suspects are spared
            self.release(queue, id, token, 2)
        else:
            self.finish(queue, id, token, f"out:{token}:{generation}", asks)

    def finish(self, queue: str, id: str, token: str, output: str, asks: str) -> None:
        if self.world.mode == "doneearly":
            self.done(queue, id, token)
        if asks and self.random.random() < 0.7:
            said = self.sure(*self.world.on_job_and_reply("finish_reply", id, asks, token, output, ""))
            answer = said if isinstance(said, list) else [said]
            self.world.count("finish_reply")
        else:
            answer = self.on_job("finish", id, token, output)
        self.world.count(f"finish{answer[0]}")
        self.world.ended.append(id)
        if answer[0] < 0:
            self.stale(queue, id, token)
            return
        if len(answer) > 1:
            self.reply(answer[1], output)
        self.done(queue, id, token)

    def fail(self, queue: str, id: str, token: str, error: str, most: int, dead: int) -> None:
        answer = self.on_job("fail", id, token, error, most, dead)
        if answer[0] < 0:
            self.stale(queue, id, token)
        elif answer[0] > 0:
            self.retry(queue, id, token, self.random.randint(1, 200))
        else:
            self.reply(answer[1], answer[3])
            if answer[2]:
                self.bury(queue, id, token, answer[2])
            else:
                self.done(queue, id, token)

    def release(self, queue: str, id: str, token: str, why: int) -> None:
        """why −1: given back unseen; 2: dropped unsettled."""
        answer = self.on_job("unclaim", id, token, 1 if why == 2 else 0)
        self.world.count(f"release{answer[0]}")
        if answer[0] == 2:
            self.reply(answer[1], answer[3])
            self.done(queue, id, token)
        elif why != 2:
            self.retry(queue, id, token, -1)
        elif self.retry(queue, id, token, BASE, 2, MAX_RECOVERIES) == 2:
            self.kill(queue, id, token)

    def block(self, queue: str) -> str:
        """BLMOVE and its TAKE in one pipeline. The id that is to be asked for by name, if there is one."""
        answer: list[str] = []

        def took(taken: list[str]) -> None:
            answer.extend(taken)
            self.note(queue, taken[1:])

        empty = 1 if self.world.mode == "behindempty" else 0
        moved = self.call(
            *("BLMOVE", queue, key(queue, "handoff"), "RIGHT", "LEFT", str(BLOCK)),
            take=took,
            behind=self.world.on_queue("take", queue, self.name, SHORT_LEASE, 0, "", RECHECK, empty, 1),
        )
        self.world.count("behind")
        self.hear(queue, answer[0])
        return moved if moved and answer[0] == "OK" and moved not in answer[1::2] else ""

    def hear(self, queue: str, word: str) -> None:
        if word == "PAUSED":
            self.paused[queue] = time.time() + 0.1
            self.world.count("paused")
        if word == "SUSPECT":
            self.waiting_since = self.waiting_since or time.time()
            self.world.count("suspect")
        if word == "ALONE":
            self.world.count("alone")

    def take(self) -> None:
        world, queue = self.world, QUEUES[self.random.random() < 0.4]
        mixing = world.mode == "nosuspectalone"
        waiting = self.waiting_since and (
            time.time() - self.waiting_since < LEASE / 1000 or world.mode == "suspectblocks"
        )
        if (self.known and (self.alone or waiting) and not mixing) or self.paused.get(queue, 0) > time.time():
            time.sleep(0.005)
            return
        handoff_id, x = "", self.random.random()
        if x < 0.35:
            handoff_id = self.block(queue)
            if not handoff_id:
                return
        elif x < 0.6 and not self.known:
            handoff_id = self.call("BLMOVE", queue, key(queue, "handoff"), "RIGHT", "LEFT", str(BLOCK)) or ""
        empty = 1 if not self.known else 2 if self.waiting_since else 0
        n = self.random.randint(0 if handoff_id else 1, 5)
        command = world.on_queue("take", queue, self.name, LEASE, n, handoff_id, RECHECK, empty)
        while True:
            try:
                answer = self.call(*command, take=lambda answer: self.note(queue, answer[1:]))
                break
            except Drop:
                if not handoff_id:  # MINE finds what it took; with a handoff id it is asked again
                    raise
        self.hear(queue, answer[0])


def actor_loop(world: World, number: int) -> None:
    """Processes of one actor, each begun when the last one has crashed."""
    epoch = 0
    while not world.stop:
        epoch += 1
        try:
            actor = Actor(world, f"a{number}.{epoch}")
            while not world.stop:
                try:
                    actor.beat()
                    full = len(actor.ready) > 5 or actor.alone or actor.waiting_since
                    if actor.ready and (full or actor.random.random() < 0.5):
                        actor.process(actor.ready.pop(0))
                    else:
                        actor.take()
                except Drop:
                    pass
        except (Crash, OSError):
            pass
