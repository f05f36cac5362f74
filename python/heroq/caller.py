"""How a program gives jobs to a handler."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypedDict, TypeVar, Unpack, overload

from .connection import default_supervisor
from .job import Data, Job
from .submitted import Submitted
from .supervisor import Progress, Supervisor

if TYPE_CHECKING:
    from .aio.caller import Caller as AioCaller
    from .handler import AnyHandler
    from .signature import Signature

A = ParamSpec("A")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T1_contra = TypeVar("T1_contra", contravariant=True)
T2_contra = TypeVar("T2_contra", contravariant=True)
T3_contra = TypeVar("T3_contra", contravariant=True)
T4_contra = TypeVar("T4_contra", contravariant=True)
Seconds = float | timedelta


class Takes1(Protocol[T1_contra, R_co]):
    def job(self, one: T1_contra, /) -> Job: ...
    def _decode(self, output: bytes, /) -> R_co: ...


class Takes2(Protocol[T1_contra, T2_contra, R_co]):
    def job(self, one: T1_contra, two: T2_contra, /) -> Job: ...
    def _decode(self, output: bytes, /) -> R_co: ...


class Takes3(Protocol[T1_contra, T2_contra, T3_contra, R_co]):
    def job(self, one: T1_contra, two: T2_contra, three: T3_contra, /) -> Job: ...
    def _decode(self, output: bytes, /) -> R_co: ...


class Takes4(Protocol[T1_contra, T2_contra, T3_contra, T4_contra, R_co]):
    def job(self, one: T1_contra, two: T2_contra, three: T3_contra, four: T4_contra, /) -> Job: ...
    def _decode(self, output: bytes, /) -> R_co: ...


class JobOptions(TypedDict, total=False):
    """What `using` takes, but for the server. None stands for "not given"."""

    id: str | None
    delay: Seconds | None
    at: datetime | int | None
    expires: Seconds | None
    urgent: bool | None
    timeout: Seconds | None
    retries: int | None
    ttl: Seconds | None
    group: str | None
    instance: str | None
    tags: Iterable[str] | str | None
    script_type: str | None
    headers: Mapping[str, str] | None
    env: Mapping[str, str] | None
    prerequisites: Iterable[str] | None
    dependents: Iterable[str] | None
    wait: Seconds | None


class CallOptions(JobOptions, total=False):
    server: Supervisor | None


#: what only a Job takes: jobs that have one are made one by one
_OF_ONE = ("id", "headers", "env", "fields", "prerequisites", "dependents")


class JobMaker(Generic[A, R]):
    """A handler with options for its jobs: makes jobs of arguments. It can be kept and used from any thread."""

    def __init__(self, signature: Signature, options: Mapping[str, Any], handler: AnyHandler | None = None):
        self._signature = signature
        self._handler = handler
        self._options = dict(options)

    @property
    def handler(self) -> AnyHandler:
        """The handler itself, without the options."""
        assert self._handler is not None
        return self._handler

    def job(self, *args: A.args, **kwargs: A.kwargs) -> Job:
        """A job that is not submitted yet, for submit_many or a Supervisor. PayloadError: it does not fit."""
        return self._job(self._signature.payload(args, kwargs))

    def _job(self, payload: Data) -> Job:
        return Job(payload, self._options["script_type"], **self._job_options())

    def _decode(self, output: bytes, /) -> R:
        result: R = self._signature.decode(output)
        return result

    def _with(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The options with those that are given."""
        for name in given:
            if name not in CallOptions.__annotations__:
                raise TypeError(f"using() got an unexpected keyword argument {name!r}")
        return {**self._options, **{name: value for name, value in given.items() if value is not None}}

    def _without_server(self, what: str) -> dict[str, Any]:
        if "server" in self._options:
            raise TypeError(f"the server of using(server=…) is not one for {what}: name it after that")
        return self._options

    def _many(self, calls: Iterable[Any]) -> tuple[Iterator[Data | Job], str, dict[str, Any]]:
        """What a supervisor's submit_many takes."""
        if "id" in self._options:
            raise TypeError("jobs of one submit_many cannot share an id: give each its own by using(id=…).job(…)")
        plain = not any(name in self._options for name in _OF_ONE)
        return self._scripts(calls, plain), self._options["script_type"], self._job_options() if plain else {}

    def _scripts(self, calls: Iterable[Any], plain: bool) -> Iterator[Data | Job]:
        payload = self._signature.payload
        several = self._signature.count > 1
        for one in calls:
            if isinstance(one, Job):
                yield one
                continue
            data = payload(one if several and isinstance(one, tuple) else (one,), {})
            yield data if plain else self._job(data)

    def _job_options(self) -> dict[str, Any]:
        return {name: value for name, value in self._options.items() if name not in ("script_type", "wait", "server")}

    @property
    def _wait(self) -> float | None:
        wait: Seconds | None = self._options.get("wait")
        return wait.total_seconds() if isinstance(wait, timedelta) else wait


class Caller(JobMaker[A, R]):
    """What `handler.using(…)` answers."""

    def using(self, **options: Unpack[CallOptions]) -> Caller[A, R]:
        """The same handler with these options for the jobs that are submitted: `f.using(delay=5).submit(x)`.

        `id`: the same id and payload are the same job, which is submitted once. `delay`: seconds until it starts; `at`:
        a datetime (one without a zone is local time), or Unix ms. `expires`: no run begins later than this after the
        submit; the job ends with the error "expired". `urgent`: before what waits. `timeout`: seconds of a run, 0
        without limit. `retries`: further attempts after the first. `ttl`: seconds that it is kept after its end.
        `group`, `instance`: whose queue. `tags`: names to find it by. `headers`: metadata beside the payload. `env`:
        environment of a script. `wait`: seconds that `run` waits. `server`: a supervisor other than that of
        heroq.connect. What is None stays as it was.
        """
        return Caller(self._signature, self._with(options), self.handler)

    @property
    def aio(self) -> AioCaller[A, R]:
        """The same for a coroutine: `await f.aio.submit(…)`."""
        from .aio.caller import Caller as AioCaller

        return AioCaller(self._signature, self._without_server("asyncio"), self.handler)

    def submit(self, *args: A.args, **kwargs: A.kwargs) -> Submitted[R]:
        """Stores and starts a job with these arguments; `result()` of what it answers waits for it."""
        supervisor = self._supervisor()
        job = supervisor.submit(self.job(*args, **kwargs))
        return Submitted(job.id, supervisor, self._signature)

    def run(self, *args: A.args, **kwargs: A.kwargs) -> R:
        """submit, and waits for the result, for ever unless `using(wait=…)` says how long."""
        supervisor = self._supervisor()
        return self._decode(supervisor.run_job_and_await_result(self.job(*args, **kwargs), timeout=self._wait))

    @overload
    def submit_many(
        self: Takes2[T1_contra, T2_contra, R],
        calls: Iterable[tuple[T1_contra, T2_contra] | Job],
        *,
        progress: Progress | None = None,
    ) -> list[Submitted[R]]: ...
    @overload
    def submit_many(
        self: Takes3[T1_contra, T2_contra, T3_contra, R],
        calls: Iterable[tuple[T1_contra, T2_contra, T3_contra] | Job],
        *,
        progress: Progress | None = None,
    ) -> list[Submitted[R]]: ...
    @overload
    def submit_many(
        self: Takes4[T1_contra, T2_contra, T3_contra, T4_contra, R],
        calls: Iterable[tuple[T1_contra, T2_contra, T3_contra, T4_contra] | Job],
        *,
        progress: Progress | None = None,
    ) -> list[Submitted[R]]: ...
    @overload
    def submit_many(
        self: Takes1[T1_contra, R], calls: Iterable[T1_contra | Job], *, progress: Progress | None = None
    ) -> list[Submitted[R]]: ...
    @overload
    def submit_many(self, calls: Iterable[Job], *, progress: Progress | None = None) -> list[Submitted[R]]: ...
    def submit_many(self, calls: Iterable[Any], *, progress: Progress | None = None) -> list[Submitted[R]]:
        """Pipelined: arguments, in tuples where there are several, or Jobs made by `job(…)` with options of their own.

        `progress(done, total)` is called as they are sent; total is None for an iterable without a length. If some fail
        the others are submitted, and PartialError tells which did not.
        """
        supervisor = self._supervisor()
        total = len(calls) if isinstance(calls, Sized) else None
        scripts, script_type, options = self._many(calls)
        ids = supervisor.submit_many(
            scripts,
            script_type,
            progress=None if progress is None else lambda done, _: progress(done, total),
            **options,
        )
        return [Submitted(id, supervisor, self._signature) for id in ids]

    def _supervisor(self) -> Supervisor:
        return self._options.get("server") or default_supervisor()
