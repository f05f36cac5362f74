"""The checker: the invariants of c/PROTOCOL.md 2.16, as far as they can be read from outside.

I9, that a blind repeat is harmless, cannot be read: where answers are lost all the time, a repeat that does harm breaks
one of the others. tests/redis runs every script twice.

The first half looks at a server and serves the simulator (tests/model) too. The second holds the server against the
append-only ledgers of real processes:

    orders    of those who submit:  try ID TIME, ack ID TIME; again ID TIME before one is run again or deleted, which
              is then not held against anybody until the next ack
    ledger    of those who handle:  start ID ATTEMPT PID TIME, then end or refused

TIME is the monotonic clock, which all processes of a machine share. An output ends with the words PID ATTEMPT.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from .lua import queue_key
from .server import Connection, Server

TERMINAL = ("finished", "error")
WORK = ("Q", "handoff", "leases", "delayed", "dead")  # where the id of a living job is (I1)
SIZES = {"string": "STRLEN", "list": "LLEN", "zset": "ZCARD", "hash": "HLEN"}
LEFT_OVER = {
    "Q": "LLEN",
    "handoff": "LLEN",
    "leases": "ZCARD",
    "holders": "HLEN",
    "delayed": "ZCARD",
    "recoveries": "HLEN",
    "missing": "HLEN",
    "stops": "ZCARD",
    "seen": "ZCARD",
    "intents": "ZCARD",
}
# A stop that came as its job ended stays until it is trimmed, after an hour.
AT_ONCE = LEFT_OVER.keys() - {"stops"}
# A key without a TTL is one of these, and no longer than that (I10).
BOUNDS = {"dead": 10_000, "reasons": 10_000, "stops": 1_000, "meta": 10, "{heroq}:queues": 10, "{heroq}:mark": 10}

# Counts jobs that have ended, and names those that break a rule by themselves. KEYS: lists and sorted sets that hold
# ids. ARGV: which jobs; of whom a reply must be there. `wrong` is put in by the caller: what makes the output of a
# finished job one of a stale run.
LOOK = """
local seen, ended, lost, wrong, stray, ttls, dead, early = {}, 0, {}, {}, {}, {}, {}, {}
local ours = {}
for _, k in ipairs(KEYS) do
  ours[k] = true
  local list = redis.call('TYPE', k).ok == 'list'
  for _, x in ipairs(redis.call(list and 'LRANGE' or 'ZRANGE', k, 0, -1)) do seen[x] = true end
end
for _, k in ipairs(redis.call('KEYS', 'hero:job:' .. ARGV[1])) do
  local status, output, token, script, buried, queue, attempt, asked = unpack(redis.call('HMGET', k, 'status', 'output',
    'hq_token', 'script', 'hq_dead', 'hq_queue', 'hq_attempt', 'hq_reply_to'))
  local id, ttl = string.sub(k, 10), redis.call('PTTL', k)
  local ends = status == 'finished' or status == 'error'
  if ends then
    ended = ended + 1
  else
    if output then table.insert(stray, id) end
    if not seen[id] then table.insert(lost, id) end
  end
  if ends and token and ours[queue or ''] and not seen[id] then
    local reply = 'hero:q:reply:' .. id
    local owed = ARGV[2] == 'all' or ARGV[2] == 'asked' and asked == reply
    if buried or owed and redis.call('EXISTS', reply) == 0 then table.insert(early, id) end
  end
  output, token, script, attempt = output or '', token or '', script or '', attempt or ''
  if status == 'finished' and (WRONG) then table.insert(wrong, id) end
  if ends ~= (ttl >= 0) then table.insert(ttls, id) end
  if buried then
    table.insert(dead, id)
    table.insert(dead, queue or '')
  end
end
return {ended, lost, wrong, stray, ttls, dead, early}
"""
# Tokens of one queue's holders that another id has too, and ids whose hash knows a later token of the queue.
TOKENS = """
local function seq(token) return tonumber(string.match(token, '^(%d+):') or '') or 0 end
local held, seen, twice, older = redis.call('HGETALL', KEYS[1]), {}, {}, {}
for i = 1, #held, 2 do
  local id, token = held[i], held[i + 1]
  if seen[token] then table.insert(twice, id) end
  seen[token] = true
  local newest, queue = unpack(redis.call('HMGET', 'hero:job:' .. id, 'hq_token', 'hq_queue'))
  if newest and queue == ARGV[1] and seq(newest) > seq(token) then table.insert(older, id) end
end
return {twice, older}
"""
# Of the actors here: another attempt wrote it than the newest.
OLD_ATTEMPT = "string.match(output, ' (%d+)$') ~= attempt"

OVERLAP = "I5: another run, though the result of this one was taken"

Call = Callable[..., Any]  # sends one command and answers with text


def text(answer: Any) -> Any:
    if isinstance(answer, bytes):
        return answer.decode("latin1")
    return [text(x) for x in answer] if isinstance(answer, list) else answer


def caller(connection: Connection) -> Call:
    return lambda *argv: text(connection.call(*argv))


@dataclass
class Look:
    """The server at one moment; each list names ids."""

    ended: int
    lost: list[str]  # I1: not terminal, and in no structure
    wrong: list[str]  # I4: the output of a stale run
    stray: list[str]  # I4: an output on a hash that is not terminal
    ttls: list[str]  # I10: a ttl on a living hash, or none on an ended one
    buried: list[tuple[str, str]]  # the hash says that the job is in dead, and of which queue
    early: list[str]  # I7: ended and in no structure, without the reply, or the burial, that comes before that

    def breaches(self) -> list[tuple[str, list[str]]]:
        found = (
            ("I4: output of a stale run", self.wrong),
            ("I4: output on a hash that is not terminal", self.stray),
            ("I7: gone before its reply or its burial", self.early),
            ("I10: ttl on a living hash, or none on an ended one", self.ttls),
        )
        return [(what, ids) for what, ids in found if ids]


def look(call: Call, queues: Sequence[str], jobs: str = "*", wrong: str = OLD_ATTEMPT, replied: str = "none") -> Look:
    """`replied`: whose reply nobody takes away, so that it must be there: of none, of all, or of those that `asked`."""
    keys = [queue_key(q, name) for q in queues for name in WORK]
    answer = call("EVAL", LOOK.replace("WRONG", wrong), len(keys), *keys, jobs, replied)
    ended, lost, stale, stray, ttls, dead, early = answer
    return Look(ended, lost, stale, stray, ttls, list(zip(dead[::2], dead[1::2], strict=True)), early)


def different_ids(call: Call, queue: str) -> list[tuple[str, set[str]]]:
    """I2, and the same for what is dead: the hash and the sorted set name the same ids."""
    both = "return {redis.call('HKEYS', KEYS[1]), redis.call('ZRANGE', KEYS[2], 0, -1)}"
    found = []
    for of_hash, of_zset in (("holders", "leases"), ("reasons", "dead")):
        a, b = call("EVAL", both, 2, queue_key(queue, of_hash), queue_key(queue, of_zset))
        if set(a) != set(b):
            found.append((f"I2: {of_zset} and {of_hash} differ", set(a) ^ set(b)))
    return found


def wrong_tokens(call: Call, queue: str) -> list[tuple[str, set[str]]]:
    """I5 of the registered holders, where no failover may undo a take."""
    twice, older = call("EVAL", TOKENS, 1, queue_key(queue, "holders"), queue)
    return [("I5: one token for two ids", set(twice)), ("I5: an older holder than the one that ran it", set(older))]


def left_over(call: Call, queues: Iterable[str], names: Collection[str] = LEFT_OVER.keys()) -> dict[str, int]:
    """What is not empty, and how long it is."""
    sizes = {name: sum(call(LEFT_OVER[name], queue_key(q, name)) for q in queues) for name in names}
    return {name: size for name, size in sizes.items() if size}


# ---- the ledgers ----


@dataclass(frozen=True)
class Line:
    """A start."""

    id: str
    attempt: str
    pid: int
    time: float


class Ledger:
    """An append-only file of lines; read() answers with the new whole ones. Each belongs to one reader."""

    def __init__(self, path: Path) -> None:
        self.path, self._offset = path, 0
        path.touch()

    def read(self) -> list[list[str]]:
        with self.path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [line.split() for line in whole.decode().splitlines()]


class Oracle:
    """Holds a server against the ledgers: watch() while it runs, then done() until it is true, then judge().

    `expire`: hashes live so short that one that is gone has ended; that only ended ones have a ttl is checked.
    `replied`: as for look().
    """

    def __init__(
        self, server: Server, folder: Path, queues: Sequence[str], expire: bool = False, replied: str = "asked"
    ) -> None:
        self.server, self.queues, self.expire, self.replied = server, queues, expire, replied
        self.orders, self.ledger = Ledger(folder / "orders"), Ledger(folder / "ledger")
        self.acked: set[str] = set()
        self.again: set[str] = set()
        self.open: set[str] = set()  # acknowledged, not seen terminal
        self.results: dict[str, list[str | None]] = {}  # id → status, output, error when it was first seen terminal
        self.starts: dict[str, list[Line]] = defaultdict(list)
        self.ends: dict[str, set[str]] = defaultdict(set)  # id → attempts
        self.touched: dict[str, float] = {}  # id → when a line named it
        self.jobs = self.stale = 0
        self.breaches: dict[str, set[str]] = defaultdict(set)

    def breach(self, what: str, ids: Iterable[str]) -> None:
        self.breaches[what].update(ids)

    def read_ledgers(self) -> set[str]:
        """Answers with the ids that somebody has begun to run again."""
        renewed = set()
        for what, id, *_ in self.orders.read():
            self.touched[id] = time.monotonic()
            if what == "again":
                self.again.add(id)
                renewed.add(id)
                self.acked.discard(id)
                self.open.discard(id)
                self.results.pop(id, None)
            elif what == "ack" and id not in self.acked:
                self.acked.add(id)
                self.open.add(id)
                self.jobs += id not in self.again
        for what, id, attempt, pid, when in self.ledger.read():
            self.touched[id] = time.monotonic()
            if what == "start":
                self.starts[id].append(Line(id, attempt, int(pid), float(when)))
            elif what == "end":
                self.ends[id].add(attempt)
            else:
                self.stale += 1
        return renewed

    def watch(self) -> None:
        """What must hold at any moment."""
        self.read_ledgers()  # before the look: what was acknowledged by then must be there
        acked = set(self.acked)
        with self.server.connect() as link:
            call = caller(link)
            seen = look(call, self.queues, replied=self.replied)
            renewed = (
                self.read_ledgers()
            )  # between two steps of a requeue the id is nowhere, and nothing is acknowledged
            self.breach("I1: acknowledged, not terminal, nowhere", set(seen.lost) & acked - renewed)
            for what, ids in seen.breaches():
                self.breach(what, ids)
            for queue in self.queues:
                for what, wrong in different_ids(call, queue) + wrong_tokens(call, queue):
                    self.breach(what, wrong)
            for id, result in hashes(link, self.open, "status", "output", "error"):
                if result[0] in TERMINAL:
                    self.results[id] = result
                if result[0] in TERMINAL or (result[0] is None and self.expire):
                    self.open.discard(id)

    def forget(self, age: float) -> None:
        """Drops what has ended and was not heard of for so many seconds, after a last check: for runs without end."""
        before = time.monotonic() - age
        old = {id for id, when in self.touched.items() if when < before and id not in self.open}
        self._check_starts(old, 0)
        self.breach("doubled output", self.doubled() & old)
        self.breach(OVERLAP, self.overlapped() & old)
        for id in old:
            for memory in (self.results, self.starts, self.ends, self.touched):
                memory.pop(id, None)
        self.acked -= old
        self.again -= old

    def done(self) -> bool:
        """Every acknowledged job has ended and nothing is left over."""
        with self.server.connect() as link:
            if left_over(caller(link), self.queues, AT_ONCE):
                return False
        self.watch()
        return not self.open

    # ---- the verdict ----

    def judge(self, max_starts: int) -> dict[str, set[str]]:
        """All that is wrong: which rule → ids. `max_starts`: 1 + recoveries + retries; 0: do not look."""
        self.watch()
        self.breach("I1: lost", self.open)
        with self.server.connect() as link:
            call = caller(link)
            for name, size in left_over(call, self.queues, AT_ONCE).items():
                self.breach("left over", [f"{name} {size}"])
            self._check_starts(self.starts, max_starts)
            self.breach("doubled output", self.doubled())
            self.breach(OVERLAP, self.overlapped())
            self._check_results(link)
            self._check_replies(link)
            for queue in self.queues:
                self._check_dead(link, queue)
            self._check_bounds(link)
        return {what: ids for what, ids in self.breaches.items() if ids}

    def _check_starts(self, ids: Iterable[str], most: int) -> None:
        for id in ids:
            lines = self.starts.get(id, [])
            if len({line.attempt for line in lines}) < len(lines):
                self.breach("I5: started twice with one attempt", [id])
            if most and len(lines) > most:
                self.breach("I8: started too often", [id])

    def _check_results(self, link: Connection) -> None:
        started = {(line.id, line.attempt, str(line.pid)) for lines in self.starts.values() for line in lines}
        for id, result in hashes(link, self.results, "status", "output", "error"):
            if id in self.again or (result[0] is None and self.expire):
                continue
            if result != self.results[id]:
                self.breach("I3: a terminal job changed", [id])
            if result[0] == "finished":
                pid, attempt = (result[1] or "- -").split()[-2:]
                if (id, attempt, pid) not in started:
                    self.breach("I4: nobody started the run of this output", [id])

    def doubled(self) -> set[str]:
        """Ids of which two runs had their result acknowledged."""
        return {id for id, attempts in self.ends.items() if len(attempts) > 1} - self.again

    def overlapped(self) -> set[str]:
        """Ids with a result that was taken and a later run: the earlier one had not lost its lease, or had ended."""
        last = {id: max(int(line.attempt) for line in lines) for id, lines in self.starts.items() if lines}
        found = {id for id, attempts in self.ends.items() if min(map(int, attempts), default=0) < last.get(id, 0)}
        return found - self.again

    def _check_replies(self, link: Connection) -> None:
        keys = [key.removeprefix("hero:q:reply:") for key in scan(link, "hero:q:reply:*")]
        ids = [id for id in keys if id not in self.again]
        for id, (status, output, error) in hashes(link, ids, "status", "output", "error"):
            said = set(text(link.call("LRANGE", f"hero:q:reply:{id}", 0, -1)))
            if status is not None and status not in TERMINAL:
                self.breach("I6: a reply before its result", [id])
            elif status is not None and said != {output if status == "finished" else error}:
                self.breach("doubled output: replies differ from the result", [id])

    def _check_dead(self, link: Connection, queue: str) -> None:
        flat = text(link.call("HGETALL", queue_key(queue, "reasons")))
        reasons = dict(zip(flat[::2], flat[1::2], strict=True))
        for id, (status, why) in hashes(link, reasons, "status", "hq_dead"):
            if reasons[id] != why or status != "error":
                self.breach("dead, but its hash does not say so", [id])
        buried = {id for id, where in look(caller(link), self.queues).buried if where == queue}
        self.breach("its hash says dead, but it is not there", buried - reasons.keys())

    def _check_bounds(self, link: Connection) -> None:
        names = {queue_key(q, name): limit for q in self.queues for name, limit in BOUNDS.items()}
        for key in scan(link, "*"):
            if key.startswith("hero:job:") or link.call("PTTL", key) >= 0:  # of hashes LOOK has read the ttl
                continue
            kind = text(link.call("TYPE", key))
            limit = names.get(key, BOUNDS.get(key, 0))
            if kind != "none" and link.call(SIZES[kind], key) > limit:
                self.breach("I10: neither ttl nor bound", [key])

    # ---- what the table shows ----

    def recovery(self, ended: Iterable[tuple[int, float]]) -> float:
        """Of processes that were ended at a time: the longest that a job of theirs waited for its next start."""
        when = dict(ended)
        slowest = 0.0
        for lines in self.starts.values():
            lines.sort(key=lambda line: int(line.attempt))
            for line, following in pairwise(lines):
                if line.pid in when and line.time <= when[line.pid] <= following.time:
                    slowest = max(slowest, following.time - when[line.pid])
        return slowest


def hashes(link: Connection, ids: Iterable[str], *fields: str) -> list[tuple[str, list[str | None]]]:
    """The fields of many job hashes, pipelined."""
    found = []
    wanted = list(ids)
    for start in range(0, len(wanted), 500):
        batch = wanted[start : start + 500]
        for id in batch:
            link.send("HMGET", f"hero:job:{id}", *fields)
        found += [(id, text(link.read())) for id in batch]
    return found


def scan(link: Connection, pattern: str) -> list[str]:
    found: set[str] = set()
    cursor = "0"
    while True:
        cursor, keys = text(link.call("SCAN", cursor, "MATCH", pattern, "COUNT", 1000))
        found.update(keys)
        if cursor == "0":
            return sorted(found)
