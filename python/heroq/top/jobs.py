"""What can be done to the jobs that a screen shows or that are marked: stop, run again, run now, delete."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from .forms import Ask
from .live import Live

if TYPE_CHECKING:
    from .link import Link


@dataclass(frozen=True)
class Act:
    """`verb` is what is asked, `run` does it to a job and tells how it ended."""

    verb: str
    means: str
    run: Callable[[Link, str], str]


def _stop(link: Link, job_id: str) -> str:
    return _OUTCOMES.get(outcome := link.supervisor.stop_job(job_id), outcome)


def _delete(link: Link, job_id: str) -> str:
    link.supervisor.delete_job(job_id)
    return "deleted"


def _again(link: Link, job_id: str) -> str:
    link.supervisor.requeue_job(job_id)
    return "queued again"


def _now(link: Link, job_id: str) -> str:
    link.supervisor.retry_job(job_id)
    return "queued now"


_OUTCOMES = {"cancelled": "cancelled before its start", "asked": "asked to stop", "ended": "had ended before"}
STOP = Act("Stop", "One that waits is cancelled; one that runs is asked to stop.", _stop)
DELETE = Act("Delete", "Script, output and error are gone for good.", _delete)
NOW = Act("Run now", "One that is delayed, or waits for its next try, goes to the end of its queue.", _now)
AGAIN = Act("Run again", "The old output and error are removed, and an actor runs it anew.", _again)


class JobsScreen(Live):
    """A screen whose keys act on jobs. Each act asks before."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "app.back"),
        Binding("R", "again"),
        Binding("E", "now"),
        Binding("K", "stop"),
        Binding("D", "delete"),
    ]
    FOOT: ClassVar[list[tuple[str, str, str]]] = [
        *(("K", "K", "stop"), ("R", "R", "again"), ("E", "E", "now"), ("D", "D", "delete"))
    ]
    KEYS: ClassVar[list[tuple[str, str]]] = [
        ("K", "stop (kill) the job, or the marked ones"),
        ("R", "run again what has ended"),
        ("E", "run now what is delayed or waits for its next try"),
        ("D", "delete what does not run"),
        ("Esc", "back"),
    ]

    def chosen(self) -> list[str]:
        """The ids that a key acts on."""
        return []

    def done(self) -> None:
        """An act was begun on what was chosen."""

    def _ask(self, act: Act) -> None:
        ids = self.chosen()
        if not ids:
            return
        what = f"job {ids[0]}" if len(ids) == 1 else f"{len(ids)} jobs"

        def answered(yes: bool | None) -> None:
            if yes:
                self.done()
                self.act(lambda: self._carry_out(act, ids))

        self.app.push_screen(Ask(f"{act.verb} {what}?", act.means), answered)

    def _carry_out(self, act: Act, ids: list[str]) -> str:
        def told(n: int) -> None:
            self.app.call_later(self.say, f"{act.verb.lower()}: {n} of {len(ids)}")

        outcomes, wrong = self.link.each(lambda job_id: act.run(self.link, job_id), ids, told)
        parts = [f"{ids[0]} {how}" if len(ids) == 1 else f"{n} {how}" for how, n in outcomes.items()]
        if wrong:
            parts.append(wrong[0] if len(wrong) == 1 else f"{len(wrong)} not, such as {wrong[0]}")
        return "; ".join(parts)

    def action_stop(self) -> None:
        self._ask(STOP)

    def action_delete(self) -> None:
        self._ask(DELETE)

    def action_now(self) -> None:
        self._ask(NOW)

    def action_again(self) -> None:
        self._ask(AGAIN)
