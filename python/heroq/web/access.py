"""Who may read and act: a token in a header, or a session in a cookie that the token has opened."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from .answers import Refused

#: seconds
SESSION = 12 * 3600


class Access:
    """Sessions are signed with the token, so they need no memory and end when the token is changed."""

    def __init__(self, token: str | None, private: bool):
        self._token = token.encode() if token else None
        self._private = private
        # Cookies do not know ports: two dashboards of one machine must not take each other's.
        self._cookie = f"heroq_{self._sign('cookie')[:8]}"

    def is_known(self, request: HTTPConnection) -> bool:
        """Whether the request shows the token or a session of it."""
        if self._token is None:
            return False
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._matches(given.strip())
        return self._is_session(request.cookies.get(self._cookie, ""))

    def require_reading(self, request: HTTPConnection) -> None:
        if self._private and not self.is_known(request):
            raise Refused(401, "this page wants its token")

    def require_acting(self, request: HTTPConnection) -> None:
        if self._token is None:
            raise Refused(403, "read-only: heroq web was started without a token")
        if not self.is_known(request):
            raise Refused(401, "to act wants the token")

    def state(self, request: HTTPConnection) -> dict[str, bool]:
        known = self.is_known(request)
        return {"may_act": known, "has_token": self._token is not None, "may_read": known or not self._private}

    def login(self, request: Request, token: object, response: Response) -> None:
        """Opens a session."""
        if self._token is None:
            raise Refused(403, "read-only: heroq web was started without a token")
        if not isinstance(token, str) or not self._matches(token):
            raise Refused(401, "this is not the token")
        what = f"{int(time.time()) + SESSION}.{secrets.token_hex(8)}"
        response.set_cookie(
            self._cookie,
            f"{what}.{self._sign(what)}",
            max_age=SESSION,
            path=_path(request),
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )

    def logout(self, request: Request, response: Response) -> None:
        response.delete_cookie(self._cookie, path=_path(request), httponly=True, samesite="strict")

    def _matches(self, given: str) -> bool:
        return self._token is not None and hmac.compare_digest(given.encode(errors="replace"), self._token)

    def _sign(self, text: str) -> str:
        return hmac.new(self._token or b"", f"heroq web {text}".encode(), hashlib.sha256).hexdigest()

    def _is_session(self, value: str) -> bool:
        what, _, signature = value.rpartition(".")
        if not hmac.compare_digest(signature.encode(errors="replace"), self._sign(what).encode()):
            return False
        return int(what.partition(".")[0]) > time.time()


def _path(request: Request) -> str:
    root: str = request.scope.get("root_path", "")
    return root.rstrip("/") + "/"
