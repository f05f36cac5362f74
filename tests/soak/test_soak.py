"""All faults at random for as long as one likes, and what a long life must not do: grow.

tests/run.sh soak --seconds 3600      (default 600, or HEROQ_SOAK_SECONDS)
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.crew import LEASE, Crew, Process, Q, seeded
from support.server import Server, wait_until

SECONDS = float(os.environ.get("HEROQ_SOAK_SECONDS") or 600)
WARM_UP = max(20.0, SECONDS / 5)
OPTIONS = ("prefetch=8", "retries=2")
# Keys that live longer than the soak's jobs by design: replies that came twice, tombstones, what was buried.
KEYS = """
local short, long = 0, 0
for _, key in ipairs(redis.call('KEYS', '*')) do
  if redis.call('PTTL', key) > 60000 then long = long + 1 else short = short + 1 end
end
return {short, long}
"""


class Series:
    """Samples of one number. `slack`: how much more the fitted line may have at its end than at its beginning."""

    def __init__(self, name: str, slack: Callable[[float], float]) -> None:
        self.name, self.slack = name, slack
        self.points: list[tuple[float, float]] = []

    def add(self, when: float, value: float) -> None:
        self.points.append((when, value))

    def growth(self) -> float:
        n = len(self.points)
        middle, mean = sum(x for x, _ in self.points) / n, sum(y for _, y in self.points) / n
        spread = sum((x - middle) ** 2 for x, _ in self.points)
        slope = sum((x - middle) * (y - mean) for x, y in self.points) / spread
        return slope * (self.points[-1][0] - self.points[0][0])

    def flat(self) -> bool:
        return self.growth() <= self.slack(self.points[0][1])

    def text(self) -> str:
        first, last = self.points[0], self.points[-1]
        hour = self.growth() / (last[0] - first[0]) * 3600
        return f"{self.name:24} first {first[1]:10,.0f}  last {last[1]:10,.0f}  slope {hour:+12,.1f} an hour"


class Soak:
    def __init__(self, server: Server, folder: Path) -> None:
        self.crew, self.server = Crew(server, folder, expire=True), server
        self.chance = seeded()
        self.lasting = {
            "Python actor": self.crew.start(*OPTIONS),
            "C actor": self.crew.start(*OPTIONS, language="c"),
            "supervisor": subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("supervisor.py")), server.url, str(folder / "orders")]
            ),
        }
        self.mortal = [self.crew.start(*OPTIONS, language=language) for language in ("c", "c", "python")]
        self.series = [
            *[Series(f"{name}, RSS KiB", lambda first: max(2048, first / 20)) for name in self.lasting],
            *[Series(f"{name}, descriptors", lambda _: 2) for name in self.lasting],
            Series("keys", lambda first: max(500, first)),
        ]
        self.long_keys = 0
        self.faults = 0

    def sample(self) -> None:
        now = time.monotonic()
        values = [rss(process) for process in self.lasting.values()]
        values += [len(os.listdir(f"/proc/{process.pid}/fd")) for process in self.lasting.values()]
        short, self.long_keys = self.server.command("EVAL", KEYS, 0)
        for series, value in zip(self.series, [*values, short], strict=True):
            series.add(now, value)

    # ---- weather ----

    def kill(self) -> None:
        i = self.chance.randrange(len(self.mortal))
        self.crew.thaw()
        place = self.crew.actors.index(self.mortal[i])
        self.crew.again(self.mortal[i])
        self.mortal[i] = self.crew.actors[place]

    def freeze(self) -> None:
        if not self.crew.frozen:
            self.crew.freeze(self.chance.choice(self.mortal))

    def kill_connections(self) -> None:
        self.server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def flush_scripts(self) -> None:
        self.server.command("SCRIPT", "FLUSH")

    def pause_clients(self) -> None:
        self.server.command("CLIENT", "PAUSE", self.chance.randrange(50, 1000), self.chance.choice(["ALL", "WRITE"]))

    def stop_server(self) -> None:
        self.server.pause()
        time.sleep(self.chance.uniform(0.2, 2 * LEASE))  # the length of the outage
        self.server.cont()

    def pause_queue(self) -> None:
        self.server.command("HSET", f"{{{Q}}}:meta", "paused", 1)
        time.sleep(self.chance.uniform(0.1, 0.5))  # the length of the pause
        self.server.command("HDEL", f"{{{Q}}}:meta", "paused")

    def weather(self) -> None:
        acts = {self.kill: 10, self.freeze: 2, self.kill_connections: 2, self.flush_scripts: 2, self.pause_clients: 1,
                self.stop_server: 1, self.pause_queue: 1, self.crew.kill_server: 0.3}  # fmt: skip
        (act,) = self.chance.choices(list(acts), list(acts.values()))
        act()
        self.faults += 1

    # ---- the run ----

    def run(self) -> None:
        start, looked = time.monotonic(), 0.0
        while (now := time.monotonic()) < start + SECONDS:
            time.sleep(self.chance.uniform(0.05, 0.6))  # how the faults follow each other is the test's input
            self.weather()
            self.crew.thaw(after=2 * LEASE)
            if now - looked > 1:
                self.crew.oracle.watch()
                self.crew.oracle.forget(30)
                if now - start > WARM_UP:
                    self.sample()
                looked = now
        self.crew.thaw()
        self.lasting["supervisor"].send_signal(signal.SIGTERM)

    def lines(self) -> list[str]:
        oracle = self.crew.oracle
        head = (
            f"soak of {SECONDS:.0f} s: {self.faults} faults, {oracle.jobs} jobs, lost {len(oracle.open)}, "
            f"doubled {len(oracle.doubled())}, stale results refused {oracle.stale}, "
            f"keys of long life {self.long_keys}, buried {self.crew.buried()}"
        )
        return [head, *[one.text() for one in self.series]]

    def close(self) -> None:
        self.crew.close()
        self.lasting["supervisor"].kill()
        self.lasting["supervisor"].wait()


def rss(process: Process) -> int:
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


@pytest.fixture
def soak(new_server: Callable[..., Server], tmp_path: Path) -> Iterator[Soak]:
    made = Soak(new_server("--appendonly", "yes", "--appendfsync", "always"), tmp_path)
    yield made
    made.close()


@pytest.mark.timeout(SECONDS + 180)
def test_68_soak(soak: Soak, capsys: pytest.CaptureFixture[str]) -> None:
    soak.run()
    wait_until(lambda: soak.lasting["supervisor"].poll() is not None, seconds=40, what="the supervisor is through")
    try:
        wait_until(soak.crew.oracle.done, seconds=60, what="every acknowledged job ends, and nothing is left over")
    finally:
        wrong = soak.crew.oracle.judge(max_starts=0)
        with capsys.disabled():
            print("\n" + "\n".join(soak.lines()))
        assert wrong == {}
    assert soak.crew.oracle.jobs > 5 * SECONDS
    assert soak.lasting["supervisor"].returncode == 0
    assert soak.lasting["Python actor"].poll() is None and soak.lasting["C actor"].poll() is None
    assert [one.text() for one in soak.series if not one.flat()] == []
