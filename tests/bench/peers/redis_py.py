"""redis-py by hand: lists and hashes. As a worker, `python -m peers.redis_py work|work-batch|work-reliable 0`."""

from __future__ import annotations

import uuid
from typing import Any

from redis import Redis

from . import driver

QUEUE, HELD, BATCH = "bench:queue", "bench:held", 64
redis: Any = Redis.from_url(driver.URL)


def enqueue(pipeline: Any, reply: str = "") -> str:
    """What a careful program keeps about a job: as many fields as heroq."""
    job = str(uuid.uuid4())
    fields = {
        "id": job,
        "function": "noop",
        "argument": driver.ARGUMENT,
        "status": "waiting",
        "created": "2026-01-01T00:00:00.000Z",
        "updated": "2026-01-01T00:00:00.000Z",
        "ttl": "86400000",
        "reply": reply,
    }
    pipeline.hset("bench:job:" + job, mapping=fields)
    pipeline.lpush(QUEUE, job)
    return job


def single(reply: str = "") -> str:
    pipeline = redis.pipeline(transaction=False)
    job = enqueue(pipeline, reply)
    pipeline.execute()
    return job


def round_trip() -> object:
    return redis.blpop("bench:reply:" + single("yes"), 20)[1].decode()


def bulk(n: int) -> None:
    def send(count: int) -> None:
        pipeline = redis.pipeline(transaction=False)
        for _ in range(count):
            enqueue(pipeline)
        pipeline.execute()

    driver.in_batches(send, n)


def do(pipeline: Any, job: bytes, fields: dict[bytes, bytes]) -> None:
    result = driver.noop(fields[b"argument"].decode())
    pipeline.hset(b"bench:job:" + job, mapping={"status": "finished", "result": result, "updated": "2026-01-01"})
    if fields[b"reply"]:
        pipeline.rpush(b"bench:reply:" + job, result)
        pipeline.expire(b"bench:reply:" + job, 60)


def work(reliable: bool) -> None:
    """One job at a time: three or four round trips. Reliable: a job stays in a list of held ones until it is done."""
    while True:
        job = redis.brpoplpush(QUEUE, HELD, 5) if reliable else (redis.brpop(QUEUE, 5) or (None, None))[1]
        if job is None:
            continue
        fields = redis.hgetall(b"bench:job:" + job)
        pipeline = redis.pipeline(transaction=False)
        do(pipeline, job, fields)
        if reliable:
            pipeline.lrem(HELD, 1, job)
        pipeline.execute()


def work_batch() -> None:
    """Up to 64 jobs in three round trips. Whoever dies in between loses them."""
    while True:
        first = redis.brpop(QUEUE, 5)
        if first is None:
            continue
        jobs = [first[1], *(redis.rpop(QUEUE, BATCH - 1) or [])]
        pipeline = redis.pipeline(transaction=False)
        for job in jobs:
            pipeline.hgetall(b"bench:job:" + job)
        all_fields = pipeline.execute()
        for job, fields in zip(jobs, all_fields, strict=True):
            do(pipeline, job, fields)
        pipeline.execute()


if __name__ == "__main__":
    what, _ = driver.arguments()
    if what == "work-batch":
        work_batch()
    elif what.startswith("work"):
        work(what == "work-reliable")
    else:
        driver.main(single, round_trip, bulk)
