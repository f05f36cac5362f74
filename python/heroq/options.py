"""Keyword options → the library's one options table. Durations are seconds, a timedelta, or text such as "250ms"."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from . import _heroq
from .errors import InvalidError

#: what an option's value may be
Value = str | int | float | bool | timedelta | datetime | list[str] | tuple[str, ...]


@functools.cache
def table() -> dict[str, dict[str, Any]]:
    """All options by name: type, scope, default, min, max, choices, text."""
    rows = [_heroq.heroq_options_describe(i) for i in range(_heroq.heroq_options_count())]
    return {row["name"]: row for row in rows}


def text_of(name: str, value: Value) -> str:
    """The value as the library reads it. Whether it is right, the library says."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ",".join(value)
    if isinstance(value, timedelta):
        return f"{round(value.total_seconds() * 1000)}ms"
    if isinstance(value, datetime):
        return str(round(value.timestamp() * 1000))
    if isinstance(value, (int, float)) and math.isfinite(value) and table().get(name, {}).get("type") == "duration":
        return f"{round(value * 1000)}ms"
    return str(value)


def pairs(options: Mapping[str, Value | None]) -> list[tuple[str, str]]:
    """Names and texts of the options that are given; None stands for "not given"."""
    return [(name, text_of(name, value)) for name, value in options.items() if value is not None]


def handle(options: Mapping[str, Value | None]) -> Any:
    """A heroq_options, or None where nothing is given."""
    given = pairs(options)
    if not given:
        return None
    out = _heroq.heroq_options_new()
    for name, value in given:
        _heroq.heroq_options_set(out, name, value)
    return out


def time_limit(seconds: float | timedelta | None) -> float | None:
    """A timeout as it was given, in seconds from 0 on; None, and infinity, are for ever."""
    if isinstance(seconds, timedelta):
        seconds = seconds.total_seconds()
    if seconds is None or seconds == math.inf:
        return None
    if math.isnan(seconds):
        raise InvalidError("a timeout is a number of seconds, or None for ever, not nan")
    return min(max(0.0, seconds), 1e9)


def milliseconds(seconds: float | timedelta | None) -> int:
    """A timeout in seconds as the library has it."""
    limit = time_limit(seconds)
    return _heroq.HEROQ_FOREVER if limit is None else round(limit * 1000)
