"""docs/_static/top.svg: Textual's own picture of `heroq top`."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import heroq
from heroq.top import Top
from scene import scene

OUT = Path(__file__).resolve().parents[2] / "docs" / "_static" / "top.svg"


async def draw(url: str) -> str:
    with heroq.Client(url, log="events") as client:
        app = Top(client, refresh=0.5)
        async with app.run_test(size=(100, 16)) as pilot:
            while app.reads < 3:
                await pilot.pause(0.1)
            await pilot.press("j", "j", "j")
            await pilot.pause(0.2)
            app.server = re.sub(r" \S+$", " redis://localhost", app.server)
            while app.reads < 5:
                await pilot.pause(0.1)
            return app.export_screenshot(title="heroq top")


def main() -> None:
    with scene(float(sys.argv[1]) if len(sys.argv) > 1 else 300) as url:
        picture = asyncio.run(draw(url))
    # Its font would come from elsewhere; whoever looks has one of fixed width. The names of classes are random.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    picture = re.sub(r"<!--.*?-->\s*", "", picture, flags=re.DOTALL)
    picture = re.sub(r"terminal-\d+-", "top-", picture)
    OUT.write_text(picture, encoding="utf-8")
    print(f"{OUT}: {len(picture)} bytes")


if __name__ == "__main__":
    main()
