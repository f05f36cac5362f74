"""Crash simulator for PROTOCOL.md: python3 chaos.py MODE SECONDS [SEED]. Mode full keeps every rule and must PASS; so
must those that safety does not need; every other mode breaks one rule and must FAIL. `all` runs them one after the
other; 0 seconds are the probes alone."""

from __future__ import annotations

import collections
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import audit
import others
import probes
from actor import actor_loop
from support.server import Server
from world import HARMLESS, MODES, QUEUES, World, key


def simulate(world: World, seconds: float) -> str:
    probes.run(world)
    if not seconds:
        return report(world, 0, 0)
    link = world.link()
    # Ahead of the clock, so that an undone TAKE gives numbers twice.
    for queue in QUEUES:
        link("HSET", key(queue, "meta"), "seq", int((time.time() + 86400) * 1e6))

    def thread(run: Callable[..., None], *args: Any) -> threading.Thread:
        made = threading.Thread(target=run, args=(world, *args), daemon=True)
        made.start()
        return made

    for number in range(8):
        thread(actor_loop, number)
    for kind in ("hash", "output", "reply"):
        thread(others.foreign_actor, kind)
    thread(others.foreign_ctl)
    busy = [thread(others.caller, number) for number in range(8)]
    busy += [thread(others.producer), thread(others.weather)]

    end = time.time() + seconds
    history: collections.deque[set[str]] = collections.deque(maxlen=4)
    while time.time() < end:
        time.sleep(0.4)
        history.append(audit.lost(world, audit.look(world, link)))
        # A requeue is several steps: only a loss that is seen four times counts.
        if len(history) == 4:
            for id in set.intersection(*history):
                world.violation("lost", id)
    world.drain = True
    for one in busy:
        one.join(15)
    for queue in QUEUES:
        link("HDEL", key(queue, "meta"), "paused")
    end = time.time() + 30
    while time.time() < end and audit.left_over(link):
        time.sleep(0.3)
    for name, n in audit.left_over(link).items():
        world.violation("left over in " + name, n)
    ended, lost = audit.final(world, link)
    audit.ctl_list(world, link)
    world.stop = True
    time.sleep(0.4)
    return report(world, ended, lost)


def report(world: World, ended: int, lost: int) -> str:
    counts = world.counts
    numbers = {
        "jobs": world.jobs,
        "terminal": ended,
        "runs": counts["run"],
        "crashes": sum(n for name, n in counts.items() if name.startswith("crash")),
        "lost replies": counts["reply-lost"],
        "failovers": counts["failover"],
        "requeued": counts["requeued"],
        "stops": len(world.stops),
        "awaited": counts["awaited"],
        "dead": counts["dead"],
        "lost": lost,
    }
    verdict = "FAIL" if world.violations else "PASS"
    lines = [f"{verdict} {world.mode} seed {world.seed}: " + ", ".join(f"{name} {n}" for name, n in numbers.items())]
    lines += [f"  violated: {what} ({len(details)}) {details[0]}" for what, details in world.violations.items()]
    return "\n".join(lines)


def run_all(seconds: str, seed: str) -> int:
    wrong = []
    for mode in MODES:
        done = subprocess.run(
            [sys.executable, __file__, mode, seconds, seed], capture_output=True, text=True, check=False
        )
        word = "PASS" if mode == "full" or mode in HARMLESS else "FAIL"
        right = done.stdout.startswith(word)
        if not right:
            wrong.append(mode)
        reasons = [line.strip() for line in done.stdout.splitlines()[1:]]
        print(
            "ok   " if right else "WRONG", f"{mode:20}", done.stdout[:4] or done.stderr[-300:], *reasons[:1], flush=True
        )
    print(f"{len(MODES) - len(wrong)} passed, {len(wrong)} failed")
    return 1 if wrong else 0


def main(argv: list[str]) -> int:
    mode, seconds, seed = (argv + ["full", "25", "1"][len(argv) :])[:3]
    if mode == "all":
        return run_all(seconds, seed)
    if mode not in MODES:
        sys.exit("modes: all " + " ".join(MODES))
    with Server() as server:
        world = World(mode, int(seed), server)
        try:
            print(simulate(world, float(seconds)))
        finally:
            world.stop = world.drain = True
    return 1 if world.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
