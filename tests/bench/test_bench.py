"""Runs the benchmark; fails if a peer that is installed could not be measured, never because of a time."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(3600)
def test_all_that_is_installed_is_measured(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = shlex.split(os.environ.get("HEROQ_BENCH_ARGUMENTS", ""))
    program = [sys.executable, str(Path(__file__).with_name("bench.py"))]
    with capfd.disabled():
        print()
        status = subprocess.run([*program, *arguments], check=False).returncode
    assert status == 0, "bench.py says above what failed"
