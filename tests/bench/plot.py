"""Draws the results: plot.py RESULTS.json FOLDER. Needs matplotlib."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import figure

OURS, THEIRS, SERVER = "#c8102e", "#6b7a8f", "#c9ced6"
Row = dict[str, Any]
Panel = tuple[str, Callable[[Row], float | None], bool]


def value(part: str, name: str) -> Callable[[Row], float | None]:
    return lambda row: row["median"][part][name]


PANELS: Sequence[Panel] = (
    ("drain by one worker, jobs/s", value("drain", "rate"), True),
    ("bulk enqueue, jobs/s", lambda row: row["median"]["bulk"]["rate"] if row["bulk"] else None, True),
    ("enqueue one by one, jobs/s", value("single", "rate"), True),
    ("round trip p50, ms", value("latency", "p50"), True),
    ("round trip p99, ms", value("latency", "p99"), True),
    ("memory of an idle worker, MB", value("latency", "rss"), False),
    ("start to first job, s", value("latency", "start"), True),
)


def colour(name: str) -> str:
    return OURS if name.startswith("heroq") else THEIRS


def bars(axes: Any, title: str, figures: dict[str, float], logarithmic: bool) -> None:
    names = list(figures)[::-1]
    axes.barh(names, [figures[name] for name in names], color=[colour(name) for name in names])
    if logarithmic:
        axes.set_xscale("log")
    for i, name in enumerate(names):
        number = figures[name]
        axes.annotate(
            f"{number:,.0f}" if number >= 100 else f"{number:.3g}",
            (number, i),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
        )
    axes.set_title(title, fontsize=10)
    axes.margins(x=0.18)


def cpu(axes: Any, rows: dict[str, Row]) -> None:
    names = list(rows)[::-1]
    own = [rows[name]["median"]["drain"]["worker_cpu"] for name in names]
    server = [rows[name]["median"]["drain"]["server_cpu"] for name in names]
    axes.barh(names, own, color=[colour(name) for name in names])
    axes.barh(names, server, left=own, color=SERVER)
    for i, both in enumerate(a + b for a, b in zip(own, server, strict=True)):
        axes.annotate(f"{both:,.1f}", (both, i), xytext=(3, 0), textcoords="offset points", va="center", fontsize=7)
    axes.set_xscale("symlog", linthresh=10)
    axes.set_title("CPU ms for 1000 jobs, worker + server (grey)", fontsize=10)
    axes.margins(x=0.18)


def main() -> None:
    results = json.loads(Path(sys.argv[1]).read_text())
    rows = {name: row for name, row in results["peers"].items() if "median" in row}
    drawing, places = figure.panels(2, 4, 22, 1.6 + 0.5 * max(6, len(rows)))
    for axes, (title, read, logarithmic) in zip(places, PANELS, strict=False):
        figures = {name: number for name, row in rows.items() if (number := read(row)) is not None}
        bars(axes, title, figures, logarithmic)
    limit = results["limit"]["drain"]
    places[0].axvline(limit, color=OURS, linestyle=":", linewidth=1)
    places[0].annotate("redis-benchmark", (limit, 0), rotation=90, fontsize=7, ha="right", color=OURS)
    cpu(places[-1], rows)
    figure.save(drawing, places, results, Path(sys.argv[2]), "results")


if __name__ == "__main__":
    main()
