"""Looks at the whole system and says what is wrong."""

from __future__ import annotations

from typing import Any, Literal

from . import _heroq, options
from .client import Client


def examine(client: Client, *, fix: Literal["no", "plan", "yes"] = "no") -> dict[str, Any]:
    """What is wrong, and how it is mended.

    `worst` (ok, unknown, warning, error), how many there are of each, `fixed`, and `checks`, a list of: check, finding
    ("" where nothing is wrong), severity, subject, looked, found, means, mend (a command), fixable, fix, fixed.
    With `fix="yes"` it mends what can be mended without losing a job or running one twice, with "plan" it only says
    what it would do.
    """
    return _heroq.heroq_doctor_run(client._handle, options.handle({"fix": fix}))


def findings() -> list[dict[str, Any]]:
    """All that can be found: finding, check, severity, fixable, means."""
    rows: list[dict[str, Any]] = _heroq.heroq_doctor_findings()["findings"]
    return rows
