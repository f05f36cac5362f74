"""What the whole simulation shares: the rule that is broken, the scale of time, the scripts, the ledger."""

from __future__ import annotations

import collections
import hashlib
import random
import sys
import threading
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support import lua, oracle
from support.server import Connection, Server

# ms, but BLOCK, BEAT and UNSETTLED in seconds. UNSETTLED is the second of part 1, after which an output or a reply
# alone is a result.
LEASE, REAP, GRACE, RECHECK, BASE, MAX_RECOVERIES, KEEP_STOPS, KEEP_DEAD = 800, 200, 400, 100, 100, 3, 2500, 10**9
BLOCK, BEAT, UNSETTLED = 0.15, 0.15, 0.2
WATCH = 400  # ms
SHORT_LEASE = max(GRACE, int(2000 * BEAT))  # of a TAKE behind a BLMOVE
Q1 = "hero:q:work:type:osis"
Q2 = Q1 + ":group:g"
QUEUES = (Q1, Q2)
CTL = "hero:q:ctl:type:osis"
TERMINAL = oracle.TERMINAL

# mode: script, what its text says, what it says then, …
PATCHES: dict[str, tuple[str, ...]] = {
    "drophold": ("take", "zd[#zd + 1] = now + tonumber(ARGV[5])\nzd[#zd + 1] = id\n", ""),
    "nosuspectalone": ("take", "rs[i] and num(rs[i]) >= 2", "false"),
    "pauseignored": ("take", "if m[2] then", "if false then"),
    "nofence": ("finish", "if held ~= ARGV[1] then return -3 end", ""),
    "nofencereply": ("finish_reply", "if held ~= ARGV[1] then return -3 end", ""),
    "replyunwritten": (
        "finish_reply",
        "if held ~= ARGV[1] then return -3 end",
        "if held ~= ARGV[1] then answer(KEYS[2], ARGV[2]) return -3 end",
    ),
    "nohandoff": ("reap", "now - tonumber(s) >= grace", "false"),
    "requeuenorepeat": ("requeue", "if not term and (st ~= 'dispatched' or held) then", "if not term then"),
    "unclaimstop": ("unclaim", "if not term and st ~= 'stopping' then", "if not term then"),
    "gracetwice": ("reap", "outage and due % 1 == 0", "outage"),
    "nograce": ("reap", "outage and due % 1 == 0", "false"),
    "graceold": ("reap", "now - last > lease / 2", "now - last > 3 * interval"),
    "gracemeta": (
        "reap",
        "outage and due % 1 == 0",
        "outage and due ~= marked",
        "now + lease + 0.5",
        "now + lease",
        "local ids = ",
        "local marked = num(call('HGET', meta, 'grace'))\n"
        "if outage then call('HSET', meta, 'grace', whole(now + lease)) end\nlocal ids = ",
    ),
    "minekill": ("reap", "%.0f:%s!", "%.0f:%s"),
    "killnotholder": (
        "reap",
        "call('ZADD', leases, now + lease, id)\ncall('HSET', holders, id, tok)\n",
        "call('ZREM', leases, id)\ncall('HDEL', holders, id)\ncall('HDEL', recoveries, id)\n"
        "call('ZADD', dead, now, id)\ncall('HSET', reasons, id, 'lost')\n",
    ),
    "killsame": ("kill", "if held == tok and not ARGV[4] then", "if held == tok then"),
    "deadstays": (
        "done",
        "if size[5] > 0 then call('ZREM', dead, unpack(mine)) end\n"
        "if size[6] > 0 then call('HDEL', reasons, unpack(mine)) end\n",
        "",
    ),
    "watchforever": ("promote", "now + watch, actor", "now + 50000, actor"),
    "keepoutput": ("claim", "call('HDEL', KEYS[1], 'output', 'error')", "call('HDEL', KEYS[1], 'hq_')"),
    "expiredruns": ("claim", "if expired then", "if false then"),
    "nofailed": ("claim", "failed == tok or ", ""),
    "replyattempt": ("settle", "requeued or output", "output or call('HEXISTS', KEYS[1], 'hq_attempt') == 1"),
}
# Rules that the programs keep, not the scripts.
HABITS = [
    "doneearly",
    "terminaldone",
    "oldreply",
    "superseded-done",
    "finish3done",
    "elsewhere-done",
    "elsewhere-look-done",
    "elsewhereforever",
    "ctlpop",
    "cancelzrem",
    "stopblind",
    "suspectblocks",
    "behindempty",
    "nomine",
]
# Safety does not need these: they must pass too.
HARMLESS = ("nomine", "nofailed", "elsewhere-look-done")
MODES = ["full", *PATCHES, *HABITS]
# In every mode `script` is the generation of a job: REQUEUE raises it, so that the checker knows which run a result is
# of.
ALWAYS = {
    "requeue": (
        "return {1, queue or '', script_type or ''}",
        "return {1, queue or '', '', call('HINCRBY', KEYS[1], 'script', 1), term and 1 or 0}",
    ),
    "cancel": ("script_type or ''}", "script}"),
}


class Link:
    """A bare connection that speaks text."""

    def __init__(self, port: int) -> None:
        self._connection = Connection(port, timeout=10)
        self.send, self.read_raw = self._connection.send, self._connection.read

    def read(self) -> Any:
        return oracle.text(self._connection.read())

    def __call__(self, *argv: Any) -> Any:
        self.send(*argv)
        return self.read()


def key(queue: str, name: str) -> str:
    return lua.queue_key(queue, name)


def hash_of(id: str) -> str:
    return "hero:job:" + id


def reply_of(id: str) -> str:
    return "hero:q:reply:" + id


class World:
    def __init__(self, mode: str, seed: int, server: Server) -> None:
        self.mode, self.seed, self.server = mode, seed, server
        self.stop = self.drain = False  # drain: no new work and no faults any more
        self.counts: collections.Counter[str] = collections.Counter()
        self.violations: dict[str, list[tuple[Any, ...]]] = {}
        self._lock = threading.Lock()
        # Nothing is acknowledged in a queue's slot while a failover undoes it.
        self.enqueue = threading.Lock()
        self.zombies: list[Link] = []  # connections whose answer nobody reads
        # ---- the ledger ----
        self.jobs = 0
        self.kinds: dict[str, str] = {}  # job → ok, poison, final, late, never
        self.expires: set[str] = set()  # jobs whose run must begin soon
        self.dead_for = {
            "poison": "lost",
            "final": "failed",
            "never": "missing_hash",
        }  # kind → the right reason in dead
        self.ended: collections.deque[str] = collections.deque(
            maxlen=6
        )  # jobs whose holder is about to say DONE or BURY
        self.running: dict[str, str] = {}
        self.generation: dict[str, int] = {}
        self.requeued_at: dict[str, float] = {}
        self.excused: set[str] = set()  # requeues whose caller died before the push
        self.stops: list[tuple[str, str, str]] = []  # acknowledged: job, generation, token
        self.results: list[tuple[str, str, str, str]] = []  # what waiters saw: job, generation, status, text
        self.deleted: set[str] = set()
        self.foreign: dict[str, tuple[str, str | None]] = {}  # job that a foreign actor took → its kind, hq_requeued
        self.foreign_wrote: dict[str, float] = {}  # its output → when
        self.foreign_fresh: list[str] = []  # jobs that need a waiter
        self.foreign_stops: set[str] = set()  # ids whose stop message only a foreign actor may take
        self.foreign_stopped: set[str] = set()
        self._load()

    def _load(self) -> None:
        link, self._sha = self.link(), {}
        for name in lua.names():
            code = lua.load(name)
            patches = [ALWAYS[name]] if name in ALWAYS else []
            script, *pairs = PATCHES.get(self.mode, ("",))
            if script == name:
                patches += zip(pairs[::2], pairs[1::2], strict=True)
            for old, new in patches:
                if old not in code:
                    sys.exit(f"{name}.lua does not say {old!r}")
                code = code.replace(old, new)
            self._sha[name] = hashlib.sha1(code.encode()).hexdigest()
            link("SCRIPT", "LOAD", code)

    def link(self) -> Link:
        return Link(self.server.port)

    def on_queue(self, script: str, queue: str, *args: Any) -> tuple[Any, ...]:
        """The command that calls a script on a queue."""
        keys = [key(queue, name) for name in lua.keys(script)]
        return ("EVALSHA", self._sha[script], len(keys), *keys, *args)

    def on_job(self, script: str, id: str, *args: Any) -> tuple[Any, ...]:
        return ("EVALSHA", self._sha[script], 1, hash_of(id), *args)

    def on_job_and_reply(self, script: str, id: str, list_key: str, *args: Any) -> tuple[Any, ...]:
        return ("EVALSHA", self._sha[script], 2, hash_of(id), list_key, *args)

    def on_reply(self, list_key: str, payload: str) -> tuple[Any, ...]:
        return ("EVALSHA", self._sha["reply"], 1, list_key, payload, 0)

    def count(self, what: str, n: int = 1) -> None:
        with self._lock:
            self.counts[what] += n

    def violation(self, what: str, *detail: Any) -> None:
        with self._lock:
            self.violations.setdefault(what, []).append(detail)

    def random(self, salt: Any) -> random.Random:
        return random.Random(f"{salt} {self.seed}")
