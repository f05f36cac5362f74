"""docs/_static/web.png and web-queue.png: the dashboard in headless Chromium, which scripts/setup.sh web installs."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import heroq
import heroq.web
import uvicorn
from playwright.sync_api import sync_playwright
from scene import scene

OUT = Path(__file__).resolve().parents[2] / "docs" / "_static"
#: name of the file, what is shown, width and height, dark
SHOTS = (("web.png", "#/", 1180, 640, False), ("web-queue.png", "#/queue/mail", 1180, 640, True))


@contextmanager
def served(url: str) -> Iterator[str]:
    config = uvicorn.Config(heroq.web.app(url, refresh=1), port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.config.app.state.site.end()
    server.should_exit = True
    thread.join()


def draw(url: str, seconds: float) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, view, width, height, dark in SHOTS:
            page = browser.new_page(
                viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
            )
            page.goto(url + view)
            page.locator("#live[data-state=ok]").wait_for()
            page.wait_for_timeout(seconds * 1000)  # until the lines of the charts have some length
            page.screenshot(path=OUT / name)
            print(f"{OUT / name}: {(OUT / name).stat().st_size} bytes")
        browser.close()


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 300
    with scene(seconds) as server, served(server) as url:
        draw(url, min(seconds, 15))


if __name__ == "__main__":
    main()
