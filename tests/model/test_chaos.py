"""A short run of the simulator, and the proof that its checker can fail. All modes: chaos.py all 10."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def chaos(mode: str, seconds: int) -> str:
    program = Path(__file__).with_name("chaos.py")
    argv = [sys.executable, str(program), mode, str(seconds), "1"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_the_protocol_keeps_its_promise() -> None:
    assert chaos("full", 8).startswith("PASS")


# Those that a probe finds want no time. What only the scripts have to keep is broken in tests/redis/test_mutations.py.
PROBED = [
    "expiredruns",
    "drophold",
    "nofence",
    "nofencereply",
    "replyunwritten",
    "nograce",
    "killnotholder",
    "oldreply",
    "unclaimstop",
    "killsame",
    "behindempty",
    "watchforever",
]


@pytest.mark.parametrize(("mode", "seconds"), [*((mode, 0) for mode in PROBED), ("doneearly", 6)])
def test_a_broken_rule_is_found(mode: str, seconds: int) -> None:
    assert chaos(mode, seconds).startswith("FAIL")
