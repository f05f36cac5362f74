"""dramatiq. Its worker: `dramatiq peers.dramatiq`."""

from __future__ import annotations

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from . import driver

broker = RedisBroker(url=driver.URL)
broker.add_middleware(Results(backend=RedisBackend(url=driver.URL), store_results=True))
dramatiq.set_broker(broker)


@dramatiq.actor(store_results=True)
def noop(argument: str) -> str:
    return driver.noop(argument)


if __name__ == "__main__":
    driver.main(
        lambda: noop.send(driver.ARGUMENT),
        lambda: noop.send(driver.ARGUMENT).get_result(block=True, timeout=20_000),
        None,
    )
