"""Files that change."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

_MOST_FILES = 5000


class Watch:
    """Whether a Python file below a folder has changed."""

    def __init__(self, folder: str):
        self._folder = folder
        self._seen = self._look()
        self._next = 0.0

    def _files(self) -> Iterator[Path]:
        for place, folders, names in os.walk(self._folder):
            folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
            yield from (Path(place, name) for name in names if name.endswith(".py"))

    def _look(self) -> dict[Path, int]:
        found = {}
        for path in self._files():
            with contextlib.suppress(OSError):
                found[path] = path.stat().st_mtime_ns
            if len(found) >= _MOST_FILES:
                break
        return found

    def changed(self) -> bool:
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + 0.5
        before, self._seen = self._seen, self._look()
        return before != self._seen
