"""Prints the benchmark's table; fails only if a row could not be measured, never because of a time."""

from __future__ import annotations

import pytest
from bench import bench


@pytest.mark.timeout(1200)
def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print()
        rows = bench.main([])
    assert len(rows) == 13
