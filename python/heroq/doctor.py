"""Looks at the whole system and says what is wrong."""

from __future__ import annotations

from typing import Any

from . import _heroq
from .client import Client


def examine(client: Client) -> dict[str, Any]:
    """`worst` and `checks`: check, severity (ok, unknown, warning, error), subject, found, means, mend."""
    return _heroq.heroq_doctor_run(client._handle, None)
