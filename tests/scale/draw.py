"""Draws the scale curves: draw.py SCALE.json FOLDER. Needs matplotlib."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
import figure

COLOURS = ("#c8102e", "#6b7a8f", "#2a9d8f", "#e9a23b")
#: part, what x is, what y is, the lines and their names; a figure of one job or of all, as scale.md has it
PANELS: Sequence[tuple[str, str, str, dict[str, str]]] = (
    ("waiting", "jobs waiting", "CPU µs a job", {"server_cpu": "server", "actor_cpu": "actor"}),
    ("waiting", "jobs waiting", "jobs/s", {"rate": "drain"}),
    ("actors", "idle actors", "CPU ms a second", {"server_cpu": "server", "actor_cpu": "actors"}),
    ("actors", "idle actors", "kB each", {"server_kb": "server", "actor_kb": "actor"}),
    ("payloads", "bytes of a script", "jobs/s", {"enqueue_rate": "enqueue", "drain_rate": "drain"}),
    ("payloads", "bytes of a script", "MB/s", {"enqueue_mb": "enqueue", "drain_mb": "drain"}),
    ("threads", "threads", "jobs/s", {"rate": "drain"}),
    ("threads", "threads", "CPU µs a job", {"server_cpu": "server", "actor_cpu": "actor"}),
    ("load", "% of capacity", "wait, ms", {"wait_p50": "p50", "wait_p99": "p99"}),
)


def lines(axes: Any, panel: tuple[str, str, str, dict[str, str]], part: dict[str, Any]) -> None:
    _, x_is, y_is, names = panel
    points = part["median"]
    xs = [int(point) for point in points]
    for colour, (name, label) in zip(COLOURS, names.items(), strict=False):
        axes.plot(xs, [points[point][name] for point in points], "o-", color=colour, label=label)
        for one in part["rounds"]:
            axes.plot(xs, [one[point][name] for point in points], ".", color=colour, alpha=0.4, markersize=4)
    if x_is != "% of capacity":
        axes.set_xscale("log", base=2 if x_is == "threads" else 10)
    # Costs begin at zero, so that a bend looks as large as it is; what goes over decades is shown by decades.
    highest, lowest = (pick(points[p][f] for p in points for f in names) for pick in (max, min))
    if lowest > 0 and highest > 50 * lowest:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set_xlabel(x_is, fontsize=8)
    axes.set_title(y_is, fontsize=10)
    if len(names) > 1:
        axes.legend(fontsize=8)


def hop(axes: Any, part: dict[str, Any]) -> None:
    figures = part["median"][""]
    for offset, (who, colour) in enumerate(zip(("heroq", "bare"), COLOURS, strict=False)):
        both = [figures[f"{who}_{q}"] for q in ("p50", "p99")]
        bars = axes.bar([x + 0.4 * offset for x in (0, 1)], both, width=0.38, color=colour, label=who)
        axes.bar_label(bars, fmt="%.3f", fontsize=7)
    axes.set_xticks([0.2, 1.2], ["p50", "p99"])
    axes.set_title("LPUSH to handler when idle, ms", fontsize=10)
    axes.legend(fontsize=8)


def main() -> None:
    results = json.loads(Path(sys.argv[1]).read_text())
    drawing, places = figure.panels(2, 5, 24, 8.5)
    for axes, panel in zip(places, PANELS, strict=False):
        if panel[0] in results["parts"]:
            lines(axes, panel, results["parts"][panel[0]])
        else:
            axes.set_axis_off()
    if "hop" in results["parts"]:
        hop(places[-1], results["parts"]["hop"])
    else:
        places[-1].set_axis_off()
    figure.save(drawing, places, results, Path(sys.argv[2]), "scale")


if __name__ == "__main__":
    main()
