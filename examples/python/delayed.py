"""Delayed jobs: after a time, at a time, and one that is called off before it starts.

heroq worker examples/python/delayed.py     in one terminal
python examples/python/delayed.py           in another
"""

import time
from datetime import UTC, datetime, timedelta

import heroq


@heroq.actor("remind", timeout=10)
def remind(text: str) -> str:
    return f"{text}!"


def main() -> None:
    heroq.connect()  # HEROQ_URL, else redis://localhost
    begin = time.monotonic()
    soon = remind.using(delay=1).submit("tea")
    at_two = remind.using(at=datetime.now(UTC) + timedelta(seconds=2)).submit("the meeting")
    # With an id of its own a reminder is made once, however often this program runs, and can be found again.
    never = remind.using(id="remind-2030", at=datetime(2030, 1, 1, tzinfo=UTC)).submit("a new decade")

    print(never.id, never.status, never.stop(), never.status)
    for job in (soon, at_two):
        print(job.result(timeout=60), f"after {int(time.monotonic() - begin)} s")


if __name__ == "__main__":
    main()
