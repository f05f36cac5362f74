"""What the pictures show: a private server, actors at work, jobs of a type that fails, a queue that nobody serves."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import heroq

HERE = Path(__file__).parent


def _submit(url: str, end: threading.Event) -> None:
    """Jobs as they come in an office: some of each type, more in one minute than in another."""
    chance = random.Random(8)
    load = [chance.uniform(0.2, 1) for _ in range(100)]
    with heroq.Supervisor(url, index=True) as sup:
        sup.submit_many([f"2025-{i:04}.pdf" for i in range(1_840)], "archive", tags=["night"])
        sup.submit_many(["number 2026-0117"] * 12, "invoice", tags=["daily"])
        sup.submit_many(["2026-12: sales by region"] * 25, "report", delay=3600)
        while not end.wait(0.5):
            now = load[int(time.time() / 60) % len(load)]
            sup.submit_many([f"img-{chance.randrange(10**6)}.jpg" for _ in range(round(18 * now))], "thumbnail")
            if chance.random() < now:
                sup.submit(f"to: user{chance.randrange(1000)}@example.com", script_type="mail")
            if chance.random() < now / 6:
                sup.submit("2026-11: sales by region", script_type="report", tags=["monthly"])


@contextlib.contextmanager
def scene(seconds: float) -> Iterator[str]:
    """The URL of the server, after so many seconds of work; all ends with the block, and with SIGTERM too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with heroq.embedded() as server:
        worker = [sys.executable, "-m", "heroq", "worker", str(HERE / "actors.py"), "--url", server.url]
        processes = [
            subprocess.Popen([*worker, "--threads", "3"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for _ in range(2)
        ]
        with heroq.Queue("invoice", server) as queue:
            queue.pause()
        end = threading.Event()
        thread = threading.Thread(target=_submit, args=(server.url, end))
        thread.start()
        try:
            time.sleep(seconds)
            yield server.url
        finally:
            end.set()
            thread.join()
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()


if __name__ == "__main__":  # for a look by hand: prints the URL, until Ctrl-C
    with contextlib.suppress(KeyboardInterrupt), scene(0) as url:
        print(url, flush=True)
        threading.Event().wait()
