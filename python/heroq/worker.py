"""`heroq worker`: processes of threads. The parent starts children that died again, and ends them when told to."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import InvalidError
from .handler import Handler
from .job import Job
from .log import log
from .runner import Runner, Terminated

_LOOK = 0.1
_STEADY = 10.0  # a child that lived so long starts again at once
_LONGEST_PAUSE = 30.0
#: exit status of a child that cannot work, whatever is tried: wrong target, wrong option
USELESS = 2


def load(target: str) -> list[Handler[[Job], Any]]:
    """The handlers of "module", "module:name,name" or "file.py[:name]"."""
    place, _, names = target.partition(":")
    if not place:
        raise InvalidError("a worker needs a file.py or a module")
    module = _load_file(place) if place.endswith(".py") else _load_module(place)
    if names:
        missing = [name for name in names.split(",") if not isinstance(getattr(module, name, None), Handler)]
        if missing:
            raise InvalidError(f"{place} has no handler {missing[0]!r}; handlers are made by @heroq.actor(...)")
        return [getattr(module, name) for name in names.split(",")]
    found = [value for value in vars(module).values() if isinstance(value, Handler)]
    if not found:
        raise InvalidError(f"{place} has no handlers; they are made by @heroq.actor(...)")
    return found


def _load_module(name: str) -> ModuleType:
    sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise InvalidError(f"cannot import {name!r}: {error}") from None
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(os.getcwd())


def _load_file(place: str) -> ModuleType:
    path = Path(place).resolve()
    if not path.is_file():
        raise InvalidError(f"there is no file {place!r}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InvalidError(f"{place!r} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.parent))
    spec.loader.exec_module(module)
    return module


def work(target: str, url: str | None, threads: int, grace: float) -> None:
    """What a child does: until SIGTERM, or its parent is gone."""
    parent = os.getppid()
    runner = Runner(load(target), url, threads=threads, grace=grace)
    with Terminated() as terminated:
        runner.run(lambda: terminated.is_set() or os.getppid() != parent)


class Child:
    """One process, and when it may be started again."""

    def __init__(self, argv: list[str], environment: dict[str, str]):
        self._argv, self._environment = argv, environment
        self._pause = 0.0
        self._start_at = 0.0
        self._started = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def look(self) -> int | None:
        """Starts it if it is time to; answers the exit status if it has just ended."""
        now = time.monotonic()
        if self.process is None:
            if now >= self._start_at:
                self._started = now
                self.process = subprocess.Popen(self._argv, env=self._environment, process_group=0)
            return None
        status = self.process.poll()
        if status is None:
            return None
        self.process = None
        self._pause = 0.1 if now - self._started > _STEADY else min(_LONGEST_PAUSE, max(0.1, self._pause * 2))
        self._start_at = now + self._pause * random.uniform(0.75, 1.25)
        return status

    def tell(self, number: int) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    def wait(self, until: float) -> bool:
        if self.process is None:
            return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, until - time.monotonic()))
        return self.process.poll() is not None


def supervise(target: str, url: str | None, *, processes: int, threads: int, grace: float) -> int:
    """Runs the children until SIGTERM (drains) or Ctrl-C (ends at once); answers an exit status."""
    argv = [sys.executable, "-m", "heroq", "worker-child", target, "--threads", str(threads), "--grace", str(grace)]
    environment = dict(os.environ)
    if url:
        environment["HEROQ_URL"] = url  # not on the command line, which everybody can read
    children = [Child(argv, environment) for _ in range(processes)]
    try:
        with Terminated() as terminated:
            while not terminated.is_set():
                for child in children:
                    status = child.look()
                    if status == USELESS:
                        return USELESS
                    if status is not None:
                        log.warning("a worker process ended (%s) and is started again", _say(status))
                time.sleep(_LOOK)
            return 0
    finally:
        _end(children, 0.1 if isinstance(sys.exception(), KeyboardInterrupt) else grace + 5.0)


def _end(children: list[Child], seconds: float) -> None:
    for child in children:
        child.tell(signal.SIGTERM)
    until = time.monotonic() + seconds
    for child in children:
        if not child.wait(until):
            child.tell(signal.SIGKILL)
            child.wait(time.monotonic() + 5.0)


def _say(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
