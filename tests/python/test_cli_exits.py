"""The exit codes of docs/commands.md, each by a command that ends so."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

import heroq
import pytest
from heroq.cli import exits
from support.server import Server, wait_until

from .conftest import Cli

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()
DOCUMENTED = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}


def test_the_page_has_them_all() -> None:
    names = ("FAILED", "USAGE", "NOT_FOUND", "NOT_IN_TIME", "NO_SERVER", "STATE", "FAULT", "INTERRUPTED")
    assert {0, *(getattr(exits, name) for name in names)} == DOCUMENTED


@pytest.mark.parametrize(
    ("code", "argv"),
    [
        (0, ["ls"]),
        (2, ["ls", "--frob"]),
        (2, ["ls", "--older", "soon"]),
        (2, ["pause", "a/b/c/d"]),
        (2, ["pause", "a b"]),
        (2, ["create", "--type", "osis", "-o", "retires=3", "x"]),
        (3, ["show", "gone"]),
        (3, ["requeue", "gone"]),
        (4, ["run", "--type", "nobody", "x", "--timeout", "0.1"]),
        (5, ["ls", "--url", "redis://127.0.0.1:1"]),
        (6, ["requeue", "here"]),
    ],
)
def test_codes(cli: Cli, sup: heroq.Supervisor, server: Server, code: int, argv: list[str]) -> None:
    sup.create_job("x", "osis", id="here")
    server.command("HSET", "hero:job:here", "status", "started")
    done = cli(*argv)
    assert done.returncode == code, done.stderr
    assert done.stderr.count(b"\n") == (0 if code == 0 else 1)


def test_failed(cli: Cli, acting: Any) -> None:
    with acting("osis", lambda job: job.fail("why\n\x1b[31m\x9bred", final=True)):
        done = cli("run", "--type", "osis", "x")
    assert (done.returncode, done.stderr.decode()) == (1, "heroq: why ·[31m·red\n")


def test_refused_by_the_server(cli: Cli, new_server: Any) -> None:
    server = new_server("--requirepass", "s3cret")
    done = cli("ls", url=f"redis://127.0.0.1:{server.port}")
    assert done.returncode == 5 and b"wants a password" in done.stderr


def test_a_fault_inside() -> None:
    assert exits.code_of(RuntimeError("oh")) == 7
    assert exits.text_of(RuntimeError("oh\nno")) == "RuntimeError: oh no"


def test_the_first_error_of_several_decides(cli: Cli, sup: heroq.Supervisor) -> None:
    sup.submit("x", "osis", id="a")
    done = cli("rm", "gone", "a", "--yes")
    assert (done.returncode, done.stderr) == (3, b"heroq: hero:job:gone is not there\n")
    assert sup.get_error("a") == b"deleted"


def test_ctrl_c(start: Any, server: Server, sup: heroq.Supervisor) -> None:
    job = sup.submit("x", "nobody")
    for command in ("await", "tail"):
        process = start("-m", "heroq", command, job.id)
        wait_until(lambda: len(server.command("CLIENT", "LIST").splitlines()) > 2, what="it is connected")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
