"""arq; as a worker, `python -m peers.arq work 0`."""

from __future__ import annotations

import asyncio

import uvloop
from arq import create_pool
from arq.connections import RedisSettings
from arq.worker import Worker

from . import driver

SETTINGS = RedisSettings(port=driver.PORT)


async def noop(_context: object, argument: str) -> str:
    return driver.noop(argument)


async def main() -> None:
    pool = await create_pool(SETTINGS)

    async def round_trip() -> object:
        job = await pool.enqueue_job("noop", driver.ARGUMENT)
        return await job.result(timeout=20, poll_delay=0.0005)

    await driver.amain(lambda: pool.enqueue_job("noop", driver.ARGUMENT), round_trip, at_once=20)


def work() -> None:
    asyncio.set_event_loop(uvloop.new_event_loop())
    Worker([noop], redis_settings=SETTINGS, max_jobs=100, poll_delay=0.001, keep_result=3600, log_results=False).run()


if __name__ == "__main__":
    if driver.arguments()[0] == "work":
        work()
    else:
        uvloop.run(main())
