"""Runs the scripts of jobs as programs: one process group, private folder and clean environment for each."""

from __future__ import annotations

import atexit
import contextlib
import os
import pwd
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .errors import Fail, InvalidError, ScriptFailed
from .job import Job, StopReason
from .log import log

_KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ")
_SLICE = 0.1
#: Limits are set by a shell that then becomes the program; it never sees a byte of the job.
_LIMITED = 'ulimit -c 0 && ulimit -t "$1" && ulimit -f "$2" && ulimit -n "$3" && shift 3 && exec "$@"'
_ERROR_TAIL = 16 * 1024


@dataclass
class Limits:
    """`cpu` seconds, `file_size` and `output` bytes, `open_files`; `grace` seconds between SIGTERM and SIGKILL."""

    cpu: int = 3600
    file_size: int = 1 << 30
    open_files: int = 256
    output: int = 16 << 20
    grace: float = 2.0


@dataclass
class Program:
    """`heroq actor --exec`: `argv` and the path of the script's file make the command."""

    argv: list[str]
    limits: Limits = field(default_factory=Limits)
    user: str | None = None

    def __post_init__(self) -> None:
        found = shutil.which(self.argv[0]) if self.argv else None
        if found is None:
            raise InvalidError(f"there is no program {' '.join(self.argv)!r}")
        self.argv = [found, *self.argv[1:]]
        try:
            self._account = pwd.getpwnam(self.user) if self.user else None
        except KeyError:
            raise InvalidError(f"there is no user {self.user!r}") from None
        setpriv = shutil.which("setpriv")
        self._running: set[subprocess.Popen[bytes]] = set()
        atexit.register(self._kill_all)
        # Children must not outlive a killed actor, nor gain rights.
        self._guard = [setpriv, "--pdeathsig", "KILL", "--no-new-privs"] if setpriv else []

    def __call__(self, job: Job) -> bytes:
        """The handler: the output is what the program printed; a failure has the tail of what it complained."""
        folder = tempfile.mkdtemp(prefix="heroq-job-")
        try:
            return self._run(job, Path(folder))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _run(self, job: Job, folder: Path) -> bytes:
        script, work = folder / "script", folder / "work"
        script.touch(0o600)
        script.write_bytes(job.script)
        work.mkdir(0o700)
        if self._account:
            for path in (script, work, folder):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)
        process = self._start(script, work, self._environment(job.env, work))
        self._running.add(process)
        output = _Output(process, self.limits.output)
        try:
            why = self._watch(job, process, output)
        finally:
            _kill(process)
            self._running.discard(process)
            output.close()
        return _result(process.returncode, why, output)

    def _kill_all(self) -> None:
        """At the end of the process, whose threads may be in the middle of a job."""
        for process in list(self._running):
            _signal(process, signal.SIGKILL)

    def _environment(self, env: Mapping[str, str], work: Path) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        own = {name: text for name, text in env.items() if name and "=" not in name and "\0" not in name + text}
        home = {"HOME": str(work), "TMPDIR": str(work)}
        return {**kept, **home, **{name: text for name, text in own.items() if not name.startswith("HEROQ_")}}

    def _start(self, script: Path, work: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        limits = [str(self.limits.cpu), str(self.limits.file_size // 512), str(self.limits.open_files)]
        account = self._account
        return subprocess.Popen(
            [*self._guard, "/bin/sh", "-c", _LIMITED, "sh", *limits, *self.argv, str(script)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=work,
            env=environment,
            umask=0o077,
            start_new_session=True,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )

    def _watch(self, job: Job, process: subprocess.Popen[bytes], output: _Output) -> str:
        """Until the program has ended; answers why it was made to end, "" if it was not."""
        why, told_at = "", 0.0
        while process.poll() is None or (output.open and not why and output.linger()):
            output.read(_SLICE)
            if not why:
                why = _reason(job, output)
                if why:
                    told_at = time.monotonic()
                    _signal(process, signal.SIGTERM)
            elif time.monotonic() - told_at > self.limits.grace:
                _signal(process, signal.SIGKILL)
        return why


class _Output:
    """Reads both pipes so that neither fills up; keeps standard output up to the cap, and the tail of the errors."""

    def __init__(self, process: subprocess.Popen[bytes], cap: int):
        assert process.stdout and process.stderr
        self._pipes = (process.stdout, process.stderr)
        self._cap = cap
        self.data, self.errors = bytearray(), bytearray()
        self.too_long = False
        self._selector = selectors.DefaultSelector()
        self._lingering = 0.0
        for pipe in self._pipes:
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ)

    @property
    def open(self) -> bool:
        return bool(self._selector.get_map())

    def linger(self) -> bool:
        """The program has ended, but something it started may hold the pipes: they get a moment."""
        self._lingering = self._lingering or time.monotonic() + 0.5
        return time.monotonic() < self._lingering

    def read(self, seconds: float) -> None:
        if not self.open:
            time.sleep(min(seconds, 0.01))
        for key, _ in self._selector.select(seconds):
            try:
                part = os.read(key.fd, 1 << 16)
            except BlockingIOError:
                continue
            if not part:
                self._selector.unregister(key.fileobj)
            elif key.fileobj is self._pipes[0]:
                room = self._cap - len(self.data)
                self.data += part[:room]
                self.too_long = self.too_long or len(part) > room
            else:
                self.errors += part
                del self.errors[: max(0, len(self.errors) - _ERROR_TAIL)]

    def close(self) -> None:
        self._selector.close()
        for pipe in self._pipes:
            pipe.close()


def _reason(job: Job, output: _Output) -> str:
    if output.too_long:
        return f"the output is longer than {output._cap} bytes"
    reason = job.stop_reason
    if reason == StopReason.TIMEOUT:
        return "the time limit is over"
    if reason == StopReason.REQUESTED:
        return "stopped on request"
    return "the lease is gone" if reason == StopReason.LOST else ""


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The whole group, also what the program left behind."""
    _signal(process, signal.SIGKILL)
    process.wait()


def _result(status: int, why: str, output: _Output) -> bytes:
    if not why and status == 0:
        return bytes(output.data)
    if not why:
        why = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    tail = bytes(output.errors).decode(errors="replace").strip()
    text = f"{why}\n{tail}" if tail else why
    log.info("script failed: %s", why)
    raise (Fail(text) if why == "stopped on request" else ScriptFailed(text))
