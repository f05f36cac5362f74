"""web: serves the dashboard."""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConnectionError, InvalidError
from . import common
from .common import Url

if TYPE_CHECKING:
    from types import FrameType

    from starlette.applications import Starlette

_TOKEN = "HEROQ_WEB_TOKEN"


def web(
    host: Annotated[str, typer.Option("--host", help="Address to listen at; another than loopback wants a token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0: a free one.")] = 8642,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", help=f"Whose first line allows to act; {_TOKEN} may have it instead."),
    ] = None,
    act: Annotated[bool, typer.Option("--act", help="Make a token, and print the link with it.")] = False,
    private: Annotated[
        bool, typer.Option("--private", help="To read wants the token too; so it is beyond loopback.")
    ] = False,
    allow_host: Annotated[
        list[str] | None, typer.Option("--allow-host", metavar="NAME", help="A name that the page is asked for under.")
    ] = None,
    prefix: Annotated[str, typer.Option("--prefix", help="Path below which it answers, such as /jobs.")] = "",
    refresh: Annotated[float, typer.Option("--refresh", help="Seconds between two looks at the server.")] = 2.0,
    url: Url = None,
) -> None:
    """Serve the dashboard as a page: queues, jobs, charts; with a token also to stop, requeue, delete, pause, start."""
    try:
        from ..web import app
    except ImportError as error:
        raise InvalidError(f"heroq web needs {error.name}: pip install 'heroq[web]'") from None
    token = _token(token_file)
    if act and token is None:
        token = secrets.token_urlsafe(24)
        shown = f"#token={token}"
    else:
        shown = ""
    outside = not _is_loopback(host)
    if outside and token is None:
        raise InvalidError(f"to listen at {host} there has to be a token: --token-file, {_TOKEN} or --act")
    site = app(
        common.client(url),
        token=token,
        private=private or outside,
        hosts=allow_host or (),
        prefix=prefix,
        refresh=refresh,
    )
    listening = _listen(host, port)
    name = f"[{host}]" if ":" in host else host
    path = f"/{prefix.strip('/')}/" if prefix.strip("/") else "/"
    print(f"heroq web: http://{name}:{listening.getsockname()[1]}{path}{shown}", flush=True)
    _serve(site, listening)


def _token(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(_TOKEN) or None
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        known = file.stat().st_mode & 0o077
    except (OSError, ValueError) as error:
        raise InvalidError(f"cannot read {file}: {getattr(error, 'strerror', None) or 'it is no text'}") from None
    token = lines[0].strip() if lines else ""
    if not token:
        raise InvalidError(f"{file} has no token in its first line")
    if known:
        print(f"heroq: others on this machine can read {file}: chmod 600", file=sys.stderr)
    return token


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConnectionError(f"cannot listen at {host}, port {port}: {error.strerror or error}") from None


def _serve(site: Starlette, listening: socket.socket) -> None:
    import uvicorn

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            site.state.site.end()
            super().handle_exit(sig, frame)

    config = uvicorn.Config(
        site, log_level="warning", access_log=False, server_header=False, lifespan="off", timeout_graceful_shutdown=3
    )
    Server(config).run(sockets=[listening])


def add_to(app: typer.Typer) -> None:
    app.command()(web)
