"""The dashboard in headless Chromium: each view, each action, hostile content, narrow and dark."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import heroq
import heroq.web
import pytest
from fastapi import FastAPI
from playwright.sync_api import Page, expect
from starlette.applications import Starlette
from starlette.routing import Mount
from support.dashboard import TOKEN, Dashboard
from support.server import Server, wait_until

expect.set_options(timeout=20_000)
Opens = Callable[..., Page]
#: an id may have no blank; each would run something if it became HTML
PAYLOAD = "<img/src=x/onerror=window.hit=1><svg/onload=window.hit=1></pre><script>window.hit=1</script>"


def fail_on(bad: str) -> Callable[[heroq.Job], None]:
    def handler(job: heroq.Job) -> None:
        if job.text == bad:
            job.fail("it broke", final=True)
        else:
            job.progress(100, "all of it")
            job.log("a line of the log")
            job.finish(f"output of {job.text}")

    return handler


def row(page: Page, name: str) -> Any:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


def test_overview_shows_queues_counters_and_what_is_wrong(
    dashboard: Dashboard, sup: heroq.Supervisor, working: Any, open_page: Opens
) -> None:
    with working("fine", fail_on("bad")):
        for i in range(3):
            sup.await_result(sup.submit(f"{i}", "fine"), timeout=30)
        sup.create_job(heroq.Job("x", "lonely"))
        page = open_page(dashboard.url)
        expect(row(page, "fine")).to_be_visible()
        expect(page.get_by_role("alert")).to_be_hidden()
        expect(page.get_by_role("status").filter(has_text="live")).to_be_visible()
        sup.submit("x", "lonely")
        expect(row(page, "lonely")).to_contain_text("no actor")
        alert = page.get_by_role("alert").get_by_role("link", name=re.compile("lonely: no actor listens"))
        expect(alert).to_be_visible()
        expect(page.locator(".counters .waiting dd")).to_have_text("1")
        assert page.locator(".plot canvas").count() == 2
        expect(
            page.get_by_role("img", name=re.compile("Ended a minute: in 15 minutes 3 finished, 0 failed"))
        ).to_be_visible()
        alert.click()
        expect(page.get_by_role("heading", name="lonely")).to_be_visible()


def test_queue_page_has_the_jobs_by_tab(
    dashboard: Dashboard, sup: heroq.Supervisor, working: Any, open_page: Opens
) -> None:
    release = threading.Event()

    def handler(job: heroq.Job) -> None:
        if job.text == "slow":
            release.wait(60)
        fail_on("bad")(job)

    with working("osis", handler):
        done, bad = sup.submit("good", "osis", id="done-1"), sup.submit("bad", "osis", id="bad-1")
        for job in (done, bad):
            wait_until(lambda job=job: sup.get_job(job).is_terminal, 30)
        sup.submit("slow", "osis", id="slow-1")
        sup.start_job(sup.create_job("later", "osis", id="later-1"), delay=3600)
        wait_until(lambda: sup.get_status("slow-1") == "started", 30)
        with heroq.Queue("osis", sup.client) as queue:
            wait_until(lambda: list(queue.page("finished")) and list(queue.page("failed")), 30)
        page = open_page(f"{dashboard.url}#/queue/osis")
        for tab, job_id in (
            ("In flight", "slow-1"),
            ("Delayed", "later-1"),
            ("Dead", "bad-1"),
            ("Finished", "done-1"),
            ("Failed", "bad-1"),
        ):
            page.get_by_role("tab", name=tab).click()
            expect(page.get_by_role("table", name=tab).get_by_role("link", name=job_id)).to_be_visible()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", name="Actors")).to_have_attribute("aria-selected", "true")
        expect(page.get_by_role("table", name="Actors")).to_contain_text("MiB")
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", name="Waiting")).to_have_attribute("aria-selected", "true")
        expect(page.get_by_text("No job here.")).to_be_visible()
        assert page.locator(".plot canvas").count() == 3
        release.set()


def test_more_rows_than_a_page(dashboard: Dashboard, sup: heroq.Supervisor, open_page: Opens) -> None:
    sup.submit_many([f"{i}" for i in range(70)], "osis")
    page = open_page(f"{dashboard.url}#/queue/osis")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(50)
    page.get_by_role("button", name="More").click()
    expect(rows).to_have_count(70)
    expect(page.get_by_role("button", name="More")).to_be_hidden()


def test_job_page_is_live_while_the_job_runs(
    dashboard: Dashboard, sup: heroq.Supervisor, working: Any, open_page: Opens
) -> None:
    go = threading.Event()

    def handler(job: heroq.Job) -> None:
        job.progress(30, "first part")
        job.log("line one")
        go.wait(60)
        job.log("line two")
        job.progress(100)
        job.finish("the output")

    with working("osis", handler):
        sup.submit("the script", "osis", id="job-1", headers={"trace": "t1"}, tags="red", env={"K": "v"})
        page = open_page(f"{dashboard.url}#/job/job-1")
        expect(page.locator(".title .state")).to_have_text("started")
        expect(page.get_by_text("30 % first part")).to_be_visible()
        expect(page.get_by_role("log")).to_contain_text("line one")
        expect(page.get_by_label("Script", exact=True)).to_have_text("the script")
        for text in ("trace", "t1", "red", "created", "started"):
            expect(page.locator(".side")).to_contain_text(text)
        go.set()
        expect(page.get_by_label("Output", exact=True)).to_have_text("the output")
        expect(page.get_by_role("log")).to_contain_text("line two")
        expect(page.locator(".title .state")).to_have_text("finished")
        expect(page.locator(".timeline")).to_contain_text("finished")
        with page.expect_download() as download:
            page.locator(".part.output").get_by_role("link", name="Download").click()
        assert download.value.path().read_bytes() == b"the output"


def test_a_job_that_is_not_there(dashboard: Dashboard, open_page: Opens) -> None:
    page = open_page(f"{dashboard.url}#/job/none")
    expect(page.get_by_text(re.compile("no job|not found|none"), exact=False).first).to_be_visible()
    expect(page.locator(".title .state")).to_have_text("gone")


def test_search(dashboard: Dashboard, sup: heroq.Supervisor, open_page: Opens) -> None:
    for name, tag, caller in (("red-1", "red", "ann"), ("red-2", "red", "bob"), ("blue-1", "blue", "ann")):
        sup.create_job(heroq.Job("x", "osis", id=name, tags=tag, fields={"callerId": caller}))
    page = open_page(dashboard.url)
    expect(page.get_by_text("No queue yet")).to_be_visible()
    rows = page.locator("tbody tr")
    for text, expected in (("tag:red", 2), ("caller:ann", 2), ("prefix:blue", 1), ("-1", 2), ("tag:red caller:bob", 1)):
        page.keyboard.press("/")
        page.get_by_label("Search jobs").fill(text)
        page.keyboard.press("Enter")
        expect(page.get_by_text(re.compile(f"^{expected} jobs?$"))).to_be_visible()
        expect(rows).to_have_count(expected)
    page.get_by_label("Where to look").select_option("tag")
    page.get_by_label("What to look for").fill("none")
    page.locator("main").get_by_role("button", name="Search").click()
    expect(page.get_by_text("No job fits.")).to_be_visible()
    page.get_by_label("Search jobs").fill("red-2")  # a whole id opens the job
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="red-2")).to_be_visible()


def test_read_only_until_it_is_unlocked(
    dashboard: Dashboard, sup: heroq.Supervisor, open_page: Opens, unlock: Callable[[Page], None]
) -> None:
    sup.submit("x", "osis", id="job-1")
    page = open_page(f"{dashboard.url}#/job/job-1", quiet=False)
    expect(page.locator(".title .state")).to_have_text("dispatched")
    for name in ("Stop", "Requeue", "Delete", "New job"):
        expect(page.get_by_role("button", name=name)).to_be_hidden()
    page.get_by_role("button", name="Unlock").click()
    page.get_by_label("Token").fill("not the token")
    page.keyboard.press("Enter")
    expect(page.get_by_text("this is not the token")).to_be_visible()
    page.keyboard.press("Escape")
    unlock(page)
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    assert page.evaluate("document.cookie + JSON.stringify({...localStorage, ...sessionStorage})") == "{}"
    page.get_by_role("button", name="Lock", exact=True).click()
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()


def test_without_a_token_it_says_read_only(server: Server, serving: Any, open_page: Opens) -> None:
    page = open_page(serving(heroq.web.app(server.url)).url)
    expect(page.get_by_role("button", name="Read-only")).to_be_disabled()


def test_a_private_page_asks_first(server: Server, serving: Any, open_page: Opens, sup: heroq.Supervisor) -> None:
    sup.submit("x", "osis")
    one = serving(heroq.web.app(server.url, token=TOKEN, private=True, refresh=0.3))
    page = open_page(one.url)
    page.get_by_label("Token").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(row(page, "osis")).to_be_visible()


def test_the_link_with_the_token_unlocks_and_forgets_it(dashboard: Dashboard, open_page: Opens) -> None:
    page = open_page(f"{dashboard.url}#token={TOKEN}")
    expect(page.get_by_role("button", name="New job")).to_be_visible()
    assert TOKEN not in page.url


def test_dispatch_by_hand(dashboard: Dashboard, sup: heroq.Supervisor, working: Any, open_page: Opens) -> None:
    with working("osis", fail_on("bad")):
        page = open_page(f"{dashboard.url}#token={TOKEN}")
        expect(page.get_by_role("button", name="New job")).to_be_visible()
        page.locator("main").click()
        page.keyboard.press("n")
        dialog = page.get_by_role("dialog", name="New job")
        dialog.get_by_role("button", name="Start").click()
        expect(dialog.get_by_role("alert")).to_contain_text("script_type")
        dialog.get_by_label("Script type").fill("osis")
        dialog.get_by_label("Script", exact=True).fill("by hand")
        dialog.get_by_text("Options").click()
        dialog.get_by_label("Id", exact=True).fill("hand-1")
        dialog.get_by_label("Retries").fill("2")
        dialog.get_by_label("Tags").fill("red, blue")
        dialog.get_by_role("button", name="Start").click()
        expect(page.get_by_label("Output", exact=True)).to_have_text("output of by hand")
        job = sup.get_job("hand-1")
        assert (job.retries, job.tags) == (2, ["red", "blue"])


def test_stop_requeue_and_delete_a_job(dashboard: Dashboard, sup: heroq.Supervisor, open_page: Opens) -> None:
    sup.submit("x", "osis", id="job-1")
    page = open_page(f"{dashboard.url}#token={TOKEN}")
    expect(page.get_by_role("button", name="New job")).to_be_visible()
    page.goto(f"{dashboard.url}#/job/job-1")
    for button, state in (("Stop", "error"), ("Requeue", "dispatched"), ("Delete", "deleted")):
        page.get_by_role("button", name=button).click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("job-1")
        dialog.get_by_role("button", name=button).click()
        expect(page.locator(".title .state")).to_have_text(state)
    assert (sup.get_job("job-1").error, sup.get_job("job-1").script) == (b"deleted", b"")


def test_many_jobs_by_keys_and_what_is_destructive_asks(
    dashboard: Dashboard, sup: heroq.Supervisor, open_page: Opens
) -> None:
    ids = sup.submit_many(["1", "2", "3"], "osis")
    page = open_page(f"{dashboard.url}#token={TOKEN}")
    expect(page.get_by_role("button", name="New job")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.keyboard.press("D")
    expect(page.get_by_role("dialog")).to_contain_text(ids[0])
    page.keyboard.press("Escape")
    assert sup.get_job(ids[0]).status == "dispatched"
    page.keyboard.press("A")
    expect(page.get_by_text("3 selected")).to_be_visible()
    page.keyboard.press("D")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Delete: done, 3 jobs")).to_be_visible()
    assert {sup.get_job(job_id).error for job_id in ids} == {b"deleted"}


def test_pause_and_resume_a_queue(dashboard: Dashboard, sup: heroq.Supervisor, open_page: Opens) -> None:
    sup.submit("x", "osis")
    page = open_page(f"{dashboard.url}#token={TOKEN}")
    expect(page.get_by_role("button", name="New job")).to_be_visible()
    page.goto(f"{dashboard.url}#/queue/osis")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".title .state")).to_have_text("paused")
    with heroq.Queue("osis", sup.client) as queue:
        assert queue.stats()["paused"]
        page.keyboard.press("p")
        expect(page.get_by_role("button", name="Pause")).to_be_visible()
        assert not queue.stats()["paused"]


def test_hostile_content_shows_and_never_runs(
    dashboard: Dashboard, server: Server, sup: heroq.Supervisor, working: Any, open_page: Opens
) -> None:
    def handler(job: heroq.Job) -> None:
        job.log(PAYLOAD)
        job.progress(10, PAYLOAD)
        if job.id == PAYLOAD:
            job.fail(PAYLOAD, final=True)
        else:
            job.finish(PAYLOAD + "\u202egnp.\x1b[2J")

    # What a foreign program may write: an id that new jobs of heroq cannot have.
    fields = ("script", "callerId", PAYLOAD)
    server.command(
        "HSET", f"hero:job:{PAYLOAD}", "script_type", "osis", *(part for name in fields for part in (name, PAYLOAD))
    )
    with working("osis", handler):
        sup.submit(PAYLOAD, "osis", id="named", headers={PAYLOAD: PAYLOAD})
        server.command("LPUSH", "hero:q:work:type:osis", PAYLOAD)
        server.command("LPUSH", f"hero:q:work:type:{PAYLOAD}", "1")
        for job_id in ("named", PAYLOAD):
            wait_until(lambda job_id=job_id: sup.get_job(job_id).is_terminal, 30)
        page = open_page(dashboard.url)
        expect(row(page, "osis")).to_be_visible()
        page.goto(f"{dashboard.url}#/job/named")
        expect(page.get_by_label("Output", exact=True)).to_have_text(f"{PAYLOAD}·gnp.·[2J")
        expect(page.get_by_label("Script", exact=True)).to_have_text(PAYLOAD)
        expect(page.get_by_role("log")).to_contain_text(PAYLOAD)
        expect(page.locator(".side")).to_contain_text(PAYLOAD)
        page.goto(f"{dashboard.url}#/queue/osis?tab=dead")
        page.get_by_role("table", name="Dead").get_by_role("link", name=PAYLOAD).click()
        expect(page.get_by_role("heading", name=PAYLOAD, level=1)).to_be_visible()
        expect(page.get_by_label("Error", exact=True)).to_have_text(PAYLOAD)
        expect(page.locator(".progress")).to_contain_text(PAYLOAD)
        page.goto(f"{dashboard.url}#/jobs?caller=" + "x")
        page.get_by_label("Search jobs").fill(f"text:{PAYLOAD}")
        page.keyboard.press("Enter")
        page.goto(f"{dashboard.url}#/jobs")
        expect(page.locator("tbody").get_by_role("link", name=PAYLOAD)).to_be_visible()
        assert page.evaluate("window.hit") is None
        assert page.locator("main img, main script").count() == 0


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("view", ["", "#/queue/osis", "#/job/{id}", "#/jobs", "#/queue/osis?tab=actors"])
def test_narrow_has_no_sideways_scroll_and_dark_is_dark(
    dashboard: Dashboard, sup: heroq.Supervisor, open_page: Opens, view: str, dark: bool
) -> None:
    job_id = "a-rather-long-name-without-any-place-to-break-" + "x" * 60
    sup.submit("long " * 100 + "y" * 300, "osis", id=job_id, headers={"h" * 100: "v" * 300})
    sup.submit("x", "a-script-type-with-quite-a-long-name-that-goes-on-and-on-and-on")
    page = open_page(dashboard.url + view.format(id=job_id), width=360, height=740, dark=dark)
    page.locator({"": "tbody tr", "#/jobs": "tbody tr"}.get(view, "h1")).first.wait_for()
    expect(page.locator("#live")).to_have_attribute("data-state", "ok")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = sum(int(part) for part in re.findall(r"\d+", back)[:3]) > 380
    assert light is not dark


def test_every_control_has_a_name(dashboard: Dashboard, sup: heroq.Supervisor, open_page: Opens) -> None:
    job = sup.submit("x", "osis")
    page = open_page(f"{dashboard.url}#token={TOKEN}")
    expect(page.get_by_role("button", name="New job")).to_be_visible()
    for view in ("#/", "#/queue/osis", f"#/job/{job.id}", "#/jobs"):
        page.goto(dashboard.url + view)
        expect(page.locator("#live")).to_have_attribute("data-state", "ok")
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('a, button, input, select, textarea, [role=img], [role=tab], table')]
                .filter((one) => one.checkVisibility() && !(one.textContent.trim() && one.tagName !== 'TABLE')
                    && !one.getAttribute('aria-label') && !one.labels?.length)
                .map((one) => one.outerHTML)"""
        )
        assert nameless == []


def test_keys_are_told(dashboard: Dashboard, open_page: Opens) -> None:
    page = open_page(dashboard.url)
    page.get_by_role("button", name="Keys").wait_for()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("search")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.parametrize("how", ["prefix", "starlette", "fastapi"])
def test_below_a_path_and_in_another_app(
    server: Server, serving: Any, open_page: Opens, sup: heroq.Supervisor, how: str
) -> None:
    sup.submit("x", "osis", id="job-1")
    if how == "prefix":
        one = serving(heroq.web.app(server.url, token=TOKEN, prefix="/tools/jobs"), path="/tools/jobs/")
    elif how == "starlette":
        inner = heroq.web.app(sup.client, token=TOKEN)
        one = serving(Starlette(routes=[Mount("/tools/jobs", inner)]), path="/tools/jobs/")
    else:
        outer = FastAPI()
        outer.mount("/tools/jobs", heroq.web.app(sup.client, token=TOKEN))
        one = serving(outer, path="/tools/jobs/")
    page = open_page(one.url.rstrip("/") + f"#token={TOKEN}")  # the slash comes by itself
    expect(page.get_by_role("button", name="New job")).to_be_visible()
    row(page, "osis").get_by_role("link").click()
    page.get_by_role("link", name="job-1").click()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    expect(page.locator(".title .state")).to_have_text("error")
    assert [cookie["path"] for cookie in page.context.cookies()] == ["/tools/jobs/"]


def test_it_comes_back_after_the_dashboard_and_the_server(new_server: Any, serving: Any, open_page: Opens) -> None:
    server = new_server()
    with heroq.Supervisor(server.url) as sup:
        sup.submit("x", "osis")
        opts = {"op_timeout": 1, "connect_timeout": 1}
        one = serving(heroq.web.app(heroq.Client(server.url, **opts), refresh=0.3))
        page = open_page(one.url, quiet=False)
        waiting = page.locator(".counters .waiting dd")
        expect(waiting).to_have_text("1")
        one.stop()
        expect(page.locator("#live")).to_have_attribute("data-state", "lost")
        serving(heroq.web.app(heroq.Client(server.url, **opts), refresh=0.3), port=one.port)
        sup.submit("x", "osis")
        expect(waiting).to_have_text("2")
        expect(page.locator("#live")).to_have_text("live")
        server.stop()
        expect(page.locator("#live")).to_have_attribute("data-state", "lost")
        expect(page.locator("main.stale")).to_be_visible()
        expect(waiting).to_have_text("2")
        server.restart()
        sup.submit_many(["1", "2", "3", "4", "5"], "osis")
        expect(page.locator("#live")).to_have_text("live")
        expect(waiting).to_have_text(re.compile("^[57]$"))  # without persistence the first two are gone


def test_one_reader_for_all_viewers_and_none_without(
    dashboard: Dashboard, server: Server, sup: heroq.Supervisor, open_page: Opens
) -> None:
    sup.submit("x", "osis")
    looks = heroq.web.site.live.Board.read
    counted: list[int] = []

    def read(self: Any) -> Any:
        counted.append(1)
        return looks(self)

    heroq.web.site.live.Board.read = read  # type: ignore[method-assign]
    try:
        pages = [open_page(dashboard.url) for _ in range(3)]
        for page in pages:
            expect(row(page, "osis")).to_be_visible()
        before = len(counted)
        start = pages[0].evaluate("performance.now()")
        wait_until(lambda: len(counted) >= before + 5, 30)
        seconds = (pages[0].evaluate("performance.now()") - start) / 1000
        assert len(counted) - before <= seconds / 0.3 + 2
        for page in pages:
            page.goto("about:blank")
        wait_until(lambda: dashboard.app.state.site._viewers == 0, 20)
        before = len(counted)
        dashboard.ask("GET", "api/session")
        assert len(counted) == before
    finally:
        heroq.web.site.live.Board.read = looks  # type: ignore[method-assign]
