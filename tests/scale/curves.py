"""The scale curves as Markdown and JSON; draw.py draws them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import report

#: part → its title, what its points are, the figures it shows with their headings and digits, what there is to know
TABLES: dict[str, tuple[str, str, Sequence[tuple[str, str, int]], str]] = {
    "waiting": (
        "Jobs that wait",
        "waiting",
        (
            ("rate", "jobs/s", 0),
            ("actor_cpu", "actor CPU µs", 2),
            ("server_cpu", "server CPU µs", 2),
            ("commands", "commands", 2),
            ("switches", "switches", 3),
        ),
        "A drain by one thread of one actor while so many more jobs wait. CPU, server commands (those inside scripts "
        "too) and context switches of the actor are for one job.",
    ),
    "actors": (
        "Idle actors",
        "actors",
        (
            ("server_cpu", "server CPU ms/s", 2),
            ("actor_cpu", "actors' CPU ms/s", 2),
            ("commands", "commands/s", 1),
            ("connections", "connections", 0),
            ("server_kb", "server kB each", 1),
            ("actor_kb", "actor kB each", 1),
        ),
        "All wait on one queue, each with a client and a thread of its own, all in one process: what the library's "
        "code takes is counted once. CPU and commands are of all of them together, memory is what was added, divided.",
    ),
    "payloads": (
        "Payloads",
        "bytes",
        (
            ("enqueue_rate", "enqueue jobs/s", 0),
            ("enqueue_mb", "MB/s", 1),
            ("enqueue_client_cpu", "client CPU µs", 1),
            ("enqueue_server_cpu", "server CPU µs", 1),
            ("drain_rate", "drain jobs/s", 0),
            ("drain_mb", "MB/s", 1),
            ("drain_actor_cpu", "actor CPU µs", 1),
            ("drain_server_cpu", "server CPU µs", 1),
            ("drain_actor_peak_mb", "actor peak MB", 1),
        ),
        "Bulk enqueue by one process, then a drain by one actor from its opening to its close; each output is as large "
        "as the script, MB/s count the script alone.",
    ),
    "threads": (
        "Threads of one actor",
        "threads",
        (
            ("rate", "jobs/s", 0),
            ("actor_cpu", "actor CPU µs", 2),
            ("server_cpu", "server CPU µs", 2),
            ("commands", "commands", 2),
            ("switches", "switches", 3),
        ),
        "Each thread takes and finishes. CPU, commands and context switches are for one job.",
    ),
    "load": (
        "Wait under load",
        "% of capacity",
        (
            ("capacity", "capacity jobs/s", 0),
            ("sent", "sent jobs/s", 0),
            ("wait_p50", "wait p50 ms", 3),
            ("wait_p99", "p99", 3),
            ("late_p50", "producer late p50 ms", 3),
            ("late_p99", "p99", 3),
        ),
        "Capacity: what one producer and one actor do at the same time, in the same round. Then a producer sends what "
        "is due every ms in one call. A wait is from that ms to the handler's first line: the producer's own "
        "lateness is in it.",
    ),
    "hop": (
        "Latency when idle",
        "",
        (
            ("heroq_p50", "heroq p50 ms", 3),
            ("heroq_p99", "p99", 3),
            ("bare_p50", "bare p50 ms", 3),
            ("bare_p99", "p99", 3),
            ("ratio_p50", "ratio p50", 2),
            ("ratio_p99", "p99", 2),
        ),
        "From a foreign producer's LPUSH (by hiredis, the hash was stored before) to the handler's first line: heroq's "
        "reliable actor, and by turns a bare client that does BLPOP and HGETALL.",
    ),
}


def table(part: str, points: dict[str, dict[str, float]]) -> list[str]:
    title, points_are, columns, note = TABLES[part]
    rows = [[points_are, *(heading for _, heading, _ in columns)]]
    for point, figures in points.items():
        first = f"{int(point):,}" if point else ""
        rows.append([first, *(f"{figures[name]:,.{digits}f}" for name, _, digits in columns)])
    lines = [f"## {title}", "", note, ""]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(5, "|" + "---:|" * len(rows[0]))
    return [*lines, ""]


DRAW = Path(__file__).with_name("draw.py")


def markdown(results: dict[str, Any]) -> str:
    versions = "; ".join(f"{name} {version}" for name, version in results["versions"].items())
    lines = [report.heading(results), ""]
    for part, taken in results["parts"].items():
        lines += table(part, taken["median"])
    return "\n".join([*lines, f"Versions: {versions}.", ""])


def write(results: dict[str, Any], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "scale.json").write_text(json.dumps(results, indent=1) + "\n")
    (out / "scale.md").write_text(markdown(results))
    print(markdown(results))
    print(f"{out}/scale.md, .json; {report.plot(DRAW, out / 'scale.json')}", flush=True)
