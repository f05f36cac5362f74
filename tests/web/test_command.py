"""`heroq web` as a command."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.dashboard import TOKEN
from support.server import Server

Run = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def run(server: Server) -> Iterator[Run]:
    """run("--act", token="…"): the command, with a free port."""
    started = []

    def start(*argv: str, token: str = "") -> subprocess.Popen[str]:
        environment = {**os.environ, "HEROQ_URL": server.url, "HEROQ_WEB_TOKEN": token, "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "heroq", "web", "--port", "0", *argv]
        started.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def address(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    line = process.stdout.readline()
    found = re.fullmatch(r"heroq web: (http://\S+)\n", line)
    assert found, line or process.communicate()
    return found[1]


def test_it_prints_where_it_is_and_ends_on_a_signal_with_a_viewer(run: Run) -> None:
    process = run("--prefix", "tools")
    url = address(process)
    assert url.startswith("http://127.0.0.1:") and url.endswith("/tools/")
    assert b"heroq" in urllib.request.urlopen(url, timeout=30).read()
    with urllib.request.urlopen(f"{url}api/events", timeout=30) as stream:
        assert stream.readline() == b"retry: 1000\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in (0, 130)
    assert process.communicate()[1] == ""


def test_act_prints_a_link_with_a_token_that_acts(run: Run) -> None:
    url, _, token = address(run("--act")).partition("#token=")
    assert len(token) >= 32
    request = urllib.request.Request(
        f"{url}api/queues/osis/pause",
        b"{}",
        {"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
    )
    assert urllib.request.urlopen(request, timeout=30).status == 200


def test_a_token_by_file_and_by_variable(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\nmore\n")
    file.chmod(0o644)
    by_file, by_variable = run("--token-file", str(file)), run(token=TOKEN)
    for process in (by_file, by_variable):
        request = urllib.request.Request(f"{address(process)}api/session", headers={"Authorization": f"Bearer {TOKEN}"})
        assert b'"may_act":true' in urllib.request.urlopen(request, timeout=30).read()
    by_file.terminate()
    assert "others on this machine can read" in by_file.communicate()[1]


@pytest.mark.parametrize(
    ("argv", "said", "code"),
    [
        (["--host", "0.0.0.0"], "there has to be a token", 2),
        (["--host", "::"], "there has to be a token", 2),
        (["--private"], "there has to be a token", 2),
        (["--token-file", "/nonexistent"], "cannot read /nonexistent", 2),
        (["--token-file", "/dev/null"], "no token in its first line", 2),
        (["--refresh", "0"], "refresh is from", 2),
        (["--host", "192.0.2.1", "--act"], "cannot listen at 192.0.2.1", 5),
    ],
)
def test_what_is_refused_at_once(run: Run, argv: list[str], said: str, code: int) -> None:
    process = run(*argv)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "") and said in error and error.count("\n") == 1


def test_beyond_loopback_reading_wants_the_token(run: Run) -> None:
    url = address(run("--host", "0.0.0.0", token=TOKEN)).replace("0.0.0.0", "127.0.0.1")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{url}api/board", timeout=30)


def test_without_its_packages_it_says_which() -> None:
    code = (
        "import sys; sys.modules['starlette'] = None; sys.argv = ['heroq', 'web']; import heroq.cli; heroq.cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert re.fullmatch(r"heroq: heroq web needs starlette\S*: pip install 'heroq\[web\]'\n", done.stderr)
