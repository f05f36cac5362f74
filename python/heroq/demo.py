"""What `heroq demo` computes: lines, words and SHA-256 of files, here in Python, in heroq-demo-actor in C."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .errors import Fail, InternalError, JobFailed
from .handler import actor
from .job import Job
from .kept import Kept

SCRIPT_TYPE = "demo"
_MARKER = b"compute lines words sha256\nfile "


def script_for(path: bytes) -> bytes:
    """The script that computes on a file."""
    return _MARKER + path


def files_below(folder: bytes) -> Iterator[bytes]:
    """Regular files; and links to nothing and folders that cannot be read, which make jobs that fail."""
    unread: list[bytes] = []
    for place, folders, names in os.walk(folder, onerror=lambda error: unread.append(error.filename)):
        yield from unread
        unread.clear()
        folders.sort()
        for name in sorted(names):
            path = os.path.join(place, name)
            try:
                if stat.S_ISREG(os.stat(path).st_mode):
                    yield path
            except OSError:
                yield path
    yield from unread


def compute(path: bytes) -> dict[str, Any]:
    lines = words = 0
    digest = hashlib.sha256()
    last = b" "
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
            lines += part.count(b"\n")
            words += len(part.split())
            if not last.isspace() and not part[:1].isspace():
                words -= 1  # one word lies across the border
            last = part[-1:]
    return {"lines": lines, "words": words, "sha256": digest.hexdigest()}


@actor(SCRIPT_TYPE)
def demo(job: Job) -> dict[str, Any]:
    """The actor in Python."""
    script = job.script
    if not script.startswith(_MARKER):
        raise Fail(f"not a script of the demo: {job.id}")
    path = script.removeprefix(_MARKER)
    try:
        return {**compute(path), "actor": "Python"}
    except OSError as error:
        raise Fail(f"{error.strerror}: {os.fsdecode(path)}") from None


def actors(url: str) -> list[Kept]:
    """The two actors, each a process of its own."""
    program = Path(__file__).with_name("bin") / "heroq-demo-actor"
    if not program.exists():
        raise InternalError(f"the package lacks {program}")
    environment: Mapping[str, str] = {**os.environ, "HEROQ_URL": url}
    return [
        Kept([str(program), SCRIPT_TYPE], environment=environment),
        Kept([sys.executable, "-m", "heroq", "worker-child", f"{__name__}:demo"], environment=environment, quiet=True),
    ]


def agrees(path: bytes, result: bytes | JobFailed) -> bool:
    """Whether a result is what this process computes itself; a file that cannot be read must have failed."""
    import json

    try:
        wanted = compute(path)
    except OSError:
        return isinstance(result, JobFailed)
    if isinstance(result, JobFailed):
        return False
    got = json.loads(result)
    return all(got.get(name) == value for name, value in wanted.items())
