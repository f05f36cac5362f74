"""Where and when something was measured: the head of a result, and what else used the machine meanwhile."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import time
from pathlib import Path
from typing import Any

import peers
import processes
from support.server import Server


class Setting:
    """From the first measurement on; `head` is the beginning of a result, `end` adds how it was."""

    def __init__(self, server: Server, size: object) -> None:
        self._server = server
        self.head: dict[str, Any] = {
            "date": time.strftime("%Y-%m-%d %H:%M:%S"),
            "commit": _commit(),
            "server": f"{server.kind} {_version(server)}",
            "machine": _machine(),
            "versions": peers.tool_versions(),
            "size": vars(size),
            "load": [_load()],
        }
        self._busy, self._at = self._others(), time.perf_counter()

    def end(self) -> None:
        """While the server still runs. foreign_cores: used by others than this program, what it started, the server."""
        seconds = time.perf_counter() - self._at
        self.head["foreign_cores"] = round(max(0.0, (self._others() - self._busy) / seconds), 2)
        self.head["load"].append(_load())
        self.head["seconds"] = round(seconds)

    def _others(self) -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        own = sum(one.ru_utime + one.ru_stime for one in used) + processes.cpu_seconds([self._server.pid])
        return processes.machine_busy() - own


def _load() -> float:
    return round(os.getloadavg()[0], 2)


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=peers.ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def _version(server: Server) -> str:
    lines = str(server.cli("INFO", "server")).splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{server.kind}_version:"))


def _machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {"cpu": model or platform.machine(), "cores": os.cpu_count(), "kernel": platform.release()}
