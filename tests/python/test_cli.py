"""The command line: what design says it prints, actors that run programs, workers and signals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import heroq
import pytest
from heroq import demo
from support.server import Server, wait_until

from .test_bad_input import cli

APP = """
import os, time, heroq

@heroq.actor("osis")
def osis(job):
    if job.text == "die":
        os._exit(3)
    if job.text == "slow":
        time.sleep(0.5)
    return f"{os.getpid()}"
"""


@contextmanager
def running(*argv: str, url: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "heroq", *argv],
        env={**os.environ, "HEROQ_URL": url},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_version() -> None:
    first, second = cli("--version").stdout.splitlines()
    assert first == f"heroq {heroq.__version__}"
    assert re.fullmatch(r"with hiredis \d+\.\d+\.\d+, cjson 1\.\d+\.\d+, openssl (\d.*|none)", second)


def test_create_start_show(server: Server) -> None:
    made = cli("create", "--type", "osis", "print(1)", url=server.url)
    job_id = made.stdout.strip()
    assert server.cli("HGET", f"hero:job:{job_id}", "script") == "print(1)"
    assert cli("start", job_id, url=server.url).returncode == 0
    assert server.cli("LRANGE", "hero:q:work:type:osis", "0", "-1") == job_id
    shown = json.loads(cli("show", job_id, "--json", url=server.url).stdout)
    assert (shown["status"], shown["script"]) == ("dispatched", "print(1)")
    assert job_id in cli("ls", url=server.url).stdout
    assert "osis" in cli("queues", url=server.url).stdout
    assert json.loads(cli("queues", "--json", url=server.url).stdout)


def test_every_command_speaks_json(server: Server) -> None:
    def said(*argv: str) -> Any:
        done = cli(*argv, "--json", url=server.url)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else None

    assert said("create", "--type", "osis", "--id", "a", "x") == {"id": "a"}
    assert said("start", "a") == {"id": "a", "started": True}
    assert [row["id"] for row in said("ls")] == ["a"]
    assert said("show", "a")["status"] == "dispatched"
    assert [(row["script_type"], row["waiting"]) for row in said("queues")] == [("osis", 1)]
    assert said("stop", "a") == [{"id": "a", "outcome": "cancelled"}]
    assert said("requeue", "a") == [{"id": "a", "requeued": True}]
    assert json.loads(cli("doctor", "--json", url=server.url).stdout)["checks"]
    assert said("rm", "a", "--yes") == [{"id": "a", "deleted": True}]
    with heroq.Actor(server.url, types="osis") as actor:
        worker = threading.Thread(target=lambda: [job.finish(job.script * 2) for job in actor])
        worker.start()
        ran = said("run", "--type", "osis", "--timeout", "20", "ab")
        actor.drain(1.0)
        worker.join()
    assert (ran["status"], ran["output"]) == ("finished", "abab")


def test_exit_codes_of_states_and_signals(server: Server) -> None:
    job_id = cli("create", "--type", "osis", "x", url=server.url).stdout.strip()
    assert cli("stop", job_id, url=server.url).stdout == "cancelled\n"
    again = cli("start", job_id, url=server.url)
    assert (again.returncode, again.stderr.count("\n")) == (6, 1) and "requeue" in again.stderr
    server.command("ZADD", "{heroq}:queues", 1, "hero:q:work:type:osis")
    server.command("SET", "hero:q:work:type:osis", "no list")
    assert cli("doctor", url=server.url).returncode == 1
    with running("run", "--type", "nobody", "x", url=server.url) as waiting:
        wait_until(lambda: server.command("LLEN", "hero:q:work:type:nobody") == 1, what="the job")
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(10) == 130


def test_a_program_runs_the_scripts(server: Server) -> None:
    with running(
        "actor", "--type", "python", "--exec", "python3", "--allow-root", "--timeout", "2s", url=server.url
    ) as actor:
        done = cli("run", "--type", "python", "print(40 + 2)", "--timeout", "20", url=server.url)
        assert (done.returncode, done.stdout) == (0, "42\n")
        binary = cli(
            "run",
            "--type",
            "python",
            r"import sys; sys.stdout.buffer.write(b'a\n\n')",
            "--timeout",
            "20",
            url=server.url,
        )
        assert binary.stdout == "a\n\n"
        failed = cli(
            "run",
            "--type",
            "python",
            "import sys; print('why', file=sys.stderr); sys.exit(3)",
            "--timeout",
            "20",
            url=server.url,
        )
        assert failed.returncode == 1 and "3" in failed.stderr and "why" in failed.stderr
        start = time.monotonic()
        slow = cli("run", "--type", "python", "import time; time.sleep(60)", "--timeout", "20", url=server.url)
        assert slow.returncode == 1 and time.monotonic() - start < 15
        hidden = cli(
            "run",
            "--type",
            "python",
            "import os; print([n for n in os.environ if n.startswith('HEROQ')])",
            "--timeout",
            "20",
            url=server.url,
        )
        assert hidden.stdout == "[]\n"
        actor.send_signal(signal.SIGTERM)
        assert actor.wait(10) == 0


def test_a_worker_restarts_dead_children_and_drains(server: Server, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(APP)
    with (
        running("worker", str(app), "--processes", "2", "--threads", "2", url=server.url + "?lease=600ms") as worker,
        heroq.Supervisor(server.url) as sup,
    ):
        first = sup.run_job_and_await_result("x", script_type="osis", timeout=20)
        assert int(first) != worker.pid
        dead = sup.submit("die", script_type="osis")
        pids = {sup.run_job_and_await_result("x", script_type="osis", timeout=20) for _ in range(20)}
        assert pids
        sup.stop_job(dead)
        slow = sup.submit("slow", script_type="osis")
        wait_until(lambda: sup.get_status(slow) == "started")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0
        assert sup.get_status(slow) == "finished"


@pytest.mark.parametrize(
    "program",
    [
        "heroq.Actor(url, types='osis').take()",
        "heroq.Supervisor(url).run_job_and_await_result('x', script_type='nobody')",
        "w = heroq.Waiter(url); w.submit(heroq.Job('x', 'nobody'), 1); w.take()",
        "heroq.run(heroq.actor('osis')(lambda job: None), server=url)",
    ],
)
def test_ctrl_c_works_at_once(server: Server, program: str) -> None:
    code = f"import heroq, sys\nurl = sys.argv[1]\nheroq.Client(url)\nprint('ready', flush=True)\n{program}\n"
    process = subprocess.Popen(
        [sys.executable, "-c", code, server.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        process.stdout.readline()
        before = server.command("INFO", "clients")
        assert before
        wait_until(lambda: "blocked_clients:0" not in server.command("INFO", "clients").decode(), what="it blocks")
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
        assert process.returncode in (1, 130, -signal.SIGINT), errors
        assert "KeyboardInterrupt" in errors
        assert time.monotonic() - start < 1.5  # the interpreter's own end included
        assert server.command("PING") == b"PONG"
    finally:
        process.kill()
        process.wait()


def readme_blocks(language: str) -> list[str]:
    text = (Path(__file__).parents[2] / "README.md").read_text()
    return [block.split("```")[0] for block in text.split(f"```{language}\n")[1:]]


def test_the_readme_pasted(server: Server, tmp_path: Path, new_server: Callable[..., Server]) -> None:
    app, client = readme_blocks("python")[:2]
    (tmp_path / "app.py").write_text(app)
    (tmp_path / "client.py").write_text(client.replace("redis://localhost", server.url))
    actor = subprocess.Popen([sys.executable, "app.py"], cwd=tmp_path, env={**os.environ, "HEROQ_URL": server.url})
    try:
        done = subprocess.run(
            [sys.executable, "client.py"], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
        )
        assert (done.returncode, done.stdout) == (0, "b'13 bytes'\n"), done.stderr
    finally:
        actor.terminate()
        assert actor.wait(10) == 0


def test_demo(tmp_path: Path) -> None:
    for i in range(300):
        (tmp_path / f"file {i}").write_text("some words\n" * i)
    (tmp_path / "nothing there").symlink_to(tmp_path / "gone")
    done = cli("demo", str(tmp_path), timeout=60)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("jobs ")] == [
        f"jobs {n}/301" for n in (31, 61, 91, 121, 151, 181, 211, 241, 271, 301)
    ]
    table = dict(line.split("\t") for line in lines if "\t" in line)
    assert (table["jobs"], table["failed"], table["results checked"]) == ("301", "1", "201, 0 wrong")
    assert int(table["by the actor in C"]) + int(table["by the actor in Python"]) == 300
    assert int(table["jobs/s"]) > 0 and table["wait p50 / p99"].count(" ms") == 2
    failed = [line for line in lines if line.startswith("failed: ")]
    assert len(failed) == 1 and f"No such file or directory: {tmp_path}/nothing there (job " in failed[0]
    asked = [line.removeprefix("redis> ").split()[0] for line in lines if line.startswith("redis> ")]
    assert asked == ["KEYS", "LLEN", "LRANGE", "KEYS", "HGETALL", "HGET", "HGET", "LLEN"]
    assert lines[lines.index(next(line for line in lines if line.endswith(" status"))) + 1] == '"finished"'


def test_demo_as_json(tmp_path: Path) -> None:
    for i in range(20):
        (tmp_path / f"file {i}").write_text("some words\n" * i)
    (tmp_path / "nothing there").symlink_to(tmp_path / "gone")
    report = json.loads(cli("demo", str(tmp_path), "--json", timeout=60).stdout)
    assert (report["jobs"], report["failed"], report["checked"], report["wrong"]) == (21, 1, 21, 0)
    assert sum(report["by_actor"].values()) == 20
    assert report["failures"] == {f"{tmp_path}/nothing there": f"No such file or directory: {tmp_path}/nothing there"}


def test_demo_finds_what_cannot_be_read(tmp_path: Path) -> None:
    """As root nothing is unreadable, so the walk is asked about a folder that is gone when it gets there."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").write_text("x")
    walk = demo.files_below(os.fsencode(tmp_path))
    found = [next(walk)]
    (tmp_path / "a").rmdir()
    assert sorted([*found, *walk]) == [os.fsencode(tmp_path / name) for name in ("a", "b")]
    assert demo.files_below(os.fsencode(tmp_path / "gone")).__next__() == os.fsencode(tmp_path / "gone")
