"""Finding jobs: filters, tags, ages."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any

import heroq
import pytest
from support.server import Server


def ids(sup: heroq.Supervisor, **filters: Any) -> set[str]:
    return {row["id"] for row in sup.list_jobs(**filters)}


def test_each_filter_and_all_of_them(sup: heroq.Supervisor) -> None:
    """Held against the same filters by hand, on jobs that differ in everything."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    made: dict[str, dict[str, Any]] = {}
    for i in range(300):
        job_id = f"{chance.choice(('in', 'out', 'i*n'))}-{chance.choice(('a', 'b', '[a]'))}.{i}"
        if "*" in job_id or "[" in job_id:
            job_id = job_id.replace("*", "_").replace("[a]", "_a_")
        job = {"type": chance.choice(("osis", "sal")), "caller": chance.choice(("me", "you"))}
        tags = chance.sample(["red", "redder", "blue"], chance.randrange(3))
        sup.create_job("x", job["type"], id=job_id, fields={"callerId": job["caller"]}, tags=tags)
        made[job_id] = {**job, "tags": tags}
    for _ in range(40):
        wanted = {
            "type": chance.choice((None, "osis")),
            "caller": chance.choice((None, "me", "m")),
            "tag": chance.choice((None, "red", "blue")),
            "text": chance.choice((None, "-a.", ".1")),
            "id_prefix": chance.choice((None, "in", "i_n")),
        }
        right = {
            job_id
            for job_id, job in made.items()
            if wanted["type"] in (None, job["type"])
            and wanted["caller"] in (None, job["caller"])
            and (wanted["tag"] is None or wanted["tag"] in job["tags"])
            and (wanted["text"] or "") in job_id
            and job_id.startswith(wanted["id_prefix"] or "")
        }
        assert ids(sup, **wanted) == right, wanted


def test_ids_are_no_patterns(server: Server, sup: heroq.Supervisor) -> None:
    for job_id in ("a*c", "abc", "a?c", "[a]", "a\\c", "^a"):
        server.command("HSET", f"hero:job:{job_id}", "script", "x")
    for part in ("a*c", "a?c", "[a]", "a\\c", "^a"):
        assert ids(sup, id_prefix=part) == ids(sup, text=part) == {part}
    assert ids(sup, id_prefix="a", text="c") == {"a*c", "abc", "a?c", "a\\c"}
    assert ids(sup, id_prefix="abc", text="bcd") == set()


def test_age_is_of_the_hash_or_of_the_id(server: Server, sup: heroq.Supervisor) -> None:
    new = sup.create_job("x", "osis")
    hour = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600))
    server.command("HSET", "hero:job:old", "script", "x", "createdAt", hour)
    server.command("HSET", "hero:job:0188c0a0-0000-7000-8000-000000000000", "script", "x")  # made in 2023
    server.command("HSET", "hero:job:unknown", "script", "x", "createdAt", "yesterday")
    assert ids(sup, newer="10m") == {new.id}
    assert ids(sup, newer="2h", older="10m") == {"old"}
    assert ids(sup, older=7200.0) == {"0188c0a0-0000-7000-8000-000000000000"}
    assert len(ids(sup)) == 4


def test_a_filter_that_fits_nothing_is_an_error(sup: heroq.Supervisor) -> None:
    for wrong in ({"tag": "a b"}, {"text": "a b"}, {"id_prefix": "{"}, {"older": "2h", "newer": "1h"}, {"type": "a b"}):
        with pytest.raises(heroq.InvalidError):
            ids(sup, **wrong)


def test_tags_go_with_the_job(server: Server, sup: heroq.Supervisor) -> None:
    job = sup.submit("x", script_type="osis", tags=["red", "v1.2"])
    assert server.command("HGET", f"hero:job:{job.id}", "hq_tags") == b"red,v1.2"
    assert sup.get_job(job).tags == job.tags == ["red", "v1.2"]
    assert heroq.Job.from_json(job.to_json()).tags == ["red", "v1.2"]
    assert job.copy().tags == ["red", "v1.2"]
    (row,) = sup.list_jobs(tag="v1.2")
    assert row["tags"] == ["red", "v1.2"]
    sup.stop_job(job)
    sup.requeue_job(job)
    assert sup.get_job(job).tags == ["red", "v1.2"]
    assert heroq.Job("x", "osis", tags="").tags == heroq.Job("x", "osis").tags == []


@pytest.mark.parametrize("wrong", ["a b", ",", "a,", "a,,b", "é", "x" * 129, ",".join("abcdefghijklmnopq")])
def test_wrong_tags(wrong: str) -> None:
    with pytest.raises(heroq.InvalidError, match="tag"):
        heroq.Job("x", "osis", tags=wrong)
    with pytest.raises(heroq.InvalidError, match="tag"):
        heroq.Job.from_json(json.dumps({"script": "x", "hq_tags": wrong}))


def test_tags_that_others_wrote(server: Server, sup: heroq.Supervisor) -> None:
    server.command("HSET", "hero:job:a", "script", "x", "hq_tags", b"red,,\xff, blue,ok")
    (row,) = sup.list_jobs(tag="ok")
    assert row["tags"] == ["red", "ok"]


def test_the_command_line_filters(sup: heroq.Supervisor, cli: Callable[..., Any]) -> None:
    sup.create_job("x", "osis", id="in-1", tags=["red"], fields={"callerId": "me"})
    sup.create_job("x", "osis", id="out-2")

    def listed(*argv: str) -> list[str]:
        done = cli("ls", "--json", *argv)
        assert done.returncode == 0, done.stderr
        return sorted(row["id"] for row in json.loads(done.stdout))

    for argv in (("--tag", "red"), ("--caller", "me"), ("--prefix", "in"), ("--text", "n-")):
        assert listed(*argv) == ["in-1"], argv
    assert listed("--newer", "1h") == ["in-1", "out-2"] and listed("--older", "1h") == []
