"""The actor that the fault tests kill: actor.py URL LEDGER [OPTION=VALUE…].

Notes the start and the end of every run in the ledger, one appended line each. Scripts: "ok TEXT", "die" (the process
with it), "wait FILE" (until the file is there).
"""

from __future__ import annotations

import os
import signal
import sys
import time

import heroq


def main() -> None:
    url, ledger = sys.argv[1:3]
    options = dict(item.split("=", 1) for item in sys.argv[3:])
    note = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    with heroq.Actor(url, types="fault", log="off", **options) as actor:
        for job in actor:
            os.write(note, f"start {job.id} {job.attempt} {os.getpid()}\n".encode())
            what, _, rest = job.text.partition(" ")
            if what == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            while what == "wait" and not os.path.exists(rest):
                time.sleep(0.005)
            try:
                job.finish(f"{rest} {os.getpid()} {job.attempt}")
                os.write(note, f"end {job.id} {job.attempt} {os.getpid()}\n".encode())
            except heroq.SettledError:
                os.write(note, f"refused {job.id} {job.attempt} {os.getpid()}\n".encode())


if __name__ == "__main__":
    main()
