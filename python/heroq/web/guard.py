"""Every request passes here first: under which host it may come, from which page, and the headers of every answer."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .answers import refusal

_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_SAFE = ("GET", "HEAD")


def host_name(host: str) -> str:
    """Of a Host header, without the port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_local(host: str) -> bool:
    """An address, or localhost: no name that a stranger's name server could answer for."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
        return True
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class Guard:
    """`hosts`: names besides addresses and localhost; "*": any."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = ()):
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        wrong = self._wrong(scope["method"], Headers(scope=scope))
        await (refusal(403, wrong) if wrong else self._app)(scope, receive, answer)

    def _wrong(self, method: str, headers: Headers) -> str | None:
        host = headers.get("host", "").lower()
        if not self._knows(host):
            return (
                f"the host name {host_name(host)[:100]!r} is not one of this page's: heroq web --allow-host, or hosts=…"
            )
        if method in _SAFE:
            # A link from elsewhere may open the page; to load parts of it into another page is refused.
            if headers.get("sec-fetch-site") in ("cross-site", "same-site") and not _opens_page(headers):
                return "asked for by a page of another site"
            return None
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return "asked for by a page of another site"
        origin = headers.get("origin")
        if origin is not None and not self._is_own(origin.lower(), host):
            return "asked for by a page of another origin"
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return "what is to be done is told as application/json"
        return None

    def _knows(self, host: str) -> bool:
        name = host_name(host)
        return "*" in self._hosts or is_local(name) or name in self._hosts

    def _is_own(self, origin: str, host: str) -> bool:
        """A proxy before us may have changed the host: its public names are then among ours."""
        try:
            netloc = urlsplit(origin).netloc
        except ValueError:
            return False
        return bool(netloc) and (netloc == host or netloc in self._hosts)


def _opens_page(headers: Headers) -> bool:
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
