"""What looking at a full server costs it, counted in commands, not in time."""

from __future__ import annotations

from collections.abc import Iterator

import heroq
import pytest
from heroq.board import Board
from support.many import Watch, fill
from support.server import Server

JOBS, QUEUES, FOREIGN = 20_000, 50, 5
#: that read a whole structure
GREEDY = {"keys", "hgetall", "hkeys", "hvals", "smembers"}


@pytest.fixture(scope="module")
def full() -> Iterator[Server]:
    with Server() as server:
        fill(server, JOBS, QUEUES, FOREIGN, indexed=True)
        yield server


@pytest.fixture
def watch(full: Server) -> Iterator[Watch]:
    with Watch(full) as made:
        yield made


@pytest.fixture
def sup(full: Server, watch: Watch) -> Iterator[heroq.Supervisor]:
    with heroq.Supervisor(full.url) as made:
        made.client.ping()
        watch.reset()
        yield made


def test_a_board_of_many_queues(watch: Watch, sup: heroq.Supervisor) -> None:
    """About 11 commands a queue, however many jobs there are."""
    board = Board(sup.client)
    view = board.read()
    while not view.whole:
        view = board.read()
    assert (view.totals.queues, view.totals.waiting) == (QUEUES + FOREIGN, JOBS // 100 + 2 * FOREIGN)
    watch.reset()
    board.read()
    cost = watch.cost()
    assert not cost.commands.keys() & GREEDY
    assert cost.total - cost.commands.get("scan", 0) < (QUEUES + FOREIGN) * 12 + 10
    assert cost.commands.get("scan", 0) <= JOBS // 1000 + 5


def test_several_looks_see_all_keys(full: Server, watch: Watch, sup: heroq.Supervisor) -> None:
    """A search that is too long for one look goes on in the next, and is not begun anew at once."""
    with full.connect() as link:
        for at in range(0, 400_000, 100_000):
            link.call("EVAL", f"for i = {at}, {at + 99_999} do redis.call('SET', 'other:' .. i, '') end", 0)
    board = Board(sup.client)
    looks = 0
    seen: set[str] = set()
    while not (view := board.read()).whole:
        looks += 1
        assert seen <= {row.queue for row in view.queues}  # what was found stays
        seen = {row.queue for row in view.queues}
    assert view.totals.queues == QUEUES + FOREIGN
    if looks:
        watch.reset()
        assert board.read().whole and "scan" not in watch.cost().commands
    with full.connect() as link:
        for at in range(0, 400_000, 100_000):
            link.call("EVAL", f"for i = {at}, {at + 99_999} do redis.call('DEL', 'other:' .. i) end", 0)


def test_a_page_of_jobs(watch: Watch, sup: heroq.Supervisor) -> None:
    """The index first, and three commands for each row; one for each job that does not fit."""
    page = sup.page_of_jobs()
    assert (len(page["rows"]), page["source"]) == (100, "index")
    assert watch.cost().commands == {"exists": 1, "zrange": 1, "hmget": 100, "hstrlen": 200}
    watch.reset()
    page = sup.page_of_jobs(source="scan")
    cost = watch.cost().commands
    assert 100 <= len(page["rows"]) < 150 and cost["scan"] <= 3
    assert cost["hmget"] == len(page["rows"]) and cost["hstrlen"] == 2 * len(page["rows"])
    watch.reset()
    page = sup.page_of_jobs(tag="red")
    assert len(page["rows"]) == 80 and page["source"] == "index"  # all that the index has
    assert watch.cost().commands["hmget"] == 80
    watch.reset()
    assert len(list(sup.list_jobs(text="00012345"))) == 1
    assert watch.cost().commands["hmget"] == 1


def test_no_command_is_large(watch: Watch, sup: heroq.Supervisor) -> None:
    """However long a page: SCAN and the index are asked for at most 1000 at once."""
    assert len(sup.page_of_jobs(count=10_000, source="scan")["rows"]) >= 1000
    cost = watch.cost().commands
    assert cost["hmget"] <= 1100 * cost["scan"]
    watch.reset()
    assert len(sup.page_of_jobs(count=10_000, source="index")["rows"]) >= 1000
    cost = watch.cost().commands
    assert cost["hmget"] <= 1000 * cost["zrange"]


def test_what_the_index_has_told_is_not_read_again(watch: Watch, sup: heroq.Supervisor) -> None:
    rows = list(sup.list_jobs(count=1000))
    assert len({row["id"] for row in rows}) == JOBS
    assert JOBS <= watch.cost().commands["hmget"] < JOBS * 1.1
