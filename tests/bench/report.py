"""Results as text, Markdown and JSON; plot.py draws them."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import peers

COLUMNS = (
    "peer",
    "bulk /s",
    "one by one /s",
    "drain /s",
    "±%",
    "2 workers /s",
    "p50 ms",
    "p99 ms",
    "CPU worker",
    "CPU server",
    "RSS MB",
    "start s",
    "not comparable",
)
OURS = "heroq Python reliable"
EXPLANATION = (
    "bulk, one by one: jobs that one process enqueues. Drain: jobs that one worker process (and two) does, its start "
    "and first moments not counted; ±%: half of what lies between the rounds. p50, p99: from enqueueing one job to its "
    "result, the worker idle. CPU: ms for 1000 jobs of the drain, of the worker with all its processes and of the "
    "server. RSS: after the round trips, all its processes. Start: from the worker's start to its first job done."
)


def _spread(values: Sequence[float]) -> float:
    middle = sorted(values)[len(values) // 2]
    return (max(values) - min(values)) / 2 / middle * 100 if middle else 0.0


def cells(name: str, row: dict[str, Any]) -> list[str]:
    for state in ("missing", "failed"):
        if state in row and "median" not in row:
            return [name, *[""] * (len(COLUMNS) - 2), f"{state}: {row[state]}"]
    middle = row["median"]
    bulk, latency, drain = middle["bulk"], middle["latency"], middle["drain"]
    note = row["note"] + (f"; failed: {row['failed']}" if "failed" in row else "")
    return [
        name,
        f"{bulk['rate']:,.0f}" if row["bulk"] else "–",
        f"{middle['single']['rate']:,.0f}",
        f"{drain['rate']:,.0f}",
        f"{_spread([one['drain']['rate'] for one in row['rounds']]):.0f}",
        f"{middle['drain2']['rate']:,.0f}",
        f"{latency['p50']:.2f}",
        f"{latency['p99']:.2f}",
        f"{drain['worker_cpu']:.1f}",
        f"{drain['server_cpu']:.1f}",
        f"{latency['rss']:.0f}",
        f"{latency['start']:.3f}",
        note,
    ]


def rows(results: dict[str, Any]) -> list[list[str]]:
    table = [cells(name, row) for name, row in results["peers"].items()]
    limit = results["limit"]
    last = ["redis-benchmark -P 64", f"{limit['bulk']:,.0f}", "", f"{limit['drain']:,.0f}", *[""] * 5]
    last += [f"{limit['server_cpu']:.1f}", "", "", "the server's limit: the bare commands of one job, no worker"]
    return [*table, last]


def handlers(results: dict[str, Any]) -> str:
    """The drain of our handlers beside our bare loop, by the ratios of the rounds, and jobs that sleep on a loop."""
    rounds = {name: [one["drain"]["rate"] for one in row["rounds"]] for name, row in results["peers"].items()}
    bare = rounds.get(OURS)
    said = [
        f"{name} {statistics.median(a / b for a, b in zip(rates, bare, strict=False)):.2f}"
        for name, rates in rounds.items()
        if bare and rates and name.startswith("heroq handler")
    ]
    lines = [f"Drained beside {OURS}: {', '.join(said)}."] if said else []
    if rate := results.get("naps"):
        lines.append(
            f"heroq asyncio, 200 coroutines that sleep 50 ms each: {rate:,.0f} jobs/s; 4,000 would be the most."
        )
    return " ".join(lines)


def ratios(results: dict[str, Any]) -> str:
    """How often the drain of each peer goes into that of our Python actor; nothing if either was not measured."""
    rates = {name: row["median"]["drain"]["rate"] for name, row in results["peers"].items() if "median" in row}
    ours = rates.get(OURS)
    others = {name: rate for name, rate in rates.items() if not name.startswith("heroq")}
    if not ours or not others:
        return ""
    parts = (f"{name} {ours / rate:.2g}" for name, rate in others.items())
    return f"{OURS} drains so many times as fast as: {', '.join(parts)}."


def heading(results: dict[str, Any]) -> str:
    machine, load = results["machine"], results["load"]
    return (
        f"{results['date']}, commit {results['commit']}, {results['server']}, {machine['cpu']}, "
        f"{machine['cores']} cores, load {load[0]} to {load[-1]}, others used {results['foreign_cores']} cores on "
        f"average; median of {results['rounds']} rounds by turns, {results['seconds']} s"
    )


def versions(results: dict[str, Any]) -> str:
    parts = [f"{name} {version}" for name, version in results["versions"].items()]
    parts += [row["versions"] for row in results["peers"].values() if row["versions"] and "missing" not in row]
    return "; ".join(dict.fromkeys(parts))


def text(results: dict[str, Any]) -> str:
    table = [list(COLUMNS), *rows(results)]
    widths = [max(len(row[i]) for row in table) for i in range(len(COLUMNS))]

    def aligned(i: int, cell: str) -> str:
        return cell.ljust(widths[i]) if i in (0, len(COLUMNS) - 1) else cell.rjust(widths[i])

    lines = [heading(results), ""]
    lines += ["  ".join(aligned(i, cell) for i, cell in enumerate(row)).rstrip() for row in table]
    return "\n".join([*lines, "", handlers(results), ratios(results), EXPLANATION])


PLOT = Path(__file__).with_name("plot.py")


def markdown(results: dict[str, Any]) -> str:
    def line(row: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "/") for cell in row) + " |"

    lines = [heading(results), "", line(COLUMNS), "|---|" + "---:|" * (len(COLUMNS) - 2) + "---|"]
    lines += [line(row) for row in rows(results)]
    lines += ["", handlers(results), "", ratios(results), "", EXPLANATION, "", "How each is set up:", ""]
    lines += [f"- {name}: {row['how']}" for name, row in results["peers"].items()]
    return "\n".join([*lines, "", f"Versions: {versions(results)}."])


def plot(script: Path, results: Path) -> str:
    """Has the script draw what the file tells, into its folder; what came of it."""
    program = peers.INSTALLED / "plot" / "bin" / "python"
    if not program.exists():
        return "no plots: scripts/setup.sh bench installs matplotlib"
    argv = [program, script, results, results.parent]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout.strip() if not done.returncode else f"no plots: {done.stderr.strip()}"


def write(results: dict[str, Any], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (out / "results.txt").write_text(text(results) + "\n")
    (out / "results.md").write_text(markdown(results) + "\n")
    print(text(results))
    print(f"\n{out}/results.txt, .md, .json; {plot(PLOT, out / 'results.json')}", flush=True)
