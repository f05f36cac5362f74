"""A dashboard on a real server, a browser that looks at it, and actors that work."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import heroq
import heroq.web
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright
from support.dashboard import TOKEN, Dashboard, serve
from support.server import Server

#: of a browser's wait for something to show, ms: a busy machine is slow, not wrong
PATIENCE = 20_000


@pytest.fixture
def serving() -> Iterator[Callable[..., Dashboard]]:
    """serving(app, path="/jobs/"): an ASGI app on a free port, until the test ends."""
    made: list[Dashboard] = []

    def run(app: Any, path: str = "/", port: int = 0) -> Dashboard:
        made.append(serve(app, path, port))
        return made[-1]

    yield run
    for one in made:
        one.stop()


@pytest.fixture(scope="module")
def shared_dashboard(shared_server: Server) -> Iterator[Dashboard]:
    with heroq.Client(shared_server.url) as client:
        one = serve(heroq.web.app(client, token=TOKEN, refresh=0.3))
        yield one
        one.stop()


@pytest.fixture
def dashboard(shared_dashboard: Dashboard, server: Server) -> Dashboard:
    """One that can act, on a server that is empty."""
    return shared_dashboard


@pytest.fixture
def sup(server: Server) -> Iterator[heroq.Supervisor]:
    with heroq.Supervisor(server.url) as supervisor:
        yield supervisor


@pytest.fixture
def working(server: Server) -> Callable[..., Any]:
    """`with working("osis", handler):` an actor on a thread."""

    @contextmanager
    def run(script_type: str, handler: Callable[[heroq.Job], Any], **options: Any) -> Iterator[heroq.Actor]:
        with heroq.Actor(server.url, types=script_type, grace=1.0, block=0.2, **options) as actor:
            thread = threading.Thread(target=lambda: [handler(job) for job in actor])
            thread.start()
            yield actor
            actor.drain(1.0)
            thread.join()

    return run


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    assert program, "no chromium: scripts/setup.sh web"
    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield one
        one.close()


def _is_fault(message: ConsoleMessage) -> bool:
    """What the policy has refused, say; that an answer is 404 may be meant."""
    return message.type == "error" and not message.text.startswith("Failed to load resource")


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """open_page(url, width=360, dark=True): a page of a fresh profile. What it may not do, and did, fails the test."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def visit(url: str, *, width: int = 1280, height: int = 900, dark: bool = False, quiet: bool = True) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        if quiet:
            page.on("console", lambda message: _is_fault(message) and wrong.append(message.text))
        page.goto(url)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not wrong


@pytest.fixture
def unlock() -> Callable[[Page], None]:
    """Logs in as a person would."""

    def enter(page: Page) -> None:
        page.get_by_role("button", name="Unlock").click()
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("dialog").get_by_role("button", name="Unlock").click()
        page.get_by_role("button", name="Lock", exact=True).wait_for()

    return enter
