"""The ASGI app: which address answers what, and what all of it shares."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from .. import _heroq
from ..aio.calls import Calls
from ..client import Client
from ..errors import HeroqError
from ..supervisor import Supervisor
from . import acting, live, reading
from .access import Access
from .answers import Refused, answer, failure, refusal
from .guard import Guard
from .settings import Settings

if TYPE_CHECKING:
    from ..embedded import Embedded

STATIC = Path(__file__).with_name("static")
#: threads for calls that wait for the server
_THREADS = 8

Reads = Callable[["Site", Request], Response]
Acts = Callable[["Site", Request, dict[str, Any]], Response]
Endpoint = Callable[[Request], Awaitable[Response]]


class Site:
    """What the endpoints share. The server is asked for the first time by the first request."""

    def __init__(self, server: Client | Embedded | str | None, settings: Settings):
        self.settings = settings
        self.access = Access(settings.token, settings.private)
        self.calls = Calls(_THREADS)
        self.latest = live.Latest(lambda: self.client, settings.refresh)
        #: streams come to an end
        self.ending = False
        self._server = server
        self._lock = threading.Lock()
        self._sup: Supervisor | None = None
        self._viewers = 0

    @property
    def sup(self) -> Supervisor:
        with self._lock:
            if self._sup is None:
                self._sup = Supervisor(self._server)
            return self._sup

    @property
    def client(self) -> Client:
        return self.sup.client

    def end(self) -> None:
        """Lets the streams end, so that a server which waits for them can stop."""
        self.ending = True

    # ---- kinds of endpoints ----
    def reads(self, function: Reads) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            self.access.require_reading(request)
            return await self.calls.call(function, self, request)

        return endpoint

    def acts(self, function: Acts) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            self.access.require_acting(request)
            given = await acting.body(request)
            return await self.calls.call(function, self, request, given)

        return endpoint

    def stream(self, events: Callable[[Request], AsyncIterator[bytes]]) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            self.access.require_reading(request)
            if self._viewers >= self.settings.viewers:
                raise Refused(503, f"there are {self._viewers} viewers already")
            headers = {"x-accel-buffering": "no"}
            return StreamingResponse(self._counted(events(request)), media_type="text/event-stream", headers=headers)

        return endpoint

    async def _counted(self, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        self._viewers += 1
        try:
            async for event in events:
                yield event
        finally:
            self._viewers -= 1

    # ---- the session ----
    async def session(self, request: Request) -> Response:
        return answer({**self.access.state(request), "version": _heroq.heroq_version_text()})

    async def login(self, request: Request) -> Response:
        given = await acting.body(request)
        response = answer({"may_act": True})
        self.access.login(request, given.get("token"), response)
        return response

    async def logout(self, request: Request) -> Response:
        response = answer({"may_act": False})
        self.access.logout(request, response)
        return response

    def routes(self) -> list[Route | Mount]:
        """An id may have slashes in it, so what follows it is looked for first."""
        one = "/api/jobs/{id:path}"
        return [
            Route("/", _page),
            Mount("/static", _Static(directory=STATIC)),
            Route("/api/session", self.session),
            Route("/api/login", self.login, methods=["POST"]),
            Route("/api/logout", self.logout, methods=["POST"]),
            Route("/api/board", self.reads(reading.board)),
            Route("/api/events", self.stream(lambda request: live.board_events(self))),
            Route("/api/queues/{type}", self.reads(reading.queue)),
            Route("/api/queues/{type}/{what}", self.reads(reading.queue_page)),
            Route("/api/queues/{type}/{what}", self.acts(acting.steer), methods=["POST"]),
            Route("/api/jobs", self.reads(reading.search)),
            Route("/api/jobs", self.acts(acting.dispatch), methods=["POST"]),
            Route(f"{one}/events", self.stream(lambda request: live.job_events(self, request.path_params["id"]))),
            *(Route(f"{one}/{name}", self.reads(reading.part(name))) for name in reading.PARTS),
            Route(one, self.reads(reading.job)),
            Route(f"{one}/{{what}}", self.acts(acting.act), methods=["POST"]),
        ]


class _Static(StaticFiles):
    """Asked again each time whether it has changed."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "no-cache"
        return response


async def _page(request: Request) -> Response:
    return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})


async def _failed(request: Request, error: Exception) -> Response:
    return failure(error)


async def _unknown(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    text = error.detail if isinstance(error, HTTPException) else "a fault"
    return refusal(status, text, "http")


def app(
    server: Client | Embedded | str | None = None,
    *,
    token: str | None = None,
    private: bool = False,
    hosts: Iterable[str] = (),
    prefix: str = "",
    refresh: float = 2.0,
    viewers: int = 100,
) -> Starlette:
    """The dashboard of a server, as an ASGI app: on its own, or mounted in another one.

    `server`: a URL (None: HEROQ_URL, else redis://localhost), a Client, or an embedded server. `token`: who shows it
    may act; without one nobody may. `private`: to read wants the token too. `hosts`: the names under which the page may
    be asked for, besides IP addresses and localhost; "*" is any. `prefix`: the path below which it answers, "/jobs";
    an app that mounts it gives none. `refresh`: seconds between two looks. `viewers`: live streams at most.
    """
    settings = Settings(token=token, private=private, hosts=frozenset(hosts), refresh=refresh, viewers=viewers)
    site = Site(server, settings)
    routes = site.routes()
    prefix = "/" + prefix.strip("/")
    made = Starlette(
        routes=routes if prefix == "/" else [Mount(prefix, routes=routes)],
        middleware=[Middleware(Guard, hosts=settings.hosts)],
        exception_handlers={HeroqError: _failed, Refused: _failed, HTTPException: _unknown},
    )
    made.state.site = site
    return made
