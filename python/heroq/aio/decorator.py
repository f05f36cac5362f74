"""The type of `@heroq.aio.actor(…)`, for type checkers alone."""

# The more special form comes first each time, which this check cannot know:
# mypy: disable-error-code="overload-cannot-match"

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from ..job import Data
from .handler import Handler
from .job import Job

A = ParamSpec("A")
T = TypeVar("T")
Y = TypeVar("Y")


class Decorator(Protocol):
    """By the function's first parameter, the handler's type."""

    @overload
    def __call__(
        self, function: Callable[[Job], Coroutine[Any, Any, T]]
    ) -> Handler[[Job], Coroutine[Any, Any, T], [Data], T]: ...
    @overload
    def __call__(
        self, function: Callable[[Job], AsyncIterator[Y]]
    ) -> Handler[[Job], AsyncIterator[Y], [Data], None]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[Job, A], Coroutine[Any, Any, T]]
    ) -> Handler[Concatenate[Job, A], Coroutine[Any, Any, T], A, T]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[Job, A], AsyncIterator[Y]]
    ) -> Handler[Concatenate[Job, A], AsyncIterator[Y], A, None]: ...
    @overload
    def __call__(self, function: Callable[A, Coroutine[Any, Any, T]]) -> Handler[A, Coroutine[Any, Any, T], A, T]: ...
    @overload
    def __call__(self, function: Callable[A, AsyncIterator[Y]]) -> Handler[A, AsyncIterator[Y], A, None]: ...
