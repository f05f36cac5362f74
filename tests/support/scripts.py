"""Script actors of the tests: `heroq actor` in a process of its own, whose scripts run as an unprivileged user."""

from __future__ import annotations

import functools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import heroq
import heroq.script
import pytest

from .server import wait_until

#: the system's own, which every user can run
PYTHON = shutil.which("python3", path="/usr/bin:/bin:/usr/local/bin") or "python3"
NOBODY = pwd.getpwnam("nobody")
#: nobody may not be able to read what is installed: all is loaded first, and root given up at the last moment
_AS_NOBODY = """
import os, pwd, sys
from pathlib import Path
import heroq.cli, heroq.script
from heroq.cli import actor
from heroq.script import launcher
heroq.actor("x")(heroq.script.Program(["true"], confinement=heroq.script.Confinement(sandbox="off")))
launcher.LAUNCHER = Path(sys.argv.pop(1))
nobody = pwd.getpwnam("nobody")
keep_to_itself = actor._keep_to_itself
def give_up_root():
    os.setgroups([]); os.setgid(nobody.pw_gid); os.setuid(nobody.pw_uid)
    keep_to_itself()
actor._keep_to_itself = give_up_root
sys.argv.append("--allow-root")
heroq.cli.main()
"""


@functools.cache
def no_sandbox() -> str:
    """Why the kernel lets us make none, as in a chroot; "" where it does."""
    user = "nobody" if os.geteuid() == 0 else None
    try:
        heroq.script.Program(["true"], confinement=heroq.script.Confinement(user, sandbox="require"))
    except heroq.InvalidError as error:
        return str(error)
    return ""


def need_sandbox() -> None:
    if why := no_sandbox():
        pytest.skip(f"the kernel lets no sandbox be made here: {why}")


class ScriptActor:
    """Runs from its making until close(). `folder`: where the private folders are made.

    Root gives its scripts to `user`; `as_nobody` has the actor itself run as one without rights; `before` is a command
    that becomes the actor.
    """

    def __init__(
        self,
        url: str,
        *options: str,
        user: str = "nobody",
        as_nobody: bool = False,
        env: dict[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> None:
        if "require" in options:
            need_sandbox()
        self.sandboxed = "off" not in options and not no_sandbox()
        self.folder = Path(tempfile.mkdtemp(prefix="heroq-test-"))
        self.folder.chmod(0o755)
        self._log = (self.folder / "log").open("w+b")
        program = ["-m", "heroq"]
        drop = os.geteuid() == 0 and "--allow-root" not in options
        if as_nobody and drop:
            drop = False
            os.chown(self.folder, NOBODY.pw_uid, NOBODY.pw_gid)
            launcher = str(shutil.copy(heroq.script.launcher.LAUNCHER, self.folder / "launcher"))
            program = ["-c", _AS_NOBODY, launcher]
        self.process = subprocess.Popen(
            [*before, sys.executable, *program, "actor", *(["--user", user] if drop else []), *options],
            env={**os.environ, "HEROQ_URL": url, "TMPDIR": str(self.folder), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            cwd="/",
        )

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def folders(self) -> list[str]:
        """Private folders that are there now."""
        return [path.name for path in self.folder.glob("heroq-*")]

    def end(self) -> int:
        """SIGTERM; answers its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def script_actor(
    url: str, *options: str, user: str = "nobody", as_nobody: bool = False, env: dict[str, str] | None = None
) -> Iterator[ScriptActor]:
    """One that ends as it should, and leaves no folder behind."""
    with ScriptActor(url, *options, user=user, as_nobody=as_nobody, env=env) as actor:
        yield actor
        assert actor.process.poll() is None, actor.log()
        assert actor.end() == 0, actor.log()
        assert actor.folders() == []


def failure(sup: heroq.Supervisor, script: str, script_type: str, **options: object) -> list[str]:
    """The lines of the error that the script's job ends with."""
    job = heroq.Job(script, script_type, **options)  # type: ignore[arg-type]
    try:
        output = sup.run_job_and_await_result(job, timeout=60)
    except heroq.JobFailed as error:
        return error.error.decode().splitlines()
    raise AssertionError(f"the script did not fail: {output!r}")


def living(marker: str) -> list[int]:
    """Processes, but for zombies, with this text among their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if not entry.name.isdigit() or marker not in (entry / "cmdline").read_text(errors="replace"):
                continue
            if (entry / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def wait_for_none(marker: str) -> None:
    wait_until(lambda: not living(marker), seconds=20, what=f"the end of {marker}")


def commands(*types: str) -> Sequence[str]:
    """--exec for each type."""
    programs = {"python": PYTHON, "sh": "/bin/sh"}
    return [argument for name in types for argument in ("--exec", f"{name}={programs[name]}")]
