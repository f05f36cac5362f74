"""Each rule of the scripts is broken once; the tests of test_scripts.py must see it, or they prove nothing.

What only shows in time or between programs (DONE last, the DEL of a requeue, a reaper that dies) is broken in the
simulator, tests/model/chaos.py, whose modes must fail.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest
from support import lua
from support.server import ServerError

sys.path.insert(0, str(Path(__file__).parent))
import test_scripts as scripts
from test_scripts import CASES, Wire, wire  # noqa: F401

SUPERSEDED = (
    "if failed == tok or held and queue == q and seqof(held) > seqof(tok) then"
    " return {-3, held and seqof(held) or 0} end\n"
)
ELSEWHERE = "if held and queue ~= q and st == 'started' and held ~= ARGV[3] then return {-5, queue or '', held} end\n"
STOPPING = "if st == 'stopping' then return {-4, give_up('cancelled'), 'cancelled'} end\n"

# rule: script, what its text says, what it says then
RULES = {
    "the token check of FINISH": ("finish", "if held ~= ARGV[1] then return -3 end", ""),
    "the token check of FINISH_REPLY": ("finish_reply", "if held ~= ARGV[1] then return -3 end", ""),
    "FINISH_REPLY answers only who asks": ("finish_reply", "if reply_to == KEYS[2] and", "if"),
    "FINISH_REPLY leaves another list to REPLY": ("finish_reply", "if reply_to then return {n, reply_to} end\n", ""),
    "the token check of FAIL": ("fail", "if held ~= tok then return {-3} end", ""),
    "copies are postponed": ("take", "zd[#zd + 1] = now + tonumber(ARGV[5])\nzd[#zd + 1] = id\n", ""),
    "the handoff is reaped": ("reap", "now - tonumber(s) >= grace", "false"),
    "the outage grace": ("reap", "outage and due % 1 == 0", "false"),
    "the outage grace once": ("reap", "outage and due % 1 == 0", "outage"),
    "a suspect is taken alone": ("take", "rs[i] and num(rs[i]) >= 2", "false"),
    "a TAKE behind a BLMOVE takes what that has moved": (
        "take",
        "ARGV[7] == '1' and call('LINDEX'",
        "false and call('LINDEX'",
    ),
    "a TAKE behind a BLMOVE takes the oldest": ("take", "call('LINDEX', handoff, -1)", "call('LINDEX', handoff, 0)"),
    "a suspect out of the handoff goes back": ("take", "call('RPUSH', Q, hid)\nelse", "else"),
    "a pause stops takes": ("take", "if m[2] then", "if false then"),
    "the reaper holds what it buries": ("reap", "call('HSET', holders, id, tok)\n", ""),
    "CLAIM: superseded before stopping": (
        "claim",
        SUPERSEDED + ELSEWHERE + STOPPING,
        STOPPING + SUPERSEDED + ELSEWHERE,
    ),
    "CLAIM: terminal before superseded": (
        "claim",
        "if term then\nlocal reply_to, dead",
        SUPERSEDED + "if term then\nlocal reply_to, dead",
    ),
    "CLAIM: superseded at all": ("claim", SUPERSEDED, ""),
    "CLAIM: elsewhere at all": ("claim", ELSEWHERE, ""),
    "CLAIM: terminal at all": ("claim", "if term then\nlocal reply_to, dead", "if false then\nlocal reply_to, dead"),
    "CLAIM: what expired does not run": ("claim", "if expired then", "if false then"),
    "CLAIM: a job that nobody had yet may have expired": (
        "claim",
        "or held or attempt or expires",
        "or held or attempt",
    ),
    "START: what expired does not run": ("start", "expired and 'expired'", "false"),
    "CLAIM: the old output goes": ("claim", "call('HDEL', KEYS[1], 'output', 'error')", "call('HDEL', KEYS[1], 'hq_')"),
    "each of several claims has its own arguments": ("claim", "ARGV[i * args + j]", "ARGV[j]"),
    "each of several results has its own arguments": ("finish", "ARGV[i * args + j]", "ARGV[j]"),
    "each of several claims has its own key": ("claim", "KEYS[i * keys + j]", "KEYS[j]"),
    "an acknowledged stop is not undone": ("unclaim", "if not term and st ~= 'stopping' then", "if not term then"),
    "DONE removes what a late BURY left": ("done", "call('ZREM', dead, unpack(mine))", "call('PERSIST', dead)"),
    "PLACE: what has begun keeps its queue": (
        "place",
        "if not script or held or term or st == 'started' or st == 'stopping' then",
        "if not script then",
    ),
    "one keeps watch": ("promote", "if left > 0 and left <= 60000 then", "if false then"),
    "the watch is another's": ("promote", "who ~= actor and tonumber", "tonumber"),
    "CLAIM tells when a delayed job was due": ("claim", "return {n, v, due or nil}", "return {n, v}"),
    "REQUEUE: nobody knows how long it has waited": ("requeue", ", 'hq_due', 0)", ")"),
    "TALLY counts a repeat once": ("tally", "if num(call('GET', tally)) >= n then return 0 end", ""),
    "TALLY removes old minutes": ("tally", "if #old > 0 then call('HDEL', minutes, unpack(old)) end", ""),
    "TALLY after the clock went back": ("tally", "if day > m then call('DEL', minutes) end", ""),
    "INDEX forgets the same ids everywhere": ("index", "ipairs(KEYS)", "ipairs({made})"),
    "INDEX keeps the first time": ("index", "'NX', unpack(z)", "unpack(z)"),
    "FILE keeps only so many": ("file", "if #old > 0 then", "if false then"),
    "ENDED keeps only so many": ("ended", "if more > 0 then", "if false then"),
    "PUSH takes the note away": ("push", "call('ZREM', intents, unpack(ARGV, from, to))", ""),
}


def sees(at: Wire, script: str) -> bool:
    for case in [case for case in CASES if case.script == script]:
        at.call("FLUSHALL")
        try:
            scripts.test_case(at, case)
        except (AssertionError, ServerError):
            return True
    return False


# Rules about times, and about several jobs, have no case of their own, but a test.
TESTED = dict.fromkeys(["the outage grace", "the outage grace once"], scripts.test_outage_grace_is_given_once)
TESTED |= dict.fromkeys(["one keeps watch", "the watch is another's"], scripts.test_one_keeps_watch)
for script in ("claim", "finish"):
    several = partial(scripts.test_several_jobs_are_answered_like_each_alone, script=script)
    TESTED |= dict.fromkeys(
        [rule for rule in RULES if rule.startswith("each of several") and RULES[rule][0] == script], several
    )
TESTED["INDEX keeps the first time"] = lambda at: scripts.test_the_index_keeps_the_first_time_and_is_bounded(
    at, "index"
)
TESTED["TALLY removes old minutes"] = scripts.test_minutes_go
TESTED["TALLY after the clock went back"] = scripts.test_minutes_begin_anew_when_the_clock_went_far_back


@pytest.mark.parametrize("rule", RULES)
def test_a_broken_rule_is_seen(wire: Wire, monkeypatch: pytest.MonkeyPatch, rule: str) -> None:  # noqa: F811
    script, says, then = RULES[rule]
    load = lua.load
    assert load(script).count(says) == 1, "the script says it in other words now"
    monkeypatch.setattr(lua, "load", lambda name: load(name).replace(says, then) if name == script else load(name))
    if rule in TESTED:
        with pytest.raises(AssertionError):
            TESTED[rule](wire)
    else:
        assert sees(wire, script)
