"""What the kernel says about processes: CPU time, memory, the tree below one; and a worker's life."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def adopt_orphans() -> None:
    """Children of a worker that was killed become ours, so that their CPU time is known and none is left behind."""
    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def _stat(pid: int) -> list[str]:
    """The fields behind the name: state, parent, …; nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def tree(root: int) -> list[int]:
    """It and all below it."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (stat := _stat(int(entry))):
            children.setdefault(int(stat[1]), []).append(int(entry))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_seconds(pids: Sequence[int]) -> float:
    """With those of their children that have ended."""
    return sum(sum(int(x) for x in _stat(pid)[11:15]) for pid in pids) / TICKS_PER_SECOND


def memory(pids: Sequence[int]) -> tuple[float, float]:
    """MB resident, and MB with shared pages divided among those who share them."""
    totals = {"Rss": 0, "Pss": 0}
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name in totals:
                    totals[name] += int(rest.split()[0])
    return totals["Rss"] / 1000, totals["Pss"] / 1000


def machine_busy() -> float:
    """CPU seconds of everything since the machine's start."""
    fields = [int(x) for x in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return sum(fields[:3] + fields[5:7]) / TICKS_PER_SECOND


class Worker:
    """A worker process and what it starts. `ticks`: its empty folder for the counts of jobs."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], ticks: Path, cwd: Path, log: Path) -> None:
        self._ticks = ticks
        self._counts: dict[str, int] = {}
        self._log = log
        self.started = time.perf_counter()
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                argv,
                env={**os.environ, **environment, "BENCH_TICKS": str(ticks)},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                process_group=0,
            )

    @property
    def jobs(self) -> int:
        """How many it has done."""
        for entry in os.scandir(self._ticks):
            if entry.name not in self._counts:
                self._counts[entry.name] = os.open(entry.path, os.O_RDONLY)
        return sum(int.from_bytes(os.pread(file, 8, 0), "little") for file in self._counts.values())

    def pids(self) -> list[int]:
        return tree(self._process.pid)

    def must_live(self) -> None:
        if self._process.poll() is not None:
            last = self._log.read_text(errors="replace").strip().splitlines()[-1:]
            raise RuntimeError(f"the worker ended with {self._process.returncode}: {''.join(last)}")

    def end(self) -> None:
        """Kills and waits for all of it: a benchmark has no use for a warm shutdown."""
        below = self.pids()[1:]
        for pid in [self._process.pid, *below]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        end = time.monotonic() + 10
        for pid in below:
            while _stat(pid) and time.monotonic() < end:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
                time.sleep(0.001)
        for file in self._counts.values():
            os.close(file)
