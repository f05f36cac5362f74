"""The command line."""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated

import typer

from .._heroq import heroq_library_version, heroq_version_text
from . import (
    actor,
    actors,
    bench,
    config,
    dead,
    demo,
    doctor,
    ending,
    exits,
    jobs,
    looking,
    metrics,
    queues,
    top,
    transfer,
    waiting,
    web,
    worker,
)

#: in the order of the help; the last ones are sorted
_GROUPS = (
    jobs,
    waiting,
    looking,
    ending,
    transfer,
    queues,
    dead,
    actors,
    actor,
    bench,
    demo,
    doctor,
    metrics,
    top,
    web,
    worker,
)

#: typer's base of wrong usage, wherever this version of it keeps the class
_USAGE: type[Exception] = typer.BadParameter.__mro__[1]

app = typer.Typer(name="heroq", no_args_is_help=True, pretty_exceptions_enable=False, epilog=exits.EPILOG)


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
    config.load()


for group in _GROUPS:
    group.add_to(app)
for command in app.registered_commands:
    if not isinstance(command.rich_help_panel, str):
        command.rich_help_panel = "Tools"


def _run() -> int:
    try:
        status = app(standalone_mode=False, prog_name="heroq")
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except typer.Abort:
        return exits.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # whoever reads has seen enough
        return 0
    except _USAGE as error:
        said = getattr(error, "format_message", None)
        exits.complain(" ".join((said() if said else str(error)).split()))
        return exits.USAGE
    except Exception as error:
        exits.complain(exits.text_of(error))
        return exits.code_of(error)


def main() -> None:
    status = _run()
    if status == exits.INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not spoil the way out
    sys.exit(status)
