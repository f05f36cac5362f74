"""The program heroq-script, which stands between the actor and a job's program: how it is told, and what it reports."""

from __future__ import annotations

import os
import pwd
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InternalError, InvalidError

LAUNCHER = Path(__file__).parents[1] / "bin" / "heroq-script"
NOT_RUN = "the script was not run: "
_ENDED = re.compile(r"(exit|signal) (\d+) cpu (\d+) limit (\w+)")


@dataclass
class Limits:
    """What a script may use: seconds, bytes and numbers; 0 of `cpu`, `memory`, `open_files`, `processes` = no limit.

    `disk` and `files` are for all of its private folder, `log` is how much of its standard error goes to the job's log,
    `grace` the time from SIGTERM to SIGKILL. `cpu` is that of each process, as is `memory` if there is no cgroup.
    """

    cpu: int = 3600
    memory: int = 1 << 30
    processes: int = 64
    file_size: int = 1 << 30
    disk: int = 256 << 20
    files: int = 10_000
    open_files: int = 256
    output: int = 16 << 20
    log: int = 1 << 20
    grace: float = 2.0

    def told(self, code: str) -> str:
        """The sentence for what the launcher calls a limit."""
        return {
            "disk": f"the private folder holds more than {self.disk} bytes",
            "files": f"the private folder holds more than {self.files} files",
            "hidden": "the private folder cannot be looked at: a folder is closed, or too deep",
        }[code]


@dataclass
class Confinement:
    """Where a script runs. `sandbox` is "auto" (where the kernel lets us), "require" or "off".

    In the sandbox `network` is "none" or "host", only the private folder and `writable` folders can be written, and
    `hidden` files not be read. `cgroup` is a folder of cgroup v2 that was delegated to the actor.
    """

    user: str | None = None
    sandbox: str = "auto"
    network: str = "none"
    writable: Sequence[str] = ()
    hidden: Sequence[str] = ()
    cgroup: str | None = None
    account: pwd.struct_passwd | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.sandbox not in ("auto", "require", "off"):
            raise InvalidError(f'sandbox is "auto", "require" or "off", not {self.sandbox!r}')
        if self.network not in ("none", "host"):
            raise InvalidError(f'network is "none" or "host", not {self.network!r}')
        for path in self.writable:
            if not Path(path).is_dir():
                raise InvalidError(f"{path} is no folder")
        if self.user is None:
            return
        try:
            account = pwd.getpwnam(self.user)
        except KeyError:
            raise InvalidError(f"there is no user {self.user!r}") from None
        if account.pw_uid != os.geteuid():
            if os.geteuid() != 0:
                raise InvalidError(f"only root can run scripts as another user, here as {self.user!r}")
            self.account = account

    def arguments(self) -> list[str]:
        said = []
        if self.sandbox != "off":
            said.append("--sandbox")
            said += [f"--writable={Path(path).resolve()}" for path in self.writable]
            said += [f"--hide={Path(path).resolve()}" for path in self.hidden]
            if self.network == "host":
                said.append("--host-network")
        if self.account:
            said.append(f"--user={self.account.pw_uid}:{self.account.pw_gid}")
        return said


@dataclass(frozen=True)
class Ended:
    """How a script ended. `limit` is the launcher's word for the one that it was above, `error` what else there is."""

    status: int = 0  # negative: the signal
    cpu_ms: int = 0
    limit: str = ""
    error: str = ""

    @classmethod
    def read(cls, report: bytes) -> Ended:
        text = report.decode(errors="replace")
        first = text.partition("\n")[0]
        if first.startswith("error "):
            return cls(error=NOT_RUN + first.removeprefix("error "))
        found = _ENDED.fullmatch(first)
        if found is None:
            return cls(error=f"the script's launcher said {first!r}" if text else "the script's launcher was killed")
        how, number, cpu, limit = found.groups()
        status = int(number) if how == "exit" else -int(number)
        return cls(status, int(cpu), "" if limit == "none" else limit)

    def why(self, limits: Limits) -> str:
        """What was wrong; "" if nothing was."""
        if self.error:
            return self.error
        if self.limit:
            return limits.told(self.limit)
        if self.status >= 0:
            return f"exit status {self.status}" if self.status else ""
        name = signal.Signals(-self.status).name
        if name == "SIGXCPU" or (name == "SIGKILL" and limits.cpu and self.cpu_ms >= limits.cpu * 1000):
            return f"signal {name}: more than {limits.cpu} s of processor time"
        if name == "SIGXFSZ":
            return f"signal {name}: a file longer than {limits.file_size} bytes"
        return f"signal {name}"


class Launched:
    """A launcher that runs. Its standard input is the hand on it: a byte asks for the end, its closing is the end."""

    def __init__(
        self,
        argv: Sequence[str],
        work: Path,
        environment: Mapping[str, str],
        limits: Limits,
        confinement: Confinement,
        cgroup: Path | None = None,
    ):
        if not LAUNCHER.exists():
            raise InternalError(
                f"scripts of jobs are run on Linux only, and by a program that is missing here: {LAUNCHER}"
            )
        variables = os.memfd_create("heroq-environment")
        ends: tuple[int, ...] = ()
        try:
            with os.fdopen(variables, "wb", closefd=False) as file:
                file.writelines(os.fsencode(f"{name}={value}") + b"\0" for name, value in environment.items())
            ends = os.pipe()
            told = {
                "work": work,
                "report": ends[1],
                "environment": variables,
                "cpu": limits.cpu,
                "memory": 0 if cgroup else limits.memory,
                "processes": limits.processes,
                "file-size": limits.file_size,
                "disk": limits.disk,
                "files": limits.files,
                "open-files": limits.open_files,
                "grace": round(limits.grace * 1000),
            }
            self.process = subprocess.Popen(
                [
                    str(LAUNCHER),
                    *(f"--{name}={value}" for name, value in told.items()),
                    *([f"--cgroup={cgroup}"] if cgroup else []),
                    *confinement.arguments(),
                    "--",
                    *argv,
                ],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                env={},
                pass_fds=(ends[1], variables),
                start_new_session=True,
            )
        except BaseException:
            for fd in ends[:1]:
                os.close(fd)
            raise
        finally:
            os.close(variables)
            for fd in ends[1:]:
                os.close(fd)
        #: to be read to its end, which comes when nothing is left of the script
        self.report = ends[0]

    def ask_to_end(self) -> None:
        assert self.process.stdin
        try:
            self.process.stdin.write(b"t")
        except (BrokenPipeError, ValueError):
            pass  # it has ended

    def end(self) -> None:
        """At once, and waits for it."""
        assert self.process.stdin
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.wait()

    def close(self) -> None:
        self.end()
        os.close(self.report)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe
            pipe.close()
