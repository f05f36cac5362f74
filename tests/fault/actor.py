"""The actor that the fault tests kill: actor.py URL LEDGER [OPTION=VALUE…].

Notes the start and the end of every run in the ledger, one appended line each (tests/support/oracle.py); a result that
the server has acknowledged is an end, one that it does not take is refused. Scripts:

    ok TEXT      nothing                 wait FILE    until the file is there
    nap MS       so long, unless asked to stop         die          the process with it
    fail N       fails as long as it is one of the first N attempts
    retry MS     the first attempt asks for another one after so long
"""

from __future__ import annotations

import os
import signal
import sys
import time

import heroq


def nap(job: heroq.Job, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not job.is_stopping:
        time.sleep(max(0, min(0.01, end - time.monotonic())))


def handle(job: heroq.Job, note: int) -> None:
    def say(what: str) -> None:
        os.write(note, f"{what} {job.id} {job.attempt} {os.getpid()} {time.monotonic():.6f}\n".encode())

    say("start")
    what, _, rest = job.text.partition(" ")
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "nap":
        nap(job, int(rest) / 1000)
    while what == "wait" and not os.path.exists(rest):
        time.sleep(0.005)
    output = f"{job.text} {os.getpid()} {job.attempt}"
    try:
        if what == "fail" and job.attempt <= int(rest):
            job.fail(output, sync=True)
        elif what == "retry" and job.attempt == 1:
            job.retry(int(rest) / 1000, output)
        else:
            job.finish(output, sync=True)
            say("end")
    except heroq.SettledError:
        say("refused")


def main() -> None:
    url, ledger = sys.argv[1:3]
    options = dict(item.split("=", 1) for item in sys.argv[3:])
    note = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    with heroq.Actor(url, types="fault", log="off", connect="wait", **options) as actor:
        for job in actor:
            handle(job, note)


if __name__ == "__main__":
    main()
