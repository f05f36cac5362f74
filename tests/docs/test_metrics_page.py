"""docs/metrics.md, whose tables are those of the code; examples/deploy/prometheus with a real Prometheus."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import heroq
import pytest
import yaml
from heroq.metrics import table
from support.scrape import free_port
from support.server import Server, wait_until

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
DEPLOY = ROOT / "examples" / "deploy"
RULES = DEPLOY / "prometheus" / "heroq-alerts.yml"
APP = """
import heroq


@heroq.actor("osis")
def osis(text: str) -> None:
    if text == "bad":
        raise heroq.Fail("never")
"""


def rows_of(heading: str) -> list[list[str]]:
    """The first table behind a heading."""
    lines = PAGE.partition(f"\n## {heading}\n")[2].splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows


@pytest.mark.parametrize(("heading", "metrics"), [("All queues", table.OF_BOARD), ("A worker", table.OF_WORKER)])
def test_the_page_shows_each_metric_as_it_is(heading: str, metrics: tuple[table.Metric, ...]) -> None:
    def labels(metric: table.Metric) -> str:
        own = [f"`{name}`" for name in metric.labels if name not in table.QUEUE]
        return ", ".join([*(["queue…"] if metric.labels[:4] == table.QUEUE else []), *own])

    assert rows_of(heading) == [[f"`{one.name}`", one.kind, labels(one), one.text] for one in metrics]


def test_the_page_shows_each_alert_as_it_is() -> None:
    [group] = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    expected = [
        [f"`{rule['alert']}`", f"`{' '.join(rule['expr'].split())}`", rule.get("for", "at once")]
        for rule in group["rules"]
    ]
    assert rows_of("Prometheus") == expected


class Prometheus:
    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def is_ready(self) -> bool:
        try:
            urllib.request.urlopen(f"{self._url}/-/ready", timeout=20).close()
            return True
        except OSError:
            return False

    def ask(self, what: str, **query: str) -> Any:
        try:
            with urllib.request.urlopen(
                f"{self._url}/api/v1/{what}?{urllib.parse.urlencode(query)}", timeout=20
            ) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{what} {query}: {error.read().decode()}") from None

    def query(self, expr: str) -> list[Any]:
        found: list[Any] = self.ask("query", query=expr)["result"]
        return found


@pytest.fixture
def started() -> Iterator[Callable[..., None]]:
    processes: list[subprocess.Popen[bytes]] = []

    def start(*argv: str, **environment: str) -> None:
        processes.append(subprocess.Popen(argv, env={**os.environ, **environment}))

    yield start
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(30)


@contextmanager
def prometheus(folder: Path, ports: dict[str, int], start: Callable[..., None]) -> Iterator[Prometheus]:
    """With the example's files, but for the ports and the times."""
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    for name, port in ports.items():
        assert name in text
        text = text.replace(name, f"127.0.0.1:{port}")
    file, port = folder / "prometheus.yml", free_port()
    file.write_text(text.replace("15s", "1s"))
    (folder / RULES.name).write_text(RULES.read_text(encoding="utf-8"))
    start("prometheus", f"--config.file={file}", f"--storage.tsdb.path={folder}/data", "--log.level=error",
          f"--web.listen-address=127.0.0.1:{port}")  # fmt: skip
    one = Prometheus(port)
    wait_until(one.is_ready, seconds=30)
    yield one


def test_a_real_prometheus_reads_all_of_it(
    new_server: Callable[..., Server], tmp_path: Path, started: Callable[..., None]
) -> None:
    """Both ports are scraped, the rules are loaded, and each expression of the dashboard has an answer."""
    server = new_server("--appendonly", "yes", "--maxmemory", "1gb")
    (tmp_path / "app.py").write_text(APP)
    ports = {"localhost:9464": free_port(), "localhost:9465": free_port()}
    listen, metrics = (str(port) for port in ports.values())
    started(sys.executable, "-m", "heroq", "metrics", "--listen", listen, HEROQ_URL=server.url)
    worker = [sys.executable, "-m", "heroq", "worker", str(tmp_path / "app.py"), "--metrics", metrics, "--grace", "1"]
    started(*worker, HEROQ_URL=server.url)
    panels = json.loads((DEPLOY / "grafana" / "heroq.json").read_text(encoding="utf-8"))["panels"]
    asked = {target["expr"] for panel in panels for target in panel.get("targets", ())}

    def ready(expr: str) -> str:
        return expr.replace("$__rate_interval", "10s").replace("$queue", ".*").replace("$handler", ".*")

    with heroq.Supervisor(server.url) as sup, prometheus(tmp_path, ports, started) as one:
        end = time.monotonic() + 60
        silent = asked
        while silent:
            jobs = sup.submit_many(["x"] * 5 + ["bad"], "osis")
            heroq.gather(jobs, timeout=30, return_exceptions=True, server=sup)
            silent = {expr for expr in silent if not one.query(ready(expr))}
            assert time.monotonic() < end, silent
        assert {target["health"] for target in one.ask("targets")["activeTargets"]} == {"up"}
        [group] = one.ask("rules")["groups"]
        assert {rule["health"] for rule in group["rules"]} == {"ok"} and len(group["rules"]) == len(
            rows_of("Prometheus")
        )
        alerts = one.ask("alerts")["alerts"]
        assert {alert["labels"]["alertname"] for alert in alerts} <= {"HeroqDeadJobs", "HeroqErrors"}
