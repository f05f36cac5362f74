"""export and import: jobs as lines of JSON, every byte as it was."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import heroq
from support.server import Server

from .conftest import Cli


def test_every_byte_comes_back(cli: Cli, server: Server, sup: heroq.Supervisor, acting: Any) -> None:
    awkward = [b"", bytes(range(256)), b'{"base64": "AA=="}', '"\\\n é \u2028 \U0001f600'.encode(), b"\xed\xa0\x80"]
    for i, script in enumerate(awkward):
        more: dict[str, Any] = {"fields": {"x": script}, "env": {"A": "é"}, "headers": {"h": '"'}, "tags": ["t"]}
        sup.create_job(script, "osis", id=f"j{i}", retries=3, timeout=7, **more)
    before = {f"j{i}": sup.get_job(f"j{i}").fields for i in range(len(awkward))}
    said = cli("export").stdout
    server.command("FLUSHALL")
    done = cli("import", "-", stdin=said)
    assert (done.returncode, done.stdout) == (0, b"5 jobs imported\n")
    for job_id, fields in before.items():
        after = sup.get_job(job_id).fields
        for made in (fields, after):
            del made["createdAt"], made["updatedAt"]
        assert after == fields
    again = set(cli("export").stdout.splitlines())
    assert {json.loads(line)["jobId"] for line in again} == set(before)


def test_a_job_that_ended_comes_back_to_be_run(cli: Cli, server: Server, sup: heroq.Supervisor, acting: Any) -> None:
    sup.submit("x", "osis", id="done", group="g")
    with acting("osis", lambda job: job.finish("out"), group="g"):
        sup.await_result("done", timeout=20)
    said = cli("export", "--status", "finished").stdout
    assert json.loads(said)["output"] == "out"
    server.command("FLUSHALL")
    done = cli("import", "-", "--start", stdin=said)
    assert done.stdout == b"1 job imported and started\n", done.stderr
    assert server.command("LRANGE", "hero:q:work:type:osis:group:g", 0, -1) == [b"done"]
    job = sup.get_job("done")
    assert (job.status, job.output) == ("dispatched", None)


def test_filters_and_limit(cli: Cli, sup: heroq.Supervisor) -> None:
    for i in range(4):
        sup.create_job("x", "osis" if i % 2 else "sal", id=f"j{i}")
    assert len(cli("export", "--limit", "3").stdout.splitlines()) == 3
    sal = cli("export", "--type", "sal").stdout.splitlines()
    assert sorted(json.loads(line)["jobId"] for line in sal) == ["j0", "j2"]


GOOD = b'{"jobId":"good","script":"x","script_type":"osis"}\n'


BAD = [
    (b"{", "the job: not valid JSON at byte 1"),
    (b"[]", "a job is a JSON object"),
    (b'{"script_type":"osis"}', 'no script; the least that a job is: {"script": "…", "script_type": "osis"}'),
    (b'{"script":"x"}', "no script_type; the least that a job is"),
    (b'{"script":"x","script_type":"a b"}', "script_type: a script type is 1 to 128 of"),
    (b'{"jobId":"a b","script":"x","script_type":"a"}', "jobId: "),
    (b'{"script":{"base64":"?"},"script_type":"a"}', '"script": not valid base64'),
    (b"\xff", "the job: not valid JSON"),
    (GOOD.strip(), "job good stands in line 1 already"),
]


def test_bad_lines_are_named_and_nothing_is_imported(cli: Cli, server: Server) -> None:
    done = cli("import", "-", stdin=GOOD + b"\n" + b"\n".join(line for line, _ in BAD))
    said = done.stderr.decode().splitlines()
    for number, (line, text) in enumerate(BAD, 3):
        assert any(told.startswith(f"heroq: line {number}: {text}") for told in said), (line, said)
    assert said[-1] == f"heroq: {len(BAD)} lines of - cannot be used; nothing was imported"
    assert (done.returncode, len(said)) == (2, len(BAD) + 1)
    assert server.command("DBSIZE") == 0


def test_an_id_that_is_there(cli: Cli, sup: heroq.Supervisor) -> None:
    sup.create_job("mine", "osis", id="good")
    other = GOOD.replace(b"good", b"other")
    done = cli("import", "-", stdin=GOOD + other)
    assert done.returncode == 6 and b"line 1: job good is there already\n" in done.stderr
    assert len(list(sup.list_jobs())) == 1
    done = cli("import", "-", "--skip", stdin=GOOD + other)
    assert (done.returncode, done.stdout) == (0, b"1 job imported, 1 skipped\n")
    assert sup.get_job("good").script == b"mine"
    told = cli("import", "-", "--new-ids", "--dry-run", stdin=GOOD)
    assert told.stdout == b"1 job to be imported\n" and len(list(sup.list_jobs())) == 2
    assert cli("import", "-", "--new-ids", stdin=GOOD).stdout == b"1 job imported\n"
    assert sorted(row["id"] for row in sup.list_jobs())[1:] == ["good", "other"]


def test_no_such_file(cli: Cli, tmp_path: Path) -> None:
    done = cli("import", str(tmp_path / "none"))
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)


def test_ten_thousand(cli: Cli, server: Server, sup: heroq.Supervisor) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    scripts = [chance.randbytes(40) for _ in range(10_000)]
    sup.submit_many(scripts, script_type="osis")
    said = cli("export").stdout
    server.command("FLUSHALL")
    done = cli("import", "-", "--start", stdin=said)
    assert done.stdout == b"10000 jobs imported and started\n", done.stderr
    assert server.command("LLEN", "hero:q:work:type:osis") == 10_000
    lines = cli("export").stdout.splitlines()
    assert sorted(heroq.Job.from_json(line).script for line in lines) == sorted(scripts)
