"""The command line on a terminal of 80 columns: tables, questions, bars."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import heroq
import pytest
from heroq.cli.tables import age, fit, number
from support.server import Server, wait_until

from .conftest import Cli

Terminal = Callable[..., tuple[int, list[str]]]

LONG = "a-type-with-a-name-that-is-longer-than-anybody-would-like-it-to-be"


def narrow(lines: list[str]) -> None:
    assert max(map(len, lines)) <= 80, lines


def test_lists_fit_and_ids_are_whole(terminal: Terminal, sup: heroq.Supervisor) -> None:
    ids = {sup.submit("x", LONG, group="g" * 60).id, sup.submit("y", "osis", delay="1h").id}
    ids.add(sup.create_job("z", "osis", prerequisites=["other"]).id)
    status, lines = terminal("ls")
    assert status == 0 and lines[0].split() == ["id", "status", "type", "age", "size"]
    narrow(lines)
    assert {line.split()[0] for line in lines[1:]} == ids
    status, lines = terminal("queues")
    assert status == 0
    narrow(lines)
    assert lines[0].split()[:5] == ["queue", "state", "waiting", "oldest", "run"]
    assert len(lines) == 3 and "no actor" in "".join(lines)


def test_an_id_of_any_length_is_whole(terminal: Terminal, sup: heroq.Supervisor) -> None:
    job = sup.create_job("x", "osis", id="i" * 120)
    assert f"{job.id} " in "".join(terminal("ls")[1])


def test_dead_fits(terminal: Terminal, sup: heroq.Supervisor, acting: Any) -> None:
    with acting("osis", lambda job: job.fail("why " * 100, final=True)):
        dead = sup.submit("x", "osis")
        wait_until(lambda: sup.get_status(dead) == "error")
    wait_until(lambda: len(terminal("dead")[1]) > 1, 30)
    lines = terminal("dead")[1]
    narrow(lines)
    assert lines[0].split() == ["id", "queue", "age", "reason", "error"]
    assert lines[1].startswith(f"{dead.id} osis") and lines[1].endswith("…")


def test_actors_fit(terminal: Terminal, cli: Cli, server: Server, sup: heroq.Supervisor) -> None:
    """Their word (c/PROTOCOL.md 2.13) as it is while a job runs: an actor gives it only each ten seconds."""
    numbers = {"running": 3, "held": 3, "finished": 123456, "failed": 12, "takes_per_second": 3456, "rss": 80 << 20}
    jobs = [{"id": sup.create_job("x", "osis").id, "ms": ms} for ms in (1000, 200_000)]
    info = {"actor_id": "osis_on_a_long_name", "host": "worker-7.jobs.internal", "pid": 123456, "since": 1}
    for queue in ("hero:q:work:type:osis", "hero:q:work:type:osis:group:g"):
        server.command("ZADD", "{heroq}:queues", 1, queue)
        server.command("ZADD", f"{{{queue}}}:actors", 2**52, "a.1")
        server.command("SET", f"{{{queue}}}:actor:a.1", json.dumps({**info, **numbers, "jobs": jobs}))
    lines = terminal("actors")[1]
    narrow(lines)
    assert len(lines) == 2
    assert lines[0].split()[:6] == ["actor", "host", "pid", "queues", "jobs", "MiB"]
    assert lines[1].startswith("osis_on_a_long_name ")
    (row,) = json.loads(cli("actors", "--json").stdout)
    assert row["queues"] == ["osis", "osis/g"] and row["running"] == 6 and len(row["jobs"]) == 4
    assert cli("actors", "osis/g").stdout.split(b"\t")[3:5] == [b"osis/g", b"3"]


def test_rm_asks_for_the_name(terminal: Terminal, sup: heroq.Supervisor) -> None:
    sup.create_job("x", "osis", id="mine")
    status, lines = terminal("rm", "mine", asked="Type mine", answer="yes")
    assert status == 2 and lines[0].startswith("Removes 1 job for good") and "nothing was done" in lines[-1]
    assert sup.get_status("mine") == "dispatched"
    assert terminal("rm", "mine", asked="Type mine", answer="mine")[0] == 0
    assert sup.get_error("mine") == b"deleted"


def test_many_are_asked_for_by_their_number(terminal: Terminal, sup: heroq.Supervisor) -> None:
    for name in ("a", "b"):
        sup.submit("x", "osis", id=name)
    assert terminal("stop", "a", "b", asked="Type 2 jobs", answer="a")[0] == 2
    assert sup.get_status("a") == "dispatched"
    status, lines = terminal("stop", "a", "b", asked="Type 2 jobs", answer="2 jobs")
    assert (status, lines[-2:]) == (0, ["a\tcancelled", "b\tcancelled"])


def test_all_dead_of_a_queue(terminal: Terminal, cli: Cli, sup: heroq.Supervisor, acting: Any) -> None:
    with acting("osis", lambda job: job.fail("why", final=True)):
        ids = sup.submit_many(["x"] * 3, script_type="osis")
        wait_until(lambda: len(json.loads(cli("dead", "--json").stdout)) == 3, 30)
    sup.delete_job(ids[0])
    told = cli("requeue", "--dead", "osis", "--dry-run")
    assert told.returncode == 0 and told.stderr.startswith(b"Runs 2 jobs of the dead of osis again: ")
    assert cli("dead", "osis", "--purge").returncode == 2
    status, lines = terminal("dead", "osis", "--purge", "--newer", "1h", asked="Type osis", answer="osis")
    assert (status, lines[-1]) == (0, "2 jobs purged")
    assert sup.get_status(ids[1]) == "error"


def test_clear_asks_for_the_queue(terminal: Terminal, cli: Cli, server: Server, sup: heroq.Supervisor) -> None:
    sup.submit_many(["x"] * 30, script_type="osis", group="g")
    sup.submit("x", "osis", group="g", delay="1h")
    status, lines = terminal("clear", "osis/g", asked="Type osis/g", answer="osis")
    assert status == 2 and lines[0] == "Ends 30 waiting and 1 delayed jobs of osis/g with the error cancelled."
    assert server.command("LLEN", "hero:q:work:type:osis:group:g") == 30
    status, lines = terminal("clear", "osis/g", asked="Type osis/g", answer="osis/g")
    assert (status, lines[-1]) == (0, "31 cancelled")
    assert cli("clear", "nobody", "--yes").returncode == 3


def test_retry_makes_a_delayed_job_come_now(cli: Cli, sup: heroq.Supervisor, acting: Any) -> None:
    sup.submit("x", "osis", id="late", delay="1h")
    with acting("osis", lambda job: job.finish("out")):
        assert cli("retry", "late").returncode == 0
        assert sup.await_result("late", timeout=20) == b"out"
    done = cli("retry", "late", "gone")
    assert (done.returncode, done.stderr.count(b"\n")) == (6, 2)


@pytest.mark.parametrize("argv", [["dead", "--requeue"], ["dead", "osis", "--requeue", "--purge"], ["requeue"]])
def test_what_is_meant_has_to_be_said(cli: Cli, argv: list[str]) -> None:
    done = cli(*argv)
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)


def test_long_work_has_a_bar_on_standard_error_only(
    terminal: Terminal, cli: Cli, sup: heroq.Supervisor, tmp_path: Path
) -> None:
    sup.submit_many(["x"] * 50, script_type="osis")
    file = tmp_path / "jobs"
    file.write_bytes(cli("export").stdout)
    status, lines = terminal("import", str(file), "--new-ids")
    assert status == 0 and re.search(r"imported .*50/50", "\n".join(lines))
    quiet = cli("import", str(file), "--new-ids")
    assert (quiet.stdout, quiet.stderr) == (b"50 jobs imported\n", b"")


def test_what_a_job_says_is_no_escape(terminal: Terminal, sup: heroq.Supervisor) -> None:
    sup.create_job("\x1b[31mred\x07 [bold]b[/bold]", "osis", id="x")
    assert "·[31mred· [bold]b[/bold]" in "\n".join(terminal("show", "x")[1])


def test_show_redis_is_what_redis_cli_says(cli: Cli, server: Server, sup: heroq.Supervisor) -> None:
    job = sup.submit("x", "osis", id="one")
    said = cli("show", "one", "--redis").stdout.decode()
    lines = [line.removeprefix("redis> ") for line in said.splitlines() if line.startswith("redis> ")]
    for command in (f"HGETALL hero:job:{job.id}", "LLEN hero:q:work:type:osis", "LRANGE hero:q:work:type:osis 0 99"):
        assert command in lines
    rows = json.loads(cli("show", "one", "--redis", "--json").stdout)
    for row in rows:
        if not row["command"].startswith("PTTL"):
            answer = server.cli("--no-raw", *row["command"].split())
            assert row["answer"] == answer, row["command"]
    gone = cli("show", "gone", "--redis")
    assert gone.returncode == 3 and b"redis> HGETALL hero:job:gone\n(empty array)\n" in gone.stdout


def test_widths() -> None:
    assert fit([10, 5, 30], [10, 5, 6], 40) == [10, 5, 25]
    assert fit([20, 30], [4, 4], 30) == [15, 15]
    assert fit([20, 30], [20, 30], 10) == [20, 30]
    assert [age(s) for s in (None, -1, 5, 200, 7200, 200_000)] == ["", "0s", "5s", "3m", "2h", "2d"]
    assert [number(n) for n in (None, 0, 0.123, 12.4, 1234.5)] == ["", "0", "0.12", "12", "1234"]
