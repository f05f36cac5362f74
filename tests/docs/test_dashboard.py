"""examples/deploy/grafana/heroq.json: what it asks Prometheus for exists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from heroq.metrics import table
from support.scrape import promtool

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = json.loads((ROOT / "examples" / "deploy" / "grafana" / "heroq.json").read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
METRICS = {metric.name: metric for metric in (*table.OF_BOARD, *table.OF_WORKER)}


def exprs() -> Iterator[tuple[str, str]]:
    for panel in PANELS:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def metric_of(name: str) -> table.Metric:
    """Of a series: a histogram has three for each metric."""
    plain = re.sub(r"_(bucket|sum|count)$", "", name)
    if plain in METRICS and METRICS[plain].kind == "histogram":
        return METRICS[plain]
    return METRICS[name]


@pytest.mark.parametrize(("title", "expr"), [pytest.param(*one, id=f"{i}-{one[0]}") for i, one in enumerate(exprs())])
def test_an_expression_names_what_there_is(title: str, expr: str) -> None:
    found = re.findall(r"(heroq_\w+)(?:\{([^}]*)\})?", expr)
    assert found
    for name, selector in found:
        labels = set(re.findall(r"(\w+)(?:=~|!~|!=|=)", selector))
        assert labels <= set(metric_of(name).labels), f"{title}: {name}"


def test_every_metric_is_on_a_panel() -> None:
    shown = {metric_of(name).name for _, expr in exprs() for name in re.findall(r"heroq_\w+", expr)}
    assert shown == set(METRICS)


def test_prometheus_can_read_the_expressions(tmp_path: Path) -> None:
    """As rules, which its tool checks."""
    asked = [
        expr.replace("$__rate_interval", "5m").replace("$queue", ".*").replace("$handler", ".*") for _, expr in exprs()
    ]
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(asked)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(asked)} rules found" in promtool("check", "rules", str(file))


def test_grafana_can_draw_it() -> None:
    """What its model wants: own ids, places that do not overlap, 24 columns, variables that are defined."""
    ids = [panel["id"] for panel in PANELS]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
        assert panel["type"] in ("row", "stat", "timeseries", "table")
    text = json.dumps(DASHBOARD)
    variables = {one["name"] for one in DASHBOARD["templating"]["list"]}
    assert set(re.findall(r"\$\{?([a-z]\w*)", text)) == variables == {"datasource", "queue", "handler"}
    assert DASHBOARD["uid"] == "heroq" and not re.search(r"https?://", text)
