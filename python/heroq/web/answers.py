"""What goes out: JSON, errors, and bytes that nothing runs or renders."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

from .. import errors

_STATUS: list[tuple[type[BaseException], int]] = [
    (errors.InvalidError, 400),
    (errors.NotFoundError, 404),
    (errors.TimeoutError, 504),
    (errors.ConnectionError, 503),
    (errors.ServerError, 502),
    (errors.StateError, 409),
]


class Refused(Exception):
    """A request that is answered with a status and a line."""

    def __init__(self, status: int, text: str):
        super().__init__(text)
        self.status = status


def dumps(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), default=_plain).encode()


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    raise TypeError(f"no JSON for {type(value).__name__}")


def answer(value: object, status: int = 200) -> Response:
    return Response(dumps(value), status, media_type="application/json")


def refusal(status: int, text: str, name: str = "refused", retryable: bool = False) -> Response:
    return answer({"error": {"name": name, "text": text, "retryable": retryable}}, status)


def failure(error: BaseException) -> Response:
    """The answer that tells of an error of the library, or of a refusal."""
    if isinstance(error, Refused):
        return refusal(error.status, str(error))
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    if isinstance(error, errors.HeroqError):
        return refusal(status, str(error), error.name, error.retryable)
    return refusal(status, "a fault inside heroq web", "fault")


def attachment(data: bytes, name: str) -> Response:
    """Bytes to be kept in a file, never shown."""
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)[:150].lstrip(".")
    headers = {"content-disposition": f'attachment; filename="{safe or "job"}"'}
    return Response(data, media_type="application/octet-stream", headers=headers)


#: bytes of a script, output or error that are shown; the whole is a download
SHOWN = 64 * 1024


def blob(data: bytes | None) -> dict[str, Any] | None:
    """The first part of some bytes as text; `binary`: it is not the same as the bytes."""
    if data is None:
        return None
    part = data[:SHOWN]
    text = part.decode(errors="replace")
    # A cut within a character is no sign of binary data.
    binary = text.rstrip("\ufffd").count("\ufffd") > 0 or (len(part) == len(data) and text.encode() != part)
    return {"text": text, "size": len(data), "cut": len(part) < len(data), "binary": binary}
