"""A job's screen: what it is, how far it is, what it gave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from ..board import Alert, Row, View, name_of
from ..errors import InvalidError, NotFoundError
from ..job import Job
from .jobs import JobsScreen
from .link import LOG_LINES, Seen, place, taken
from .text import age, clock, lines, plain, size

if TYPE_CHECKING:
    from .link import Link

_SCRIPT_LINES = 60
_OUTPUT_LINES = 60
_STATUS = {"finished": "green", "error": "bold red", "started": "cyan", "stopping": "yellow"}
#: fields that have a place of their own, or say nothing to a person
_KNOWN = {
    *("jobId", "script", "script_type", "status", "output", "error", "timeout", "createdAt", "updatedAt"),
    *("hq_token", "hq_queue", "hq_attempt", "hq_retries", "hq_failed", "hq_failres", "hq_last_error", "hq_dead"),
    *("hq_due", "hq_expires", "hq_progress", "hq_logged", "hq_noted", "hq_headers", "hq_tags", "hq_ttl", "env_vars"),
}


class Scroll(VerticalScroll):
    """With the letters that rows have."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down"),
        Binding("k", "scroll_up"),
        Binding("l,space", "page_down"),
        Binding("h", "page_up"),
        Binding("g", "scroll_home"),
        Binding("G", "scroll_end"),
    ]


class JobScreen(JobsScreen):
    """One job."""

    AUTO_FOCUS = "Scroll"
    SHOWS_STRIP = False
    KEYS: ClassVar[list[tuple[str, str]]] = [("h l", "a page up, down"), *JobsScreen.KEYS]

    def __init__(self, link: Link, job_id: str, ended: float | None = None) -> None:
        super().__init__(link)
        self.job_id, self.ended = job_id, ended
        self._text = Static(id="job", markup=False)
        self.seen: Seen | None = None

    def body(self) -> ComposeResult:
        with Scroll():
            yield self._text

    def wants(self) -> Job | None:
        return self.seen.job if self.seen else None

    def load(self, wanted: Any) -> Seen | None:
        try:
            return self.link.job(self.job_id, wanted)
        except (InvalidError, NotFoundError):  # an id that a foreign program pushed may be no id
            return None

    def show(self, view: View, loaded: Any) -> None:
        if loaded is None:
            self.seen = None
            self._text.update(Text("There is no such job (any more)."))
            return
        self.seen = loaded
        self._text.update(told(loaded, view.now * 1000, self.ended))

    def alerts(self, view: View) -> list[Alert]:
        row = self.new_row()
        return [alert for alert in view.alerts if row and alert.subject == row.queue]

    def heading(self) -> str:
        return f"job {plain(self.job_id).plain}"

    def chosen(self) -> list[str]:
        return [self.job_id]

    def done(self) -> None:
        self.seen = self.ended = None

    def new_row(self) -> Row | None:
        if self.seen is None or self.view is None:
            return None
        where = place(self.seen.job)
        return next((r for r in self.view.queues if (r.script_type, r.group, r.instance) == where), None)


def told(seen: Seen, now: float, ended: float | None = None) -> Text:
    """The job as text. `ended`: when, Unix ms, if that is known."""
    job = seen.job
    out = Text()
    for name, value in _summary(seen, now, ended):
        out.append(f"{name:>9}  ", "dim").append(value).append("\n")
    if job.error is not None:
        _section(out, "error", lines(job.error, _OUTPUT_LINES), "red")
    elif last := job.field("hq_last_error"):
        _section(out, "error of the attempt before", lines(last, _OUTPUT_LINES), "red")
    _section(out, f"script, {size(len(job.script))}", lines(job.script, _SCRIPT_LINES))
    if job.output is not None:
        _section(out, f"output, {size(len(job.output))}", lines(job.output, _OUTPUT_LINES))
    if seen.log:
        _section(out, "log", Text("\n").join(lines(line, 1, from_end=True) for line in seen.log[-LOG_LINES:]))
    for title, pairs in (("headers", _pairs(job.field("hq_headers"))), ("environment", _pairs(job.field("env_vars")))):
        if pairs:
            _section(out, title, _table(pairs))
    rest = {name: value for name, value in job.fields.items() if name not in _KNOWN and value not in ("", b"", "[]")}
    if rest:
        _section(out, "other fields", _table(rest))
    return out


def _section(out: Text, title: str, body: Text, style: str = "") -> None:
    out.append(f"\n── {title} ──\n", "bold").append(body if not style else Text(body.plain, style)).append("\n")


def _table(pairs: dict[str, Any]) -> Text:
    return Text("\n").join(Text.assemble(plain(name, "dim"), "  ", plain(value)) for name, value in pairs.items())


def _pairs(data: bytes | None) -> dict[str, Any]:
    try:
        found = json.loads(data or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _summary(seen: Seen, now: float, ended: float | None) -> Iterator[tuple[str, Text]]:
    job = seen.job
    yield "status", plain(job.status, _STATUS.get(job.status, "bold"))
    if reason := job.field("hq_dead"):
        yield "dead", plain(reason, "bold red")
    yield "queue", plain(name_of(*place(job)))
    if seen.progress:
        yield "progress", _progress(seen.progress)
    if token := job.field("hq_token"):
        yield "actor", plain(taken(token.decode(errors="replace"))[0])
    yield "attempts", Text(_attempts(job))
    for name, value in _timeline(seen, now, ended):
        yield name, Text(value)
    if job.timeout:
        yield "timeout", Text(f"{job.timeout} s")
    if job.tags:
        yield "tags", plain(" ".join(job.tags))


def _progress(progress: dict[str, Any]) -> Text:
    percent = max(0.0, min(100.0, float(progress["percent"])))
    full = round(percent / 5)
    bar = Text.assemble(("━" * full, "cyan"), ("─" * (20 - full), "dim"), f" {percent:g} % ")
    return bar.append(plain(progress["text"]))


def _attempts(job: Job) -> str:
    starts, failures, allowed = _int(job, "hq_attempt"), _int(job, "hq_retries"), job.retries
    text = f"{starts or 0} begun"
    if failures:
        text += f", {failures} failed"
    return text + (f", {allowed} retries allowed" if allowed is not None else "")


def _timeline(seen: Seen, now: float, ended: float | None) -> Iterator[tuple[str, str]]:
    """What the hash, and the list that it was opened from, know of when."""
    job = seen.job
    made, changed = _time(job.field("createdAt")), _time(job.field("updatedAt"))
    due, expires = _int(job, "hq_due"), _int(job, "hq_expires")
    if made:
        yield "made", _at(made, now)
    if due:
        yield "due", _at(due, now)
    if (took := taken((job.field("hq_token") or b"").decode(errors="replace"))[1]) is not None:
        yield "taken", _at(took, now)
    if seen.progress and (time := seen.progress.get("time")):
        yield "told", _at(time, now)
    if ended and job.is_terminal:
        yield "ended", _at(ended, now)
    elif changed and changed != made:
        yield "changed", _at(changed, now)
    if expires:
        yield "expires", _at(expires, now)


def _at(ms: float, now: float) -> str:
    away = (now - ms) / 1000
    return f"{clock(ms)}  ({age(away)} ago)" if away >= 0 else f"{clock(ms)}  (in {age(-away)})"


def _int(job: Job, name: str) -> int | None:
    try:
        return int(job.field(name) or b"") or None
    except ValueError:
        return None


def _time(data: bytes | None) -> float | None:
    """RFC 3339 as Unix ms."""
    try:
        return datetime.fromisoformat((data or b"").decode()).timestamp() * 1000
    except ValueError:
        return None
