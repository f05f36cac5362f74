"""actor: each job's script is run by a program."""

from __future__ import annotations

import ctypes
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from .. import keys as names
from ..errors import InvalidError
from ..handler import AnyHandler, Handler
from ..log import to_stderr
from ..runner import run
from ..script import Confinement, Limits, Program
from ..signing import Keys
from . import common, config
from .common import Options, SignKeyFile, Url
from .worker import Grace

Types = Annotated[str | None, typer.Option("--type", "-t", help="Script types, separated by commas.")]
Programs = Annotated[
    list[str],
    typer.Option("--exec", help="The program that runs the scripts, such as python3; TYPE=PROGRAM for one type."),
]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Scripts at a time.")]
Timeout = Annotated[str, typer.Option("--timeout", help="Longest run of a script that names none itself.")]
User = Annotated[str | None, typer.Option("--user", help="The user that scripts run as; root must name one.")]
AllowRoot = Annotated[bool, typer.Option("--allow-root", help="Let scripts run as root, whom some limits do not bind.")]
Sandbox = Annotated[
    str, typer.Option("--sandbox", metavar="auto|require|off", help="Namespaces: where the kernel lets us, or a must.")
]
Network = Annotated[
    str, typer.Option("--network", metavar="none|host", help="Whether scripts in the sandbox have the network.")
]
Writable = Annotated[
    list[str] | None, typer.Option("--writable", metavar="DIR", help="A folder that the sandbox leaves writable.")
]
Cgroup = Annotated[
    str | None, typer.Option("--cgroup", metavar="DIR", help="A delegated folder of cgroup v2, for one of each script.")
]
Cpu = Annotated[int, typer.Option("--cpu", min=1, help="Seconds of processor time of a process.")]
Memory = Annotated[
    int, typer.Option("--memory", min=0, help="MiB of memory of a process, with --cgroup of all; 0: no limit.")
]
Processes = Annotated[int, typer.Option("--processes", min=0, help="Processes and threads of a script; 0: no limit.")]
FileSize = Annotated[int, typer.Option("--file-size", min=0, help="MiB of the largest file a script writes.")]
Disk = Annotated[int, typer.Option("--disk", min=1, help="MiB in a script's private folder.")]
Files = Annotated[int, typer.Option("--files", min=1, help="Files in a script's private folder.")]
OpenFiles = Annotated[int, typer.Option("--open-files", min=16, help="Files a process may have open.")]
Output = Annotated[int, typer.Option("--output", min=1, max=512, help="MiB of the longest output.")]
Log = Annotated[int, typer.Option("--log", min=0, max=64, help="MiB of standard error that go to the job's log.")]

_DEFAULT = Limits()
_SET_DUMPABLE = 4


def actor(
    program: Programs,
    script_type: Types = None,
    threads: Threads = 1,
    timeout: Timeout = "10m",
    grace: Grace = 30.0,
    user: User = None,
    allow_root: AllowRoot = False,
    sandbox: Sandbox = "auto",
    network: Network = "none",
    writable: Writable = None,
    cgroup: Cgroup = None,
    cpu: Cpu = _DEFAULT.cpu,
    memory: Memory = _DEFAULT.memory >> 20,
    processes: Processes = _DEFAULT.processes,
    file_size: FileSize = _DEFAULT.file_size >> 20,
    disk: Disk = _DEFAULT.disk >> 20,
    files: Files = _DEFAULT.files,
    open_files: OpenFiles = _DEFAULT.open_files,
    output: Output = _DEFAULT.output >> 20,
    log: Log = _DEFAULT.log >> 20,
    sign_key_file: SignKeyFile = None,
    option: Options = None,
    url: Url = None,
) -> None:
    """Run each job's script by a program; the output is what it prints, its standard error the job's log.

    Whoever can write to the server runs code here, unless scripts are signed: see docs/script-actors.md.
    """
    if os.geteuid() == 0 and user in (None, "root") and not allow_root:
        raise InvalidError("started as root: name a user for the scripts with --user NAME, or say --allow-root")
    allowed = programs(program, script_type)
    options: dict[str, Any] = {"timeout": timeout, **common.pairs(option)}
    limits = Limits(
        cpu=cpu,
        memory=memory << 20,
        processes=processes,
        file_size=file_size << 20,
        disk=disk << 20,
        files=files,
        open_files=open_files,
        output=output << 20,
        log=log << 20,
    )
    secrets = (sign_key_file, options.get("password_file"), os.environ.get("HEROQ_PASSWORD_FILE"), config.path())
    hidden = [str(Path(path).resolve()) for path in secrets if path and Path(path).is_file()]
    confinement = Confinement(user, sandbox, network, writable or (), hidden, cgroup)
    keys = Keys.given(sign_key_file)
    to_stderr()
    _keep_to_itself()
    handler: AnyHandler = Handler(Program(allowed, limits, confinement, keys), tuple(allowed), options)
    handler.label = next(iter(allowed))
    run(handler, server=url, threads=threads, grace=grace)


def programs(given: Sequence[str], script_type: str | None) -> Mapping[str, list[str]]:
    """The command for each script type: TYPE=PROGRAM for one, PROGRAM for those of --type that have none."""
    of_type: dict[str, list[str]] = {}
    others: list[str] | None = None
    for text in given:
        name, _, rest = text.partition("=")
        own = bool(rest) and re.fullmatch(r"[A-Za-z0-9_.-]+", name) is not None
        try:
            argv = shlex.split(rest if own else text)
        except ValueError as error:
            raise InvalidError(f"--exec {text!r}: {error}") from None
        if (name in of_type) if own else (others is not None):
            raise InvalidError(f"--exec {text!r}: there is a program for {name if own else 'all types'} already")
        if own:
            of_type[name] = argv
        else:
            others = argv
    for name in (script_type or "").split(","):
        if not (name := name.strip()) or name in of_type:
            continue
        if others is None:
            raise InvalidError(f"there is no program for type {name!r}: --exec {name}=PROGRAM")
        of_type[name] = others
    for name in of_type:
        names.work_type(name)  # whether it is one
    if not of_type:
        raise InvalidError("name the script types, by --type or by --exec TYPE=PROGRAM")
    return of_type


def _keep_to_itself() -> None:
    """A script that runs as the actor's own user must not read the actor's memory or environment."""
    if hasattr(os, "memfd_create"):  # Linux
        ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def add_to(app: typer.Typer) -> None:
    app.command()(actor)
