"""The guide's lines, run by the real redis-cli, and the ledger of who ran which job."""

from __future__ import annotations

import collections
import os
import shlex
from pathlib import Path

from .server import Server

#: The redis-cli lines of the guide, by section. A test of a section runs every one of them.
GUIDE = {
    "2A": [
        "FLUSHALL",
        "HGETALL hero:job:{job_id}",
        "LLEN hero:q:work:type:osis",
        "LRANGE hero:q:work:type:osis 0 -1",
        "HGET hero:job:{job_id} status",
        "HGET hero:job:{job_id} output",
    ],
    "2B": [
        "LLEN hero:q:work:type:osis",
        "HGET hero:job:{job_id} status",
        "LLEN hero:q:reply:{job_id}",
        "LRANGE hero:q:reply:{job_id} 0 -1",
        "HGET hero:job:{job_id} output",
    ],
    "2C": [
        "KEYS hero:q:work:type:*",
        "LRANGE hero:q:work:type:osis 0 -1",
        "HGETALL hero:job:{job_id}",
        "HGET hero:job:{job_id} status",
        "HGET hero:job:{job_id} output",
    ],
    "3A": [
        "FLUSHALL",
        "KEYS hero:q:work:type:*",
        "LLEN hero:q:work:type:osis",
        "LRANGE hero:q:work:type:osis 0 -1",
        "HGETALL hero:job:{job_id}",
        "HGET hero:job:{job_id} status",
        "HGET hero:job:{job_id} output",
    ],
    "3B": [
        "FLUSHALL",
        "HGET hero:job:{job_id} status",
        "LLEN hero:q:reply:{job_id}",
        "HGET hero:job:{job_id} output",
    ],
    "3C": ["KEYS hero:job:*", "HGETALL hero:job:{job_id}", "FLUSHALL"],
    "5": ["LLEN hero:q:work:type:osis", "LLEN hero:q:work:type:sal", "HGET hero:job:{job_id} status"],
    "6": [
        "LPUSH hero:q:work:type:{script_type} {job_id}",
        "HGETALL hero:job:{job_id}",
        "BLPOP hero:q:reply:{job_id} {timeout_secs}",
        "KEYS hero:q:*",
        "KEYS hero:job:*",
    ],
}


class Section:
    """A section of the guide: runs its lines, as a person types them, and knows at the end which were left out."""

    def __init__(self, server: Server, name: str) -> None:
        self._server = server
        self._name = name
        self._left = set(GUIDE[name])

    def __call__(self, line: str, **values: str | int) -> str:
        """What redis-cli prints into a pipe for the guide's line."""
        assert line in GUIDE[self._name], f"not a line of section {self._name}: {line}"
        self._left.discard(line)
        return self._server.cli(*shlex.split(line.format(**values)))

    def lines(self, line: str, **values: str | int) -> list[str]:
        return sorted(filter(None, self(line, **values).split("\n")))

    def hash(self, line: str, **values: str | int) -> dict[str, str]:
        flat = self(line, **values).split("\n")
        return dict(zip(flat[::2], flat[1::2], strict=True))

    def done(self) -> None:
        assert not self._left, f"lines of section {self._name} that were not run: {self._left}"


class Ledger:
    """An append-only file with a line for each run of a job, by whomever."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def write(self, job_id: str, who: str) -> None:
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        os.write(fd, f"{job_id} {who}\n".encode())
        os.close(fd)

    def rows(self) -> list[tuple[str, str]]:
        return [(line.split()[0], line.split()[1]) for line in self.path.read_text().splitlines()]

    def assert_once_each(self, wanted: set[str]) -> None:
        runs = collections.Counter(job_id for job_id, _ in self.rows())
        assert set(runs) == wanted
        assert set(runs.values()) == {1}, {job_id: n for job_id, n in runs.items() if n > 1}


def run_of(name: str, script: bytes) -> bytes:
    """What the tests' actors answer: who ran which script."""
    return name.encode() + b" ran " + script
