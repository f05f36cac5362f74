"""Every Lua script against a real server: what it and its blind repeat change, maxmemory, wrong types, bytes."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support import lua
from support.server import Connection, Server, ServerError

Q = "hero:q:work:type:osis"
SEQ = 8_000_000_000_000_000  # ahead of the clock, so that tokens can be foretold
LEASE, RECHECK, DAY = 30_000, 2_000, 86_400_000
MONTH = 30 * DAY


def tok(n: int, actor: str = "me") -> str:
    return f"{SEQ + n}:{actor}"


def raw(value: Any) -> Any:
    """What is sent, as it comes back: text as bytes."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, int) or value is None or isinstance(value, bytes):
        return value
    return [raw(v) for v in value]


class Z(dict[Any, Any]):
    """A sorted set: member → score. States compare the members alone."""


def from_the_newest(fields: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """The fields of minutes, by how far they are from the newest one: the clock is the server's."""
    newest = max((int(name.split(b":")[0]) for name in fields if name != b"swept"), default=0)

    def moved(text: bytes) -> bytes:
        return re.sub(rb"^\d+", lambda n: b"%d" % (int(n[0]) - newest), text)

    swept = fields.get(b"swept")
    out = {moved(name): value for name, value in fields.items() if name != b"swept"}
    return out | ({b"swept": b" ".join(map(moved, swept.split()))} if swept else {})


class Wire:
    def __init__(self, connection: Connection) -> None:
        self.call = connection.call

    def key(self, name: str) -> str:
        plain = {"job": "hero:job:j", "reply": "hero:q:reply:j", "ctl": "hero:q:ctl:type:osis"}
        plain |= {"log": "{hero:job:j}:log", "stream": "{hero:job:j}:stream"}
        return plain.get(name) or lua.queue_key(Q, name)

    def run(self, script: str, *args: Any) -> Any:
        keys = [self.key(name) for name in lua.keys(script)]
        return self.call("EVAL", lua.load(script), len(keys), *keys, *args)

    def put(self, before: dict[str, Any]) -> None:
        for name, value in before.items():
            key = self.key(name)
            if isinstance(value, Z):
                for member, score in value.items():
                    self.call("ZADD", key, score, member)
            elif isinstance(value, dict):
                self.call("HSET", key, *[x for pair in value.items() for x in pair])
            elif isinstance(value, list):
                self.call("RPUSH", key, *value)
            else:
                self.call("SET", key, value)

    def value(self, key: str | bytes) -> Any:
        kind = self.call("TYPE", key)
        if kind == b"hash":
            flat = self.call("HGETALL", key)
            fields = dict(zip(flat[::2], flat[1::2], strict=True))
            return from_the_newest(fields) if key == self.key("minutes").encode() else fields
        if kind == b"list":
            return self.call("LRANGE", key, 0, -1)
        if kind == b"zset":
            return set(self.call("ZRANGE", key, 0, -1))
        return self.call("GET", key) if kind == b"string" else None

    def state(self) -> dict[bytes, Any]:
        return {key: self.value(key) for key in self.call("KEYS", "*")}

    def exact(self) -> dict[bytes, Any]:
        """The state with all scores."""
        state = self.state()
        for key, value in state.items():
            if isinstance(value, set):
                state[key] = self.call("ZRANGE", key, 0, -1, "WITHSCORES")
        return state

    def now(self) -> int:
        seconds, micros = self.call("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    def in_ms(self, name: str, member: str) -> float:
        """How far ahead a score is."""
        return float(self.call("ZSCORE", self.key(name), member)) - self.now()


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    with server.connect() as connection:
        yield Wire(connection)
        connection.call("CONFIG", "SET", "maxmemory", 0)


@dataclass
class Case:
    """One call: the state before, the answer, what it changes (None: the key is gone); then the same call again."""

    script: str
    what: str
    before: dict[str, Any]
    args: list[Any]
    answer: Any
    after: dict[str, Any] = field(default_factory=dict)
    again: Any = ...  # the same answer
    after_again: dict[str, Any] = field(default_factory=dict)
    oom: str = ""  # passes, refused; empty where nothing is written

    def __str__(self) -> str:
        return f"{self.script}-{self.what}".replace(" ", "_")


def held(*ids: str, actor: str = "me") -> dict[str, Any]:
    """The ids are held, with tokens 1, 2, …"""
    return {
        "leases": Z(dict.fromkeys(ids, 10**15)),
        "holders": {i: tok(n, actor) for n, i in enumerate(ids, 1)},
        "meta": {"seq": SEQ},
    }


def job(**fields: Any) -> dict[str, Any]:
    return {"job": {"script": "s", "status": "dispatched", **fields}}


def running(**fields: Any) -> dict[str, Any]:
    return job(**{"status": "started", "hq_token": tok(1), "hq_queue": Q, "hq_attempt": 1, **fields})


def done(job_state: dict[str, Any], *gone: str, **fields: Any) -> dict[str, Any]:
    """The job of a state with fields changed."""
    return {"job": {k: v for k, v in {**job_state["job"], **fields}.items() if k not in gone}}


META = {"seq": SEQ}
FIELDS = ["s", None, None, None, None, None, None]
RAN = running()
LIST = "hero:q:reply:j"
WAITED = running(hq_reply_to=LIST)
TAKE_ARGS = ["me", LEASE, 10, "", RECHECK, 1]
BEHIND_ARGS = ["me", LEASE, 0, "", RECHECK, 0, 1]  # of a TAKE behind a BLMOVE
REAP_ARGS = ["me", 50, 3, 100, 10_000, LEASE, 5_000, 3_600_000, MONTH]

CASES = [
    # ---- take ----
    Case("take", "empty", {}, TAKE_ARGS, ["OK"]),
    Case(
        "take",
        "from the right",
        {"Q": ["c", "b", "a"], "meta": META},
        ["me", LEASE, 2, "", RECHECK, 1],
        ["OK", "a", tok(1), "b", tok(2)],
        {"Q": ["c"], "leases": Z(a=0, b=0), "holders": {"a": tok(1), "b": tok(2)}, "meta": {"seq": SEQ + 2}},
        ["OK", "c", tok(3)],
        {
            "Q": None,
            "leases": Z(a=0, b=0, c=0),
            "holders": {"a": tok(1), "b": tok(2), "c": tok(3)},
            "meta": {"seq": SEQ + 3},
        },
        "refused",
    ),
    Case(
        "take",
        "copies are postponed",
        {"Q": ["b", "x", "b"], **held("x", actor="other")},
        TAKE_ARGS,
        ["OK", "b", tok(1)],
        {
            "Q": None,
            "leases": Z(x=0, b=0),
            "holders": {"x": tok(1, "other"), "b": tok(1)},
            "delayed": Z(x=0, b=0),
            "meta": {"seq": SEQ + 1},
        },
        ["OK"],
        oom="refused",
    ),
    Case(
        "take",
        "out of the handoff",
        {"Q": ["a"], "handoff": ["h"], "meta": META},
        ["me", LEASE, 0, "h", RECHECK, 1],
        ["OK", "h", tok(1)],
        {"handoff": None, "leases": Z(h=0), "holders": {"h": tok(1)}, "meta": {"seq": SEQ + 1}},
        oom="refused",
    ),
    Case("take", "the handoff id is gone", {"meta": META}, ["me", LEASE, 0, "h", RECHECK, 1], ["OK"]),
    Case(
        "take",
        "paused",
        {"Q": ["a"], "handoff": ["h"], "meta": {**META, "paused": 1}},
        ["me", LEASE, 5, "h", RECHECK, 1],
        ["PAUSED"],
        {"Q": ["a", "h"], "handoff": None},
        oom="passes",
    ),
    Case(
        "take",
        "a suspect alone",
        {"Q": ["b", "s"], "recoveries": {"s": 2}, "meta": META},
        TAKE_ARGS,
        ["ALONE", "s", tok(1)],
        {"Q": ["b"], "leases": Z(s=0), "holders": {"s": tok(1)}, "meta": {"seq": SEQ + 1}},
        ["OK", "b", tok(2)],
        {"Q": None, "leases": Z(s=0, b=0), "holders": {"s": tok(1), "b": tok(2)}, "meta": {"seq": SEQ + 2}},
        "refused",
    ),
    Case(
        "take",
        "not beside a suspect",
        {"Q": ["s", "a"], "recoveries": {"s": 2}, "meta": META},
        TAKE_ARGS,
        ["SUSPECT", "a", tok(1)],
        {"Q": ["s"], "leases": Z(a=0), "holders": {"a": tok(1)}, "meta": {"seq": SEQ + 1}},
        ["ALONE", "s", tok(2)],
        {"Q": None, "leases": Z(s=0, a=0), "holders": {"a": tok(1), "s": tok(2)}, "meta": {"seq": SEQ + 2}},
        "refused",
    ),
    Case(
        "take",
        "a suspect while holding",
        {"Q": ["b", "s"], "recoveries": {"s": 2}},
        ["me", LEASE, 10, "", RECHECK, 0],
        ["SUSPECT"],
    ),
    Case(
        "take",
        "a suspect out of the handoff while holding",
        {"Q": ["b"], "handoff": ["s"], "recoveries": {"s": 2}},
        ["me", LEASE, 0, "s", RECHECK, 0],
        ["SUSPECT"],
        {"Q": ["b", "s"], "handoff": None},
        ["OK"],
        oom="passes",
    ),
    Case(
        "take",
        "a suspect is postponed after a lease",
        {"Q": ["b", "s"], "recoveries": {"s": 2}, "meta": META},
        ["me", LEASE, 10, "", RECHECK, 2],
        ["OK", "b", tok(1)],
        {"Q": None, "delayed": Z(s=0), "leases": Z(b=0), "holders": {"b": tok(1)}, "meta": {"seq": SEQ + 1}},
        ["OK"],
        oom="refused",
    ),
    Case(
        "take",
        "the handoff id is mine already",
        {"Q": ["b"], "handoff": ["a"], **held("a")},
        ["me", LEASE, 5, "a", RECHECK, 0],
        ["OK", "a", tok(1)],
        {"handoff": None, "delayed": Z(a=0)},
        oom="refused",
    ),
    Case(
        "take",
        "again after a lost reply",
        {"Q": ["b"], **held("a")},
        ["me", LEASE, 5, "a", RECHECK, 0],
        ["OK", "a", tok(1)],
    ),
    Case("take", "behind a BLMOVE that moved nothing", {"Q": ["a"], "meta": META}, BEHIND_ARGS, ["OK"]),
    Case(
        "take",
        "behind a BLMOVE, the oldest alone",
        {"Q": ["a"], "handoff": ["i", "h"], "meta": META},
        BEHIND_ARGS,
        ["OK", "h", tok(1)],
        {"handoff": ["i"], "leases": Z(h=0), "holders": {"h": tok(1)}, "meta": {"seq": SEQ + 1}},
        ["OK", "i", tok(2)],
        {
            "handoff": None,
            "leases": Z(h=0, i=0),
            "holders": {"h": tok(1), "i": tok(2)},
            "meta": {"seq": SEQ + 2},
        },
        oom="refused",
    ),
    Case(
        "take",
        "behind a BLMOVE, paused",
        {"Q": ["a"], "handoff": ["i", "h"], "meta": {**META, "paused": 1}},
        BEHIND_ARGS,
        ["PAUSED"],
        {"Q": ["a", "h"], "handoff": ["i"]},
        after_again={"Q": ["a", "h", "i"], "handoff": None},
        oom="passes",
    ),
    Case(
        "take",
        "behind a BLMOVE, a suspect",
        {"Q": ["b"], "handoff": ["s"], "recoveries": {"s": 2}},
        BEHIND_ARGS,
        ["SUSPECT"],
        {"Q": ["b", "s"], "handoff": None},
        ["OK"],
        oom="passes",
    ),
    Case(
        "take",
        "behind a BLMOVE, a copy of what another holds",
        {"handoff": ["x"], **held("x", actor="other")},
        BEHIND_ARGS,
        ["OK"],
        {"handoff": None, "delayed": Z(x=0)},
        oom="passes",
    ),
    Case(
        "take",
        "behind a BLMOVE, a copy of what this actor holds",
        {"handoff": ["x"], **held("x")},
        BEHIND_ARGS,
        ["OK", "x", tok(1)],
        {"handoff": None, "delayed": Z(x=0)},
        ["OK"],
        oom="refused",
    ),
    Case("take", "behind a BLMOVE, an empty id", {"handoff": [""], "meta": META}, BEHIND_ARGS, ["OK"]),
    # ---- beat, mine, done ----
    Case(
        "beat",
        "renews and tells",
        {**held("a", "b"), "stops": Z(b=1)},
        [LEASE, "a", tok(1), "b", tok(2), "x", tok(3)],
        [["x"], ["b"], 0],
        oom="passes",
    ),
    Case("beat", "another holds it", held("a", actor="other"), [LEASE, "a", tok(1)], [["a"], [], 0]),
    Case("beat", "only looks", {"meta": {"paused": 1}}, [LEASE], [[], [], 1]),
    Case(
        "mine",
        "lists",
        {"holders": {"a": tok(1), "b": tok(2, "other"), "c": tok(3, "me!")}},
        ["me"],
        ["a", tok(1)],
    ),
    Case(
        "done",
        "removes all traces",
        {
            **held("a", "b"),
            "recoveries": {"a": 1, "z": 1},
            "missing": {"a": 1},
            "stops": Z(a=1),
            "dead": Z(a=1, z=1),
            "reasons": {"a": "lost", "z": "lost"},
        },
        ["a", tok(1), "b", tok(9)],
        1,
        {
            "leases": Z(b=1),
            "holders": {"b": tok(2)},
            "recoveries": {"z": 1},
            "missing": None,
            "stops": None,
            "dead": Z(z=1),
            "reasons": {"z": "lost"},
        },
        0,
        oom="passes",
    ),
    # ---- retry, bury ----
    Case(
        "retry",
        "to the right end",
        {**held("a"), "Q": ["b"]},
        ["a", tok(1), -1, 0, 0, 0],
        1,
        {"Q": ["b", "a"], "leases": None, "holders": None},
        0,
        oom="passes",
    ),
    Case(
        "retry",
        "later and the sequence raised",
        held("a"),
        ["a", tok(1), 500, 0, 0, SEQ + 77],
        1,
        {"delayed": Z(a=0), "leases": None, "holders": None, "meta": {"seq": SEQ + 77}},
        0,
        oom="passes",
    ),
    Case("retry", "not mine", held("a", actor="other"), ["a", tok(1), 0, 1, 3, SEQ + 9], 0),
    Case(
        "retry",
        "missing is counted",
        {**held("a"), "missing": {"a": 2}},
        ["a", tok(1), 100, 1, 3, 0],
        1,
        {"delayed": Z(a=0), "missing": {"a": 3}, "leases": None, "holders": None},
        0,
        oom="passes",
    ),
    Case("retry", "missing too often", {**held("a"), "missing": {"a": 3}}, ["a", tok(1), 100, 1, 3, 0], 2),
    Case(
        "retry",
        "dropped is counted",
        {**held("a"), "recoveries": {"a": 2}},
        ["a", tok(1), 100, 2, 3, 0],
        1,
        {"delayed": Z(a=0), "recoveries": {"a": 3}, "leases": None, "holders": None},
        0,
        oom="passes",
    ),
    Case("retry", "dropped too often", {**held("a"), "recoveries": {"a": 3}}, ["a", tok(1), 100, 2, 3, 0], 2),
    Case(
        "bury",
        "with its reason",
        {**held("a"), "recoveries": {"a": 4}, "missing": {"a": 1}, "stops": Z(a=1)},
        ["a", tok(1), "lost", 100],
        1,
        {
            "dead": Z(a=0),
            "reasons": {"a": "lost"},
            "leases": None,
            "holders": None,
            "recoveries": None,
            "missing": None,
            "stops": None,
        },
        0,
        oom="passes",
    ),
    Case("bury", "not mine", held("a", actor="other"), ["a", tok(1), "lost", 100], 0),
    Case(
        "bury",
        "the oldest gives way",
        {**held("a"), "dead": Z(o=1, p=2), "reasons": {"o": "failed", "p": "failed"}},
        ["a", tok(1), "lost", 2],
        1,
        {"dead": Z(p=0, a=0), "reasons": {"p": "failed", "a": "lost"}, "leases": None, "holders": None},
        0,
        oom="passes",
    ),
    # ---- promote, reap ----
    Case(
        "promote",
        "what is due",
        {"Q": ["x"], "delayed": Z(b=2, a=1)},
        [10],
        [2, -1, 0],
        {"Q": ["b", "a", "x"], "delayed": None},
        [0, -1, 0],
        oom="passes",
    ),
    Case("promote", "nothing", {}, [10], [0, -1, 0]),
    Case("promote", "gives up what it does not keep", {"meta": META}, [10, "me", 0], [0, -1, 0]),
    Case(
        "reap",
        "the first loss",
        {
            "Q": ["x"],
            "leases": Z(a=1),
            "holders": {"a": tok(1)},
            "handoff": ["h"],
            "seen": Z(h=1),
            "stops": Z(o=1),
            "dead": Z(o=1),
            "reasons": {"o": "lost"},
        },
        REAP_ARGS,
        [1, 1],
        {
            "Q": ["x", "a", "h"],
            "leases": None,
            "holders": None,
            "recoveries": {"a": 1},
            "handoff": None,
            "seen": None,
            "stops": None,
            "dead": None,
            "reasons": None,
            "meta": ...,
        },
        [0, 0],
        {"meta": ...},
        "passes",
    ),
    Case(
        "reap",
        "the third loss",
        {"leases": Z(a=1), "holders": {"a": tok(1)}, "recoveries": {"a": 2}},
        REAP_ARGS,
        [1, 0],
        {"delayed": Z(a=0), "leases": None, "holders": None, "recoveries": {"a": 3}, "meta": ...},
        [0, 0],
        {"meta": ...},
        "passes",
    ),
    Case(
        "reap",
        "lost too often",
        {"leases": Z(a=1), "holders": {"a": tok(1)}, "recoveries": {"a": 3}, "meta": META},
        REAP_ARGS,
        [1, 0, "a", tok(1, "me!")],
        {"holders": {"a": tok(1, "me!")}, "recoveries": {"a": 4}, "meta": ...},
        [0, 0],
        {"meta": ...},
        "passes",
    ),
    # ---- push, push_again, stop, ctl, seen, reply, create ----
    Case("push", "urgent", {"Q": ["a"]}, [1, 0, 0, "b"], 1, {"Q": ["a", "b"]}, 1, {"Q": ["a", "b", "b"]}, "refused"),
    Case("push", "delayed", {}, [0, 500, 0, "a", "b"], 2, {"delayed": Z(a=0, b=0)}, oom="refused"),
    Case(
        "push",
        "noted before",
        {"intents": Z(a=1, b=1, c=1)},
        [0, 0, 0, "a", "b"],
        2,
        {"Q": ["b", "a"], "intents": Z(c=1)},
        after_again={"Q": ["b", "a", "b", "a"]},
        oom="refused",
    ),
    Case(
        "note",
        "lines, chunks and progress",
        running(),
        [tok(1), 1, 1, "1 5 50.00 half", 1000, 10000, 2, "l1", "l2", "c1"],
        1,
        {
            "log": ["l1", "l2"],
            "stream": ...,
            **running(hq_logged=2, hq_progress="1 5 50.00 half", hq_noted="1 " + tok(1)),
        },
        oom="passes",
    ),
    Case(
        "note",
        "the next",
        {**running(hq_noted="1 " + tok(1), hq_logged=3), "log": ["l"]},
        [tok(1), 1, 2, "", 2, 10000, 2, "m", "n"],
        1,
        {"log": ["m", "n"], **running(hq_noted="2 " + tok(1), hq_logged=5)},
        oom="passes",
    ),
    Case(
        "note",
        "another run's count does not matter",
        running(hq_noted="9 " + tok(2)),
        [tok(1), 1, 1, "1 5 1.00 ", 1000, 10000, 0],
        1,
        running(hq_noted="1 " + tok(1), hq_progress="1 5 1.00 "),
        oom="passes",
    ),
    Case("note", "missing", {}, [tok(1), 1, 1, "", 1000, 10000, 1, "l"], -1),
    Case("note", "ended", running(status="finished"), [tok(1), 1, 1, "", 1000, 10000, 1, "l"], -2),
    Case("note", "another run has it", running(), [tok(2), 1, 1, "", 1000, 10000, 1, "l"], -3),
    Case("note", "no run of ours has it", running(), ["me:1", 0, 1, "", 1000, 10000, 1, "l"], -3),
    Case(
        "note",
        "canonical",
        job(status="started"),
        ["me:1", 0, 1, "", 1000, 10000, 1, "l"],
        1,
        {"log": ["l"], **job(status="started", hq_logged=1, hq_noted="1 me:1")},
        oom="passes",
    ),
    Case("rights", "all", {}, ["lpush q x", "client setname x"], [], {}),
    Case("mark", "always", {}, [], 1, {"mark": {"at": "1"}}, oom="passes"),
    Case("intent", "now", {}, [0, 0, "a", "b"], 2, {"intents": Z(a=0, b=0)}, oom="refused"),
    Case("intent", "at a time", {}, [0, 10**13, "a"], 1, {"intents": Z(a=0)}, oom="refused"),
    Case("intents", "the old ones", {"intents": Z(a=1, b=2, c=10**15)}, [1000, 10], ["a", "b"]),
    Case("intents", "nothing", {}, [1000, 10], []),
    Case("push", "at a time", {"Q": ["x"]}, [1, 0, 10**13, "a"], 1, {"delayed": Z(a=0)}, oom="refused"),
    Case(
        "push_again",
        "out of the others",
        {
            "Q": ["x"],
            "dead": Z(a=1),
            "reasons": {"a": "lost"},
            "stops": Z(a=1),
            "recoveries": {"a": 1},
            "missing": {"a": 1},
        },
        ["a"],
        1,
        {"Q": ["a", "x"], "dead": None, "reasons": None, "stops": None, "recoveries": None, "missing": None},
        1,
        {"Q": ["a", "a", "x"]},
        "passes",
    ),
    Case("stop", "the holder", {}, ["a", 1], 1, {"stops": Z(a=0)}, oom="passes"),
    Case("stop", "a delayed copy", {"delayed": Z(a=10**13)}, ["a", 0], 1, oom="passes"),
    Case("stop", "no delayed copy", {}, ["a", 0], 1),
    Case("ctl", "pushes", {"ctl": ["x"]}, ["a"], 2, {"ctl": ["a", "x"]}, 3, {"ctl": ["a", "a", "x"]}, "passes"),
    Case(
        "seen",
        "is there",
        {"actors": Z(old=1)},
        ["me", "{}", 5000],
        1,
        {"actors": Z(me=0), "actor": "{}"},
        oom="refused",
    ),
    Case(
        "tally",
        "the first",
        {},
        [1, 3, 1, 2, 0, "40:2 41:1", "8:3"],
        1,
        {"tally": "1", "minutes": {"0": "3 1 2 0", "0:w": "40:2 41:1", "0:r": "8:3", "swept": "0 0"}},
        0,
        oom="refused",
    ),
    Case("tally", "told before", {"tally": "2"}, [2, 3, 1, 2, 0, "40:2", "8:3"], 0),
    Case("tally", "an older one", {"tally": "3"}, [2, 3, 1, 2, 0, "40:2", "8:3"], 0),
    Case(
        "ended",
        "both",
        {"finished": Z(x=1), "failed": Z(x=2)},
        [2, 1, 0, "a", 7, "b"],
        2,
        {"finished": Z(x=1, a=0), "failed": Z(x=1, b=0)},
        oom="refused",
    ),
    Case(
        "ended",
        "only the newest are kept",
        {"failed": Z(x=1, y=2, z=3)},
        [2, 0, 7, "a"],
        1,
        {"failed": Z(z=1, a=0)},
        oom="refused",
    ),
    Case(
        "index",
        "new ones",
        {"made": Z(x=10**14)},
        [DAY, 9, "b", "a"],
        2,
        {"made": Z(x=1, a=1, b=1), "ids": Z(a=0, b=0)},
        oom="refused",
    ),
    Case(
        "index",
        "over the size",
        {"made": Z(x=1, y=2), "ids": Z(x=0, y=0)},
        [10**14, 2, "a"],
        1,
        {"made": Z(y=1, a=1), "ids": Z(y=0, a=0)},
        oom="refused",
    ),
    Case(
        "index",
        "too old",
        {"made": Z(x=1), "ids": Z(x=0)},
        [DAY, 9, "a"],
        1,
        {"made": Z(a=1), "ids": Z(a=0)},
        oom="refused",
    ),
    Case("file", "a new one", {}, [DAY, 9, "a"], 1, {"made": Z(a=1)}, oom="refused"),
    Case("file", "over the size", {"made": Z(x=1, y=2)}, [10**14, 2, "a"], 1, {"made": Z(y=1, a=1)}, oom="refused"),
    Case("file", "too old", {"made": Z(x=1)}, [DAY, 9, "a"], 1, {"made": Z(a=1)}, oom="refused"),
    Case(
        "reply",
        "pushes",
        {"reply": ["x"]},
        ["out", 0],
        2,
        {"reply": ["out", "x"]},
        3,
        {"reply": ["out", "out", "x"]},
        "passes",
    ),
    Case(
        "create",
        "new",
        {},
        ["jobId", "j", "script", "s", "status", "dispatched"],
        2,
        {"job": {"jobId": "j", "script": "s", "status": "dispatched"}},
        1,
        oom="refused",
    ),
    Case(
        "create",
        "the same payload",
        job(status="finished", hq_ttl=5, createdAt="a"),
        ["script", "s", "status", "dispatched", "createdAt", "b", "updatedAt", "b", "hq_ttl", "6"],
        1,
    ),
    Case("create", "another payload", job(), ["script", "t", "status", "dispatched"], 0),
    Case("create", "one more field", job(), ["script", "s", "callerId", "c"], 0),
    Case("create", "a tombstone", {"job": {"status": "error", "error": "deleted"}}, ["script", "s"], 0),
    # ---- claim ----
    Case(
        "claim",
        "fresh",
        job(callerId="c"),
        [tok(1), Q, ""],
        [1, ["s", None, None, "c", None, None, None]],
        done(running(), callerId="c"),
        oom="refused",
    ),
    Case(
        "claim",
        "again after a lost holder",
        running(output="old", error="old", hq_attempt=4),
        [tok(2), Q, ""],
        [5, FIELDS],
        running(hq_token=tok(2), hq_attempt=5),
        oom="refused",
    ),
    Case(
        "claim",
        "delayed",
        job(hq_due=7),
        [tok(1), Q, ""],
        [1, FIELDS, "7"],
        running(hq_due=7),
        oom="refused",
    ),
    Case("claim", "missing", {}, [tok(1), Q, ""], [-1]),
    Case(
        "claim",
        "somebody waits",
        job(hq_reply_to=LIST),
        [tok(1), Q, ""],
        [1, FIELDS, None, LIST],
        running(hq_reply_to=LIST),
        oom="refused",
    ),
    Case("claim", "terminal and nobody waits", job(status="Finished", output="o"), [tok(1), Q, ""], [-2, "", "o", ""]),
    Case(
        "claim",
        "finished and to be answered",
        job(status="finished", output="o", error="e", hq_reply_to="r"),
        [tok(1), Q, ""],
        [-2, "r", "o", ""],
    ),
    Case(
        "claim",
        "failed and to be buried",
        job(status="error", error="e", hq_reply_to="r", hq_queue=Q, hq_dead="failed"),
        [tok(1), Q, ""],
        [-2, "r", "e", "failed"],
    ),
    Case(
        "claim",
        "to be buried in another queue",
        job(status="error", hq_queue="other", hq_dead="failed"),
        [tok(1), Q, ""],
        [-2, "", "", ""],
    ),
    Case("claim", "same token", running(hq_attempt=3), [tok(1), Q, ""], [3, FIELDS]),
    Case("claim", "superseded", running(hq_token=tok(9)), [tok(1), Q, ""], [-3, SEQ + 9]),
    Case(
        "claim",
        "superseded, and the newer run is to stop",
        running(hq_token=tok(9), status="stopping"),
        [tok(1), Q, ""],
        [-3, SEQ + 9],
    ),
    Case(
        "claim",
        "ended by a newer run",
        running(hq_token=tok(9), status="finished", output="o"),
        [tok(1), Q, ""],
        [-2, "", "o", ""],
    ),
    Case("claim", "failed with this token", job(hq_failed=tok(1), hq_attempt=1), [tok(1), Q, ""], [-3, 0]),
    Case("claim", "elsewhere", running(hq_queue="other"), [tok(2), Q, ""], [-5, "other", tok(1)]),
    Case(
        "claim",
        "over a dead run elsewhere",
        running(hq_queue="other"),
        [tok(2), Q, tok(1)],
        [2, FIELDS],
        running(hq_token=tok(2), hq_attempt=2),
        oom="refused",
    ),
    Case(
        "claim",
        "stopped",
        running(status="stopping", output="o", hq_reply_to="r"),
        [tok(2), Q, ""],
        [-4, "r", "cancelled"],
        running(status="error", error="cancelled", hq_token=tok(2), hq_reply_to="r"),
        [-2, "r", "cancelled", ""],
        oom="passes",
    ),
    Case(
        "claim",
        "expired",
        job(hq_expires=1, hq_reply_to="r"),
        [tok(1), Q, ""],
        [-4, "r", "expired"],
        job(status="error", error="expired", hq_token=tok(1), hq_queue=Q, hq_expires=1, hq_reply_to="r"),
        [-2, "r", "expired", ""],
        oom="passes",
    ),
    Case(
        "claim",
        "expired before the next attempt",
        job(hq_expires=1, hq_attempt=1, hq_failed=tok(1), output="o"),
        [tok(2), Q, ""],
        [-4, "", "expired"],
        done(
            job(hq_expires=1, hq_attempt=1, hq_failed=tok(1)),
            status="error",
            error="expired",
            hq_token=tok(2),
            hq_queue=Q,
        ),
        [-2, "", "expired", ""],
        oom="passes",
    ),
    Case("claim", "expired while it runs", running(hq_expires=1), [tok(1), Q, ""], [1, FIELDS]),
    Case(
        "claim",
        "not yet expired",
        job(hq_expires=10**15),
        [tok(1), Q, ""],
        [1, FIELDS],
        running(hq_expires=10**15),
        oom="refused",
    ),
    # ---- kill ----
    Case(
        "kill",
        "expired and lost too often",
        running(hq_expires=1),
        [tok(2), Q, "", "gone"],
        [-2, "", "gone", "lost"],
        running(status="error", error="gone", hq_token=tok(2), hq_expires=1, hq_dead="lost"),
        oom="passes",
    ),
    Case(
        "kill",
        "lost too often",
        running(output="o", hq_reply_to="r"),
        [tok(2), Q, "", "gone"],
        [-2, "r", "gone", "lost"],
        running(status="error", error="gone", hq_token=tok(2), hq_reply_to="r", hq_dead="lost"),
        oom="passes",
    ),
    Case(
        "kill",
        "by its own holder",
        RAN,
        [tok(1), Q, "", "gone"],
        [-2, "", "gone", "lost"],
        running(status="error", error="gone", hq_dead="lost"),
        [-2, "", "gone", "lost"],
        oom="passes",
    ),
    Case("kill", "missing", {}, [tok(1), Q, "", "gone"], [-1]),
    Case("kill", "had finished", running(status="finished", output="o"), [tok(2), Q, "", "gone"], [-2, "", "o", ""]),
    Case("kill", "superseded", running(hq_token=tok(9)), [tok(2), Q, "", "gone"], [-3, SEQ + 9]),
    Case("kill", "elsewhere", running(hq_queue="other"), [tok(2), Q, "", "gone"], [-5, "other", tok(1)]),
    # ---- finish ----
    Case("finish", "written", RAN, [tok(1), "out"], 1, running(status="finished", output="out"), 2, oom="passes"),
    Case(
        "finish",
        "somebody waits",
        running(hq_reply_to="r"),
        [tok(1), "out"],
        [1, "r"],
        running(status="finished", output="out", hq_reply_to="r"),
        [2, "r"],
        oom="passes",
    ),
    Case(
        "finish",
        "though asked to stop",
        running(status="stopping"),
        [tok(1), "out"],
        1,
        running(status="finished", output="out"),
        2,
        oom="passes",
    ),
    Case("finish", "missing", {}, [tok(1), "out"], -1),
    Case("finish", "ended by another", running(status="error", hq_token=tok(2)), [tok(1), "out"], -2),
    Case("finish", "replaced", running(hq_token=tok(2)), [tok(1), "out"], -3),
    # ---- finish_reply ----
    Case(
        "finish_reply",
        "answered",
        WAITED,
        [tok(1), "out", ""],
        1,
        {**done(WAITED, status="finished", output="out"), "reply": ["out"]},
        2,
        {"reply": ["out", "out"]},
        "passes",
    ),
    Case(
        "finish_reply",
        "a shared list",
        WAITED,
        [tok(1), "out", "j "],
        1,
        {**done(WAITED, status="finished", output="out"), "reply": ["j "]},
        2,
        {"reply": ["j ", "j "]},
        "passes",
    ),
    Case(
        "finish_reply",
        "another list",
        running(hq_reply_to="r"),
        [tok(1), "out", ""],
        [1, "r"],
        running(status="finished", output="out", hq_reply_to="r"),
        [2, "r"],
        oom="passes",
    ),
    Case(
        "finish_reply",
        "nobody any more",
        RAN,
        [tok(1), "out", ""],
        1,
        running(status="finished", output="out"),
        2,
        oom="passes",
    ),
    Case("finish_reply", "missing", {}, [tok(1), "out", ""], -1),
    Case(
        "finish_reply",
        "ended by another",
        running(status="error", hq_token=tok(2), hq_reply_to=LIST),
        [tok(1), "out", ""],
        -2,
    ),
    Case("finish_reply", "replaced", running(hq_token=tok(2), hq_reply_to=LIST), [tok(1), "out", ""], -3),
    # ---- fail ----
    Case(
        "fail",
        "to be tried again",
        RAN,
        [tok(1), "boom", 2, 1],
        [1],
        done(
            running(),
            "hq_token",
            status="dispatched",
            hq_last_error="boom",
            hq_failed=tok(1),
            hq_failres=1,
            hq_retries=1,
        ),
        oom="passes",
    ),
    Case(
        "fail",
        "final and to be buried",
        running(hq_retries=2, hq_reply_to="r"),
        [tok(1), "boom", 2, 1],
        [0, "r", "failed", "boom"],
        running(
            status="error",
            error="boom",
            hq_retries=2,
            hq_reply_to="r",
            hq_failed=tok(1),
            hq_failres=0,
            hq_dead="failed",
        ),
        oom="passes",
    ),
    Case(
        "fail",
        "final without dead letters",
        RAN,
        [tok(1), "boom", 0, 0],
        [0, "", "", "boom"],
        running(status="error", error="boom", hq_failed=tok(1), hq_failres=0),
        oom="passes",
    ),
    Case(
        "fail",
        "as cancelled",
        running(status="stopping", hq_reply_to="r"),
        [tok(1), "boom", 5, 1],
        [0, "r", "", "cancelled"],
        running(status="error", error="cancelled", hq_reply_to="r", hq_failed=tok(1), hq_failres=0),
        oom="passes",
    ),
    Case("fail", "missing", {}, [tok(1), "boom", 0, 1], [-1]),
    Case("fail", "ended by another", running(status="finished", hq_token=tok(2)), [tok(1), "boom", 0, 1], [-2]),
    Case("fail", "replaced", running(hq_token=tok(2)), [tok(1), "boom", 0, 1], [-3]),
    # ---- unclaim ----
    Case(
        "unclaim",
        "unseen",
        running(hq_attempt=3),
        [tok(1), 0],
        [1],
        done(running(), "hq_token", status="dispatched", hq_attempt=2),
        [0],
        oom="passes",
    ),
    Case(
        "unclaim",
        "seen",
        running(hq_attempt=3),
        [tok(1), 1],
        [1],
        done(running(), "hq_token", status="dispatched", hq_attempt=3),
        [0],
        oom="passes",
    ),
    Case("unclaim", "not mine", running(hq_token=tok(2)), [tok(1), 0], [0]),
    Case("unclaim", "missing", {}, [tok(1), 0], [0]),
    Case(
        "unclaim",
        "asked to stop",
        running(status="stopping", hq_reply_to="r"),
        [tok(1), 0],
        [2, "r", "", "cancelled"],
        running(status="error", error="cancelled", hq_reply_to="r"),
        oom="passes",
    ),
    # ---- cancel ----
    Case("cancel", "unknown", {}, [], [0]),
    Case(
        "cancel",
        "not started",
        job(script_type="osis", hq_reply_to="r"),
        [],
        [1, "", "", "r", "osis"],
        job(script_type="osis", hq_reply_to="r", status="error", error="cancelled"),
        [3, "", "", "r", "osis"],
        oom="passes",
    ),
    Case("cancel", "running", RAN, [], [2, Q, tok(1), "", ""], running(status="stopping"), oom="passes"),
    Case("cancel", "ended", job(status="FINISHED"), [], [3, "", "", "", ""]),
    Case("cancel", "a foreign actor has it", job(status="started", script_type="osis"), [], [4, "", "", "", "osis"]),
    # ---- delete ----
    Case("delete", "unknown", {}, [5000], [0]),
    Case(
        "delete",
        "not started",
        job(callerId="c", script_type="osis"),
        [5000],
        [1, "", "osis"],
        {"job": {"status": "error", "error": "deleted", "script_type": "osis"}},
        oom="passes",
    ),
    Case(
        "delete",
        "ended",
        running(status="finished", output="o"),
        [5000],
        [1, Q, ""],
        {"job": {"status": "error", "error": "deleted", "hq_queue": Q}},
        oom="passes",
    ),
    Case("delete", "running", RAN, [5000], [2, Q], running(status="stopping"), oom="passes"),
    Case("delete", "a foreign actor has it", job(status="started"), [5000], [2, ""]),
    # ---- requeue ----
    Case(
        "requeue",
        "ended",
        running(
            status="error",
            error="e",
            output="o",
            hq_retries=3,
            hq_failed="f",
            hq_failres=0,
            hq_last_error="e",
            hq_reply_to="r",
            hq_dead="failed",
            hq_ttl=5,
            hq_expires=1,
            hq_headers="{}",
            script_type="osis",
        ),
        [],
        [1, Q, "osis"],
        job(hq_queue=Q, hq_attempt=1, hq_ttl=5, hq_headers="{}", script_type="osis", hq_requeued=1, hq_due=0),
        oom="refused",
    ),
    Case("requeue", "running", RAN, [], [0]),
    Case("requeue", "a foreign actor has it", job(status="started"), [], [0]),
    Case("requeue", "a tombstone", {"job": {"status": "error", "error": "deleted"}}, [], [-1]),
    Case("requeue", "unknown", {}, [], [-1]),
    # ---- place ----
    Case("place", "a new job", job(), ["g"], 1, job(hq_queue="g"), oom="refused"),
    Case("place", "another queue", job(hq_queue=Q), ["g"], 1, job(hq_queue="g"), oom="refused"),
    Case("place", "running", RAN, ["g"], 0),
    Case("place", "a foreign actor has it", job(status="Started"), ["g"], 0),
    Case("place", "asked to stop", job(status="stopping"), ["g"], 0),
    Case("place", "ended", job(status="Error"), ["g"], 0),
    Case("place", "a tombstone", {"job": {"status": "error", "error": "deleted"}}, ["g"], 0),
    Case("place", "unknown", {}, ["g"], 0),
    # ---- await, settle ----
    Case("await", "unknown", {}, ["r"], None),
    Case(
        "await",
        "asks",
        running(script_type="osis"),
        ["r"],
        ["started", None, None, 1, 0, "osis", Q],
        running(script_type="osis", hq_reply_to="r"),
        oom="passes",
    ),
    Case("await", "looks", job(hq_requeued=1), [""], ["dispatched", None, None, 0, 1, "", ""]),
    Case("await", "ended", job(status="Error", error="e", output="o"), ["r"], ["error", "o", "e", 0, 0, "", ""]),
    Case(
        "settle", "an output", job(output="o"), ["output", "o"], 1, job(output="o", status="finished"), 0, oom="passes"
    ),
    Case("settle", "another output", job(output="n"), ["output", "o"], 0),
    Case("settle", "a reply", job(), ["reply", "o"], 1, job(output="o", status="finished"), 0, oom="passes"),
    Case("settle", "a reply after a requeue", job(hq_requeued=1), ["reply", "o"], 0),
    Case("settle", "a reply beside an output", job(output="n"), ["reply", "o"], 0),
    Case("settle", "terminal", job(status="error"), ["reply", "o"], 0),
    Case("settle", "unknown", {}, ["reply", "o"], 0),
    # ---- canonical ----
    Case("start", "fresh", job(), [], [1, FIELDS], job(status="started"), oom="refused"),
    Case(
        "start",
        "over an old run",
        running(output="o", error="e"),
        [],
        [1, FIELDS],
        done(running(), "hq_token"),
        oom="refused",
    ),
    Case("start", "missing", {}, [], [-1]),
    Case("start", "terminal", job(status="finished", output="o", hq_reply_to="r"), [], [-2, "r", "o", ""]),
    Case(
        "start",
        "asked to stop",
        job(status="stopping", hq_reply_to="r"),
        [],
        [-4, "r", "cancelled"],
        job(status="error", error="cancelled", hq_reply_to="r"),
        [-2, "r", "cancelled", ""],
        oom="passes",
    ),
    Case(
        "start",
        "expired",
        job(hq_expires=1, hq_reply_to="r"),
        [],
        [-4, "r", "expired"],
        job(status="error", error="expired", hq_expires=1, hq_reply_to="r"),
        [-2, "r", "expired", ""],
        oom="passes",
    ),
    Case("start", "not yet expired", job(hq_expires=10**15), [], [1, FIELDS], job(status="started", hq_expires=10**15)),
    Case("result", "finished", job(), [0, "o"], 1, job(status="finished", output="o"), 2, oom="passes"),
    Case(
        "result",
        "failed",
        job(hq_reply_to="r"),
        [1, "e"],
        [1, "r"],
        job(status="error", error="e", hq_reply_to="r"),
        [2, "r"],
        oom="passes",
    ),
    Case("result", "missing", {}, [0, "o"], -1),
    Case("result", "ended otherwise", job(status="finished", output="other"), [0, "o"], -2),
]


def expected(wire: Wire, before: dict[bytes, Any], after: dict[str, Any]) -> dict[bytes, Any]:
    state = dict(before)
    for name, value in after.items():
        key = wire.key(name).encode()
        if value is None:
            state.pop(key, None)
        elif value is ...:
            state[key] = wire.value(key)
        elif isinstance(value, Z):
            state[key] = set(raw(list(value)))
        elif isinstance(value, dict):
            state[key] = {raw(k): str(v).encode() for k, v in value.items()}
        else:
            state[key] = raw(value)
    return state


def test_every_script_has_cases() -> None:
    assert {case.script for case in CASES} == set(lua.names())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(wire: Wire, case: Case) -> None:
    wire.put(case.before)
    before = wire.state()
    assert wire.run(case.script, *case.args) == raw(case.answer)
    after = wire.state()
    assert after == expected(wire, before, case.after)
    # The reply was lost: the same call again.
    assert wire.run(case.script, *case.args) == raw(case.answer if case.again is ... else case.again)
    assert wire.state() == expected(wire, after, case.after_again)


@pytest.mark.parametrize("case", [c for c in CASES if c.oom], ids=str)
def test_maxmemory(wire: Wire, case: Case) -> None:
    """What ends, renews or returns work passes; takes and enqueues are refused and leave everything as it was."""
    wire.put(case.before)
    before, exact = wire.state(), wire.exact()
    wire.call("CONFIG", "SET", "maxmemory", 1)
    if case.oom == "passes":
        assert wire.run(case.script, *case.args) == raw(case.answer)
        assert wire.state() == expected(wire, before, case.after)
    else:
        with pytest.raises(ServerError, match=r"^OOM "):
            wire.run(case.script, *case.args)
        assert wire.exact() == exact


# ---- several jobs in one call ----


def of_several(wire: Wire, script: str) -> Any:
    """A call for the jobs of all cases of the script, one of them a list, answered as a list."""
    cases = [case for case in CASES if case.script == script]
    names = ["hero:job:list", *(f"hero:job:{i}" for i in range(len(cases)))]
    keys = [key for name in names for key in ([name, LIST] if "reply" in lua.keys(script) else [name])]
    args = ["other"] * len(cases[0].args) + [value for case in cases for value in case.args]
    return wire.call("EVAL", lua.load(script), len(keys), *keys, *args)


@pytest.mark.parametrize("script", ["claim", "finish", "finish_reply"])
def test_several_jobs_are_answered_like_each_alone(wire: Wire, script: str) -> None:
    cases = [case for case in CASES if case.script == script]
    assert len(cases) > 5
    wire.call("RPUSH", "hero:job:list", "x")
    for i, case in enumerate(cases):
        for name, value in case.before.get("job", {}).items():
            wire.call("HSET", f"hero:job:{i}", name, value)
    for again in (False, True):
        wrong, *answers = of_several(wire, script)
        assert isinstance(wrong, ServerError)
        assert str(wrong).startswith("WRONGTYPE ")
        for i, (case, answer) in enumerate(zip(cases, answers, strict=True)):
            assert answer == raw(case.answer if case.again is ... or not again else case.again), case
            then = {**case.before, **case.after, **(case.after_again if again else {})}.get("job") or {}
            assert wire.value(f"hero:job:{i}") == ({raw(k): raw(str(v)) for k, v in then.items()} or None), case
        sent = [
            entry for case in cases for entry in {**case.after, **(case.after_again if again else {})}.get("reply", [])
        ]
        assert sorted(wire.value(LIST) or []) == sorted(raw(sent))


def test_several_claims_at_maxmemory(wire: Wire) -> None:
    for i in range(3):
        wire.call("HSET", f"hero:job:{i}", "script", "s", "status", "dispatched")
    before = wire.state()
    wire.call("CONFIG", "SET", "maxmemory", 1)
    args = [value for i in range(3) for value in (tok(i), Q, "")]
    answers = wire.call("EVAL", lua.load("claim"), 3, *(f"hero:job:{i}" for i in range(3)), *args)
    assert [str(one).split()[0] for one in answers] == ["OOM"] * 3
    assert wire.state() == before


# A call of each script that would write to every key it names.
BROAD: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "take": (
        {"Q": ["b", "x"], "handoff": ["h"], **held("x", actor="o"), "delayed": Z(x=1), "recoveries": {"z": 1}},
        ["me", LEASE, 5, "h", RECHECK, 1],
    ),
    "reap": (
        {
            "Q": ["x"],
            "leases": Z(a=1, b=1),
            "holders": {"a": tok(1), "b": tok(2)},
            "recoveries": {"b": 3},
            "handoff": ["h"],
            "seen": Z(h=1),
            "stops": Z(o=1),
            "dead": Z(o=1),
            "reasons": {"o": "lost"},
            "delayed": Z(d=1),
            "missing": {"m": 1},
            "meta": META,
        },
        REAP_ARGS,
    ),
    "retry": ({**held("a"), "missing": {"a": 1}, "recoveries": {"a": 1}, "Q": ["b"]}, ["a", tok(1), -1, 1, 3, SEQ + 1]),
    "stop": ({"stops": Z(b=1), "delayed": Z(a=10**13)}, ["a", 1]),
}


def broad(script: str) -> tuple[dict[str, Any], list[Any]]:
    return BROAD.get(script) or next(
        (c.before, c.args) for c in CASES if c.script == script and (c.oom or script in ("mine", "intents"))
    )


@pytest.mark.parametrize(("script", "name"), [(s, k) for s in lua.names() for k in lua.keys(s)])
def test_wrong_type(wire: Wire, script: str, name: str) -> None:
    """A key of another type is found before the first write, since an error does not roll back."""
    before, args = broad(script)
    wire.put(before)
    wire.call("DEL", wire.key(name))
    if name in ("actor", "tally"):
        wire.call("RPUSH", wire.key(name), "x")
    else:
        wire.call("SET", wire.key(name), "x")
    exact = wire.exact()
    if (script, name) == ("finish_reply", "reply"):
        assert wire.run(script, *args) == raw([1, LIST])  # written; the reply is left to REPLY, which says so
        assert wire.call("HGET", wire.key("job"), "status") == b"finished"
        return
    with pytest.raises(ServerError, match=r"^WRONGTYPE "):
        wire.run(script, *args)
    assert wire.exact() == exact


def test_the_header_holds_what_the_tests_read(tmp_path: Path) -> None:
    """The embed step and support/lua.py resolve the same text, and the hash is of that text."""
    header = tmp_path / "scripts_data.h"
    step = lua.FOLDER.parents[1] / "cmake" / "embed_lua.cmake"
    subprocess.run(["cmake", f"-DIN={lua.FOLDER}", f"-DOUT={header}", "-P", step], check=True)
    found = re.findall(
        r'^\[HQ_SCRIPT_(\w+)\] = \{"(\w+)",\n((?:  ".*"\n?)+),\n  (\d+), "(\w{40})"\},$', header.read_text(), re.M
    )
    assert [name for _, name, *_ in found] == lua.names()
    for upper, name, text, size, sha1 in found:
        body = (
            "".join(re.findall(r'^  "(.*)"$', text, re.M))
            .replace("\\n", "\n")
            .replace('\\"', '"')
            .replace("\\\\", "\\")
        )
        assert (upper, body) == (name.upper(), lua.load(name))
        assert (int(size), sha1) == (len(body), hashlib.sha1(body.encode()).hexdigest())


# ---- times ----


def test_take_gives_a_lease(wire: Wire) -> None:
    wire.put({"Q": ["a"]})
    wire.run("take", *TAKE_ARGS)
    assert LEASE - 1000 < wire.in_ms("leases", "a") <= LEASE


def test_tokens_follow_the_clock_and_only_grow(wire: Wire) -> None:
    seen = []
    for i in range(50):
        wire.put({"Q": [f"a{i}", f"b{i}"]})
        answer = wire.run("take", *TAKE_ARGS)
        seen += [int(token.split(b":")[0]) for token in answer[2::2]]
    assert seen == sorted(set(seen)) and len(seen) == 100
    assert abs(seen[-1] / 1000 - wire.now()) < 10_000


def test_nonsense_in_meta_counts_as_none(wire: Wire) -> None:
    for seq in ("abc", "1e400", "-5", "nan", str(2**60), "1.5", ""):
        wire.put({"Q": ["a"], "meta": {"seq": seq, "last_reap": seq}})
        assert len(wire.run("take", *TAKE_ARGS)) == 3
        assert wire.run("reap", *REAP_ARGS) == [0, 0]
        assert wire.run("done", "a", wire.call("HGET", wire.key("holders"), "a")) == 1
        wire.call("DEL", wire.key("meta"))


def test_beat_renews_a_lease_that_ran_out(wire: Wire) -> None:
    wire.put({"leases": Z(a=1), "holders": {"a": tok(1)}})
    assert wire.run("beat", LEASE, "a", tok(1)) == [[], [], 0]
    assert LEASE - 1000 < wire.in_ms("leases", "a") <= LEASE


def test_take_is_bounded(wire: Wire) -> None:
    wire.put({"Q": [str(i) for i in range(300)]})
    answer = wire.run("take", "me", LEASE, 10_000, "", RECHECK, 1)
    assert (len(answer) - 1) // 2 == 127
    assert wire.call("LLEN", Q) == 300 - 127
    assert wire.run("done", *answer[1:]) == 127


def test_copies_come_again_after_the_recheck_and_never_later_than_before(wire: Wire) -> None:
    wire.put({"Q": ["x", "y"], **held("x", "y", actor="o"), "delayed": Z(y=5)})
    wire.run("take", *TAKE_ARGS)
    assert RECHECK - 1000 < wire.in_ms("delayed", "x") <= RECHECK
    assert wire.call("ZSCORE", wire.key("delayed"), "y") == b"5"


def test_retry_delays(wire: Wire) -> None:
    for missing, delay in ((0, 1000), (1, 2000), (2, 4000)):
        wire.put({**held("a"), "missing": {"a": missing}})
        assert wire.run("retry", "a", tok(1), 1000, 1, 3, 0) == 1
        assert delay - 500 < wire.in_ms("delayed", "a") <= delay
    wire.put(held("a"))
    assert wire.run("retry", "a", tok(1), 7000, 2, 3, 0) == 1
    assert 6500 < wire.in_ms("delayed", "a") <= 7000


def test_promote_says_when_the_next_is_due(wire: Wire) -> None:
    wire.put({"delayed": Z(a=1, b=wire.now() + 5000)})
    promoted, due, _ = wire.run("promote", 10)
    assert promoted == 1 and 4000 < due <= 5000


def test_promote_is_bounded_and_keeps_the_order(wire: Wire) -> None:
    wire.put({"delayed": Z({f"{i:03}": i for i in range(200)})})
    assert wire.run("promote", 1000)[0] == 128
    assert wire.call("RPOP", Q) == b"000"
    assert wire.run("promote", 1000)[0] == 72


def watch(wire: Wire) -> tuple[float, bytes]:
    """For how many ms from now, and who."""
    till, _, who = wire.call("HGET", wire.key("meta"), "watch").partition(b" ")
    return int(till) - wire.now(), who


def test_one_keeps_watch(wire: Wire) -> None:
    assert wire.run("promote", 10, "me", 9000) == [0, -1, 0]
    assert 8000 < watch(wire)[0] <= 9000 and watch(wire)[1] == b"me"
    wire.put({"delayed": Z(a=1)})
    promoted, due, others = wire.run("promote", 10, "you", 9000)
    assert (promoted, due) == (1, -1) and 8000 < others <= 9000  # another asks: what is due goes all the same
    assert wire.run("promote", 10, "you", 0)[2] > 8000
    assert watch(wire)[1] == b"me"
    wire.put({"meta": {"watch": f"{wire.now() + 100} me"}})
    assert wire.run("promote", 10, "me", 9000) == [0, -1, 0]  # from each call on
    assert 8000 < watch(wire)[0] <= 9000


@pytest.mark.parametrize("how", ["over", "given up", "the clock went back", "nonsense", "huge"])
def test_a_watch_that_nobody_keeps_is_another_s(wire: Wire, how: str) -> None:
    if how == "given up":
        wire.run("promote", 10, "me", 9000)
        assert wire.run("promote", 10, "me", 0) == [0, -1, 0]
    else:
        now = wire.now()
        text = {"over": f"{now - 1} me", "the clock went back": f"{now + 10**9} me", "huge": "9" * 400 + " me"}
        wire.put({"meta": {"watch": text.get(how, "nonsense")}})
    assert wire.run("promote", 10, "you", 9000) == [0, -1, 0]
    assert 8000 < watch(wire)[0] <= 9000 and watch(wire)[1] == b"you"


def test_no_watch_without_memory(wire: Wire) -> None:
    wire.call("CONFIG", "SET", "maxmemory", 1)
    for actor in ("me", "you"):
        assert wire.run("promote", 10, actor, 9000) == [0, -1, 0]
    assert wire.state() == {}


def test_push_times(wire: Wire) -> None:
    wire.run("push", 0, 5000, 0, "a")
    assert 4000 < wire.in_ms("delayed", "a") <= 5000
    wire.run("push", 0, 9000, 0, "a")  # the repeat of a lost reply, later
    assert wire.in_ms("delayed", "a") <= 5000
    at = wire.now() + 1000
    wire.run("push", 0, 0, at, "a")
    assert wire.call("ZSCORE", wire.key("delayed"), "a") == str(at).encode()


def test_intents_are_due_like_the_start_and_the_older_note_stays(wire: Wire) -> None:
    wire.run("intent", 5000, 0, "a")
    assert 4000 < wire.in_ms("intents", "a") <= 5000
    first = wire.call("ZSCORE", wire.key("intents"), "a")
    wire.run("intent", 0, 0, "a", "now")
    assert wire.call("ZSCORE", wire.key("intents"), "a") == first
    assert -1000 < wire.in_ms("intents", "now") <= 0
    assert wire.run("intents", 0, 10) == [b"now"]
    assert wire.run("intents", 60_000, 10) == []
    wire.run("intent", 0, 1, *[f"i{i:04}" for i in range(300)])
    assert len(wire.run("intents", 0, 500)) == 128


def test_push_takes_many(wire: Wire) -> None:
    ids = [str(i) for i in range(300)]
    assert wire.run("push", 0, 1000, 0, *ids) == 300
    assert wire.call("ZCARD", wire.key("delayed")) == 300
    assert wire.run("push", 1, 0, 0, *ids) == 300
    assert wire.call("LLEN", Q) == 300


def test_stop_makes_a_delayed_copy_due(wire: Wire) -> None:
    wire.put({"delayed": Z(a=10**13)})
    wire.run("stop", "a", 0)
    assert -1000 < wire.in_ms("delayed", "a") <= 0


# ---- reaping ----


def reap(wire: Wire, **meta: int) -> Any:
    if meta:
        wire.put({"meta": meta})
    return wire.run("reap", *REAP_ARGS)


def test_reap_rests_half_an_interval(wire: Wire) -> None:
    wire.put({"leases": Z(a=1), "holders": {"a": tok(1)}})
    assert reap(wire, last_reap=wire.now() - 4000) == [0, 0]
    assert reap(wire, last_reap=wire.now() - 6000) == [1, 0]


def test_reap_backoff_doubles(wire: Wire) -> None:
    for lost, delay in ((1, 100), (2, 200)):
        wire.put({"leases": Z(a=1), "holders": {"a": tok(1)}, "recoveries": {"a": lost}})
        wire.call("DEL", wire.key("meta"))
        assert reap(wire) == [1, 0]
        assert delay - 100 < wire.in_ms("delayed", "a") <= delay


def test_outage_grace_is_given_once(wire: Wire) -> None:
    wire.put({"leases": Z(a=1, b=wire.now() + LEASE // 4, c=wire.now() + LEASE), "holders": {"a": tok(1)}})
    assert reap(wire, last_reap=wire.now() - LEASE) == [0, 0]
    for id in "ab":
        assert wire.call("ZSCORE", wire.key("leases"), id).endswith(b".5")
        assert LEASE - 1000 < wire.in_ms("leases", id) <= LEASE + 1
    assert not wire.call("ZSCORE", wire.key("leases"), "c").endswith(b".5")
    # Its holder is dead: the mark stays, and after another outage it is lost.
    wire.call("ZADD", wire.key("leases"), "1.5", "a")
    assert reap(wire, last_reap=wire.now() - LEASE) == [1, 0]
    assert wire.call("ZSCORE", wire.key("leases"), "a") is None


def test_leases_far_ahead_are_clamped(wire: Wire) -> None:
    wire.put({"leases": Z(a=wire.now() + 3 * LEASE), "holders": {"a": tok(1)}})
    reap(wire)
    assert LEASE - 1000 < wire.in_ms("leases", "a") <= LEASE


def test_reap_sees_the_handoff_before_it_empties_it(wire: Wire) -> None:
    wire.put({"handoff": ["h"], "seen": Z(gone=1)})
    assert reap(wire) == [0, 0]
    assert wire.call("LLEN", wire.key("handoff")) == 1
    assert wire.call("ZRANGE", wire.key("seen"), 0, -1) == [b"h"]
    wire.call("ZADD", wire.key("seen"), wire.now() - 6000, "h")
    assert reap(wire, last_reap=wire.now() - 6000) == [0, 1]
    assert wire.state()[Q.encode()] == [b"h"]
    assert wire.value(wire.key("seen")) is None


def test_a_killer_holds_what_it_kills(wire: Wire) -> None:
    wire.put({"leases": Z(a=1), "holders": {"a": tok(1)}, "recoveries": {"a": 3}, "meta": META})
    assert reap(wire) == [1, 0, b"a", tok(1, "me!").encode()]
    assert LEASE - 1000 < wire.in_ms("leases", "a") <= LEASE
    wire.put({"Q": ["b"]})
    assert wire.run("take", *TAKE_ARGS) == raw(["OK", "b", tok(2)])


def test_a_full_batch_goes_on_at_once(wire: Wire) -> None:
    ids = [f"{i:03}" for i in range(120)]
    wire.put({"leases": Z(dict.fromkeys(ids, 1)), "holders": {i: tok(n) for n, i in enumerate(ids)}})
    assert [reap(wire)[0] for _ in range(4)] == [50, 50, 20, 0]
    assert sorted(wire.state()[Q.encode()]) == raw(ids)


def test_recoveries_are_bounded(wire: Wire) -> None:
    wire.put({"recoveries": dict.fromkeys(range(10050), 1)})
    reap(wire)
    assert wire.call("HLEN", wire.key("recoveries")) == 9_950


# ---- ends of hashes ----

ENDS: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "finish": (running(), [tok(1), "o"]),
    "finish_reply": (WAITED, [tok(1), "o", ""]),
    "fail": (running(), [tok(1), "e", 0, 0]),
    "unclaim": (running(status="stopping"), [tok(1), 0]),
    "cancel": (job(), []),
    "settle": (job(), ["reply", "o"]),
    "result": (job(), [0, "o"]),
    "start": (job(status="stopping"), []),
    "claim": (running(status="stopping"), [tok(2), Q, ""]),
}


@pytest.mark.parametrize("script", ENDS)
def test_ended_hashes_expire(wire: Wire, script: str) -> None:
    before, args = ENDS[script]
    for ttl, low, high in (
        (DAY, DAY - 5000, DAY),
        (None, -1, -1),
        ("0", -1, -1),
        ("-5", -1, -1),
        ("abc", -1, -1),
        ("1e9", -1, -1),
    ):
        wire.call("FLUSHALL")
        wire.put(before if ttl is None else {"job": {**before["job"], "hq_ttl": ttl}})
        wire.run(script, *args)
        assert wire.call("HGET", wire.key("job"), "status") in (b"finished", b"error")
        assert low <= wire.call("PTTL", wire.key("job")) <= high


@pytest.mark.parametrize(("script", "args"), [("fail", [tok(1), "e", 0, 1]), ("kill", [tok(1), Q, "", "gone"])])
def test_buried_hashes_live_as_long_as_their_entry(wire: Wire, script: str, args: list[Any]) -> None:
    wire.put(running(hq_ttl=DAY))
    wire.run(script, *args)
    assert MONTH - 5000 < wire.call("PTTL", wire.key("job")) <= MONTH
    wire.call("FLUSHALL")
    wire.put(running())
    wire.run(script, *args)
    assert wire.call("PTTL", wire.key("job")) == -1


def test_living_hashes_do_not_expire(wire: Wire) -> None:
    wire.put(running(status="error", error="e", hq_ttl=DAY))
    wire.call("PEXPIRE", wire.key("job"), DAY)
    assert wire.run("requeue")[0] == 1
    assert wire.call("PTTL", wire.key("job")) == -1
    # A foreign supervisor dispatches an ended job again.
    for script, args in (("claim", [tok(1), Q, ""]), ("start", [])):
        wire.call("FLUSHALL")
        wire.put(job(output="old"))
        wire.call("PEXPIRE", wire.key("job"), DAY)
        wire.run(script, *args)
        assert wire.call("PTTL", wire.key("job")) == -1


def test_tombstones_replies_and_the_ctl_list_expire(wire: Wire) -> None:
    wire.put(job())
    wire.run("delete", 5000)
    assert 4000 < wire.call("PTTL", wire.key("job")) <= 5000
    for name in ("reply", "ctl"):
        wire.run(name, "x", *([0] if name == "reply" else []))
        assert 3_590_000 < wire.call("PTTL", wire.key(name)) <= 3_600_000


def test_lists_are_cut(wire: Wire) -> None:
    for i in range(300):
        wire.run("ctl", i)
        wire.run("reply", i, 0)
    assert wire.call("LLEN", wire.key("ctl")) == 256
    assert wire.call("LRANGE", wire.key("reply"), 0, -1) == raw([str(i) for i in range(299, 283, -1)])
    for i in range(30):
        wire.run("reply", i, 1)
    assert wire.call("LLEN", wire.key("reply")) == 46


def test_actors_disappear(wire: Wire) -> None:
    wire.run("seen", "short", "{}", 100)
    wire.run("seen", "long", "{}", 60_000)
    wire.run("seen", "short", "{}", 100)
    assert wire.call("PTTL", wire.key("actors")) > 50_000
    assert wire.call("PTTL", wire.key("actor")) <= 100


def at(wire: Wire, minute: int) -> str:
    """A minute of the server's clock, so many from now."""
    return str(wire.now() // 60_000 + minute)


def minutes(wire: Wire) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = wire.value(wire.key("minutes").encode())
    return fields


def test_tallies_add_up(wire: Wire) -> None:
    """Of one actor and of another one; one that is repeated counts once."""
    wire.run("tally", 1, 1, 2, 3, 4, "0:1 175:2", "5:1")
    wire.run("tally", 2, 1, 0, 0, 0, "175:1 176:1", "")
    wire.run("tally", 2, 1, 0, 0, 0, "175:1 176:1", "")
    wire.call("DEL", wire.key("tally"))
    wire.run("tally", 1, 8, 0, 0, 0, "", "4:1")
    found = minutes(wire)
    if len(found) == 4:  # else a minute has ended meanwhile
        assert found == raw_fields({"0": "10 2 3 4", "0:w": "0:1 175:4", "0:r": "4:1 5:1", "swept": "0 0"})


def raw_fields(fields: dict[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in fields.items()}


def test_minutes_go(wire: Wire) -> None:
    """Counts after a day, waits and runs after an hour; so many in a call, so that no call is long."""
    old = {at(wire, -1445): "9 9 9 9", at(wire, -1441): "9 9 9 9", at(wire, -1430): "8 0 0 0", "0": "7 0 0 0"}
    old |= {at(wire, -70) + ":w": "1:1", at(wire, -70) + ":r": "1:1", at(wire, -50) + ":w": "2:1"}
    swept = f"{at(wire, -1445)} {at(wire, -71)}"
    wire.put({"minutes": {**old, "swept": swept}})
    wire.run("tally", 1, 1, 0, 0, 0, "", "")
    kept = {int(name.split(b":")[0]) for name in wire.call("HKEYS", wire.key("minutes")) if name != b"swept"}
    assert kept >= {0, int(at(wire, -1430)), int(at(wire, -50))} and len(kept) == 4
    day, hour = (int(n) for n in wire.call("HGET", wire.key("minutes"), "swept").split())
    assert abs(day - int(at(wire, -1439))) <= 1 and abs(hour - int(at(wire, -59))) <= 1
    assert 86_000_000 < wire.call("PTTL", wire.key("minutes")) <= DAY
    assert 590_000 < wire.call("PTTL", wire.key("tally")) <= 600_000


def test_sweeping_minutes_is_bounded_and_goes_on(wire: Wire) -> None:
    wire.put({"minutes": {at(wire, -i): "1 0 0 0" for i in range(1450, 2000)} | {"swept": f"{at(wire, -2000)} 5"}})
    sizes = []
    for n in range(1, 12):
        wire.run("tally", n, 1, 0, 0, 0, "", "")
        sizes.append(wire.call("HLEN", wire.key("minutes")))
    assert sizes[0] >= 550 - 128 and sizes[-1] <= 4
    assert all(before - after <= 128 for before, after in pairwise(sizes))


def test_minutes_begin_anew_when_the_clock_went_far_back(wire: Wire) -> None:
    wire.put({"minutes": {at(wire, 9000): "1 0 0 0", "swept": f"{at(wire, 9000)} {at(wire, 9000)}"}})
    wire.run("tally", 1, 1, 0, 0, 0, "", "")
    assert minutes(wire) == raw_fields({"0": "1 0 0 0", "swept": "0 0"})


def test_nonsense_in_minutes_counts_as_none(wire: Wire) -> None:
    wire.put({"tally": "x", "minutes": {at(wire, 0): "a b", at(wire, 0) + ":w": "x:1 2:y 3", "swept": "never"}})
    assert wire.run("tally", 1, 1, 0, 0, 0, "3:1", "no histogram") == 1
    assert b"1 0 0 0" in minutes(wire).values() and b"3:1" in minutes(wire).values()


def test_the_history_has_times_and_is_bounded(wire: Wire) -> None:
    wire.run("ended", 10_000, 1, 0, "a", 60_000, "b")
    assert abs(wire.in_ms("finished", "a")) < 5000 and abs(wire.in_ms("failed", "b") + 60_000) < 5000
    assert 6.9 * DAY < wire.call("PTTL", wire.key("failed")) <= 7 * DAY
    pairs = [x for i in range(128) for x in (i, f"i{i}")]
    for kept, n in ((100, 128), (100, 0)):
        assert wire.run("ended", kept, n, *pairs) == 128
    assert wire.call("ZCARD", wire.key("finished")) == 100 and wire.call("ZCARD", wire.key("failed")) == 100
    assert wire.call("ZRANGE", wire.key("finished"), -1, -1) in ([b"i0"], [b"a"])


@pytest.mark.parametrize("script", ["index", "file"])
def test_the_index_keeps_the_first_time_and_is_bounded(wire: Wire, script: str) -> None:
    wire.put({"made": Z(a=5)})
    wire.run(script, 10**14, 1000, "a", "b")
    assert wire.call("ZSCORE", wire.key("made"), "a") == b"5" and abs(wire.in_ms("made", "b")) < 5000
    assert wire.call("PTTL", wire.key("made")) > 10**13
    wire.put({"made": Z({f"old{i}": i for i in range(1000)})})
    wire.run(script, DAY, 1000, "c")
    assert wire.call("ZCARD", wire.key("made")) == 1003 - 256
    for _ in range(4):
        wire.run(script, DAY, 1000, "c")
    assert wire.call("ZRANGE", wire.key("made"), 0, -1) == [b"b", b"c"]


# ---- bytes and nonsense ----

EVERY = bytes(range(256))


def test_ids_are_bytes(wire: Wire) -> None:
    ids = [EVERY[1:33], EVERY, b"", b"\x00", b"\r\n"]
    wire.put({"Q": ids})
    answer = wire.run("take", *TAKE_ARGS)
    pairs = list(zip(answer[1::2], answer[2::2], strict=True))
    assert [id for id, _ in pairs] == ids[::-1]
    flat = [x for pair in pairs for x in pair]
    assert wire.run("beat", LEASE, *flat) == [[], [], 0]
    assert wire.run("mine", "me") == wire.call("HGETALL", wire.key("holders"))
    assert set(wire.call("ZRANGE", wire.key("leases"), 0, -1)) == set(ids)
    for id, token in pairs:
        assert wire.run("retry", id, token, 5, 1, 3, 0) == 1
    wire.put({"delayed": Z(dict.fromkeys(ids, 1))})
    assert wire.run("promote", 10)[0] == 5
    answer = wire.run("take", *TAKE_ARGS)
    for id, token in zip(answer[1::2], answer[2::2], strict=True):
        assert wire.run("bury", id, token, "bad_id", 100) == 1
        assert wire.run("push_again", id) == 1
    answer = wire.run("take", *TAKE_ARGS)
    assert wire.run("done", *answer[1:]) == 5
    assert set(wire.state()) == {wire.key("meta").encode()}


def test_an_empty_id_in_a_large_take(wire: Wire) -> None:
    """Whatever TAKE does to make large takes cheap, no id is mistaken for it."""
    ids = [str(i) for i in range(30)]
    wire.put({"Q": ["", *ids]})
    answer = wire.run("take", "me", LEASE, 100, "", RECHECK, 1)
    assert len(answer) == 1 + 2 * 31
    assert set(wire.call("HKEYS", wire.key("holders"))) == set(wire.call("ZRANGE", wire.key("leases"), 0, -1))
    assert wire.run("done", *answer[1:]) == 31
    assert set(wire.state()) == {wire.key("meta").encode()}


def test_values_are_bytes(wire: Wire) -> None:
    wire.put({"job": {"script": EVERY, "status": "dispatched", "callerId": EVERY, "hq_reply_to": EVERY}})
    answer = wire.run("claim", tok(1), Q, "")
    assert (answer[1][0], answer[1][3]) == (EVERY, EVERY)
    assert wire.run("finish", tok(1), EVERY) == [1, EVERY]
    assert wire.run("await", "")[1] == EVERY
    assert wire.run("claim", tok(2), Q, "") == [-2, EVERY, EVERY, b""]
    wire.run("reply", EVERY, 0)
    assert wire.call("RPOP", wire.key("reply")) == EVERY


@pytest.mark.parametrize("nonsense", ["abc", "", "-1", "1e400", "nan", "99999999999999999999", "\xff", "x" * 100_000])
def test_nonsense_in_a_hash(wire: Wire, nonsense: str) -> None:
    """Broken fields count as nothing: every script answers, and the job comes to its end."""
    names = [
        "status",
        "hq_attempt",
        "hq_retries",
        "hq_failres",
        "hq_failed",
        "hq_ttl",
        "hq_expires",
        "hq_token",
        "hq_queue",
        "hq_dead",
        "timeout",
    ]
    fields = dict.fromkeys(names, nonsense)
    calls = {script: args for script, (_, args) in ENDS.items()}
    for script, args in {**calls, "kill": [tok(1), Q, "", "e"], "await": ["r"], "requeue": []}.items():
        wire.call("FLUSHALL")
        wire.put({"job": {"script": "s", **fields}})
        wire.run(script, *args)
    wire.call("FLUSHALL")
    wire.put({"job": {"script": "s", **fields}})
    attempt, got = wire.run("claim", tok(1), Q, nonsense)
    assert attempt == 1 and got[0] == b"s"
    assert wire.run("finish", tok(1), "o") == 1


def test_create_takes_many_fields(wire: Wire) -> None:
    fields = [x for i in range(400) for x in (f"f{i}", i)]
    assert wire.run("create", "script", "s", *fields) == 2
    assert wire.call("HLEN", wire.key("job")) == 401
    assert wire.run("create", "script", "s", *fields) == 1
    assert wire.run("create", "script", "s", *fields[:-1], "other") == 0


def test_the_fields_of_a_claim_stand_in_their_order(wire: Wire) -> None:
    names = ["script", "timeout", "retries", "callerId", "contextId", "env_vars", "hq_headers"]
    wire.put({"job": {name: f"<{name}>" for name in names}})
    values = raw([f"<{name}>" for name in names])
    assert wire.run("claim", tok(1), Q, "") == [1, values]
    wire.call("HSET", wire.key("job"), "status", "dispatched")
    assert wire.run("start") == [1, values]


def test_the_protocol_names_the_keys_in_their_order() -> None:
    text = " ".join((lua.FOLDER.parents[1] / "PROTOCOL.md").read_text().split())
    for name in filter(lua.keys, lua.names()):
        found = re.findall(rf"`{name.upper()}\(([^;)]+)", text)
        assert found == [" ".join(lua.keys(name))], name
