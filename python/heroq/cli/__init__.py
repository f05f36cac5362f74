"""The command line. Exit codes: 0 done, 1 the job failed (or a check did), 2 wrong usage or value, 3 not found,
4 not in time, 5 the server cannot be reached or refuses, 6 not possible in this state, 7 a fault inside, 130 Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated

import typer

from .. import errors
from .._heroq import heroq_library_version, heroq_version_text
from . import actor, bench, demo, doctor, jobs, queues, worker

#: typer's base of wrong usage, wherever this version of it keeps the class
_USAGE: type[Exception] = typer.BadParameter.__mro__[1]
_CODES: list[tuple[type[BaseException], int]] = [
    (errors.JobFailed, 1),
    (errors.InvalidError, 2),
    (errors.NotFoundError, 3),
    (errors.TimeoutError, 4),
    (errors.ConnectionError, 5),
    (errors.ServerError, 5),
    (errors.StateError, 6),
    (errors.HeroqError, 7),
]

app = typer.Typer(
    name="heroq",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done, 1 the job failed, 2 wrong usage, 3 not found, 4 not in time, 5 no server or refused, "
    "6 not possible in this state, 7 fault, 130 Ctrl-C.",
)


def _show_version(asked: bool) -> None:
    if asked:
        parts = {name: heroq_library_version(name) for name in ("hiredis", "cjson", "openssl")}
        print(f"heroq {heroq_version_text()}")
        print("with " + ", ".join(f"{name} {version or 'none'}" for name, version in parts.items()))
        raise typer.Exit()


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """A job system on a Redis or Valkey server."""


for group in (jobs, queues, worker, actor, demo, doctor, bench):
    group.add_to(app)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _run() -> int:
    try:
        status = app(standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except KeyboardInterrupt:
        return 130
    except typer.Abort:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever reads has seen enough
        return 0
    except _USAGE as error:
        said = getattr(error, "format_message", None)
        print(f"heroq: {' '.join((said() if said else str(error)).split())}", file=sys.stderr)
        return 2
    except Exception as error:
        code = next((code for kind, code in _CODES if isinstance(error, kind)), 7)
        text = _one_line(error)
        if isinstance(error, errors.JobFailed):
            text = error.error.decode(errors="replace") or text
        elif code == 7 and not isinstance(error, errors.HeroqError):
            text = f"{type(error).__name__}: {text}"
        print(f"heroq: {text}", file=sys.stderr)
        return code


def main() -> None:
    status = _run()
    if status == 130:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not spoil the way out
    sys.exit(status)
