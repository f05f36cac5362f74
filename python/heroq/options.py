"""Keyword options → the library's one options table. Durations are seconds, a timedelta, or text such as "250ms"."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from . import _heroq

#: what an option's value may be
Value = str | int | float | bool | timedelta


@functools.cache
def table() -> dict[str, dict[str, Any]]:
    """All options by name: type, scope, default, min, max, choices, text."""
    rows = [_heroq.heroq_options_describe(i) for i in range(_heroq.heroq_options_count())]
    return {row["name"]: row for row in rows}


def text_of(name: str, value: Value) -> str:
    """The value as the library reads it. Whether it is right, the library says."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, timedelta):
        return f"{round(value.total_seconds() * 1000)}ms"
    if isinstance(value, (int, float)) and table().get(name, {}).get("type") == "duration":
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


def milliseconds(seconds: float | timedelta | None) -> int:
    """A timeout in seconds as the library has it; None is for ever."""
    if seconds is None:
        return _heroq.HEROQ_FOREVER
    if isinstance(seconds, timedelta):
        seconds = seconds.total_seconds()
    return max(0, round(min(seconds, 1e12) * 1000))
