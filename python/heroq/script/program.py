"""The handler of `heroq actor`: runs a job's script by the program that is allowed for its type."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import Fail, InvalidError, ScriptFailed
from ..job import Job, StopReason
from ..log import log
from ..signing import Keys
from . import folder
from .cgroup import Cgroups
from .launcher import NOT_RUN, Confinement, Ended, Launched, Limits
from .output import Log, Output

_KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ")
_SLICE = 0.1


class Program:
    """`allowed`: the command for each script type, or one for all; the path of the script's file comes behind it.

    With `keys` only scripts are run that are signed by one of them.
    """

    def __init__(
        self,
        allowed: Mapping[str, Sequence[str]] | Sequence[str],
        limits: Limits | None = None,
        confinement: Confinement | None = None,
        keys: Keys | None = None,
    ):
        self._of_type = {name: _found(argv) for name, argv in allowed.items()} if isinstance(allowed, Mapping) else None
        self._of_all = None if isinstance(allowed, Mapping) else _found(allowed)
        self.limits = limits or Limits()
        self.keys = keys
        cgroup = confinement.cgroup if confinement else None
        self._cgroups = Cgroups(cgroup, self.limits) if cgroup else None
        self.confinement = self._settle(confinement or Confinement())
        self._running: dict[Launched, Path] = {}
        atexit.register(self._end_all)

    def _settle(self, wanted: Confinement) -> Confinement:
        """Tries the sandbox once, so that each job knows."""
        if wanted.sandbox == "off":
            why = "as asked"
        else:
            why = self._try(wanted)
            if not why:
                log.info("scripts run in a sandbox, %s network", "without" if wanted.network == "none" else "with")
                return wanted
            if wanted.sandbox == "require":
                raise InvalidError(f"scripts must have a sandbox: {why}")
        log.warning("scripts run without a sandbox (%s): they have the network, and their user's files", why)
        wanted.sandbox = "off"
        return wanted

    def _try(self, confinement: Confinement) -> str:
        with tempfile.TemporaryDirectory(prefix="heroq-try-") as name:
            if confinement.account:
                os.chown(name, confinement.account.pw_uid, confinement.account.pw_gid)
            launched = Launched([_true()], Path(name), {}, self.limits, confinement)
            try:
                with os.fdopen(os.dup(launched.report), "rb") as report:
                    return Ended.read(report.read()).error.removeprefix(NOT_RUN)
            finally:
                launched.close()

    def __call__(self, job: Job) -> bytes:
        """The output is what the program printed; a failure has the tail of what it complained."""
        argv = self._of_all if self._of_type is None else self._of_type.get(job.script_type)
        if argv is None:
            raise Fail(f"no program is allowed to run scripts of type {job.script_type!r}")
        if self.keys:
            self.keys.check(job)
        with folder.private(job.script, self.confinement.account) as (script, work), self._cgroup() as cgroup:
            launched = self._start(job, [*argv, str(script)], work, cgroup)
            self._running[launched] = script.parent
            output = Output(launched, self.limits, Log(job, self.limits.log))
            try:
                why = self._watch(job, launched, output)
            finally:
                launched.end()
                self._running.pop(launched, None)
                output.close()
                launched.close()
        return self._result(why, output)

    def _cgroup(self) -> contextlib.AbstractContextManager[Path | None]:
        return self._cgroups.new() if self._cgroups else contextlib.nullcontext()

    def _start(self, job: Job, argv: list[str], work: Path, cgroup: Path | None) -> Launched:
        return Launched(argv, work, environment(job, work), self.limits, self.confinement, cgroup)

    def _watch(self, job: Job, launched: Launched, output: Output) -> str:
        """Until nothing is left of the script; answers why it was made to end, "" if it was not."""
        why = ""
        while not output.ended:
            output.read(_SLICE)
            if not why:
                why = self._reason(job, output)
                if why:
                    launched.ask_to_end()
        output.read_rest()
        return why or self._reason(job, output)

    def _reason(self, job: Job, output: Output) -> str:
        if output.too_long:
            return f"the output is longer than {self.limits.output} bytes"
        reasons = {
            StopReason.TIMEOUT: "the time limit is over",
            StopReason.REQUESTED: "stopped on request",
            StopReason.LOST: "the lease is gone",
        }
        return reasons.get(job.stop_reason, "")

    def _result(self, why: str, output: Output) -> bytes:
        ended = Ended.read(bytes(output.report))
        reason = why or ended.why(self.limits)
        if not reason:
            return bytes(output.data)
        tail = bytes(output.errors).decode(errors="replace").strip()
        text = f"{reason}\n{tail}" if tail else reason
        log.info("script failed: %s", reason)
        raise (Fail(text) if reason == "stopped on request" else ScriptFailed(text))

    def _end_all(self) -> None:
        """At the end of the process, whose threads may be in the middle of a job."""
        for launched, place in list(self._running.items()):
            launched.end()
            folder.remove(place)


def environment(job: Job, work: Path) -> dict[str, str]:
    """What a script gets: little of the actor's environment, and the job's own variables."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    own = {name: text for name, text in job.env.items() if name and "=" not in name and "\0" not in name + text}
    home = {"HOME": str(work), "TMPDIR": str(work)}
    return {**kept, **home, **{name: text for name, text in own.items() if not name.startswith("HEROQ_")}}


def _found(argv: Sequence[str]) -> list[str]:
    path = shutil.which(argv[0]) if argv else None
    if path is None:
        raise InvalidError(f"there is no program {' '.join(argv)!r}")
    return [os.path.abspath(path), *argv[1:]]


def _true() -> str:
    return shutil.which("true") or "/bin/true"
