"""taskiq on a Redis stream. Its worker: `taskiq worker peers.taskiq:broker`."""

from __future__ import annotations

import uvloop
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from . import driver

broker = RedisStreamBroker(driver.URL).with_result_backend(RedisAsyncResultBackend(driver.URL, result_ex_time=3600))


@broker.task(task_name="noop")
async def noop(argument: str) -> str:
    return driver.noop(argument)


async def round_trip() -> object:
    task = await noop.kiq(driver.ARGUMENT)
    return (await task.wait_result(check_interval=0.0005, timeout=20)).return_value


async def main() -> None:
    await broker.startup()
    await driver.amain(lambda: noop.kiq(driver.ARGUMENT), round_trip, at_once=50)
    await broker.shutdown()


if __name__ == "__main__":
    uvloop.run(main())
