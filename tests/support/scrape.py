"""What Prometheus would read, and what its own tool says of it."""

from __future__ import annotations

import json
import socket
import subprocess
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

Labels = Mapping[str, str]


class Scrape:
    """The samples of a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = list(text_string_to_metric_families(text))
        self.samples = [sample for family in self.families for sample in family.samples]

    def all(self, name: str, **labels: str) -> list[tuple[Labels, float]]:
        return [
            (sample.labels, sample.value)
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]

    def one(self, name: str, **labels: str) -> float:
        found = self.all(name, **labels)
        assert len(found) == 1, f"{name}{labels}: {found}"
        return found[0][1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as made:
        port: int = made.getsockname()[1]
        return port


def scrape(port: int) -> Scrape:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        return Scrape(answer.read().decode())


def promtool(*argv: str, stdin: str = "") -> str:
    """What it prints, if it is content. Debian's package is prometheus."""
    done = subprocess.run(["promtool", *argv], input=stdin, capture_output=True, text=True, timeout=60, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def names(families: Iterable[Metric]) -> set[str]:
    """As they stand in PromQL."""
    return {f"{one.name}_total" if one.type == "counter" else one.name for one in families}


def fired(rules: Path, before: Scrape, after: Scrape, expected: Mapping[str, int], folder: Path) -> None:
    """Ten minutes as it was before, then an hour as it was after: which alerts fire meanwhile, and for how many series.

    Prometheus's own evaluation says so; AssertionError has what it found instead.
    """
    values = {_series(sample): ["_x11", "_x60"] for one in (before, after) for sample in one.samples}
    for at, (one, count) in enumerate(((before, 10), (after, 59))):
        for sample in one.samples:
            values[_series(sample)][at] = f"{sample.value:.6f}+0x{count}"
    firing = 'count by (alertname) (max_over_time(ALERTS{alertstate="firing"}[71m]))'
    samples = [{"labels": f'{{alertname="{name}"}}', "value": count} for name, count in expected.items()]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": " ".join(parts)} for name, parts in values.items()],
        "promql_expr_test": [{"expr": firing, "eval_time": "70m", "exp_samples": samples}],
    }
    file = folder / "rules_test.json"  # which is YAML, too
    file.write_text(json.dumps({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": [test]}))
    promtool("test", "rules", str(file))


def _series(sample: Sample) -> str:
    labels = ",".join(f"{name}={json.dumps(value)}" for name, value in sorted(sample.labels.items()))
    return f"{sample.name}{{{labels}}}"
