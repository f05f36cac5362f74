"""Real actors and producers on one server, which are killed, frozen and started again.

The programs are tests/fault/actor.py, its C twin (built as fault_actor) and producer.py; tests/support/oracle.py holds
what they wrote against the server. Leases are scaled down to 600 ms.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from .oracle import Ledger, Oracle, caller, hashes, left_over
from .server import Server

Process = subprocess.Popen[bytes]

Q = "hero:q:work:type:fault"
LEASE = 0.6
OPTIONS = ("lease=600ms", "recheck=200ms", "handoff_grace=300ms", "backoff=100ms", "block=200ms")
MAX_STARTS = 4  # the first run and three recoveries
PROGRAMS = Path(__file__).parents[1] / "fault"
ACTORS = {
    "python": [sys.executable, str(PROGRAMS / "actor.py")],
    "c": [os.environ["HEROQ_BUILD_DIR"] + "/tests/fault_actor"],
}


def seeded() -> random.Random:
    """Random numbers of $HEROQ_SEED, or of a seed that is printed."""
    seed = int(os.environ.get("HEROQ_SEED", random.randrange(10**6)))
    print(f"seed {seed}")
    return random.Random(seed)


class Crew:
    def __init__(self, server: Server, folder: Path, expire: bool = False) -> None:
        self.server, self.folder = server, folder
        self.ledger = Ledger(folder / "ledger").path
        # where hashes expire there are callers who wait, and take the replies away
        self.oracle = Oracle(server, folder, [Q], expire, replied="none" if expire else "asked")
        self.actors: list[Process] = []
        self.producers: list[Process] = []
        self.ended: list[tuple[int, float]] = []  # pid and time of who was killed or frozen
        self.frozen: list[tuple[Process, float]] = []
        self.faults = self.kills = self.restarts = 0

    # ---- who is there ----

    def start(self, *options: str, language: str = "python") -> Process:
        actor = subprocess.Popen([*ACTORS[language], self.server.url, str(self.ledger), *OPTIONS, *options])
        self.actors.append(actor)
        return actor

    def start_producer(self, nap: int, most: int) -> Process:
        argv = [self.server.url, str(self.folder / "orders"), f"p{len(self.producers)}", str(nap), str(most)]
        producer = subprocess.Popen([sys.executable, str(PROGRAMS / "producer.py"), *argv])
        self.producers.append(producer)
        return producer

    def again(self, process: Process) -> None:
        """Kills one of them and starts it again, the same program with the same arguments."""
        self._end(process)
        for group in (self.actors, self.producers):
            if process in group:
                group[group.index(process)] = subprocess.Popen(process.args)
        self.restarts += 1

    def kill(self, actor: Process) -> None:
        self._end(actor)
        self.actors.remove(actor)

    def freeze(self, actor: Process) -> None:
        actor.send_signal(signal.SIGSTOP)
        self.frozen.append((actor, time.monotonic()))
        self.ended.append((actor.pid, time.monotonic()))
        self.faults += 1

    def thaw(self, after: float = 0) -> None:
        """Lets those go on that have been frozen for so long."""
        for actor, since in self.frozen[:]:
            if time.monotonic() - since >= after:
                self.frozen.remove((actor, since))
                actor.send_signal(signal.SIGCONT)

    def _end(self, process: Process) -> None:
        self.ended.append((process.pid, time.monotonic()))
        process.kill()
        process.wait()
        self.kills += 1
        self.faults += 1

    def kill_server(self) -> None:
        self.server.kill9()
        self.server.restart()
        self.kills += 1
        self.faults += 1
        self.restarts += 1

    def revive(self) -> None:
        """Those that ended by themselves."""
        for actor in [a for a in self.actors if a.poll() is not None]:
            self.again(actor)

    def dismiss_producers(self) -> None:
        for producer in self.producers:
            producer.kill()
            producer.wait()
        self.producers.clear()

    def close(self) -> None:
        for process in self.actors + self.producers:
            process.kill()
            process.wait()

    def awake(self) -> list[Process]:
        """The actors that are not frozen."""
        return [actor for actor in self.actors if actor not in [frozen for frozen, _ in self.frozen]]

    # ---- what they did ----

    def lines(self, what: str, job_id: str | None = None) -> list[list[str]]:
        found = Ledger(self.ledger).read()
        return [line for line in found if line[0] == what and (job_id is None or line[1] == job_id)]

    def status(self, job_id: str) -> bytes | None:
        answer: bytes | None = self.server.command("HGET", f"hero:job:{job_id}", "status")
        return answer

    def all_terminal(self, ids: list[str]) -> bool:
        with self.server.connect() as link:
            return all(values[0] in ("finished", "error") for _, values in hashes(link, ids, "status"))

    def nothing_left(self) -> bool:
        with self.server.connect() as link:
            return not left_over(caller(link), [Q])

    def order(self, ids: list[str]) -> list[str]:
        """Ids that the test itself has submitted."""
        with self.oracle.orders.path.open("a") as file:
            file.writelines(f"{what} {job_id} {time.monotonic()}\n" for what in ("try", "ack") for job_id in ids)
        return ids

    def buried(self) -> int:
        count: int = self.server.command("ZCARD", f"{{{Q}}}:dead")
        return count

    def report(self) -> dict[str, float]:
        """For the table."""
        oracle = self.oracle
        oracle.read_ledgers()
        recovery = oracle.recovery(self.ended)
        return {
            "faults": self.faults,
            "jobs": oracle.jobs,
            "restarts": self.restarts,
            "lost": len(oracle.open),
            "doubled": len(oracle.doubled()),
            "stale": oracle.stale,
            **({"recovery": recovery} if recovery else {}),
        }
