"""A job that was given to a handler, in the hands of who waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .errors import JobFailed, error_from
from .job import Job

if TYPE_CHECKING:
    from .signature import Signature
    from .supervisor import Supervisor

R = TypeVar("R")
S = TypeVar("S")


class Given(Generic[R, S]):
    """`id` is the job's, by which any other program finds it."""

    __slots__ = ("_signature", "_supervisor", "id")

    def __init__(self, id: str, supervisor: S, signature: Signature | None = None):
        self.id = id
        self._supervisor = supervisor
        self._signature = signature

    def _decode(self, output: bytes) -> R:
        result: Any = self._signature.decode(output) if self._signature else output
        return result  # type: ignore[no-any-return]

    def _decode_chunk(self, chunk: bytes) -> Any:
        return self._signature.chunk.decode(chunk) if self._signature else chunk

    def __repr__(self) -> str:
        return f"<heroq.Submitted {self.id}>"


class Submitted(Given[R, "Supervisor"]):
    """`result()` waits; `id` is the job's, by which any other program finds it."""

    __slots__ = ("_outcome",)

    def __init__(self, id: str, supervisor: Supervisor, signature: Signature | None = None):
        super().__init__(id, supervisor, signature)
        self._outcome: dict[str, Any] | None = None

    def result(self, timeout: float | None = None) -> R:
        """What the handler returned. JobFailed if it failed for good; TimeoutError after `timeout` seconds: it goes on.

        It may be called again, from any thread. NotFoundError: the job ended longer ago than its ttl, or was deleted.
        """
        outcome = self._outcome
        if outcome is None:
            output = self._supervisor.await_result(self.id, timeout=timeout)
        elif outcome["status"] == 0:
            output = outcome.get("output") or b""
        else:
            raise self._error(outcome)
        return self._decode(output)

    def _error(self, outcome: dict[str, Any]) -> Exception:
        said = outcome.get("error") or b""
        error = error_from(outcome["status"], text=outcome.get("text") or f"job {self.id} failed", result=said)
        if isinstance(error, JobFailed):
            error.error = said
        return error

    def stream(self, *, timeout: float | None = None) -> Iterator[Any]:
        """What the handler yields, as it comes, until it has ended; TimeoutError after `timeout` seconds."""
        for chunk in self._supervisor.stream(self.id, timeout=timeout):
            yield self._decode_chunk(chunk)

    @property
    def status(self) -> str:
        """As it is now."""
        return self._supervisor.get_status(self.id)

    def progress(self) -> dict[str, Any] | None:
        """percent, text, attempt, time (Unix ms); None while the run has said nothing."""
        return self._supervisor.get_progress(self.id)

    def logs(self, last: int = 100) -> list[bytes]:
        """The last lines of the job's log."""
        return self._supervisor.get_logs(self.id, last)

    def job(self) -> Job:
        """The job as it is now."""
        return self._supervisor.get_job(self.id)

    def stop(self) -> str:
        """Answers "cancelled" (it had not started), "stopping", "asked" (a foreign actor has it) or "ended"."""
        return self._supervisor.stop_job(self.id)
