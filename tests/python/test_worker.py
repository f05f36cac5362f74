"""`heroq worker` as one runs it for months: new code, recycling, health, what runs, logs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import heroq
import pytest
from support.server import Server, wait_until

APP = """
import os, pathlib, time
import heroq

VERSION = "one"


@heroq.actor("osis", "sal", lease=2)
def osis(job: heroq.Job) -> str:
    gate = pathlib.Path(job.text)
    while job.text and not gate.exists():
        time.sleep(0.01)
    return f"{VERSION} {os.getpid()}"
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    path = tmp_path / "app.py"
    path.write_text(APP)
    return path


class Worker:
    def __init__(self, server: Server, target: Path | str, *argv: str) -> None:
        self.log = Path(server.dir, f"worker-{time.monotonic_ns()}.log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "heroq", "worker", str(target), "--grace", "10", *argv],
                env={**os.environ, "HEROQ_URL": server.url},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def said(self, text: str) -> bool:
        return text in self.log.read_text()

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> None:
        self.tell(signal.SIGTERM)
        assert self.process.wait(30) == 0, self.log.read_text()


@contextlib.contextmanager
def worker(server: Server, target: Path | str, *argv: str) -> Iterator[Worker]:
    one = Worker(server, target, *argv)
    try:
        yield one
        one.end()
    finally:
        one.process.kill()
        one.process.wait()


def ask(sup: heroq.Supervisor, script: str = "", script_type: str = "osis") -> tuple[str, int]:
    version, pid = sup.run_job_and_await_result(script, script_type=script_type, timeout=30).decode().split()
    return version, int(pid)


def attempts(server: Server, job_id: str) -> int:
    return int(server.command("HGET", f"hero:job:{job_id}", "hq_attempt"))


def test_hup_renews_and_disturbs_no_job(server: Server, sup: heroq.Supervisor, app: Path) -> None:
    with worker(server, app, "--processes", "2") as one:
        before = {ask(sup) for _ in range(20)}
        assert {version for version, _ in before} == {"one"}
        gate = app.with_name("gate")
        slow = sup.submit(str(gate), script_type="osis")
        wait_until(lambda: sup.get_status(slow) == "started")
        app.write_text(APP.replace('"one"', '"two"'))
        one.tell(signal.SIGHUP)
        wait_until(lambda: one.said("are renewed"), seconds=20)
        gate.touch()
        assert sup.await_result(slow, timeout=30).startswith(b"one ")
        assert attempts(server, slow.id) == 1
        wait_until(lambda: {ask(sup)[0] for _ in range(10)} == {"two"}, seconds=30, what="only new code")
        assert not {pid for _, pid in before} & {ask(sup)[1] for _ in range(10)}


def test_a_process_whose_parent_dies_before_it_works_ends_too(server: Server, app: Path) -> None:
    gate = app.with_name("gate")
    app.with_name("sitecustomize.py").write_text(
        "import os, sys, time\n"
        "if 'worker-child' in sys.orig_argv:\n"
        "    os.write(1, b'starting\\n')\n"
        f"    while not os.path.exists({str(gate)!r}):\n"
        "        time.sleep(0.01)\n"
    )
    argv = [sys.executable, "-m", "heroq", "worker", str(app)]
    environment = {**os.environ, "HEROQ_URL": server.url, "PYTHONPATH": str(app.parent)}
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"starting\n"
        process.kill()
        process.wait()
        gate.touch()
        assert select.select([process.stdout], [], [], 30)[0], "it goes on for ever"
        assert process.stdout.read() == b""


def test_code_that_cannot_be_loaded_changes_nothing(server: Server, sup: heroq.Supervisor, app: Path) -> None:
    with worker(server, app) as one:
        before = ask(sup)
        app.write_text(APP + "\n1 +\n")
        one.tell(signal.SIGHUP)
        wait_until(lambda: one.said("the worker goes on"), seconds=20)
        assert ask(sup) == before


def test_reload_sees_a_file_that_changes(server: Server, sup: heroq.Supervisor, app: Path) -> None:
    """Also within a second of its last change, and as long as before."""
    with worker(server, app, "--reload"):
        assert ask(sup)[0] == "one"
        before = app.stat()
        app.write_text(APP.replace('"one"', '"two"'))
        os.utime(app, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        wait_until(lambda: ask(sup)[0] == "two", seconds=30, what="new code")


def test_usr1_says_what_runs(server: Server, sup: heroq.Supervisor, app: Path) -> None:
    with worker(server, app, "--processes", "2") as one:
        gate = app.with_name("gate")
        job = sup.submit(str(gate), script_type="osis")
        wait_until(lambda: sup.get_status(job) == "started")

        def both_said() -> bool:
            one.tell(signal.SIGUSR1)  # a process that has only begun is not asked
            return len(set(re.findall(r"process (\d+) runs [01] jobs", one.log.read_text()))) == 2

        wait_until(both_said, seconds=20)
        text = one.log.read_text()
        assert re.search(rf"job {job.id} of osis, attempt 1, for \d+\.\d s\n.*app.py\", line \d+, in osis", text, re.S)
        gate.touch()
        sup.await_result(job, timeout=20)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as made:
        port: int = made.getsockname()[1]
        return port


def answer_of(port: int) -> tuple[int, dict[str, object]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as got:
            return got.status, json.load(got)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except OSError:
        return 0, {}


def test_health(new_server: Callable[..., Server], app: Path) -> None:
    server, port, file = new_server(), free_port(), app.with_name("health")
    argv = ("--processes", "2", "--health-port", str(port), "--health-file", str(file))
    with worker(server, app, *argv):
        wait_until(lambda: answer_of(port)[0] == 200, seconds=20, what="it is well")
        wait_until(file.exists, what="and says so")
        state = answer_of(port)[1]
        assert state["ok"] is True and len(state["processes"]) == 2  # type: ignore[arg-type]
        server.pause()
        wait_until(lambda: answer_of(port)[0] == 503, seconds=40, what="no server, not well")
        stopped = file.stat().st_mtime_ns
        server.cont()
        wait_until(lambda: answer_of(port)[0] == 200, seconds=30, what="it is well again")
        wait_until(lambda: file.stat().st_mtime_ns > stopped)
    assert not file.exists()


def test_health_of_nonsense(server: Server, app: Path) -> None:
    for argv in (["--health-port", "http"], ["--health-port", "70000"], ["--health-file", "/not/a/folder/x"]):
        done = subprocess.run(
            [sys.executable, "-m", "heroq", "worker", str(app), *argv],
            env={**os.environ, "HEROQ_URL": server.url},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 2 and "health" in done.stderr and "Traceback" not in done.stderr, done.stderr


def test_a_process_is_replaced_after_so_many_jobs(server: Server, sup: heroq.Supervisor, app: Path) -> None:
    with worker(server, app, "--max-jobs", "20", "-o", "prefetch=1") as one:
        jobs = sup.submit_many([""] * 200, script_type="osis")
        outputs = [sup.await_result(job, timeout=60) for job in jobs]
        assert len(set(outputs)) > 2
        assert {attempts(server, job) for job in jobs} == {1}
        assert one.said("is replaced") and not one.said("is started again")


def test_a_process_is_replaced_when_it_has_grown(server: Server, sup: heroq.Supervisor, app: Path) -> None:
    app.write_text(APP.replace("gate =", "GROWN.append(bytearray(20 << 20))\n    gate =", 1) + "\nGROWN = []\n")
    with worker(server, app, "--max-rss", "120") as one:
        pids = set()
        wait_until(lambda: pids.add(ask(sup)[1]) or len(pids) > 1, seconds=60, what="another process")
        assert one.said("MiB of memory and is replaced") and not one.said("is started again")


def test_types_group_and_options(server: Server, sup: heroq.Supervisor, app: Path) -> None:
    with worker(server, app, "--types", "sal", "--group", "blue", "-o", "delivery=canonical"):
        job = sup.submit("", script_type="sal")
        assert sup.await_result(job, timeout=30).startswith(b"one")
        assert server.command("HGET", f"hero:job:{job.id}", "hq_token") is None  # which a reliable one writes
        assert sup.run_job_and_await_result("", script_type="sal", group="blue", timeout=30).startswith(b"one")
        assert server.command("ZCARD", "{hero:q:work:type:osis}:actors") == 0


def test_options_of_the_client_reach_each_process(new_server: Callable[..., Server], app: Path) -> None:
    """And no command line of theirs."""
    server = new_server("--requirepass", "s3cret")
    bare = f"redis://127.0.0.1:{server.port}"
    with (
        heroq.Supervisor(server.url) as sup,
        worker(server, app, "--url", bare, "-o", "password=s3cret", "-o", "lease=3s"),
    ):
        _, pid = ask(sup)
        assert b"s3cret" not in Path(f"/proc/{pid}/cmdline").read_bytes()


COROUTINES = """
import asyncio, os
import heroq, heroq.aio


@heroq.aio.actor("osis")
async def osis(job):
    while job.text and not os.path.exists(job.text):
        await asyncio.sleep(0.01)
    return f"one {os.getpid()}"
"""


def test_coroutines(server: Server, sup: heroq.Supervisor, app: Path) -> None:
    app.write_text(COROUTINES)
    gate = app.with_name("gate")
    with worker(server, app, "--async", "50", "--max-jobs", "60") as one:
        jobs = sup.submit_many([str(gate)] * 50, script_type="osis")
        wait_until(lambda: {sup.get_status(job) for job in jobs} == {"started"}, seconds=30, what="50 at a time")

        def it_said() -> bool:
            one.tell(signal.SIGUSR1)
            return one.said("runs 50 jobs")

        wait_until(it_said, seconds=20)
        assert re.search(
            r"of osis, attempt 1, for \d+\.\d s\n.*?app.py\", line \d+, in osis", one.log.read_text(), re.S
        )
        gate.touch()
        outputs = {sup.await_result(job, timeout=30) for job in jobs}
        assert len(outputs) == 1
        wait_until(lambda: ask(sup)[1] != int(outputs.copy().pop().split()[1]), seconds=30, what="another process")
        assert one.said("is replaced") and not one.said("is started again")


def test_coroutines_and_others_in_one_file(server: Server, app: Path) -> None:
    app.write_text(COROUTINES + "\n\n@heroq.actor('sal')\ndef sal(job):\n    return 'two 2'\n")
    argv = [sys.executable, "-m", "heroq", "worker", str(app)]
    environment = {**os.environ, "HEROQ_URL": server.url}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2 and "one kind" in done.stderr
    with worker(server, app, "--types", "sal"), heroq.Supervisor(server.url) as sup:
        assert ask(sup, script_type="sal") == ("two", 2)


def test_log_as_json(server: Server, sup: heroq.Supervisor, app: Path) -> None:
    app.write_text(APP.replace("return f", 'raise ValueError("no\\n")\n    return f'))
    with worker(server, app, "--log-json") as one, pytest.raises(heroq.JobFailed):
        sup.run_job_and_await_result("", script_type="osis", timeout=30)
    lines = [json.loads(line) for line in one.log.read_text().splitlines()]
    failed = [line for line in lines if "ValueError" in line["message"]]
    assert failed and failed[0]["level"] == "WARNING" and failed[0]["pid"] != one.process.pid


def test_the_first_process_of_a_container_reaps_strangers() -> None:
    """Orphans that fall to it; its own children it leaves to who waits for them."""
    program = """
import ctypes, os, subprocess, sys, time
from heroq.parent import _reap_strangers
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER
own = subprocess.Popen(["true"])
orphan = int(subprocess.check_output(["sh", "-c", "sleep 0.1 >&2 & echo $!"]))
end = time.monotonic() + 20
while os.path.exists(f"/proc/{orphan}") and time.monotonic() < end:
    _reap_strangers({own.pid})
    own.poll()
assert not os.path.exists(f"/proc/{orphan}")
assert own.returncode == 0
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
