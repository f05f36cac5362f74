"""Completion by a real bash, and what it takes to begin."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import heroq
import pytest
from support.server import Server

from .conftest import environment

BIN = Path(sys.executable).parent


def bash(script: str, server: Server, home: Path) -> str:
    told = {**environment(server.url), "HOME": str(home), "PATH": f"{BIN}:/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "--norc", "-c", f"{script}\ntrue"], env=told, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def completed(lines: Sequence[str], server: Server, home: Path) -> list[set[str]]:
    """What bash offers behind each of these lines, whose last word is begun."""
    script = 'eval "$(heroq --show-completion)"\n'
    for words in lines:
        empty = ' ""' if words.endswith(" ") else ""
        script += f"COMP_WORDS=({words}{empty}); COMP_CWORD={words.count(' ')}\n"
        script += "_heroq_completion heroq; printf '%s ' \"${COMPREPLY[@]}\"; echo\n"
    return [set(line.split()) for line in bash(script, server, home).splitlines()]


def test_bash_completes(server: Server, sup: heroq.Supervisor, tmp_path: Path) -> None:
    sup.submit("x", "osis", id="abc-1")
    sup.submit("x", "sal", id="abc-2", group="g")
    wanted = {
        "heroq req": {"requeue"},
        "heroq show --re": {"--redis"},
        "heroq ls --status st": {"started", "stopping"},
        "heroq show abc": {"abc-1", "abc-2"},
        "heroq run --type o": {"osis"},
        "heroq pause ": {"osis", "sal/g"},
        "heroq create -o retr": {"retries="},
    }
    assert dict(zip(wanted, completed(list(wanted), server, tmp_path), strict=True)) == wanted


def test_without_a_server_nothing_is_said(server: Server, tmp_path: Path) -> None:
    asks = (
        'COMP_WORDS="heroq show a" COMP_CWORD=2 _HEROQ_COMPLETE=complete_bash HEROQ_URL=redis://127.0.0.1:1 heroq 2>&1'
    )
    assert bash(asks, server, tmp_path).strip() == ""


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_script(server: Server, tmp_path: Path, shell: str) -> None:
    script = bash(f"_HEROQ_COMPLETE=source_{shell} heroq", server, tmp_path)
    assert f"_HEROQ_COMPLETE=complete_{shell}" in script


def test_it_is_installed_for_bash(server: Server, tmp_path: Path) -> None:
    bash("heroq --install-completion", server, tmp_path)
    assert "_heroq_completion" in (tmp_path / ".bash_completions" / "heroq.sh").read_text()


#: what takes long to load, or is another part's: only the command that needs it loads it
HEAVY = (
    *("textual", "starlette", "uvicorn", "prometheus_client", "opentelemetry", "pydantic", "msgspec"),
    *("asyncio", "http.server", "ssl", "multiprocessing", "tomllib", "rich.progress", "heroq.aio", "heroq.parent"),
)


def test_help_loads_nothing_heavy() -> None:
    code = "import sys, heroq.cli as c\ntry: c.app(['--help'])\nexcept SystemExit: pass\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stdout.splitlines())
    assert "heroq.cli.jobs" in loaded
    assert loaded.isdisjoint(HEAVY), loaded.intersection(HEAVY)
