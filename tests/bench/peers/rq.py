"""RQ; as a worker, `python -m peers.rq work|work-simple 0`: the job's module is loaded before the first fork."""

from __future__ import annotations

import logging

from redis import Redis
from rq import Queue, SimpleWorker, Worker

from . import driver

connection = Redis.from_url(driver.URL)
queue = Queue("bench", connection=connection)


def round_trip() -> object:
    result = queue.enqueue(driver.noop, driver.ARGUMENT).latest_result(timeout=20)
    return result.return_value


def bulk(n: int) -> None:
    driver.in_batches(
        lambda count: queue.enqueue_many([Queue.prepare_data(driver.noop, args=(driver.ARGUMENT,))] * count), n
    )


def work(worker: type[Worker]) -> None:
    worker([queue], connection=connection).work(logging_level=logging.WARNING)


if __name__ == "__main__":
    what, _ = driver.arguments()
    if what.startswith("work"):
        work(SimpleWorker if what == "work-simple" else Worker)
    else:
        driver.main(lambda: queue.enqueue(driver.noop, driver.ARGUMENT), round_trip, bulk)
