"""What the commands share: their options, what goes in, what comes out."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..client import Client
from ..errors import InvalidError
from ..supervisor import Supervisor
from . import complete, config
from .names import path_of as path_of
from .names import queue_of as queue_of
from .tables import put_table as put_table
from .tables import shown as shown

#: panels of the help
JOBS, QUEUES = "Jobs", "Queues and actors"

Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="HEROQ_URL",
        show_default=False,
        callback=config.use,
        help="The server, redis://…, rediss://… or unix://…",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Type = Annotated[
    str,
    typer.Option(
        "--type", "-t", help="Script type: which kind of actor runs it.", autocompletion=complete.script_types
    ),
]
Options = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        "-o",
        metavar="NAME=VALUE",
        help="An option of the library, such as retries=3 or delay=10s.",
        autocompletion=complete.job_options,
    ),
]
Env = Annotated[
    list[str] | None, typer.Option("--env", metavar="NAME=VALUE", help="An environment variable of the script.")
]
SignKeyFile = Annotated[
    str | None,
    typer.Option(
        "--sign-key-file",
        metavar="FILE",
        envvar="HEROQ_SIGN_KEY_FILE",
        show_default=False,
        help="Keys of signed scripts; HEROQ_SIGN_KEYS may have its text instead.",
    ),
]
SignFor = Annotated[float, typer.Option("--sign-for", min=1, help="Seconds that a signature is good for.")]
JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id.", autocompletion=complete.job_ids)]
JobIds = Annotated[list[str], typer.Argument(metavar="ID", help="Jobs.", autocompletion=complete.job_ids)]
#: what names a queue on the command line
QUEUE_HELP = "A script type, TYPE/GROUP, TYPE/GROUP/INSTANCE, or the queue's key."
QueueName = Annotated[str, typer.Argument(metavar="QUEUE", help=QUEUE_HELP, autocompletion=complete.queues)]


def client(url: str | None) -> Client:
    return Client(url)


def supervisor(url: str | None) -> Supervisor:
    return Supervisor(url)


def pairs(items: Sequence[str] | None) -> dict[str, str]:
    """NAME=VALUE, … as a dict."""
    out = {}
    for item in items or ():
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise InvalidError(f"{item!r} is not NAME=VALUE")
        out[name] = value
    return out


def script_of(argument: str) -> bytes:
    """The script: the argument itself, "-" standard input, "@file" a file."""
    if argument == "-":
        return sys.stdin.buffer.read()
    if argument.startswith("@"):
        try:
            return Path(argument[1:]).read_bytes()
        except OSError as error:
            raise InvalidError(f"cannot read {argument[1:]}: {error.strerror}") from None
    return argument.encode(errors="surrogateescape")


def plain(value: object) -> Any:
    """A value as JSON has it; bytes that are no text become {"base64": …}, as in the library's own JSON."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            import base64

            return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def put_json(value: object) -> None:
    print(json.dumps(plain(value), ensure_ascii=False))


def put_bytes(data: bytes) -> None:
    """Byte for byte; a person's terminal gets a last newline."""
    sys.stdout.buffer.write(data)
    if sys.stdout.isatty() and not data.endswith(b"\n"):
        sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()
