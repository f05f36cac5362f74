"""Claims and results that go to the server together: what is wrong with one of them harms no other."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from support.acting import H, Q, Runner, ended, enqueue_many, field, wait_until_idle
from support.faultproxy import FaultProxy
from support.faults import word_of
from support.server import Server, wait_until

IDS = [f"j{i:03}" for i in range(400)]


def calls(server: Server, command: str) -> int:
    found = re.search(rf"cmdstat_{command}:calls=(\d+)", str(server.cli("INFO", "commandstats")))
    return int(found[1]) if found else 0


def test_jobs_that_come_together_share_calls(server: Server) -> None:
    enqueue_many(server, IDS)
    with Runner(server.url) as runner:
        before = calls(server, "evalsha")
        wait_until(lambda: ended(server, IDS), seconds=30)
        assert runner.run_count() == dict.fromkeys(IDS, 1)
        assert calls(server, "evalsha") - before < len(IDS)  # one by one it would be more than two each


def test_an_ill_hash_among_many(server: Server) -> None:
    ill = IDS[::50]
    enqueue_many(server, IDS)
    for job_id in ill:
        server.command("DEL", f"hero:job:{job_id}")
        server.command("RPUSH", f"hero:job:{job_id}", "x")
    others = [job_id for job_id in IDS if job_id not in ill]
    with Runner(server.url) as runner:
        wait_until(lambda: ended(server, others), seconds=30)
        wait_until(lambda: server.command("ZCARD", f"{H}:dead") == len(ill), seconds=30)
        wait_until_idle(server)
        assert runner.run_count() == dict.fromkeys(others, 1)
    reasons = server.command("HVALS", f"{H}:reasons")
    assert Counter(reasons) == {b"bad_hash": len(ill)}


@pytest.mark.parametrize("size", [1000, 200_000])
def test_scripts_and_outputs_of_all_sizes(server: Server, size: int) -> None:
    """Large ones go alone, small ones beside them together; each gets its own."""
    ids = IDS[:120]
    texts = {job_id: f"{job_id} ".ljust(size if i % 7 == 0 else 20 + i, "x") for i, job_id in enumerate(ids)}
    for job_id, text in texts.items():
        server.command("HSET", f"hero:job:{job_id}", "script", text, "script_type", "fault", "status", "dispatched")
    server.command("LPUSH", Q, *ids)
    with Runner(server.url, handler=lambda job: job.finish(job.script)):
        wait_until(lambda: ended(server, ids), seconds=30)
        wait_until_idle(server)
    assert {job_id: field(server, job_id, "output") for job_id in ids} == {k: v.encode() for k, v in texts.items()}


def test_in_a_cluster_each_goes_alone() -> None:
    with Server(args=["--cluster-enabled", "yes", "--save", "", "--appendonly", "no"]) as node:
        node.command("CLUSTER", "ADDSLOTS", *range(16384))
        wait_until(lambda: "cluster_state:ok" in str(node.cli("CLUSTER", "INFO")), seconds=30)
        enqueue_many(node, IDS)
        with Runner(node.url) as runner:
            wait_until(lambda: ended(node, IDS), seconds=30)
            wait_until_idle(node)
            assert runner.run_count() == dict.fromkeys(IDS, 1)
            assert not [text for text in runner.said() if "CROSSSLOT" in text]


@pytest.mark.parametrize("harm", ["drop", "lose", "stall", "cut"])
@pytest.mark.parametrize("command", ["claim", "finish"])
def test_5_a_call_for_many_is_lost(server: Server, proxy: FaultProxy, command: str, harm: str) -> None:
    """Repeated whole or one by one, it runs none of them again."""
    enqueue_many(server, IDS)
    proxy.arm(word_of(command), harm)
    with Runner(proxy.url, lease="60s") as runner:
        assert proxy.fired.wait(10), f"no {command} was sent"
        wait_until(lambda: ended(server, IDS), seconds=30)
        wait_until_idle(server)
        assert runner.run_count() == dict.fromkeys(IDS, 1)
