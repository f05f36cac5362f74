"""The programs of examples/python, run as their first lines say."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import heroq
import pytest
from support.server import Server, wait_until

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "python"
BUILD = Path(os.environ.get("HEROQ_BUILD_DIR", ROOT / "build" / "debug"))
HEROQ = [sys.executable, "-m", "heroq"]

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def environment(server: Server) -> dict[str, str]:
    return {**os.environ, "HEROQ_URL": server.url, "NO_COLOR": "1", "COLUMNS": "100"}


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    """A program that ends well when it is told to, at the end of the test."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*argv: str | Path) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([str(part) for part in argv], env=environment, cwd=ROOT))
        return started[-1]

    yield run
    for process in started:
        process.terminate()
    for process in started:
        assert process.wait(60) in (0, -signal.SIGTERM)  # uvicorn shuts down, then ends by the signal


@pytest.fixture
def example(environment: dict[str, str]) -> Callable[..., str]:
    """What an example prints."""

    def run(name: str, *argv: str | Path, status: int = 0) -> str:
        command = [sys.executable, str(EXAMPLES / name), *map(str, argv)]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, timeout=100, check=False)
        assert done.returncode == status, (done.stdout + done.stderr).decode()
        return done.stdout.decode()

    return run


def test_the_list_has_every_example() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    assert all(f"[{path.name}]({path.name})" in listed for path in EXAMPLES.glob("*.py"))


def test_types(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "mypy", "--strict", "--explicit-package-bases", "--cache-dir", str(tmp_path), "."]
    done = subprocess.run(argv, cwd=EXAMPLES, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_typed(start: Start, example: Callable[..., str]) -> None:
    start(*HEROQ, "worker", EXAMPLES / "typed.py")
    lines = example("typed.py").splitlines()
    assert lines[:3] == ["3 x pen", "1 x ink", "total: 8.10 USD"]
    assert "'a lot'" in lines[3] or '"a lot"' in lines[3]


def test_batch(tmp_path: Path, start: Start, example: Callable[..., str]) -> None:
    contents = [b"", b"one", b"two" * 100_000]
    for i, content in enumerate(contents):
        (tmp_path / f"{i}.bin").write_bytes(content)
    start(*HEROQ, "worker", EXAMPLES / "batch.py", "--processes", "2", "--threads", "4")
    lines = example("batch.py", tmp_path).splitlines()
    for i, content in enumerate(contents):
        assert f"{hashlib.sha256(content).hexdigest()[:16]} {tmp_path / f'{i}.bin'}" in lines
    assert lines[-1] == "3 digests, 0 failed"
    assert any("100%" in line and "3/3" in line for line in lines)


def test_delayed(start: Start, example: Callable[..., str]) -> None:
    start(*HEROQ, "worker", EXAMPLES / "delayed.py")
    called_off, *done = example("delayed.py").splitlines()
    assert called_off == "remind-2030 dispatched cancelled error"
    for line, text, seconds in zip(done, ["tea!", "the meeting!"], [1, 2], strict=True):
        said, _, after = line.partition(" after ")
        assert said == text
        assert int(after.removesuffix(" s")) >= seconds - 1  # it was given some moments after the clock was read


def test_scripts(start: Start, example: Callable[..., str]) -> None:
    as_root = ["--allow-root"] if os.geteuid() == 0 else []
    start(*HEROQ, "actor", "--type", "python", "--exec", sys.executable, *as_root)
    assert example("scripts.py").splitlines() == ["5050", "failed: exit status 1 no such luck"]


def test_mixed(server: Server, start: Start, example: Callable[..., str]) -> None:
    start(BUILD / "examples" / "actor", server.url, "osis")
    start(*HEROQ, "worker", EXAMPLES / "mixed.py")
    assert example("mixed.py").splitlines() == [
        "ONE TWO THREE: 0 lines, 3 words, 13 bytes",
        "TO BE OR NOT TO BE: 0 lines, 6 words, 18 bytes",
    ]


# ---- the web application ----


@pytest.fixture
def ask(start: Start) -> Callable[..., Any]:
    """ask("POST", "/reports"): the answer, open."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start(sys.executable, "-m", "uvicorn", "--app-dir", EXAMPLES, "web:app", "--port", str(port))

    def request(method: str, path: str) -> Any:
        asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
        return urllib.request.urlopen(asked, timeout=60)

    def up() -> bool:
        try:
            return bool(request("GET", "/").status == 200)
        except urllib.error.URLError:
            return False

    wait_until(up, 60, "the web application")
    return request


def events(answer: Any) -> list[tuple[str, Any]]:
    """Names and data of server-sent events, to their end."""
    parts = [part.splitlines() for part in answer.read().decode().split("\n\n") if part]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in parts]


def test_web(start: Start, ask: Callable[..., Any]) -> None:
    start(*HEROQ, "worker", EXAMPLES / "web.py", "--threads", "4")
    answer = ask("POST", "/reports?rows=5")
    assert answer.status == 202
    job_id = json.load(answer)["id"]
    stream = ask("GET", f"/reports/{job_id}/events")
    assert stream.headers["content-type"].startswith("text/event-stream")
    first = stream.readline() + stream.readline() + stream.readline()
    assert first == b'event: step\ndata: {"done": 1, "of": 5}\n\n'
    steps = [("step", {"done": n, "of": 5}) for n in range(2, 6)]
    assert events(stream) == [*steps, ("end", "finished")]
    assert json.load(ask("GET", f"/reports/{job_id}")) == {"id": job_id, "status": "finished"}
    assert events(ask("GET", f"/reports/{job_id}/events"))[-1] == ("end", "finished")  # whoever comes late


def test_web_progress_comes_while_it_runs(server: Server, start: Start, ask: Callable[..., Any]) -> None:
    start(*HEROQ, "worker", EXAMPLES / "web.py")
    job_id = json.load(ask("POST", "/reports?rows=3000"))["id"]
    with heroq.Supervisor(server.url) as sup, ask("GET", f"/reports/{job_id}/events") as stream:
        assert stream.readline() == b"event: step\n"
        assert sup.get_status(job_id) == "started"  # a part has come, and it is far from its end
    assert json.load(ask("DELETE", f"/reports/{job_id}"))["outcome"] == "stopping"
    wait_until(lambda: json.load(ask("GET", f"/reports/{job_id}"))["status"] == "error", 60, "the stop")


def test_web_unknown(ask: Callable[..., Any]) -> None:
    for method, path in (("GET", "/reports/none"), ("GET", "/reports/none/events"), ("DELETE", "/reports/none")):
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(method, path)
        assert refused.value.code == 404
