"""Runs the scale curves; fails if a part cannot be measured or is not written, never because of a time."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.server import default_kind

PARTS = ("waiting", "actors", "payloads", "threads", "load", "hop")


@pytest.mark.timeout(3600)
def test_every_part_is_measured_and_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = shlex.split(os.environ.get("HEROQ_SCALE_ARGUMENTS", f"--quick --out={tmp_path}"))
    out = next((Path(one.removeprefix("--out=")) for one in arguments if one.startswith("--out=")), None)
    if not out:
        out = Path(__file__).resolve().parents[2] / "build" / "scale" / default_kind()
    program = [sys.executable, str(Path(__file__).with_name("scale.py"))]
    with capfd.disabled():
        print()
        status = subprocess.run([*program, *arguments], check=False).returncode
    assert status == 0, "scale.py says above what failed"
    results = json.loads((out / "scale.json").read_text())
    text = (out / "scale.md").read_text()
    assert tuple(results["parts"]) == PARTS
    assert text.count("## ") == len(PARTS)
    for part in results["parts"].values():
        assert len(part["rounds"]) == results["rounds"]
        for figures in part["median"].values():
            assert figures
            assert all(value >= 0 for name, value in figures.items() if not name.endswith("_kb")), figures
