"""`heroq top` as a command, in a real terminal: tmux, 80×24, with colours and without."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import heroq
import pytest
from support.server import Server, wait_until

HEROQ = shlex.join([sys.executable, "-m", "heroq"])
#: escapes that set a colour other than the terminal's own
COLOR = re.compile(r"\x1b\[(?:[0-9]+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[;m]")


class Terminal:
    """A tmux server of its own, with one window of 80×24."""

    def __init__(self, folder: Path) -> None:
        assert shutil.which("tmux"), "tmux is not on the PATH (Debian package tmux)"
        self._tmux = ["tmux", "-u", "-f", "/dev/null", "-S", str(folder / uuid.uuid4().hex[:8])]

    def run(self, command: str, **variables: str) -> None:
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        environment.pop("NO_COLOR", None)
        given = shlex.join(f"{name}={value}" for name, value in variables.items())
        line = f"env {given} {command}; echo exit $?; exec cat"
        argv = [*self._tmux, "new-session", "-d", "-x", "80", "-y", "24", line]
        subprocess.run(argv, check=True, env=environment, timeout=30)

    def press(self, *keys: str) -> None:
        subprocess.run([*self._tmux, "send-keys", "--", *keys], check=True, timeout=30)

    def screen(self, *options: str) -> str:
        argv = [*self._tmux, "capture-pane", "-p", *options]
        return subprocess.run(argv, check=True, capture_output=True, timeout=30).stdout.decode()

    def sees(self, *texts: str) -> str:
        last = ""

        def there() -> bool:
            nonlocal last
            last = self.screen()
            return all(text in last for text in texts)

        try:
            wait_until(there, 30)
        except AssertionError:
            raise AssertionError(f"no {texts} on the screen:\n{last}") from None
        return last

    def close(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True, timeout=30)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("variables", "colors"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "vt100"}, False),
        ({"TERM": "dumb"}, False),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
    ],
    ids=["256", "vt100", "dumb", "NO_COLOR"],
)
def test_each_terminal(server: Server, terminal: Terminal, variables: dict[str, str], colors: bool) -> None:
    """All of the first screen fits into 80×24, and what matters is told without colours too."""
    evil = "\x1b]0;owned\x07\x1b[41m[red]"
    with heroq.Supervisor(server.url) as sup, heroq.Queue("osis", sup.client) as queue:
        queue.pause()
        sup.submit_many([evil] * 3, "osis")
        sup.submit(evil, script_type="sal", group="a-group", id="one")
    terminal.run(f"{HEROQ} top --refresh 0.2", HEROQ_URL=server.url, **variables)
    text = terminal.sees("heroq top", "! osis is paused (3 waiting", " osis", "paused", "sal/a-group", "q quit")
    lines = text.split("\n")
    assert "waiting in flight   delayed      dead    actors    ok/min  fail/min    queues" in text
    assert any(line.split()[:3] == ["queue", "state", "waiting"] for line in lines) and "p95 8 min" in text
    styled = terminal.screen("-e")
    assert bool(COLOR.search(styled)) == colors, styled
    row = next(line for line in styled.split("\n") if "osis" in line and "!" not in line)
    assert re.search(r"\x1b\[[0-9;]*7", row), "the cursor's row is reversed"
    terminal.press("j", "Enter")
    terminal.sees("sal/a-group"[:3], "group a-group of sal", " one")
    terminal.press("Enter")
    terminal.sees("job one", "·]0;owned··[41m[red]")
    styled = terminal.screen("-e")
    assert "\x1b[41m" not in styled and "\x1b[0;41m" not in styled
    terminal.press("K")
    terminal.sees("Stop job one?", "y yes")
    terminal.press("y")
    terminal.sees("one cancelled before its start", "status  error")
    terminal.press("q")
    terminal.sees("exit 0")


def test_ctrl_c_ends_it(server: Server, terminal: Terminal) -> None:
    terminal.run(f"{HEROQ} top", HEROQ_URL=server.url, TERM="screen-256color")
    terminal.sees("heroq top")
    terminal.press("C-c")
    terminal.sees("exit 0")


def test_sigterm_leaves_the_terminal_as_it_was(server: Server, terminal: Terminal, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    terminal.run(f"sh -c 'echo before; echo $$ >{pid}; exec {HEROQ} top'", HEROQ_URL=server.url, TERM="screen-256color")
    terminal.sees("heroq top", "q quit")
    os.kill(int(pid.read_text()), signal.SIGTERM)
    assert terminal.sees("exit 143").startswith("before\n")


# ---- the command without a terminal ----


def test_it_needs_a_terminal(cli: Callable[..., Any]) -> None:
    done = cli("top")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"heroq: heroq top needs a terminal; heroq queues tells the same once, also as JSON\n"


def test_it_needs_textual(server: Server) -> None:
    """Without the extra: one line. And no other command loads it."""
    without = "import sys; sys.modules['textual'] = None; sys.argv = ['heroq', *sys.argv[1:]]; import heroq.cli as c; "
    argv = [sys.executable, "-c", without + "c.main()"]
    done = subprocess.run([*argv, "top", "--url", server.url], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"heroq: heroq top needs Textual: pip install 'heroq[tui]'\n"
    done = subprocess.run([*argv, "top", "--help"], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0 and b"--refresh" in done.stdout


def test_a_wrong_server_is_told_before_the_screen(terminal: Terminal, cli: Callable[..., Any]) -> None:
    terminal.run(f"{HEROQ} top", HEROQ_URL="redis://127.0.0.1:1", TERM="vt100")
    assert "heroq: " in terminal.sees("exit 5")
    assert cli("top", "--refresh", "0").returncode == 2
