"""huey. Its worker: `huey_consumer peers.huey.huey`."""

from __future__ import annotations

from huey import RedisHuey

from . import driver

huey = RedisHuey("bench", url=driver.URL, notify_result=True)


@huey.task(name="noop")
def noop(argument: str) -> str:
    return driver.noop(argument)


def main() -> None:
    driver.main(
        lambda: noop(driver.ARGUMENT),
        lambda: noop(driver.ARGUMENT).get(blocking=True, timeout=20),
        None,
    )


if __name__ == "__main__":
    from peers import huey as of_the_worker  # a task is known by its module: this one has another name here

    of_the_worker.main()
