"""How a program gives jobs to a handler."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar, overload

from .connection import default_supervisor
from .job import Data, Job
from .submitted import Submitted
from .supervisor import Progress, Supervisor

if TYPE_CHECKING:
    from .handler import AnyHandler
    from .signature import Signature

A = ParamSpec("A")
R = TypeVar("R")
T1_contra = TypeVar("T1_contra", contravariant=True)
T2_contra = TypeVar("T2_contra", contravariant=True)
T3_contra = TypeVar("T3_contra", contravariant=True)
T4_contra = TypeVar("T4_contra", contravariant=True)
Seconds = float | timedelta


class _Takes1(Protocol[T1_contra, R]):
    def submit(self, one: T1_contra, /) -> Submitted[R]: ...


class _Takes2(Protocol[T1_contra, T2_contra, R]):
    def submit(self, one: T1_contra, two: T2_contra, /) -> Submitted[R]: ...


class _Takes3(Protocol[T1_contra, T2_contra, T3_contra, R]):
    def submit(self, one: T1_contra, two: T2_contra, three: T3_contra, /) -> Submitted[R]: ...


class _Takes4(Protocol[T1_contra, T2_contra, T3_contra, T4_contra, R]):
    def submit(self, one: T1_contra, two: T2_contra, three: T3_contra, four: T4_contra, /) -> Submitted[R]: ...


#: what only a Job takes: jobs that have one are made one by one
_OF_ONE = ("id", "headers", "env", "fields", "prerequisites", "dependents")


class Caller(Generic[A, R]):
    """A handler with options for its jobs: what `handler.using(…)` answers. It can be kept and used from any thread."""

    def __init__(self, signature: Signature, options: Mapping[str, Any], handler: AnyHandler | None = None):
        self._signature = signature
        self._handler = handler
        self._options = dict(options)

    def using(
        self,
        *,
        id: str | None = None,
        delay: Seconds | None = None,
        at: datetime | int | None = None,
        urgent: bool | None = None,
        timeout: Seconds | None = None,
        retries: int | None = None,
        ttl: Seconds | None = None,
        group: str | None = None,
        instance: str | None = None,
        script_type: str | None = None,
        headers: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        prerequisites: Iterable[str] | None = None,
        dependents: Iterable[str] | None = None,
        wait: Seconds | None = None,
        server: Supervisor | None = None,
    ) -> Caller[A, R]:
        """The same handler with these options for the jobs that are submitted: `f.using(delay=5).submit(x)`.

        `id`: the same id and payload are the same job, which is submitted once. `at`: a datetime (one without a zone is
        local time), or Unix ms. `timeout` of a run, `ttl` of the result, `wait`: how long `run` waits. `server`: a
        supervisor other than that of heroq.connect.
        """
        given = {name: value for name, value in locals().items() if name != "self" and value is not None}
        return Caller(self._signature, {**self._options, **given}, self.handler)

    @property
    def handler(self) -> AnyHandler:
        """The handler itself, without the options."""
        assert self._handler is not None
        return self._handler

    def job(self, *args: A.args, **kwargs: A.kwargs) -> Job:
        """A job that is not submitted yet, for submit_many."""
        return self._job(self._signature.payload(args, kwargs))

    def submit(self, *args: A.args, **kwargs: A.kwargs) -> Submitted[R]:
        """Stores and starts a job with these arguments; `result()` of what it answers waits for it."""
        supervisor = self._supervisor()
        job = supervisor.submit(self._job(self._signature.payload(args, kwargs)))
        return Submitted(job.id, supervisor, self._signature)

    def run(self, *args: A.args, **kwargs: A.kwargs) -> R:
        """submit, and waits for the result, for ever unless `using(wait=…)` says how long."""
        supervisor = self._supervisor()
        job = self._job(self._signature.payload(args, kwargs))
        output = supervisor.run_job_and_await_result(job, timeout=_seconds(self._options.get("wait")))
        result: R = self._signature.decode(output)
        return result

    @overload
    def submit_many(
        self: _Takes2[T1_contra, T2_contra, R],
        calls: Iterable[tuple[T1_contra, T2_contra] | Job],
        *,
        progress: Progress | None = None,
    ) -> list[Submitted[R]]: ...
    @overload
    def submit_many(
        self: _Takes3[T1_contra, T2_contra, T3_contra, R],
        calls: Iterable[tuple[T1_contra, T2_contra, T3_contra] | Job],
        *,
        progress: Progress | None = None,
    ) -> list[Submitted[R]]: ...
    @overload
    def submit_many(
        self: _Takes4[T1_contra, T2_contra, T3_contra, T4_contra, R],
        calls: Iterable[tuple[T1_contra, T2_contra, T3_contra, T4_contra] | Job],
        *,
        progress: Progress | None = None,
    ) -> list[Submitted[R]]: ...
    @overload
    def submit_many(
        self: _Takes1[T1_contra, R], calls: Iterable[T1_contra | Job], *, progress: Progress | None = None
    ) -> list[Submitted[R]]: ...
    @overload
    def submit_many(self, calls: Iterable[Job], *, progress: Progress | None = None) -> list[Submitted[R]]: ...
    def submit_many(self, calls: Iterable[Any], *, progress: Progress | None = None) -> list[Submitted[R]]:
        """Pipelined: arguments, in tuples where there are several, or Jobs made by `job(…)` with options of their own.

        `progress(done, total)` is called as they are sent; total is None for an iterable without a length. If some fail
        the others are submitted, and PartialError tells which did not.
        """
        if "id" in self._options:
            raise TypeError("jobs of one submit_many cannot share an id: give each its own by using(id=…).job(…)")
        supervisor = self._supervisor()
        plain = not any(name in self._options for name in _OF_ONE)
        total = len(calls) if isinstance(calls, Sized) else None
        ids = supervisor.submit_many(
            self._scripts(calls, plain),
            self._options["script_type"],
            progress=None if progress is None else lambda done, _: progress(done, total),
            **(self._job_options() if plain else {}),
        )
        return [Submitted(id, supervisor, self._signature) for id in ids]

    def _scripts(self, calls: Iterable[Any], plain: bool) -> Iterator[Data | Job]:
        payload = self._signature.payload
        several = self._signature.count > 1
        for one in calls:
            if isinstance(one, Job):
                yield one
                continue
            data = payload(one if several and isinstance(one, tuple) else (one,), {})
            yield data if plain else self._job(data)

    def _job(self, payload: Data) -> Job:
        return Job(payload, self._options["script_type"], **self._job_options())

    def _job_options(self) -> dict[str, Any]:
        return {name: value for name, value in self._options.items() if name not in ("script_type", "wait", "server")}

    def _supervisor(self) -> Supervisor:
        return self._options.get("server") or default_supervisor()


def _seconds(wait: Seconds | None) -> float | None:
    return wait.total_seconds() if isinstance(wait, timedelta) else wait
