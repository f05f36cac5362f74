"""The long-lived supervisor of the soak: supervisor.py URL ORDERS, until SIGTERM.

Does all that callers do, at random, one thing after the other, and notes what was acknowledged
(tests/support/oracle.py).
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable

import heroq

SCRIPTS = ("ok",) * 20 + ("nap 20",) * 5 + ("nap 60",) * 2 + ("fail 1", "fail 1", "retry 100", "fail 9")
TTL = 5.0  # as short as the soak's keys are to live


class Caller:
    def __init__(self, url: str, orders: str) -> None:
        self.supervisor = heroq.Supervisor(url, log="off", connect="wait")
        self.queue = heroq.Queue("fault", self.supervisor.client)
        self.waiter = heroq.Waiter(self.supervisor.client)
        self.note = os.open(orders, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.recent: deque[str] = deque(maxlen=100)
        self.tag = 0

    def say(self, what: str, *job_ids: str) -> None:
        now = time.monotonic()
        os.write(self.note, "".join(f"{what} {job_id} {now:.6f}\n" for job_id in job_ids).encode())
        if what == "ack":
            self.recent.extend(job_ids)

    def job(self, script: str = "", **options: str | float) -> heroq.Job:
        return heroq.Job(script or random.choice(SCRIPTS), "fault", id=str(uuid.uuid4()), ttl=TTL, retries=2, **options)

    def one(self) -> None:
        job = self.job()
        self.supervisor.submit(job)
        self.say("ack", job.id)

    def twice(self) -> None:
        job = self.job()
        for _ in range(2):
            self.supervisor.submit(job.copy())
        self.say("ack", job.id)

    def many(self) -> None:
        self.say("ack", *self.supervisor.submit_many([self.job() for _ in range(10)]))

    def later(self) -> None:
        job = self.job(delay=random.uniform(0.05, 1))
        self.supervisor.submit(job)
        self.say("ack", job.id)

    def run(self) -> None:
        job = self.job("nap 10")
        self.supervisor.run_job_and_await_result(job, timeout=20)
        self.say("ack", job.id)

    def wait_for_several(self) -> None:
        jobs = [self.job("ok") for _ in range(5)]
        for job in jobs:
            self.tag += 1
            self.waiter.submit(job, self.tag, timeout=20)

    def collect(self) -> None:
        while self.waiter.take(0):
            pass

    def stop(self) -> None:
        self.supervisor.stop_job(random.choice(self.recent))

    def requeue(self) -> None:
        """Repeated until it is answered: before that the job may be nowhere."""
        job_id = random.choice(self.recent)
        self.say("again", job_id)
        while True:
            try:
                self.supervisor.requeue_job(job_id)
            except (heroq.ConnectionError, heroq.ServerError):
                continue
            except (heroq.StateError, heroq.NotFoundError):
                pass
            self.say("ack", job_id)
            return

    def delete(self) -> None:
        job_id = random.choice(self.recent)
        self.say("again", job_id)
        self.supervisor.delete_job(job_id)

    def look(self) -> None:
        self.supervisor.get_status(random.choice(self.recent))
        self.queue.stats()
        for _ in itertools.islice(self.queue.page("dead"), 100):
            pass

    def close(self) -> None:
        end = time.monotonic() + 20
        while len(self.waiter) and time.monotonic() < end:
            self.waiter.take(0.1)


def main() -> None:
    over = False

    def stop(*_: object) -> None:
        nonlocal over
        over = True

    signal.signal(signal.SIGTERM, stop)
    caller = Caller(*sys.argv[1:3])
    acts: dict[Callable[[], None], float] = {
        caller.one: 5, caller.twice: 1, caller.many: 2, caller.later: 2, caller.run: 1, caller.wait_for_several: 1,
        caller.collect: 2, caller.stop: 1, caller.requeue: 1, caller.delete: 0.1, caller.look: 1,
    }  # fmt: skip
    while not over:
        (act,) = random.choices(list(acts), list(acts.values()))
        try:
            if len(caller.queue) < 200 and (caller.recent or act == caller.one):
                act()
        except (heroq.ConnectionError, heroq.StateError, heroq.NotFoundError, heroq.ServerError, heroq.TimeoutError):
            pass  # the weather, or the job is in another state by now
        time.sleep(random.uniform(0, 0.04))
    caller.close()


if __name__ == "__main__":
    main()
