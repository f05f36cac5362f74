"""What the fault tests report, and the table of it at the end of a run.

A test that takes `record` says what it did: record(faults=3, jobs=200, restarts=3, lost=0, doubled=0, stale=1,
recovery=0.8). It may be called several times: numbers add up, of recoveries (seconds) the slowest counts. A test that
says nothing has its line too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.crew import Crew
from support.faultproxy import FaultProxy
from support.faults import FULL, load_scripts, sanitizer
from support.server import Server

COLUMNS = ("faults", "jobs", "restarts", "lost", "doubled", "stale", "recovery")
LEGEND = "injected faults, lost jobs, doubled outputs, stale results that were refused, slowest recovery"
Record = Callable[..., None]
Hire = Callable[[Server], Crew]
Cells = dict[str, float]


def merge(cells: Cells, more: Cells) -> None:
    for name, value in more.items():
        cells[name] = max(cells.get(name, 0), value) if name == "recovery" else cells.get(name, 0) + value


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    def note(**cells: float) -> None:
        unknown = cells.keys() - set(COLUMNS)
        assert not unknown, f"no such columns: {unknown}"
        request.node.user_properties.extend(cells.items())

    return note


@pytest.fixture
def hire(tmp_path: Path, record: Record) -> Iterator[Hire]:
    """hire(server): a crew on it, which ends with the test and is in the table."""
    made: list[Crew] = []

    def make(server: Server) -> Crew:
        made.append(Crew(server, tmp_path))
        return made[-1]

    yield make
    for crew in made:
        crew.close()
        record(**crew.report())


@pytest.fixture
def proxy(server: Server) -> Iterator[FaultProxy]:
    """What harms the commands on their way to the server."""
    load_scripts(server)
    with FaultProxy(server.port) as made:
        yield made


@pytest.fixture
def world(server: Server, hire: Hire) -> Crew:
    return hire(server)


class Row:
    """One test function, with all its parameters."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.cells: Cells = {}

    def text(self) -> list[str]:
        outcomes = ", ".join(f"{n} {word}" if n > 1 else word for word, n in sorted(self.outcomes.items()))
        return [outcomes, *[cell(name, self.cells.get(name)) for name in COLUMNS]]


def cell(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f} s" if name == "recovery" else f"{value:,.0f}"


def rows_of(reports: list[pytest.TestReport]) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for report in reports:
        file, _, test = report.nodeid.partition("::")
        if "fault/" not in file:
            continue
        row = rows.setdefault(f"{file.rpartition('/')[2].removesuffix('.py')} {test.partition('[')[0]}", Row())
        if report.when == "call" or report.outcome != "passed":
            row.outcomes[report.outcome] += 1
        if report.when == "teardown":  # the last one: fixtures may have recorded too
            for name, value in report.user_properties:
                if name in COLUMNS:
                    merge(row.cells, {name: float(str(value))})
    return rows


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    stats = terminalreporter.stats
    reports = [r for several in stats.values() for r in several if isinstance(r, pytest.TestReport)]
    rows = rows_of(reports)
    if not rows:
        return
    total = Row()
    for row in rows.values():
        total.outcomes.update(row.outcomes)
        merge(total.cells, row.cells)
    head = ["test", "outcome", *COLUMNS]
    lines = [head, *[[name, *row.text()] for name, row in rows.items()], ["all", *total.text()]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    terminalreporter.section("faults")
    terminalreporter.write_line(LEGEND)
    if FULL and sanitizer():
        terminalreporter.write_line(f"{sanitizer()} sanitizer: a fifth of the kills, and nothing larger than 64 MiB")
    for line in lines:
        first = [text.ljust(width) for text, width in zip(line[:2], widths[:2], strict=True)]
        rest = [text.rjust(width) for text, width in zip(line[2:], widths[2:], strict=True)]
        terminalreporter.write_line("  ".join(first + rest))
