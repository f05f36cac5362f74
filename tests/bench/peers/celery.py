"""Celery. Its worker: `celery -A peers.celery worker`."""

from __future__ import annotations

from celery import Celery

from . import driver

app = Celery("bench", broker=driver.URL, backend=driver.URL)
app.conf.update(
    broker_connection_retry_on_startup=True,
    task_serializer="json",
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=64,
    worker_send_task_events=False,
)


@app.task(name="noop")
def noop(argument: str) -> str:
    return driver.noop(argument)


if __name__ == "__main__":
    driver.main(
        lambda: noop.delay(driver.ARGUMENT),
        lambda: noop.delay(driver.ARGUMENT).get(timeout=20),
        None,
    )
