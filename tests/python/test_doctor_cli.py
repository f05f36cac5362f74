"""heroq doctor: what is printed, where and how it ends; and that docs/doctor.md has what the source has."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from heroq import doctor
from support.server import Server

Q = "hero:q:work:type:osis"
PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"
Cli = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Server]:
    with Server(args=["--appendonly", "yes"]) as server:
        yield server


def on_a_terminal(url: str, *argv: str, columns: int = 80, **environment: str) -> tuple[int, str]:
    """What a person sees of `heroq doctor`, with its escapes."""
    ours = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    ours |= {"HEROQ_URL": url, "TERM": "xterm-256color", "COLUMNS": str(columns), **environment}
    control, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "heroq", "doctor", *argv], stdin=terminal, stdout=terminal, stderr=terminal, env=ours
    ) as process:
        os.close(terminal)
        said = b""
        try:
            while data := os.read(control, 1 << 16):
                said += data
        except OSError:  # Linux: the other end is closed
            pass
        os.close(control)
    return process.returncode, said.decode().replace("\r\n", "\n")


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def pause(server: Server) -> None:
    server.command("ZADD", "{heroq}:queues", 1, Q)
    server.command("HSET", "{" + Q + "}:meta", "paused", 1)


def lose_a_lease(server: Server) -> None:
    server.command("ZADD", "{heroq}:queues", 1, Q)
    server.command(
        "HSET", "hero:job:a", "script", "x", "status", "started", "script_type", "osis", "hq_token", "7:h.1.x"
    )
    server.command("HSET", "{" + Q + "}:holders", "a", "7:h.1.x")


def report_of(cli: Cli, *argv: str, url: str | None = None) -> tuple[int, dict[str, Any]]:
    done = cli("doctor", "--json", *argv, url=url)
    assert done.stderr == b"", done.stderr
    return done.returncode, json.loads(done.stdout)


# ---- exit codes ----


def test_exit_codes(server: Server, cli: Cli) -> None:
    assert report_of(cli)[0] == 0
    server.command("ACL", "SETUSER", "little", "on", ">pw", "~*", "+@all", "-config")
    code, report = report_of(cli, url=server.url.replace("//", "//little:pw@"))
    assert (code, report["worst"], report["unknown"]) == (9, "unknown", 1)
    server.command("ACL", "DELUSER", "little")
    pause(server)
    code, report = report_of(cli)
    assert (code, report["worst"], report["warning"]) == (8, "warning", 1)
    lose_a_lease(server)
    code, report = report_of(cli)
    assert (code, report["worst"], report["error"]) == (1, "error", 1)


def test_no_server(cli: Cli) -> None:
    code, report = report_of(cli, url="redis://127.0.0.1:1")
    assert code == 1
    assert [row["finding"] for row in report["checks"]] == ["", "unreachable"]


def test_wrong_usage(cli: Cli) -> None:
    assert cli("doctor", "--mend").returncode == 2
    assert cli("doctor", url="http://x").returncode == 2


# ---- mending ----


def test_a_dry_run_says_and_does_nothing(server: Server, cli: Cli) -> None:
    lose_a_lease(server)
    for argv in (["--dry-run"], ["--fix", "--dry-run"]):
        code, report = report_of(cli, *argv)
        assert (code, report["fixed"]) == (1, 0)
        assert [row["fix"] for row in report["checks"] if row["fix"]] == ["would give them leases"]
    assert server.command("ZCARD", "{" + Q + "}:leases") == 0


def test_what_is_mended_is_no_more_of_weight(server: Server, cli: Cli) -> None:
    lose_a_lease(server)
    code, report = report_of(cli, "--fix")
    assert (code, report["worst"], report["fixed"]) == (0, "ok", 1)
    assert server.command("ZCARD", "{" + Q + "}:leases") == 1
    assert report_of(cli) == (0, report_of(cli)[1])


# ---- what is printed ----


def test_into_a_pipe_a_line_a_row(server: Server, cli: Cli) -> None:
    pause(server)
    lines = cli("doctor").stdout.decode().splitlines()
    assert all(line.count("\t") == 7 for line in lines)
    assert len(lines) == len({line.split("\t")[1] for line in lines}) >= 26
    (row,) = [line.split("\t") for line in lines if line.startswith("warning")]
    assert row[:4] == ["warning", "paused", "paused", Q]
    assert row[6] == "redis-cli HDEL '{" + Q + "}:meta' paused"
    assert not re.search("\x1b", "".join(lines))


def test_on_a_terminal_by_severity(server: Server) -> None:
    pause(server)
    lose_a_lease(server)
    code, text = on_a_terminal(server.url)
    assert code == 1 and "\x1b[1;31m" in text
    heads = re.findall(r"^(ERROR|WARNING|UNKNOWN) (\w+)", plain(text), re.MULTILINE)
    assert heads == [("ERROR", "no_lease"), ("WARNING", "paused")]
    assert "1 error, 1 warning, 24 ok" in plain(text)
    assert "heroq doctor --fix" in plain(text)


@pytest.mark.parametrize("columns", [40, 80])
def test_it_fits_the_terminal(server: Server, columns: int) -> None:
    """All but commands, which stay in one piece, and addresses."""
    pause(server)
    lose_a_lease(server)
    text = plain(on_a_terminal(server.url, columns=columns)[1])
    wide = [line for line in text.splitlines() if len(line) > columns]
    assert all(line.startswith(("  mend ", "heroq doctor", "1 error", "ERROR", "WARNING")) for line in wide), wide
    assert columns == 40 or [line for line in wide if not line.startswith("  mend ")] == []


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_without_colours(server: Server, environment: dict[str, str]) -> None:
    pause(server)
    code, text = on_a_terminal(server.url, **environment)
    assert code == 8 and "\x1b[3" not in text and "\x1b[1;3" not in text


def test_nothing_of_a_stranger_reaches_the_terminal(server: Server) -> None:
    server.command("HSET", "hero:job:\x1b]0;boo\x07[red]", "script", "x", "status", "\x1b[31mrun[bold]")
    code, text = on_a_terminal(server.url, NO_COLOR="1")
    assert code == 8 and "hash_status" in text and "[bold]" in text and "[red]" in text
    assert "\x1b]" not in text and "\x07" not in text and "\x1b[31m" not in text


# ---- the page ----


def test_the_page_has_all_findings() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (\w*) \| (.*?) \| (yes|)\s*\|$", PAGE.read_text(), re.MULTILINE)
    assert rows == [
        (row["finding"], row["severity"], row["check"], row["means"], "yes" if row["fixable"] else "")
        for row in doctor.findings()
    ]


def test_the_page_shows_what_a_person_sees(server: Server) -> None:
    pause(server)
    server.command("LPUSH", "{" + Q + "}:handoff", "a")
    server.command("HSET", "hero:job:a", "script", "x", "status", "dispatched", "script_type", "osis")
    _, text = on_a_terminal(server.url)
    shown = re.search(r"```text\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert shown and shown[1] == plain(text).replace(f":{server.port}/", ":6379/")


def test_the_page_has_the_fields(server: Server, cli: Cli) -> None:
    pause(server)
    _, report = report_of(cli)
    (paragraph,) = re.findall(r"^`--json` .*?\n\n", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"`(\w+)`", paragraph)) - {"heroq_doctor_run"}
    assert set(report) | {name for row in report["checks"] for name in row} == named


def test_the_page_has_the_exit_codes() -> None:
    from heroq.cli.doctor import EXIT_CODES

    rows = dict(re.findall(r"^\| (\d) \| .*?\(`(\w+)`\) \|$", PAGE.read_text(), re.MULTILINE))
    assert {name: int(code) for code, name in rows.items()} == EXIT_CODES
