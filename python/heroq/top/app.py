"""The application: which screen is there, and the one reader behind all of them."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from typing import Any, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.timer import Timer

from ..board import Row, View
from ..client import Client
from ..errors import HeroqError
from .forms import Dispatch, Help, Wanted
from .job import JobScreen
from .link import Link
from .live import Live
from .overview import Overview
from .queue import QueueScreen
from .search import SearchScreen

#: seconds that what was done stands there
_SAID = 8.0
#: seconds of a read after which the screen says that it waits
_SILENCE = 3.0


class Top(App[None]):
    """`heroq top`. Reads on a thread, one read at a time, and shows what came; the keys never wait for the server."""

    CSS_PATH = "top.tcss"
    TITLE = "heroq top"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c,ctrl+q", "quit", priority=True)]

    def __init__(self, client: Client, refresh: float = 2.0) -> None:
        super().__init__(
            ansi_color=True
        )  # the terminal's own colours, whichever those are; NO_COLOR takes them all away
        self.theme = "ansi-dark"
        self.link = Link(client)
        self.server = self.link.name()
        self.every = refresh
        #: when the newest data was read, Unix s
        self.read_at = time.time()
        #: reads that came, and how long the last took on the thread and on the screen, s
        self.reads = 0
        self.took = (0.0, 0.0)
        self._reading = self._again = False
        self._begun = 0.0
        self._said: Timer | None = None

    def on_mount(self) -> None:
        if not self.is_headless:  # so that the terminal is as it was
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._leave, 128 + signal.SIGTERM)
        self.push_screen(Overview(self.link))
        self.set_interval(self.every, self._tick)

    # ---- reading ----
    @property
    def live(self) -> Live | None:
        """The screen with data that is there, below a question perhaps."""
        return next(
            (screen for screen in reversed(self.screen_stack) if isinstance(screen, Live) and screen.ready), None
        )

    def _tick(self) -> None:
        waits = time.monotonic() - self._begun if self._reading else 0.0
        if waits > _SILENCE and self.live is not None:
            self.live.lost(f"the server is silent for {waits:.0f} s")
        self.read_now()

    def read_now(self) -> None:
        """Reads, if no read is under way; else once more after it."""
        screen = self.live
        if screen is None or self._reading:
            self._again = screen is not None
            return
        self._reading, self._begun = True, time.monotonic()
        wanted = screen.wants()
        self.run_worker(lambda: self._read(screen, wanted), thread=True, group="read")

    def _read(self, screen: Live, wanted: Any) -> None:
        """On a thread."""
        begun = time.perf_counter()
        try:
            view, loaded = self.link.read_board(), screen.load(wanted)
        except Exception as error:  # whatever is wrong with what stands there: the screen stays
            self.call_later(
                self._came, screen, None, str(error) if isinstance(error, HeroqError) else repr(error), begun
            )
        else:
            self.call_later(self._came, screen, view, loaded, begun)

    def _came(self, screen: Live, view: View | None, loaded: Any, begun: float) -> None:
        read = time.perf_counter()
        self._reading = False
        if screen in self.screen_stack:
            if view is None:
                screen.lost(loaded)
            else:
                self.read_at = time.time()
                screen.shows(view, loaded)
                self.took = (read - begun, time.perf_counter() - read)
                self.reads += 1
        if self._again:
            self._again = False
            self.read_now()

    # ---- acting ----
    def act(self, screen: Live, do: Callable[[], str]) -> None:
        """Does it on a thread, then says on the screen what came of it."""

        def work() -> None:
            try:
                said = do()
            except HeroqError as error:
                said = str(error)
            self.call_later(self._acted, screen, said)

        self.run_worker(work, thread=True, group="act")

    def _acted(self, screen: Live, said: str) -> None:
        front = self.live
        if front is not None:
            front.say(said)
            front.acted()
        self.read_now()

    def later(self, do: Callable[[], None]) -> None:
        """Once, after a while; a later one replaces it."""
        if self._said is not None:
            self._said.stop()
        self._said = self.set_timer(_SAID, do)

    def dispatch(self, row: Row | None) -> None:
        """The form of a new job."""

        def send(wanted: Wanted) -> str:
            job = self.link.dispatch(
                wanted.script, wanted.script_type, wanted.group, timeout=wanted.timeout, retries=wanted.retries
            )
            return f"job {job} is stored and started"

        def sent(said: str | None) -> None:
            if said and self.live is not None:
                self.live.say(said)
                self.read_now()

        self.push_screen(Dispatch(row.script_type if row else "", row.group if row else "", send), sent)

    # ---- screens ----
    def open_queue(self, row: Row) -> None:
        self.push_screen(QueueScreen(self.link, row))

    def open_job(self, job_id: str, ended: float | None = None) -> None:
        self.push_screen(JobScreen(self.link, job_id, ended))

    def action_search(self) -> None:
        if not isinstance(self.screen, SearchScreen):
            self.push_screen(SearchScreen(self.link))

    async def action_back(self) -> None:
        if len(self.screen_stack) > 2:
            self.pop_screen()

    def action_help(self) -> None:
        if self.live is not None:
            self.push_screen(Help(self.live.KEYS))

    async def action_quit(self) -> None:
        self._leave()

    def _leave(self, code: int = 0) -> None:
        self.link.close()  # wakes the thread that may wait for the server
        self.exit(return_code=code)
