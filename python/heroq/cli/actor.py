"""actor: each job's script is run by a program."""

from __future__ import annotations

import os
import shlex
from typing import Annotated, Any

import typer

from ..errors import InvalidError
from ..handler import AnyHandler, Handler
from ..log import to_stderr
from ..runner import run
from ..script import Limits, Program
from . import common
from .common import Options, Url
from .worker import Grace


def actor(
    script_type: Annotated[str, typer.Option("--type", "-t", help="Script types, separated by commas.")],
    program: Annotated[str, typer.Option("--exec", help="The program that runs the scripts, such as python3 or sh.")],
    threads: Annotated[int, typer.Option("--threads", min=1, help="Scripts at a time.")] = 1,
    timeout: Annotated[str, typer.Option("--timeout", help="Longest run of a script that names none itself.")] = "10m",
    grace: Grace = 30.0,
    user: Annotated[
        str | None, typer.Option("--user", help="The user that scripts run as; root must name one.")
    ] = None,
    allow_root: Annotated[bool, typer.Option("--allow-root", help="Let scripts run as root.")] = False,
    cpu: Annotated[int, typer.Option("--cpu", min=1, help="Seconds of processor time of a script.")] = 3600,
    file_size: Annotated[
        int, typer.Option("--file-size", min=0, help="MiB of the largest file a script writes.")
    ] = 1024,
    open_files: Annotated[int, typer.Option("--open-files", min=16, help="Files a script may have open.")] = 256,
    output: Annotated[int, typer.Option("--output", min=1, max=512, help="MiB of the longest output.")] = 16,
    option: Options = None,
    url: Url = None,
) -> None:
    """Run each job's script by a program; the output is what it prints.

    Whoever can write to the server runs code here: see SECURITY.md.
    """
    if os.geteuid() == 0 and not user and not allow_root:
        raise InvalidError("started as root: name a user for the scripts with --user NAME, or say --allow-root")
    limits = Limits(cpu=cpu, file_size=file_size << 20, open_files=open_files, output=output << 20)
    types = tuple(name.strip() for name in script_type.split(","))
    try:
        argv = shlex.split(program)
    except ValueError as error:
        raise InvalidError(f"--exec {program!r}: {error}") from None
    options: dict[str, Any] = {"timeout": timeout, **common.pairs(option)}
    to_stderr()
    handler: AnyHandler = Handler(Program(argv, limits, user), types, options)
    handler.label = types[0]
    run(handler, server=url, threads=threads, grace=grace)


def add_to(app: typer.Typer) -> None:
    app.command()(actor)
