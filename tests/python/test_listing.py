"""Finding jobs: filters, tags, ages."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import heroq
import pytest
from support.server import Server, wait_until


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


# ---- the index ----


@pytest.fixture
def indexing(server: Server) -> Iterator[heroq.Supervisor]:
    with heroq.Supervisor(server.url, index=True) as made:
        yield made


def test_every_way_to_submit_is_noted(server: Server, indexing: heroq.Supervisor, acting: Callable[..., Any]) -> None:
    def answer(job: heroq.Job) -> None:
        job.finish("done")

    def job(job_id: str | None = None) -> heroq.Job:
        return heroq.Job("x", "osis", id=job_id, tags=["t"], fields={"callerId": "me"})

    made = {indexing.create_job(job()).id, indexing.submit(job()).id, indexing.submit(job("mine")).id}
    jobs = [job() for _ in range(3)]
    made |= set(indexing.submit_many(jobs))
    waited = [job(), job("his")]
    with acting("osis", answer), heroq.Waiter(indexing.client) as waiter:
        made.add((run := job()).id)
        indexing.run_job_and_await_result(run, timeout=20)
        for tag, one in enumerate(waited):
            waiter.submit(one, tag)
        for _ in waited:
            assert waiter.take(20)
    made |= {one.id for one in waited}
    for filters in ({"tag": "t"}, {"caller": "me"}, {}):
        assert ids(indexing, source="index", **filters) == made, filters
    assert ids(indexing, id_prefix="m") == {"mine"} and ids(indexing, id_prefix="") == made
    for name in ("made", "ids", "tag:t", "caller:me"):
        assert server.command("ZCARD", f"{{heroq}}:index:{name}") == len(made)
        assert 6 * 86_400_000 < server.command("PTTL", f"{{heroq}}:index:{name}") <= 7 * 86_400_000


def pages(sup: heroq.Supervisor, **filters: Any) -> list[dict[str, Any]]:
    found = [sup.page_of_jobs(**filters)]
    while found[-1]["cursor"] != "0":
        found.append(sup.page_of_jobs(found[-1]["cursor"], **filters))
    return found


def test_first_the_index_then_what_it_lacks(indexing: heroq.Supervisor, sup: heroq.Supervisor) -> None:
    """Nothing is missing at the end, and each job comes once."""
    foreign = sup.create_job("x", "osis", id="foreign", tags=["t"], fields={"callerId": "me"})
    (page,) = pages(sup, tag="t")
    assert (page["source"], page["whole"], len(page["rows"])) == ("scan", 1, 1)
    noted = [indexing.create_job("x", "osis", id=f"f{i}", tags=["t"], fields={"callerId": "me"}).id for i in range(30)]
    for filters in ({"tag": "t"}, {"caller": "me"}, {"id_prefix": "f"}, {"type": "osis"}, {"text": "f"}, {}):
        found = pages(sup, count=10, **filters)
        sources = [page["source"] for page in found]
        assert sources == sorted(sources) and set(sources) == {"index", "scan"}, filters
        assert [page["whole"] for page in found] == [*[0] * (len(found) - 1), 1], filters
        listed = [(row["id"], page["source"]) for page in found for row in page["rows"]]
        assert sorted(listed) == sorted([*((job_id, "index") for job_id in noted), (foreign.id, "scan")]), filters
        (page,) = pages(sup, source="scan", **filters)
        assert (page["source"], page["whole"], len(page["rows"])) == ("scan", 1, 31)
        found = pages(sup, source="index", **filters)
        assert {page["source"] for page in found} == {"index"} and not any(page["whole"] for page in found)
        assert len([row for page in found for row in page["rows"]]) == 30
    assert ids(sup, tag="u") == set() and ids(sup, status="dispatched") == {foreign.id, *noted}


def test_auto_with_ages(server: Server, indexing: heroq.Supervisor) -> None:
    """Also of jobs that were made long before they were submitted, as the index has it, and the reverse."""
    hour = 3_600_000
    now = int(time.time() * 1000)
    for name, made, noted in (("a", 3, 3), ("b", 5, 0), ("c", 0, 5), ("d", 0, 0), ("e", 5, 5)):
        text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime((now - made * hour) / 1000))
        server.command("HSET", f"hero:job:{name}", "script", "x", "createdAt", text)
        server.command("ZADD", "{heroq}:index:made", now - noted * hour, name)
    for filters, right in (
        ({"older": "2h"}, "abe"),
        ({"newer": "2h"}, "cd"),
        ({"older": "2h", "newer": "4h"}, "a"),
        ({"older": "4h"}, "be"),
        ({}, "abcde"),
    ):
        for count in (1, 100):
            assert sorted(row["id"] for row in indexing.list_jobs(count=count, **filters)) == list(right), filters


def test_an_index_that_cannot_be_read(server: Server, indexing: heroq.Supervisor) -> None:
    """Auto does without it; who asks for it is told."""
    made = indexing.create_job("x", "osis", tags=["t"])
    server.command("DEL", "{heroq}:index:made", "{heroq}:index:tag:t")
    server.command("SET", "{heroq}:index:made", "x")
    server.command("SET", "{heroq}:index:tag:t", "x")
    for filters in ({}, {"tag": "t"}):
        assert ids(indexing, **filters) == {made.id}
        with pytest.raises(heroq.ServerError, match="WRONGTYPE"):
            ids(indexing, source="index", **filters)


def test_a_page_is_as_long_as_was_asked(sup: heroq.Supervisor) -> None:
    """About, as a scan has it; the ends of many filters are reached in few pages."""
    made = sup.submit_many(["x"] * 3000, "osis")
    first = sup.page_of_jobs(count=50)
    assert 50 <= len(first["rows"]) < 100
    found = pages(sup, count=50, text=made[7][-9:])
    assert len(found) < 30 and sum(len(page["rows"]) for page in found) == 1


def test_pages_of_the_index(indexing: heroq.Supervisor) -> None:
    """Each job once, the newest first, also where many were submitted in one millisecond."""
    made = [job_id for _ in range(5) for job_id in indexing.submit_many(["x"] * 300, "osis", tags=["t"])]
    for filters in ({"tag": "t"}, {}, {"id_prefix": made[0][:2]}):
        for count in (7, 100, 1000):
            listed = [row["id"] for row in indexing.list_jobs(source="index", count=count, **filters)]
            assert sorted(listed) == sorted(made), (filters, count)
    by_time = [row["id"] for row in indexing.list_jobs(source="index", count=50)]
    assert set(by_time[:300]) == set(made[-300:])
    assert ids(indexing, tag="t", newer="1h") == set(made) and ids(indexing, tag="t", older="1h") == set()
    for wrong in ("p", "tx", "px", "x", "1" * 400):
        with pytest.raises(heroq.InvalidError, match="a cursor is what"):
            indexing.page_of_jobs(wrong, tag="t")
    with pytest.raises(heroq.InvalidError, match="a cursor is what"):
        indexing.page_of_jobs("pb", id_prefix="a")


def test_hashes_are_believed_and_not_the_index(server: Server, indexing: heroq.Supervisor) -> None:
    gone, other, kept = (indexing.create_job("x", "osis", tags=["t"]).id for _ in range(3))
    server.command("DEL", f"hero:job:{gone}")
    server.command("HSET", f"hero:job:{other}", "hq_tags", "u")
    server.command("ZADD", "{heroq}:index:tag:t", 5, b"no\x00id \xff")
    assert ids(indexing, tag="t") == {kept}


def test_the_index_is_bounded(server: Server) -> None:
    with heroq.Supervisor(server.url, index=True, index_size=150, index_keep="1h") as sup:
        for _ in range(4):
            last = sup.submit_many(["x"] * 200, "osis", tags=["t"])
        assert ids(sup, source="index") <= set(last) and len(ids(sup, source="index", tag="t")) == 150
        assert len(ids(sup, tag="t")) == 800
        for name in ("made", "ids", "tag:t"):
            assert server.command("ZCARD", f"{{heroq}}:index:{name}") == 150
            assert server.command("PTTL", f"{{heroq}}:index:{name}") <= 3_600_000


def test_a_refusal_of_the_index_fails_no_submit(server: Server) -> None:
    client = heroq.Client(server.url, index=True, log="events")
    with heroq.Supervisor(client) as sup:
        server.command("SET", "{heroq}:index:made", "x")
        job = sup.submit("x", script_type="osis", tags=["t"])
        many = sup.submit_many(["x"] * 3, "osis")
        event = wait_until(lambda: client.next_event(0.2), what="it is told")
        assert "the index: " in event["text"] and "WRONGTYPE" in event["text"]
    assert server.command("LRANGE", "hero:q:work:type:osis", 0, -1) == [i.encode() for i in [*reversed(many), job.id]]
    client.close()


def test_callers_of_any_bytes(server: Server, indexing: heroq.Supervisor) -> None:
    for caller in (b"{a}:b", b"x" * 300, b"\x00\xff"):
        indexing.submit("x", "osis", fields={"callerId": caller})
    assert server.command("ZCARD", "{heroq}:index:caller:{a}:b") == 1
    assert server.command("ZCARD", b"{heroq}:index:caller:\x00\xff") == 1
    assert len(ids(indexing, caller="{a}:b")) == 1 and len(ids(indexing, caller="x" * 300)) == 1
