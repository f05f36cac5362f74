"""Functions that handle jobs."""

from __future__ import annotations

import functools
import os
import sys
import traceback
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from .caller import A, Caller, JobMaker, R
from .errors import Fail, Retry, ScriptFailed, SettledError, StateError, Unfit
from .job import Data, Job, StopReason
from .log import log
from .options import Value

if TYPE_CHECKING:
    from .decorator import Decorator
    from .signature import Signature

P = ParamSpec("P")
Y = TypeVar("Y")
Before = Callable[[Job], object]
After = Callable[[Job, Any], object]
OnError = Callable[[Job, BaseException], object]

_current: ContextVar[Job] = ContextVar("heroq_job")
_HERE = os.path.dirname(__file__)


def current_job() -> Job:
    """The job that this thread's handler is at work on; StateError outside of handlers."""
    try:
        return _current.get()
    except LookupError:
        raise StateError("there is no current job: this is not called from a handler") from None


#: makes a job the current one of a task that handles no other
make_current = _current.set


@contextmanager
def this_job(job: Job) -> Iterator[None]:
    """Makes it the current job."""
    token = _current.set(job)
    try:
        yield
    finally:
        _current.reset(token)


class BaseHandler(JobMaker[A, R], Generic[P, Y, A, R]):
    """A function with the script types whose jobs it takes and the options of their actor. Still callable as it was."""

    def __init__(
        self,
        function: Callable[P, Y],
        types: tuple[str, ...],
        opts: Mapping[str, Value | None],
        *,
        before: Before | Iterable[Before] = (),
        after: After | Iterable[After] = (),
        on_error: OnError | Iterable[OnError] = (),
        names: Mapping[str, Any] | None = None,
    ):
        from .signature import Signature  # only who has handlers pays for importing it

        functools.update_wrapper(self, function, updated=())
        self.function = function
        self.types = types
        self.options = dict(opts)
        self.signature = Signature(function, names or {})
        self.label = self.signature.label
        self.before, self.after, self.on_error = _callables(before), _callables(after), _callables(on_error)
        own = {name: opts[name] for name in ("group", "instance") if opts.get(name) is not None}
        super().__init__(self.signature, {"script_type": types[0], **own})

    @property
    def handler(self) -> AnyHandler:
        """Itself."""
        return self

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Y:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<heroq.Handler {self.label} of {', '.join(self.types)}>"


#: a handler of whatever type
AnyHandler = BaseHandler[..., Any, ..., Any]


class Handler(BaseHandler[P, Y, A, R], Caller[A, R]):
    """`submit`, `submit_many` and `run` give it jobs, `using` sets their options; `aio` has the same for coroutines."""


def _callables(given: Callable[..., object] | Iterable[Callable[..., object]]) -> tuple[Any, ...]:
    found = (given,) if callable(given) else tuple(given)
    for one in found:
        if not callable(one):
            raise TypeError(f"before, after and on_error want functions, not {one!r}")
    return found


def actor(
    *types: str,
    before: Before | Iterable[Before] = (),
    after: After | Iterable[After] = (),
    on_error: OnError | Iterable[OnError] = (),
    **opts: Value | None,
) -> Decorator:
    """`@heroq.actor("osis", timeout=30, retries=3)`: the function handles jobs of these script types.

    It takes the Job, or what the annotations of its parameters make of the payload: one parameter is the whole payload
    (bytes and str as they are, all else as JSON), several are a JSON object with their names; a Job may come before.
    It returns bytes, str, None or what JSON can say; a generator streams what it yields, and what it returns is the
    result. An exception fails the job; heroq.Retry and heroq.Fail say more.

    Options are those of an actor, such as timeout (seconds of a run), retries, backoff (seconds before the first retry,
    which double), lease, group; timeout and retries are for jobs that name none.

    `before(job)`, `after(job, result)` and `on_error(job, exception)` are called around it: one function each, or some.
    What the first two raise counts as raised by the handler.
    """
    return decorating(Handler, types, opts, before=before, after=after, on_error=on_error)  # type: ignore[return-value]


def decorating(
    kind: Callable[..., Any], types: tuple[str, ...], opts: Mapping[str, Value | None], **hooks: object
) -> Callable[[Callable[..., Any]], Any]:
    """A decorator that makes handlers of this kind."""
    if not types or not all(isinstance(name, str) for name in types):
        raise TypeError('an actor needs its script types, as in @actor("osis")')

    def wrap(function: Callable[..., Any]) -> Any:
        names = sys._getframe(1).f_locals
        return kind(function, types, opts, names=names, **hooks)

    return wrap


def handle(handler: AnyHandler, job: Job) -> None:
    """Runs the handler on a taken job and settles the job by what comes of it."""
    token = _current.set(job)
    try:
        job.finish(run(handler, job))
    except (Exception, SystemExit) as error:
        tell_error(handler, job, error)
        settle_by(error, job)
    finally:
        _current.reset(token)


def run(handler: AnyHandler, job: Job) -> Data:
    """The handler's output for a job, and what is called around it."""
    signature = handler.signature
    for hook in handler.before:
        hook(job)
    result = signature.invoke(job)
    if type(result) is types.GeneratorType or signature.streams:
        result = stream(signature, job, result)
    for hook in handler.after:
        hook(job, result)
    return signature.encode(result)


def tell_error(handler: AnyHandler, job: Job, error: BaseException) -> None:
    """Calls the handler's on_error, unless it is only that the job had been settled."""
    for hook in () if isinstance(error, SettledError) else handler.on_error:
        try:
            hook(job, error)
        except Exception as other:
            log.error("on_error of %s raised: %s", handler.label, describe(other))


def settle_by(error: BaseException, job: Job) -> None:
    """Settles the job by what its handler raised."""
    if isinstance(error, SettledError):
        pass  # by the handler itself, by its timeout, or the lease is gone: the first one counts
    elif isinstance(error, Retry):
        _settle(job.retry, error.delay, str(error))
    elif isinstance(error, (Fail, Unfit)):
        _settle(job.fail, str(error), final=True)
    elif isinstance(error, ScriptFailed):
        _settle(job.fail, str(error))
    else:
        log.warning("job %s failed: %s: %s", job.id, type(error).__name__, error)
        _settle(job.fail, describe(error))


def _settle(call: Callable[..., None], *args: object, **kwargs: object) -> None:
    try:
        call(*args, **kwargs)
    except SettledError:
        pass


def stream(signature: Signature, job: Job, chunks: Iterator[Any]) -> Any:
    """Sends what a generator yields, None apart; answers what it returns. A job that is to stop ends it."""
    while True:
        try:
            chunk = next(chunks)
        except StopIteration as end:
            return end.value
        if chunk is not None:
            job.stream(chunk if type(chunk) is bytes else signature.encode_chunk(chunk))
        reason = job.stop_reason
        if reason in (StopReason.NONE, StopReason.DRAIN):
            continue
        if close := getattr(chunks, "close", None):
            close()
        if reason == StopReason.REQUESTED:
            raise Fail("stopped on request")
        raise ScriptFailed("the time limit is over" if reason == StopReason.TIMEOUT else "the lease is gone")


def describe(error: BaseException) -> str:
    """The exception in one line, then where it came from, without heroq's own part of the way; then its causes."""
    parts = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        first = "".join(traceback.format_exception_only(error)).strip()
        parts.append(f"{first}\n\n{''.join(traceback.format_tb(_frames(error)))}".rstrip())
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is None:
            break
        error = cause
    return "\n\nwhile handling, or because of:\n".join(parts)


def _frames(error: BaseException) -> types.TracebackType | None:
    frames = error.__traceback__
    while frames and frames.tb_frame.f_code.co_filename.startswith(_HERE):
        frames = frames.tb_next
    return frames
