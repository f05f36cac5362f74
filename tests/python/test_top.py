"""`heroq top` by its keys: what it shows of a real server with real actors, and what its keys do there."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import heroq
import pytest
from heroq.top.find import FILTERS
from heroq.top.job import JobScreen, Scroll
from heroq.top.live import Live
from heroq.top.overview import Overview
from heroq.top.queue import QueueScreen
from heroq.top.rows import Rows
from heroq.top.search import SearchScreen
from support.person import Person, sit_down
from support.server import Server, wait_until
from textual.widgets import Input


@pytest.fixture
def hold() -> threading.Event:
    return threading.Event()


def handler(hold: threading.Event) -> Callable[[heroq.Job], None]:
    """Does what the script says: fails, waits for the event, or answers."""

    def handle(job: heroq.Job) -> None:
        if job.script == b"fail":
            job.fail("no such file", final=True)
        elif job.script == b"hold":
            job.progress(40, "two of five")
            for i in range(9):
                job.log(f"line {i}")
            hold.wait(60)
            job.finish("held")
        else:
            job.finish(b"answer to " + job.script)

    return handle


# ---- looking ----


def test_the_first_screen(server: Server, sup: heroq.Supervisor, acting: Any, hold: threading.Event) -> None:
    """A row a queue and their sums; a line of what is wrong only when something is."""
    with acting("osis", handler(hold)):
        for i in range(3):
            sup.run_job_and_await_result(f"{i}", "osis", timeout=20)
        sup.submit("x", script_type="osis", delay=3600)
        sup.submit("x", script_type="sal", group="red", delay=3600)

        async def steps(person: Person) -> None:
            await person.until(lambda: person.app.live.view.totals.finished_per_minute > 0, "the minute's count")  # type: ignore[union-attr]
            text = await person.sees("osis", "sal/red", "idle")
            lines = text.split("\n")
            assert lines[0].startswith("heroq top") and f":{server.port}" in lines[0]
            counts = dict(zip(("waiting", "in flight", "delayed", "dead", "actors"), lines[1].split(), strict=False))
            assert counts == {"waiting": "0", "in flight": "0", "delayed": "2", "dead": "0", "actors": "1"}
            assert not person.app.screen.query_one("#wrong").display and "!" not in text
            row = next(line for line in lines if line.startswith(" osis"))
            assert "ms" in row and "█" in row and row.split()[1] == "idle"
            with heroq.Queue("sal", sup.client, group="red") as queue:
                queue.pause()
            sup.submit("x", script_type="sal", group="red")
            await person.sees("! group red of sal is paused (1 waiting", "paused")
            with heroq.Queue("sal", sup.client, group="red") as queue:
                queue.resume()
            await person.sees_not("! ")

        sit_down(server.url, steps)


def test_a_queue_by_tabs(server: Server, sup: heroq.Supervisor, acting: Any, hold: threading.Event) -> None:
    """Each tab has just the jobs that are so."""
    with acting("osis", handler(hold), concurrency=1):
        sup.run_job_and_await_result(heroq.Job("x", "osis", id="is-finished"), timeout=20)
        sup.submit("fail", script_type="osis", id="is-dead", retries=0)
        wait_until(lambda: sup.get_status("is-dead") == "error")
        sup.submit("hold", script_type="osis", id="is-running")
        wait_until(lambda: sup.get_status("is-running") == "started")
        sup.submit("x", script_type="osis", id="is-delayed", delay=3600)
        with heroq.Queue("osis", sup.client) as queue:
            wait_until(lambda: {row["id"] for row in queue.page("failed")} == {"is-dead"})
            wait_until(lambda: [row["id"] for row in queue.page("finished")] == ["is-finished"])

        async def steps(person: Person) -> None:
            await person.sees(" osis")
            await person.press("enter")
            await person.sees(" osis · ok"[1:], "waiting")
            for tab, job in (
                ("in flight", "is-running"),
                ("delayed", "is-delayed"),
                ("dead", "is-dead"),
                ("finished", "is-finished"),
                ("failed", "is-dead"),
            ):
                await person.press("right")
                text = await person.sees(job)
                assert f"· {tab}" in (await person.sees(f"· {tab} 1–1")).split("\n")[0]
                assert text.count(" is-") == 1, text
            await person.press("right")
            await person.sees("osis.", "MiB")  # the actor
            await person.press("right")
            await person.press("left", "left", "left", "left")
            await person.sees("is-dead", "reason")
            hold.set()

        sit_down(server.url, steps)


def test_pages(server: Server, sup: heroq.Supervisor) -> None:
    sup.submit_many(["x"] * 3, "sal")
    sup.submit_many((heroq.Job("x", "osis", id=f"j{i:03}") for i in range(40)), None)

    async def steps(person: Person) -> None:
        await person.sees(" osis", " sal")
        await person.press("enter")
        await person.sees(" 1 j000", "of 40")
        await person.press("h")
        await person.sees(" 1 j000")
        count = len(person.app.live.rows.items)  # type: ignore[union-attr]
        assert 5 <= count < 20
        await person.press("l")
        await person.sees(f" {count + 1} j{count:03}", "of 40")
        await person.sees_not("j000")
        await person.press("l", "l", "l", "l")
        await person.sees(" 40 j039")
        await person.press("h", "h", "h", "h")
        await person.sees(" 1 j000")
        await person.press("escape", "j", "enter")
        text = await person.sees("sal · ", "of 3")
        ages = [line.split()[2] for line in text.split("\n") if re.match(r" +[123] [0-9a-f]{8}-", line)]
        assert len(ages) == 3 and all(re.fullmatch(r"[0-9]+s", age) for age in ages), text

    sit_down(server.url, steps)


def test_a_job_whole(server: Server, sup: heroq.Supervisor, acting: Any, hold: threading.Event) -> None:
    job = heroq.Job(
        "hold", "osis", id="one", retries=2, timeout=600, headers={"who": "me"}, env={"LANG": "C"}, tags=["red"]
    )
    with acting("osis", handler(hold)):
        sup.submit(job)
        wait_until(lambda: (sup.get_progress("one") or {}).get("percent") == 40)

        async def steps(person: Person) -> None:
            await person.sees(" osis")
            await person.press("enter", "right")
            await person.sees(" one ")
            await person.press("enter")
            text = await person.sees("status  started", "40 % two of five", "line 1", "1 begun, 2 retries allowed")
            assert "made  " in text and "timeout  600 s" in text and "tags  red" in text and "── script, 4 B ──" in text
            await person.sees("actor  ", "taken  ", "told  ", "line 8")
            hold.set()
            await person.sees("status  finished", "── output, 4 B ──\nheld")
            await person.press("G")
            await person.sees("who  me", "LANG  C")
            await person.press("escape")
            await person.sees("· in flight")

        sit_down(server.url, steps, size=(80, 30))


def test_a_failed_job(server: Server, sup: heroq.Supervisor, acting: Any, hold: threading.Event) -> None:
    with acting("osis", handler(hold)):
        sup.submit("fail", script_type="osis", id="one")
        wait_until(lambda: sup.get_status("one") == "error")

    async def steps(person: Person) -> None:
        await person.sees(" osis")
        await person.press("enter", "left", "left")
        await person.sees(" one ")
        await person.press("enter")
        await person.sees("status  error", "── error ──\nno such file", "dead  failed", "ended  ", "1 begun")
        person.app.open_job("none")
        await person.sees("There is no such job")

    sit_down(server.url, steps)


HOSTILE = b"[bold red]no[/] \x1b[31m\x1b]0;title\x07 \x9b5m\r\x08 \xe2\x80\xaetxt.exe \xff [link=x]y[/link]"


def test_nothing_of_a_job_is_believed(server: Server) -> None:
    """No markup, no escape; what is no character is ·."""
    for name in ("a", "b"):
        server.command("HSET", f"hero:job:{name}", "script", HOSTILE, "script_type", "osis", "status", "error")
        server.command("HSET", f"hero:job:{name}", "error", HOSTILE, "output", HOSTILE, "x[b]", HOSTILE)
        server.command("HSET", f"hero:job:{name}", "hq_headers", b'{"[b]k":"[i]v\\u001b[31m"}', "hq_tags", "t")
    server.command("LPUSH", "hero:q:work:type:osis", "a", b"[i]x\x1b[31m", b"b")

    async def steps(person: Person) -> None:
        await person.sees(" osis")
        await person.press("enter")
        await person.sees(" 1 a", "[i]x·[31m", " 3 b")
        person.app.open_job("a")
        text = await person.sees("── error ──", "── output, ", "other fields")
        assert text.count("[bold red]no[/] ·[31m·]0;title· ") == 4, text
        assert "[b]k  [i]v·[31m" in text and "x[b]" in text
        assert not [c for c in text if c != "\n" and not c.isprintable()]
        await person.press("escape", "slash")
        await person.type("tag:t")
        await person.press("enter")
        await person.sees("2 found")

    sit_down(server.url, steps, size=(100, 40))


def test_ids_that_are_no_text(server: Server) -> None:
    """Nothing that a foreign program pushes ends the screen."""
    server.command("LPUSH", "hero:q:work:type:osis", b"\xff\x00\n", b"", b"x" * 5000, b"{}")
    server.command("HSET", b"hero:job:\xfe", "script", b"\xff", "script_type", b"\xfe")
    server.command("SET", "hero:q:work:type:nolist", "x")

    async def steps(person: Person) -> None:
        await person.sees(" osis")
        await person.press("enter")
        await person.sees("waiting 1–4 of 4")
        for _ in range(4):
            await person.press("enter")
            await person.sees("There is no such job")
            await person.press("escape", "K", "y", "j")
        await person.press("slash")
        person.app.screen.query_one(Input).value = "type:osis"
        await person.press("enter")
        await person.sees(" found")

    sit_down(server.url, steps)


# ---- searching ----


@pytest.mark.parametrize("index", [False, True])
def test_search(server: Server, index: bool) -> None:
    with heroq.Supervisor(server.url, index=index) as sup:
        for i in range(5):
            sup.create_job("x", "osis", id=f"in-{i}", tags=["red"] if i % 2 else ["blue"])
        sup.create_job("x", "sal", id="red", tags=["green"])
        sup.create_job("x", "sal", id="out-red")

    searches: list[str] = []

    async def search(person: Person, text: str) -> set[str]:
        await person.press("slash")
        await person.sees("an id or a part of it" if not searches else "found")
        searches.append(text)
        person.app.screen.query_one(Input).value = text
        await person.press("enter")
        await person.sees(" found")
        rows = person.app.live.rows  # type: ignore[union-attr]
        return {item.key for item in rows.items}

    async def steps(person: Person) -> None:
        await person.sees("heroq top")
        assert await search(person, "in-3") == {"in-3"}
        assert await search(person, "id:in-") == {f"in-{i}" for i in range(5)}
        assert await search(person, "n-") == {f"in-{i}" for i in range(5)}
        assert await search(person, "red") == {"red", "out-red", "in-1", "in-3"}
        assert await search(person, "tag:red") == {"in-1", "in-3"}
        assert await search(person, "tag:green type:sal status:dispatched") == {"red"}
        assert await search(person, "tag:red type:sal") == set()
        assert await search(person, "zzz") == set()
        assert await search(person, "in-3") == {"in-3"}
        await person.press("enter")
        await person.sees("job in-3", "tags  red")
        await person.press("escape")
        await person.sees("1 found", "dispatched")
        await person.press("K", "y")
        await person.sees("in-3 cancelled", "1 found", " error ")
        await person.press("slash")
        await person.type(" two words")
        await person.press("enter")
        await person.sees("one word at most")

    sit_down(server.url, steps)


# ---- acting ----


def test_dispatch(server: Server, acting: Any, hold: threading.Event) -> None:
    """As the guide's terminal: the hash is stored, and the id is pushed onto the queue of the type, or of the group."""
    seen = server.connect()
    seen.call("MONITOR")

    async def steps(person: Person) -> None:
        await person.sees("heroq top")
        await person.press("n")
        await person.sees("Store and start")
        await person.press("ctrl+s")
        await person.sees("a job needs a script")
        await person.type("osis")
        await person.press("tab")
        await person.type("red")
        await person.press("tab")
        await person.type("print(40")
        await person.press("enter")
        await person.type("+ 2)")
        await person.press("tab")
        await person.type("x")
        await person.press("ctrl+s")
        await person.sees("timeout")
        await person.until(lambda: "Store and start" in person.screen() and "x" in person.screen())
        await person.press("backspace")
        await person.type("30s")
        await person.press("tab")
        await person.type("4")
        await person.press("ctrl+s")
        await person.sees("is stored and started", "osis/red")

    sit_down(server.url, steps)
    (job_id,) = server.command("LRANGE", "hero:q:work:type:osis:group:red", 0, -1)
    with heroq.Supervisor(server.url) as sup:
        job = sup.get_job(job_id.decode())
        assert (job.script, job.script_type, job.timeout, job.retries) == (b"print(40\n+ 2)", "osis", 30, 4)
        commands = []
        while not any(b'"LPUSH"' in line for line in commands):
            commands.append(seen.read())
        assert any(b'"HSET"' in line and job_id in line for line in commands[:-1])
        seen.close()
        with acting("osis", handler(hold), group="red"):
            assert sup.await_result(job, timeout=20) == b"answer to print(40\n+ 2)"


def test_stop_delete_and_run_again(server: Server, sup: heroq.Supervisor, acting: Any, hold: threading.Event) -> None:
    """Each asks; n does nothing."""
    for i in range(4):
        sup.submit("x", script_type="osis", id=f"j{i}")

    async def steps(person: Person) -> None:
        await person.sees(" osis")
        await person.press("enter")
        await person.sees("j0", "j3")
        await person.press("K")
        await person.sees("Stop job j0?")
        await person.press("n")
        await person.sees_not("Stop job")
        assert sup.get_status("j0") == "dispatched"
        await person.press("x", "x", "K")
        await person.sees("Stop 2 jobs?")
        await person.press("y")
        await person.sees("2 cancelled before its start")
        assert [sup.get_status(f"j{i}") for i in range(4)] == ["error", "error", "dispatched", "dispatched"]
        await person.press("A", "D")
        await person.sees("Delete 4 jobs?")
        await person.press("escape")
        await person.press("A", "j", "j", "j", "D")
        await person.sees("Delete job j3?")
        await person.press("y")
        await person.sees("j3 deleted")
        assert sup.get_job("j3").error == b"deleted"
        with acting("osis", handler(hold)):
            await person.until(lambda: sup.get_status("j2") == "finished", "the actor's work")
        person.app.open_job("j2")
        await person.sees("status  finished")
        await person.press("R")
        await person.sees("Run again job j2?")
        await person.press("y")
        await person.sees("j2 queued again", "status  dispatched")
        await person.press("R")
        await person.press("y")
        await person.press("K", "y")
        await person.sees("j2 cancelled before its start", "status  error")
        person.app.open_job("none")
        await person.press("D", "y")
        await person.sees("none: ")

    sit_down(server.url, steps)


def test_run_now_and_clear(server: Server, sup: heroq.Supervisor) -> None:
    for job_id in ("a", "b", "c"):
        sup.submit("x", script_type="osis", id=job_id, delay=3600)
    sup.submit("x", script_type="osis", id="waits")

    async def steps(person: Person) -> None:
        await person.sees(" osis")
        await person.press("enter", "right", "right")
        await person.sees(" a ", " b ", " c ")
        await person.press("x", "x", "E")
        await person.sees("Run now 2 jobs?")
        await person.press("y")
        await person.sees("2 queued now", "· delayed 1–1 of 1")
        assert server.command("LLEN", "hero:q:work:type:osis") == 3
        for answer, done in (("osi", False), ("osis", True)):
            await person.press("C")
            await person.sees("Clear osis?", "All 4 jobs")
            await person.type(answer)
            await person.press("enter")
            await person.sees_not("Clear osis?")
            if done:
                await person.sees("osis: 4 cancelled")
        assert {sup.get_status(job_id) for job_id in ("a", "b", "c", "waits")} == {"error"}

    sit_down(server.url, steps)


def test_what_was_done_goes(server: Server, sup: heroq.Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the user has left that screen."""
    later: list[Callable[[], None]] = []
    monkeypatch.setattr("heroq.top.app.Top.later", lambda self, do: later.append(do))
    sup.submit("x", script_type="osis", id="one")

    async def steps(person: Person) -> None:
        await person.sees(" osis")
        person.app.open_job("one")
        await person.sees("status  dispatched")
        await person.press("K", "y")
        await person.sees("one cancelled before")
        await person.press("escape")
        await person.sees("heroq top")
        later.pop()()
        person.app.open_job("one")
        await person.sees("status  error")
        await person.press("K", "y")
        await person.sees("one had ended before")
        later.pop()()
        await person.sees_not("one had ended before")

    sit_down(server.url, steps)


def test_pause_and_resume(server: Server, sup: heroq.Supervisor) -> None:
    for name in ("a", "b", "c"):
        sup.submit("x", script_type=name)

    def paused() -> list[str]:
        return [row["script_type"] for row in heroq.list_queues(sup.client) if row["paused"]]

    async def steps(person: Person) -> None:
        await person.sees(" a ", " b ", " c ")
        await person.press("x", "x", "p")
        await person.sees("2 queues: paused")
        assert paused() == ["a", "b"]
        await person.press("k", "enter")
        await person.sees("b · paused")
        await person.press("p")
        await person.sees("b: resumed")
        assert paused() == ["a"]

    sit_down(server.url, steps)


# ---- when things go wrong ----


def test_a_lost_server(new_server: Callable[..., Server]) -> None:
    """Said in the red line; what was read stays, greyed, and goes on when the server is there again."""
    server = new_server()
    with heroq.Supervisor(server.url) as sup:
        sup.submit_many(["x"] * 7, "osis")

    async def steps(person: Person) -> None:
        await person.sees(" osis")
        server.kill9()
        await person.sees("✗ Nothing can be read", "This is of ", " osis")
        assert person.app.screen.has_class("stale")
        styles = {
            segment.style.dim
            for strip in person.app.screen._compositor.render_strips()
            for segment in strip
            if segment.text.startswith("osis") and segment.style
        }
        assert styles == {True}
        await person.press("enter")
        await person.sees("✗ Nothing can be read")
        await person.press("escape")
        server.restart()
        await person.sees_not("✗", " osis")
        assert not person.app.screen.has_class("stale")

    sit_down(server.url, steps)


def test_keys_never_wait(new_server: Callable[..., Server]) -> None:
    """A server that is silent: the keys work, the screen says that it waits, and q ends at once."""
    server = new_server()
    with heroq.Supervisor(server.url) as sup:
        sup.submit_many(["x"] * 7, "osis")

    async def steps(person: Person) -> None:
        await person.sees(" osis")
        server.pause()
        await person.press("question_mark")
        await person.sees("mark a row")
        await person.press("escape")
        await person.sees("✗ Nothing can be read")
        await person.press("q")

    sit_down(server.url, steps)
    server.cont()


def test_every_size(server: Server, sup: heroq.Supervisor) -> None:
    for name in ("a", "b" * 60):
        sup.submit("x", script_type=name)

    async def steps(person: Person) -> None:
        await person.sees(" a ")
        for width, height in ((40, 10), (80, 24), (100, 30), (132, 40), (200, 50), (20, 5), (80, 24)):
            await person.pilot.resize_terminal(width, height)
            await person.pilot.pause()
            text = person.screen().split("\n")
            assert len(text) == height and all(len(line) <= width for line in text)
        text = await person.sees("p95", "8 min", "bbb…")
        await person.press("enter")
        await person.sees("· waiting 1–1 of 1")

    sit_down(server.url, steps)


def test_what_a_look_costs(server: Server, sup: heroq.Supervisor) -> None:
    """As many commands with 20,000 jobs in a queue as with 50; no KEYS, and no hash is read whole."""
    sup.submit_many(["x"] * 50, "osis")

    async def look(person: Person) -> None:
        reads = person.app.reads
        await person.press("r")
        await person.until(lambda: person.app.reads > reads)

    async def count(person: Person) -> dict[str, int]:
        """The commands of five looks."""
        await look(person)
        server.command("CONFIG", "RESETSTAT")
        for _ in range(5):
            await look(person)
        stats = re.findall(r"cmdstat_(\w+):calls=(\d+)", server.command("INFO", "commandstats").decode())
        return {name: int(calls) for name, calls in stats if name not in ("config|resetstat", "info", "scan", "ping")}

    async def steps(person: Person) -> None:
        await person.sees(" osis")
        await person.press("enter")
        await person.sees("of 50")
        few = await count(person)
        sup.submit_many(["x"] * 19_950, "osis")
        many = await count(person)
        await person.sees("of 20000")
        assert few == many and few["lrange"] == 5 and not few.keys() & {"keys", "hgetall"}, (few, many)

    sit_down(server.url, steps, refresh=1000)


DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_picture_needs_nothing_from_elsewhere() -> None:
    picture = (DOCS / "_static" / "top.svg").read_text(encoding="utf-8")
    assert re.findall(r"https?://[^\s\"')]+", picture) == ["http://www.w3.org/2000/svg"]
    assert "no&#160;actor" in picture


def test_the_page_tells_all_keys() -> None:
    page = (DOCS / "top.md").read_text(encoding="utf-8")
    told = set(" ".join(re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)).replace("`", "").split())
    names = {"left": "←", "right": "→", "enter": "Enter", "slash": "/", "escape": "Esc", "question_mark": "?"}
    for thing in (Overview, QueueScreen, JobScreen, SearchScreen, Live, Rows, Scroll):
        bound = {key for binding in thing.BINDINGS for key in binding.key.split(",")}  # type: ignore[union-attr]
        missing = {names.get(key, key) for key in bound} - told - {"backspace", "down", "space"}
        assert not missing, (thing, missing)
    for name in FILTERS:
        assert f"`{name}:" in page
