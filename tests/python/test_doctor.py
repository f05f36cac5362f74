"""The doctor: each finding there is, produced by breaking the system in that way on purpose; none where all is well.

A finding is a function of support/breaks_*.py that is named like it: a new one without such a function fails here.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import heroq
import pytest
from heroq import doctor
from heroq.cli import app as commands
from support import breaks_queues, breaks_server
from support.acting import Runner
from support.breaks import Q, System
from support.server import Connection
from typer.main import get_command

ROOT = Path(__file__).parents[2]
BREAKS = breaks_server.BREAKS | breaks_queues.BREAKS
FINDINGS = {row["finding"]: row for row in doctor.findings()}


def there_is(system: System, mend: str) -> None:
    """A command of heroq, or of the server's, that begins a mend."""
    if not mend.startswith(("heroq ", "redis-cli ")):
        return
    program, name, *_ = mend.replace(",", " ").split()
    if program == "heroq":
        assert name in get_command(commands).commands  # type: ignore[attr-defined]
    elif not name.startswith("-"):
        assert system.server.command("COMMAND", "INFO", name)[0], mend


def test_every_finding_has_a_break() -> None:
    assert set(BREAKS) == set(FINDINGS)


@pytest.mark.parametrize("finding", BREAKS)
def test_a_break_is_found(system: System, finding: str) -> None:
    before = {row["finding"] for row in system.examine()["checks"]}
    assert before == {""}, "the system was healthy"
    BREAKS[finding](system)
    report = system.examine()
    rows = [row for row in report["checks"] if row["finding"] == finding]
    assert rows, report["checks"]
    for row in rows:
        assert row["check"] == FINDINGS[finding]["check"] or finding == "unknown"
        assert row["severity"] == FINDINGS[finding]["severity"]
        assert row["subject"] and row["looked"] and row["found"]
        assert row["means"] == FINDINGS[finding]["means"]
        assert row["mend"]
        for command in row["mend"].split("; "):
            there_is(system, command)
        assert (row["fix"], row["fixed"]) == ("", 0)
    order = ("ok", "unknown", "warning", "error")
    assert report["worst"] == max((row["severity"] for row in report["checks"]), key=order.index)
    assert {name: report[name] for name in order} == {
        name: sum(row["severity"] == name for row in report["checks"]) for name in order
    }


def test_keys_of_a_wrong_type_do_not_stop_the_doctor(system: System) -> None:
    """They are named, and other queues are looked at."""
    lists, zsets = ["handoff"], ["seen", "leases", "stops", "delayed", "dead"]
    names = [*lists, *zsets, "holders", "recoveries", "missing", "reasons", "meta"]
    for name in names:
        queue = f"hero:q:work:type:{name}"
        system.do("ZADD", "{heroq}:queues", 1, queue)
        system.do("SADD", f"{{{queue}}}:{name}", "x")
    system.held("b")
    rows = system.examine()["checks"]
    *named, more = [row for row in rows if row["finding"] == "key_wrong_type"]
    found = {row["subject"]: row["found"] for row in named}
    wrong = {f"{{hero:q:work:type:{name}}}:{name}" for name in names}
    assert len(found) == 10 and set(found) < wrong and more["found"] == "1 more like these"
    assert all(text.startswith("the key is a set, not a ") for text in found.values())
    assert [row["subject"] for row in rows if row["finding"] == "no_lease"] == [Q]


def test_the_list_of_queues_of_a_wrong_type(system: System) -> None:
    system.do("SET", "{heroq}:queues", "x")
    (row,) = system.found("key_wrong_type")
    assert row["check"] == "queues" and "{heroq}:queues" in row["found"]


def test_an_actor_in_another_database_is_hinted_at(system: System) -> None:
    """Guide, section 5: is it connected to the same Redis?"""
    with heroq.Client(system.url.removesuffix("/0") + "/3") as elsewhere:
        heroq.Queue("osis", elsewhere).pause()
    BREAKS["no_actor"](system)
    (row,) = system.found("no_actor")
    assert "actors are on: no queue; keys are also in db3" in row["found"]


def test_many_of_a_kind_are_summed_up(system: System) -> None:
    for i in range(30):
        system.do("HSET", f"{{hero:q:work:type:t{i}}}:meta", "paused", 1)
        system.do("ZADD", "{heroq}:queues", 1, f"hero:q:work:type:t{i}")
    rows = system.found("paused")
    assert [row["found"] for row in rows] == ["the queue is paused"] * 10 + ["20 more like these"]


# ---- what is well ----


def test_a_healthy_system_at_work_gives_no_finding(system: System) -> None:
    """Real actors, delays, retries, a stop, replies; looked at again and again."""

    def handler(job: heroq.Job) -> None:
        if job.script == b"fail" and job.attempt == 1:
            job.fail("once")
        else:
            job.finish(job.script)

    with (
        heroq.Supervisor(system.url) as sup,
        Runner(system.url, handler, types="osis"),
        Runner(system.url, handler, types="sal", backoff="20ms"),
    ):
        end = time.monotonic() + 1.5
        looks = 0
        while time.monotonic() < end:
            sup.submit_many(["x"] * 500, script_type="osis")
            sup.submit_many(["fail"] * 20, script_type="sal", retries=3)
            sup.submit("later", script_type="sal", delay=0.1)
            sup.run_job_and_await_result("now", script_type="osis", timeout=20)
            report = system.examine()
            assert {row["finding"] for row in report["checks"]} == {""}, report
            assert report["worst"] == "ok"
            looks += 1
        assert looks >= 3


def acl(name: str) -> list[str]:
    """The words of a list of rights in SECURITY.md."""
    return (ROOT / "SECURITY.md").read_text().split(f"```text acl {name}\n")[1].split("```")[0].split()


@pytest.mark.parametrize("name", ["actor", "producer"])
def test_the_least_rights(system: System, name: str) -> None:
    """Nothing fails: what may not be looked at is unknown, the rest is well, and the user misses no right."""
    system.do("ACL", "SETUSER", "least", "on", ">pw", "-@all", *acl(name))
    system.undo.callback(system.server.command, "ACL", "DELUSER", "least")
    system.url = system.url.replace("redis://", "redis://least:pw@")
    system.known()
    report = system.examine()
    assert {row["severity"] for row in report["checks"]} == {"ok", "unknown"}
    missing = {row["check"] for row in report["checks"] if row["severity"] == "unknown"}
    assert missing == {"config"} if name == "actor" else missing >= {"config", "queues"}
    assert [row["finding"] for row in report["checks"] if row["check"] == "rights"] == [""]


def test_the_rights_looked_for_are_those_of_the_manual() -> None:
    source = (ROOT / "c" / "src" / "doctor_probes.c").read_text()
    first, count, second = re.split(r"#define SUBMIT_COMMANDS (\d+)", source.split("commands[] = {")[1].split("};")[0])
    of_all = re.compile(r'^ +"(client \w+|script \w+|\w+)', re.MULTILINE)
    assert len(of_all.findall(first)) == int(count)
    # these are not asked for, as without them the check itself does not come about
    login = {"+hello", "+auth", "+select", "+evalsha"}

    def rights(text: str) -> set[str]:
        return {"+" + name.replace(" ", "|") for name in of_all.findall(text)}

    for name, found in (("producer", rights(first)), ("actor", rights(first) | rights(second))):
        assert found | login == {word for word in acl(name) if word.startswith("+")}


@pytest.mark.parametrize("finding", ["no_actor", "mixed_types", "lost"])
def test_each_check_stands_alone(system: System, finding: str) -> None:
    """Without INFO, CONFIG and what the other checks need: this one tells what it sees."""
    BREAKS[finding](system)
    system.do("ACL", "SETUSER", "least", "on", ">pw", "-@all", *acl("actor"), "-info", "-pttl", "-hscan")
    system.undo.callback(system.server.command, "ACL", "DELUSER", "least")
    system.url = system.url.replace("redis://", "redis://least:pw@")
    assert system.found(finding)
    unknowns = {row["check"] for row in system.found("unknown")}
    assert {"config", "version", "role", "cluster", "eviction", "memory"} <= unknowns


# ---- what it costs ----


def test_it_is_no_burden(system: System) -> None:
    """40,000 jobs, 200 queues: no command of 10 ms, never KEYS, and not many in all.

    On a busy machine any command may take so long, but not the same in each of five runs.
    """
    system.do(
        "EVAL",
        """local old = {'script', 'x', 'status', 'dispatched', 'createdAt', '2026-01-02T03:04:05Z'}
        for i = 1, 40000 do
          redis.call('HSET', 'hero:job:j' .. i, 'script_type', 't' .. (i % 200), unpack(old))
          redis.call('LPUSH', 'hero:q:work:type:t' .. (i % 200), 'j' .. i)
        end""",
        0,
    )
    system.config("slowlog-log-slower-than", "10000")
    slow: list[set[bytes]] = []
    while len(slow) < 5 and (not slow or set.intersection(*slow)):
        system.do("SLOWLOG", "RESET")
        system.do("CONFIG", "RESETSTAT")
        assert system.examine()["worst"] == "warning"
        slow.append({b" ".join(entry[3][:2]) for entry in system.do("SLOWLOG", "GET", 100)})
    assert not set.intersection(*slow), slow
    stats = system.do("INFO", "commandstats").decode()
    calls = {m[1]: int(m[2]) for m in re.finditer(r"cmdstat_([^:]+):calls=(\d+)", stats)}
    assert "keys" not in calls
    assert calls["scan"] < 150
    assert sum(calls.values()) < 15_000


# ---- the client's side ----


def test_files_with_secrets(system: System) -> None:
    folder = system.tmp_path / "heroq"
    folder.mkdir()
    config, password = folder / "config.toml", folder / "password"
    password.write_text("hunter2")
    for text, mode, found in (
        ('url = "redis://:hunter2@localhost"', 0o644, True),
        ('url = "redis://:hunter2@localhost"', 0o600, False),
        ('url = "redis://localhost"', 0o644, False),
        ('password_file = "password"', 0o644, False),
    ):
        config.write_text(f"{text}\n")
        config.chmod(mode)
        assert [row["subject"] for row in system.found("readable_secret")] == ([str(config)] if found else [])
    system.options["password_file"] = str(password)
    password.chmod(0o640)
    system.do("CONFIG", "SET", "requirepass", "hunter2")
    try:
        (row,) = system.found("readable_secret")
    finally:
        with Connection(system.server.port, "hunter2") as link:
            link.call("CONFIG", "SET", "requirepass", "")
    assert (row["subject"], row["mend"]) == (str(password), f"chmod 600 {password}")
    assert "hunter2" not in str(row)


@pytest.mark.parametrize(
    "name", ["HEROQ_URL", "HEROQ_LEASE", "HEROQ_SIGN_KEYS", "HEROQ_CONFIG", "HEROQ_DATABASE_OF_OURS", "HEROQ_TESTS"]
)
def test_variables_that_are_none_of_ours_or_right(system: System, name: str) -> None:
    system.monkeypatch.setenv(name, "10s")
    assert system.found("unknown_variable") == []


def test_what_the_client_is(system: System) -> None:
    report = system.examine()
    assert report["library"] == heroq.__version__
    assert report["tls"] in (0, 1)
    assert report["url"] == system.url
