"""`heroq worker`: what one of its processes does. parent.py looks after them."""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import importlib.util
import os
import random
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import TYPE_CHECKING, Any

from .errors import InvalidError
from .handler import AnyHandler, BaseHandler
from .log import log
from .memory import resident
from .reports import Report, Writer, dump
from .runner import Runner, Terminated

if TYPE_CHECKING:
    from .aio.runner import Crew
    from .metrics.figures import Figures


def load(target: str) -> list[AnyHandler]:
    """The handlers of "module", "module:name,name" or "file.py[:name]"."""
    place, _, names = target.partition(":")
    if not place:
        raise InvalidError("a worker needs a file.py or a module")
    module = _load_file(place) if place.endswith(".py") else _load_module(place)
    if names:
        missing = [name for name in names.split(",") if not isinstance(getattr(module, name, None), BaseHandler)]
        if missing:
            raise InvalidError(f"{place} has no handler {missing[0]!r}; handlers are made by @heroq.actor(...)")
        return [getattr(module, name) for name in names.split(",")]
    found = [value for value in vars(module).values() if isinstance(value, BaseHandler)]
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


class _Source(importlib.machinery.SourceFileLoader):
    """Without Python's cache, for which a file that was changed within a second and kept its length is the old one."""

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


def _load_file(place: str) -> ModuleType:
    path = Path(place).resolve()
    if not path.is_file():
        raise InvalidError(f"there is no file {place!r}")
    spec = importlib.util.spec_from_file_location(path.stem, path, loader=_Source(path.stem, str(path)))
    if spec is None or spec.loader is None:
        raise InvalidError(f"{place!r} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.parent))
    spec.loader.exec_module(module)
    return module


def of_types(handlers: Sequence[AnyHandler], types: Sequence[str]) -> list[AnyHandler]:
    """The handlers with those of their types that are wanted; all of them where none is named."""
    if not types:
        return list(handlers)
    known = {name for one in handlers for name in one.types}
    for name in types:
        if name not in known:
            raise InvalidError(f"no handler for the type {name!r}; there are {', '.join(sorted(known))}")
    found = []
    for one in handlers:
        if wanted := tuple(name for name in one.types if name in types):
            one.types = wanted
            found.append(one)
    return found


def is_async(handlers: Sequence[AnyHandler]) -> bool:
    """Whether they are coroutines, all of them or none."""
    kinds = {one.signature.is_async for one in handlers}
    if len(kinds) > 1:
        raise InvalidError(
            "some handlers are `async def` and some are not, and a worker runs one kind: choose by :name or --types"
        )
    return True in kinds


@dataclass(frozen=True)
class Recycling:
    """When a process has done its part and is to be replaced by a new one; 0: never."""

    jobs: int = 0
    rss: int = 0  # MiB


def _has_grown(rss: int) -> bool:
    now = resident() if rss else 0
    if now > rss << 20:
        log.info("this process has %d MiB of memory and is replaced", now >> 20)
        return True
    return False


def work(
    target: str,
    url: str | None,
    threads: int,
    grace: float,
    *,
    at_once: int = 100,
    types: Sequence[str] = (),
    recycling: Recycling | None = None,
    report: int | None = None,
    metrics: bool = False,
    parent: int | None = None,
    **opts: Any,
) -> None:
    """Until SIGTERM, the process's part is done, or its parent is gone. `report`: the descriptor for what it tells,
    with `metrics` its figures too.

    `parent`: its pid; who asks only now may have lost it before.
    """
    parent, recycling = parent or os.getppid(), recycling or Recycling()
    most = round(recycling.jobs * random.uniform(1.0, 1.1))  # so that not all processes end together
    handlers = of_types(load(target), types)
    writer = Writer(report) if report is not None else None
    work: Runner | Crew
    figures: Figures | None = None
    if metrics:
        from .metrics.figures import Figures

        figures = Figures(handlers)
    times = figures.times if figures else None
    if is_async(handlers):
        from .aio.runner import Crew  # only who has coroutines pays for importing it

        work = Crew(tuple(handlers), url, at_once, opts, max_jobs=most, times=times)
    else:
        work = Runner(handlers, url, threads=threads, grace=grace, max_jobs=most, times=times, **opts)

    def on_usr1(number: int, frame: FrameType | None) -> None:
        log.info("%s", dump(work))

    def should_stop() -> bool:
        end = terminated.is_set() or os.getppid() != parent or _has_grown(recycling.rss)
        if writer and (end or writer.due()):
            tell(end)
        return end

    def tell(end: bool) -> None:
        if writer:
            writer.write(Report.of(work, draining=end, figures=figures))

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGUSR1, on_usr1)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # it is for the parent, and a terminal tells the whole group
    with Terminated() as terminated:
        try:
            if isinstance(work, Runner):
                work.run(should_stop)
            else:
                work.run(should_stop, grace)
        finally:
            tell(True)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # else one that comes while Python ends would end it at once
    if most and work.handled >= most:
        log.info("this process has handled %d jobs and is replaced", work.handled)
