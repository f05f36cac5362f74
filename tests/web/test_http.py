"""The dashboard over plain HTTP: what it answers, to whom, with which headers."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import heroq
import heroq.web
import pytest
from heroq.board import Board
from support.dashboard import TOKEN, Dashboard
from support.server import Server, wait_until

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "python/heroq/web/static"
READS = ("", "static/app.js", "api/session", "api/board", "api/jobs", "api/queues/osis", "api/queues/osis/waiting")


@pytest.mark.parametrize("path", [*READS, "api/jobs/none", "nowhere"])
def test_every_answer_has_the_headers_of_safety(dashboard: Dashboard, path: str) -> None:
    headers = dashboard.ask("GET", path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] in ("no-store", "no-cache")


def test_nothing_is_loaded_from_elsewhere_or_made_of_text() -> None:
    page = (STATIC / "index.html").read_text()
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", page)
    assert "<style" not in page and "style=" not in page and not re.search(r"<script(?![^>]*src=)", page)
    for file in STATIC.glob("*.js"):
        text = file.read_text()
        found = re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
        assert not found, file.name


def test_the_chart_library_is_the_pinned_one() -> None:
    for line in (ROOT / "vendor/WEB_SHA256SUMS").read_text().splitlines():
        expected, path = line.split()
        assert hashlib.sha256((ROOT / path).read_bytes()).hexdigest() == expected, path


@pytest.mark.parametrize("path", ["api/jobs", "api/jobs/1/stop", "api/queues/osis/pause"])
def test_to_act_wants_the_token(dashboard: Dashboard, path: str) -> None:
    assert dashboard.ask("POST", path).status == 401
    assert dashboard.ask("POST", path, Authorization="Bearer " + "x" * 20).status == 401
    assert dashboard.ask("POST", path, Authorization=f"Basic {TOKEN}").status == 401
    assert dashboard.ask("POST", path, Cookie=f"heroq_00000000=9999999999.00.{'0' * 64}").status == 401


def test_without_a_token_nobody_acts(server: Server, serving) -> None:
    one = serving(heroq.web.app(server.url))
    assert one.ask("GET", "api/session").json == {
        "may_act": False,
        "has_token": False,
        "may_read": True,
        "version": heroq.__version__,
    }
    for path in ("api/jobs", "api/login"):
        answer = one.ask("POST", path, {"token": TOKEN})
        assert (answer.status, answer.json["error"]["name"]) == (403, "refused")


def test_a_session_acts_until_it_is_forged_or_left(dashboard: Dashboard) -> None:
    assert dashboard.ask("POST", "api/login", {"token": "wrong" * 5}).status == 401
    assert dashboard.ask("POST", "api/login", {"token": 5}).status == 401
    answer = dashboard.ask("POST", "api/login", {"token": TOKEN})
    cookie = answer.headers["set-cookie"]
    assert {part.strip().lower() for part in cookie.split(";")[1:]} >= {"httponly", "samesite=strict", "path=/"}
    assert TOKEN not in cookie
    session = cookie.partition(";")[0]
    assert dashboard.ask("POST", "api/queues/osis/pause", Cookie=session).status == 200
    expiry, nonce, signature = session.partition("=")[2].split(".")
    name = session.partition("=")[0]
    for forged in (
        f"{int(expiry) + 1}.{nonce}.{signature}",
        f"{expiry}.{nonce}.{signature[:-1]}",
        f"{expiry}.{nonce}",
        "..",
        f"{expiry}.{nonce}.\xff",
    ):
        assert dashboard.ask("POST", "api/queues/osis/resume", Cookie=f"{name}={forged}").status == 401
    assert "heroq_" in dashboard.ask("POST", "api/logout", Cookie=session).headers["set-cookie"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
    ],
)
def test_a_page_of_another_origin_cannot_act(dashboard: Dashboard, headers: dict[str, str]) -> None:
    answer = dashboard.act("api/queues/osis/pause", **headers)
    assert answer.status == 403
    assert not dashboard.ask("GET", "api/queues/osis").json["stats"]["paused"]


def test_its_own_page_can_act(dashboard: Dashboard) -> None:
    own = f"http://127.0.0.1:{dashboard.port}"
    assert dashboard.act("api/queues/osis/pause", Origin=own, Sec_Fetch_Site="same-origin").status == 200
    assert dashboard.ask("GET", "api/queues/osis").json["stats"]["paused"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8642", "localhost.evil", ""])
def test_a_name_that_is_not_ours_is_refused(dashboard: Dashboard, host: str) -> None:
    assert dashboard.ask("GET", "api/board", Host=host).status == 403


def test_addresses_localhost_and_named_hosts_are_served(server: Server, serving) -> None:
    one = serving(heroq.web.app(server.url, hosts=["jobs.example"]))
    for host in ("127.0.0.1:1", "[::1]:8642", "localhost", "192.168.7.7:80", "jobs.example", "JOBS.example:8443"):
        assert one.ask("GET", "api/board", Host=host).status == 200, host


def test_parts_are_not_given_to_other_pages(dashboard: Dashboard) -> None:
    assert dashboard.ask("GET", "api/board", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors").status == 403
    assert (
        dashboard.ask(
            "GET", "", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="document"
        ).status
        == 200
    )
    assert (
        dashboard.ask("GET", "", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="iframe").status
        == 403
    )


def test_private_reading_wants_the_token(server: Server, serving) -> None:
    one = serving(heroq.web.app(server.url, token=TOKEN, private=True))
    for path in (*READS[3:], "api/events", "api/jobs/1", "api/jobs/1/events", "api/jobs/1/output"):
        assert one.ask("GET", path).status == 401, path
    assert one.ask("GET", "").status == 200
    assert one.ask("GET", "api/board", Authorization=f"Bearer {TOKEN}").status == 200


@pytest.mark.parametrize(
    "options", [{"token": "short"}, {"token": "with a blank in it"}, {"private": True}, {"refresh": 0}]
)
def test_settings_that_are_wrong_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(heroq.InvalidError):
        heroq.web.app("redis://127.0.0.1:1", **options)


def test_dispatch_stores_and_starts(dashboard: Dashboard, sup: heroq.Supervisor) -> None:
    given = {"script": "print(1)", "script_type": "osis", "id": "mine", "group": "g", "timeout": 5, "retries": 2}
    answer = dashboard.act("api/jobs", {**given, "tags": ["red"], "headers": {"a": "b"}, "env": {"K": "v"}})
    assert (answer.status, answer.json) == (201, {"id": "mine"})
    job = sup.get_job("mine")
    assert (job.script, job.timeout, job.retries, job.tags, job.header("a")) == (b"print(1)", 5, 2, ["red"], "b")
    page = dashboard.ask("GET", "api/queues/osis/waiting?group=g").json
    assert [row["id"] for row in page["rows"]] == ["mine"]
    assert dashboard.act("api/jobs", {**given, "script": "other"}).status == 409


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'"x"',
        b"[" * 100_000,
        {"script": "x"},
        {"script_type": "osis"},
        {"script": 1, "script_type": "osis"},
        {"script": "x", "script_type": "bad name"},
        {"script": "x", "script_type": "osis", "timeout": "1"},
        {"script": "x", "script_type": "osis", "timeout": True},
        {"script": "x", "script_type": "osis", "timeout": -1},
        {"script": "x", "script_type": "osis", "tags": "red"},
        {"script": "x", "script_type": "osis", "env": {"a": 1}},
        {"script": "x", "script_type": "osis", "unknown": 1},
        {"script": "x", "script_type": "osis", "delay": -5},
    ],
)
def test_a_dispatch_that_is_wrong_says_why(dashboard: Dashboard, body: object) -> None:
    answer = dashboard.act("api/jobs", body)
    assert answer.status == 400 and answer.json["error"]["text"]
    assert dashboard.ask("GET", "api/jobs").json["rows"] == []


def test_a_job_as_json_and_its_parts_as_files(
    dashboard: Dashboard, server: Server, sup: heroq.Supervisor, working
) -> None:
    def handler(job: heroq.Job) -> None:
        job.progress(40, "half")
        job.log("a line")
        job.finish(b"\x00\xff<b>" + job.script)

    with working("osis", handler):
        # Foreign programs may choose ids that heroq does not make.
        server.command(
            "HSET",
            "hero:job:a/b",
            "script",
            "x" * 100_000,
            "script_type",
            "osis",
            "status",
            "dispatched",
            "createdAt",
            "2026-01-02T03:04:05Z",
            "hq_tags",
            "red",
        )
        server.command("LPUSH", "hero:q:work:type:osis", "a/b")
        sup.await_result("a/b", timeout=30)
    found = dashboard.ask("GET", "api/jobs/a/b").json
    assert (found["job"]["status"], found["job"]["ended"], found["job"]["tags"]) == ("finished", True, ["red"])
    assert found["job"]["script"] == {"text": "x" * 65536, "size": 100_000, "cut": True, "binary": False}
    assert found["job"]["output"]["binary"] and found["job"]["attempts"]["started"] == 1
    assert [one["what"] for one in found["job"]["timeline"]] == ["created"]
    assert (found["progress"]["percent"], found["log"]["rows"]) == (40, ["a line"])
    for part, data in (("script", b"x" * 100_000), ("output", b"\x00\xff<b>" + b"x" * 100_000), ("log", b"a line\n")):
        answer = dashboard.ask("GET", f"api/jobs/a/b/{part}")
        assert answer.data == data
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"] == f'attachment; filename="a_b-{part}"'
    assert dashboard.ask("GET", "api/jobs/a/b/error").status == 404


def test_acts_on_a_job(dashboard: Dashboard, sup: heroq.Supervisor) -> None:
    job = sup.submit("x", "osis")
    path = f"api/jobs/{job.id}"
    assert dashboard.act(f"{path}/stop").json == {"id": job.id, "outcome": "cancelled"}
    assert dashboard.act(f"{path}/requeue").status == 200
    assert sup.get_status(job) == "dispatched"
    assert dashboard.act(f"{path}/explode").status == 404
    assert dashboard.act(f"{path}/retry").status == 409  # it waits already
    sup.start_job(sup.create_job("later", "osis", id="later"), delay=3600)
    assert dashboard.act("api/jobs/later/retry").json == {"id": "later", "retried": True}
    assert "later" in str(dashboard.ask("GET", "api/queues/osis/waiting").json["rows"])
    assert dashboard.act(f"{path}/delete").status == 200
    assert sup.get_job(job).error == b"deleted"
    for what in ("stop", "retry", "requeue", "delete"):
        answer = dashboard.act(f"api/jobs/none/{what}")
        assert (answer.status, answer.json["error"]["name"]) == (404, "HEROQ_E_NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("api/jobs/none", 404),
        ("api/jobs/bad%20id", 400),
        ("api/queues/bad%20type", 400),
        ("api/queues/osis/nothing", 404),
        ("api/jobs?count=0", 400),
        ("api/jobs?count=x", 400),
        ("nowhere", 404),
        ("static/..%2fsite.py", 404),
        ("api/queues/osis/waiting?cursor=odd", 400),
    ],
)
def test_errors_are_json_in_one_line(dashboard: Dashboard, path: str, status: int) -> None:
    answer = dashboard.ask("GET", path)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json["error"]) == {"name", "text", "retryable"} and "\n" not in answer.json["error"]["text"]


def test_search_by_id_prefix_tag_caller_and_text(dashboard: Dashboard, sup: heroq.Supervisor) -> None:
    for name, tag, caller in (("red-1", "red", "ann"), ("red-2", "red", "bob"), ("blue-1", "blue", "ann")):
        sup.create_job(heroq.Job("x", "osis", id=name, tags=tag, fields={"callerId": caller}))

    def ids(query: str) -> set[str]:
        return {row["id"] for row in dashboard.ask("GET", f"api/jobs?{query}").json["rows"]}

    assert ids("") == {"red-1", "red-2", "blue-1"}
    assert ids("id_prefix=red") == {"red-1", "red-2"}
    assert ids("text=-1") == {"red-1", "blue-1"}
    assert ids("tag=blue") == {"blue-1"}
    assert ids("caller=ann&tag=red") == {"red-1"}
    assert ids("status=finished") == set()


def test_a_lost_server_is_an_answer(new_server, serving) -> None:
    gone = new_server()
    one = serving(heroq.web.app(heroq.Client(gone.url, op_timeout=0.5, connect_timeout=0.5), refresh=0.1))
    assert one.ask("GET", "api/board").status == 200
    gone.stop()
    for path in ("api/jobs/x", "api/board"):
        wait_until(lambda path=path: one.ask("GET", path).status in (503, 504), 20, path)
        assert one.ask("GET", path).json["error"]["retryable"]


def test_board_has_what_the_library_reads(dashboard: Dashboard, sup: heroq.Supervisor) -> None:
    sup.submit("x", "osis")
    with heroq.Client(sup.client.server_info()["url"]) as client:
        expected = json.loads(json.dumps(Board(client).read().as_dict()))
    wait_until(lambda: dashboard.ask("GET", "api/board").json["queues"], 10, "the queue")
    found = dashboard.ask("GET", "api/board").json
    assert found["totals"] == expected["totals"] and found.keys() == expected.keys()
