"""Somebody at `heroq top`: presses keys, reads the screen. Textual's pilot, without a terminal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import heroq
from heroq.top import Top

SECONDS = 20.0


class Person:
    """`press` keys, `sees` waits until something stands on the screen."""

    def __init__(self, app: Top, pilot: Any) -> None:
        self.app, self.pilot = app, pilot

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        await self.pilot.press(*("space" if c == " " else c for c in text))

    def screen(self) -> str:
        """The screen as text."""
        return "\n".join(strip.text.rstrip() for strip in self.app.screen._compositor.render_strips())

    async def until(self, condition: Callable[[], Any], what: str = "the condition") -> None:
        end = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < end, f"{what} did not come true within {SECONDS} s:\n{self.screen()}"
            await self.pilot.pause(0.02)

    async def sees(self, *texts: str) -> str:
        """Waits until all of these stand there; answers the screen."""
        await self.until(lambda: all(text in self.screen() for text in texts), f"seeing {texts}")
        return self.screen()

    async def sees_not(self, *texts: str) -> None:
        await self.until(lambda: not any(text in self.screen() for text in texts), f"seeing none of {texts}")


def sit_down(
    url: str, steps: Callable[[Person], Awaitable[None]], size: tuple[int, int] = (80, 24), refresh: float = 0.2
) -> None:
    """Runs the steps on an application of its own."""

    async def run() -> None:
        with heroq.Client(url, log="events") as client:
            app = Top(client, refresh)
            async with app.run_test(size=size) as pilot:
                await steps(Person(app, pilot))

    asyncio.run(run())
