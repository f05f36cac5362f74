"""Wall clocks that go wrong, of a server or of a client's process, while they run."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path


class Clock:
    """`with clock.inside():` programs started here have it; clock.shift(-3600) sets theirs an hour back."""

    def __init__(self, folder: Path) -> None:
        self._library = folder / "shifted_clock.so"
        self._file = folder / "shift"
        source = Path(__file__).with_name("shifted_clock.c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", self._library, source, "-ldl"], check=True)
        self.shift(0)

    def shift(self, seconds: int) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.rename(self._file)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "LD_PRELOAD": str(self._library), "HEROQ_SHIFT": str(self._file)}

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        before = dict(os.environ)
        os.environ.update(self.environment)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)
