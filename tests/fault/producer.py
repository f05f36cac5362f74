"""The producer that the fault tests kill: producer.py URL ORDERS NAME NAP MAX.

Notes each id in the file of orders before it submits it, and again when that was acknowledged. The next life of the
same NAME submits once more what the last one left without an answer. NAP: the longest nap of a job, in ms. While more
than MAX jobs wait it waits too. One id in twenty is submitted a second time.
"""

from __future__ import annotations

import os
import random
import sys
import time

import heroq


class Producer:
    def __init__(self, supervisor: heroq.Supervisor, path: str, name: str, nap: int) -> None:
        self.supervisor, self.name, self.nap = supervisor, name, nap
        self.number = 0
        self.unanswered: set[str] = set()
        self.note = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        with open(path, encoding="ascii") as file:
            for what, job_id, _ in [line.split() for line in file if line.endswith("\n")]:
                if job_id.startswith(f"{name}-"):
                    self.number = max(self.number, int(job_id.rpartition("-")[2]))
                    (self.unanswered.add if what == "try" else self.unanswered.discard)(job_id)

    def say(self, what: str, job_ids: list[str]) -> None:
        now = time.monotonic()
        os.write(self.note, "".join(f"{what} {job_id} {now:.6f}\n" for job_id in job_ids).encode())

    def job(self, job_id: str) -> heroq.Job:
        """The same for the same id, or a second submit would be refused."""
        chance = random.Random(job_id)
        return heroq.Job(f"nap {chance.randrange(self.nap)}", "fault", id=job_id)

    def submit(self, job_ids: list[str]) -> None:
        self.say("try", job_ids)
        try:
            if len(job_ids) == 1:
                self.supervisor.submit(self.job(job_ids[0]))
            else:
                self.supervisor.submit_many([self.job(job_id) for job_id in job_ids])
        except heroq.HeroqError as error:
            if not isinstance(error, (heroq.ConnectionError, heroq.PartialError)) and not error.retryable:
                raise
            time.sleep(0.02)  # the server is down
            return
        self.say("ack", job_ids)

    def batch(self) -> list[str]:
        made = []
        for _ in range(random.choice((1, 1, 5, 20))):
            again = self.number > 0 and random.random() < 0.05
            self.number += not again
            made.append(f"{self.name}-{random.randint(1, self.number) if again else self.number}")
        return list(dict.fromkeys(made))


def main() -> None:
    url, path, name, nap, most = sys.argv[1:6]
    with (
        heroq.Supervisor(url, log="off", connect="wait") as supervisor,
        heroq.Queue("fault", supervisor.client) as queue,
    ):
        producer = Producer(supervisor, path, name, int(nap))
        if producer.unanswered:
            producer.submit(sorted(producer.unanswered))
        while True:
            try:
                full = len(queue) > int(most)
            except heroq.HeroqError:
                full = True
            if full:
                time.sleep(0.01)
            else:
                producer.submit(producer.batch())


if __name__ == "__main__":
    main()
