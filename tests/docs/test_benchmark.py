"""The benchmark of tests/bench in its smallest form: does it measure and write what it says?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.server import default_kind

PROGRAM = Path(__file__).parents[1] / "bench" / "bench.py"
PEERS = ["heroq C reliable", "heroq Python reliable", "heroq handler typed", "heroq asyncio reliable", "redis-py batch"]
LIMIT = "redis-benchmark -P 64"


def benchmark(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.timeout(320)
def test_tables_and_figures(tmp_path: Path) -> None:
    done = benchmark("--quick", "--peers", ",".join(PEERS), "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr

    results = json.loads((tmp_path / "results.json").read_text())
    assert results["server"].startswith(default_kind())
    assert list(results["peers"]) == PEERS
    for name, row in results["peers"].items():
        middle = row["median"]
        rates = [middle[part]["rate"] for part in ("bulk", "single", "drain", "drain2")]
        others = [middle["latency"][figure] for figure in ("p50", "p99", "start", "rss")]
        assert all(figure > 0 for figure in rates + others), (name, middle)
        assert middle["latency"]["p50"] <= middle["latency"]["p99"]

    table = [line.split("|")[1:-1] for line in (tmp_path / "results.md").read_text().splitlines() if line[:1] == "|"]
    assert {len(row) for row in table} == {13}
    assert [row[0].strip() for row in table[2:]] == [*PEERS, LIMIT]
    text = (tmp_path / "results.txt").read_text()
    assert "Drained beside heroq Python reliable: heroq handler typed " in text
    assert "heroq asyncio, 200 coroutines that sleep 50 ms each: " in text
    assert "heroq Python reliable drains so many times as fast as: redis-py batch " in text
    assert text.strip() in done.stdout


def test_an_unknown_peer_is_named() -> None:
    done = benchmark("--peers", "redis-py,sidekiq")
    assert done.returncode == 64
    assert "no peer sidekiq" in done.stderr


def test_what_is_missing_is_a_row_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "huey.missing").write_text("the registry cannot be reached\n")
    out = tmp_path / "out"
    done = benchmark("--quick", "--peers", "huey", "--out", str(out), HEROQ_BENCH_PEERS=str(tmp_path))
    assert done.returncode == 0, done.stderr
    for name in ("results.txt", "results.md"):
        assert "missing: the registry cannot be reached" in (out / name).read_text()


def test_what_fails_is_a_row_with_its_reason_and_an_exit_status(tmp_path: Path) -> None:
    (tmp_path / "huey").mkdir()
    (tmp_path / "huey" / ".sum").touch()  # installed, but nothing is there
    out = tmp_path / "out"
    done = benchmark("--quick", "--peers", "huey", "--out", str(out), HEROQ_BENCH_PEERS=str(tmp_path))
    assert done.returncode == 1
    assert "failed: trial: " in (out / "results.txt").read_text()
    assert "No such file" in (out / "results.md").read_text()
