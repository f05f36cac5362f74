"""The type of `@heroq.actor(…)`, for type checkers alone."""

# The more special form comes first each time, which these two checks cannot know:
# mypy: disable-error-code="overload-overlap, overload-cannot-match"

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from .handler import Handler
from .job import Data, Job

A = ParamSpec("A")
T = TypeVar("T")
Y = TypeVar("Y")


class Decorator(Protocol):
    """What `actor` answers: by the function's first parameter and what it returns, the handler's type."""

    @overload
    def __call__(self, function: Callable[[Job], Coroutine[Any, Any, T]]) -> Handler[[Job], Any, [Data], T]: ...
    @overload
    def __call__(self, function: Callable[[Job], AsyncIterator[Y]]) -> Handler[[Job], Any, [Data], None]: ...
    @overload
    def __call__(self, function: Callable[[Job], Generator[Y, Any, T]]) -> Handler[[Job], Iterator[Y], [Data], T]: ...
    @overload
    def __call__(self, function: Callable[[Job], Iterator[Y]]) -> Handler[[Job], Iterator[Y], [Data], None]: ...
    @overload
    def __call__(self, function: Callable[[Job], T]) -> Handler[[Job], T, [Data], T]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[Job, A], Coroutine[Any, Any, T]]
    ) -> Handler[Concatenate[Job, A], Any, A, T]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[Job, A], AsyncIterator[Y]]
    ) -> Handler[Concatenate[Job, A], Any, A, None]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[Job, A], Generator[Y, Any, T]]
    ) -> Handler[Concatenate[Job, A], Iterator[Y], A, T]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[Job, A], Iterator[Y]]
    ) -> Handler[Concatenate[Job, A], Iterator[Y], A, None]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[Job, A], T]) -> Handler[Concatenate[Job, A], T, A, T]: ...
    @overload
    def __call__(self, function: Callable[A, Coroutine[Any, Any, T]]) -> Handler[A, Any, A, T]: ...
    @overload
    def __call__(self, function: Callable[A, AsyncIterator[Y]]) -> Handler[A, Any, A, None]: ...
    @overload
    def __call__(self, function: Callable[A, Generator[Y, Any, T]]) -> Handler[A, Iterator[Y], A, T]: ...
    @overload
    def __call__(self, function: Callable[A, Iterator[Y]]) -> Handler[A, Iterator[Y], A, None]: ...
    @overload
    def __call__(self, function: Callable[A, T]) -> Handler[A, T, A, T]: ...
