"""Functions that are replaced for a while, so that those who do not ask for it pay nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .spans import Spans

Function = Callable[..., Any]


class Patches:
    def __init__(self) -> None:
        self._undo: list[tuple[object, str, Function]] = []

    def replace(self, owner: object, name: str, wrap: Callable[[Spans, Function], Function], spans: Spans) -> None:
        """`wrap` makes the new one of the plain one, a function of a module or of a class."""
        plain = vars(owner)[name]
        setattr(owner, name, functools.wraps(plain)(wrap(spans, plain)))
        self._undo.append((owner, name, plain))

    def undo(self) -> None:
        while self._undo:
            setattr(*self._undo.pop())
