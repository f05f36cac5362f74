"""A cgroup (v2) for each script, in a folder that was delegated to the actor."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InvalidError
from .launcher import Limits

_numbers = itertools.count(1)
_LAUNCHERS = 2  # processes of ours that are in it too


class Cgroups:
    def __init__(self, folder: str, limits: Limits):
        self._folder, self._limits = Path(folder), limits
        try:
            given = (self._folder / "cgroup.subtree_control").read_text().split()
        except OSError as error:
            raise InvalidError(f"{folder} is no folder of cgroup v2: {error.strerror}") from None
        if not {"memory", "pids"} <= set(given):
            raise InvalidError(f"cgroup {folder}: memory and pids are not in its cgroup.subtree_control")
        try:
            with self.new():
                pass
        except OSError as error:
            raise InvalidError(f"cgroup {folder}: {error.strerror}: {error.filename}") from None

    @contextmanager
    def new(self) -> Iterator[Path]:
        """The file to be written to by who joins."""
        group = self._folder / f"heroq-{os.getpid()}-{next(_numbers)}"
        group.mkdir()
        try:
            if self._limits.memory:
                (group / "memory.max").write_text(str(self._limits.memory))
            if self._limits.processes:
                (group / "pids.max").write_text(str(self._limits.processes + _LAUNCHERS))
            yield group / "cgroup.procs"
        finally:
            _remove(group)


def _remove(group: Path) -> None:
    end = time.monotonic() + 5.0
    while time.monotonic() < end:
        try:
            (group / "cgroup.kill").write_text("1")
            group.rmdir()
            return
        except FileNotFoundError:
            group.rmdir()
            return
        except OSError:  # what was killed is still on its way out
            time.sleep(0.01)
