"""A slow-down fails here without a clock: instruction counts of the hot paths against the committed figures."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from guard import guard
from support.server import Server


@pytest.fixture(scope="module", autouse=True)
def same_compiler() -> None:
    if sys.platform != "linux":
        pytest.skip("valgrind and glibc are Linux's; the figures are from there")
    guard.build()
    made, here = guard.figures()["made with"], guard.built_with()
    if made != here:
        pytest.skip(f"the figures were made with {made}, this build with {here}: counts cannot be compared")


@pytest.fixture(scope="module")
def redis() -> Iterator[Server]:
    with Server(kind="redis") as server:
        yield server


@pytest.mark.parametrize("name", guard.NAMES)
def test_instructions(name: str, redis: Server) -> None:
    figure = int(guard.figures()["instructions"][name])
    allowed = guard.TOLERANCE * figure
    count = guard.count(name, redis)
    for _ in range(2 if name not in guard.ALONE else 0):  # all its runs may have met a busy machine
        if abs(count - figure) > allowed:
            count = guard.count(name, redis)
    assert abs(count - figure) <= allowed, (
        f"{name}: {count:.0f} instructions, the figure is {figure} ({count / figure * 100 - 100:+.1f} %). "
        "If that is meant: python tests/guard/guard.py --rewrite"
    )


def test_every_figure_is_held() -> None:
    assert set(guard.figures()["instructions"]) == set(guard.NAMES)
