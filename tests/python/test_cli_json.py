"""`--json`: each command has the fields that docs/commands.md lists, no more and no fewer."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import heroq
import pytest
from support.server import wait_until

from .conftest import Cli

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"


def documented() -> dict[str, tuple[str, set[str]]]:
    """Command → object, list or lines, and the fields."""
    table = PAGE.read_text().partition("## JSON\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (an object|a list|lines)[^|]* \|(.*)\|$", table, re.MULTILINE)
    return {name: (kind, set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", fields)))) for name, kind, fields in rows}


@pytest.fixture
def said(cli: Cli) -> Any:
    """said("ls"): what a command prints as JSON, and what was printed before for the same command."""
    seen: dict[str, list[Any]] = {}

    def run(*argv: str, code: int = 0, stdin: bytes = b"") -> Any:
        done = cli(*argv, "--json", stdin=stdin)
        assert done.returncode == code, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        answer = lines if argv[0] == "tail" else lines[0]
        seen.setdefault(argv[0], []).append(answer)
        return answer

    run.seen = seen  # type: ignore[attr-defined]
    return run


def test_the_fields_are_those_of_the_page(said: Any, acting: Any) -> None:
    assert said("create", "--type", "osis", "--id", "a", "x") == {"id": "a"}
    assert said("start", "a") == {"id": "a", "started": True}
    said("queues")
    said("ls")
    assert {tuple(row) for row in said("show", "a", "--redis")} == {("command", "answer")}
    assert said("pause", "osis") == [{"queue": "osis", "paused": True}]
    assert said("resume", "osis") == [{"queue": "osis", "paused": False}]

    def handler(job: heroq.Job) -> None:
        if job.text == "bad":
            job.fail("why", final=True)
        else:
            job.progress(50, "half")
            job.log("line")
            job.stream("chunk")
            job.finish("done")

    with acting("osis", handler) as actor:
        assert said("run", "--type", "osis", "--id", "b", "x") == {"id": "b", "status": "finished", "output": "done"}
        said("run", "--type", "osis", "--id", "p", "bad", code=1)
        wait_until(lambda: said("dead"), what="it is dead")
        assert said("dead", "osis", "--purge", "--yes") == [{"id": "p", "purged": True}]
        said("run", "--type", "osis", "--id", "c", "bad", code=1)
        wait_until(lambda: said("actors"), what="the actor's word")
        assert said("await", "b", "c", "gone", code=1) == [
            {"id": "b", "status": "finished", "output": "done"},
            {"id": "c", "status": "error", "error": "why"},
            {"id": "gone", "status": None, "error": "the job's hash is gone"},
        ]
        said("tail", "b", "c", code=1)
        assert actor
    wait_until(lambda: [row["id"] for row in said("dead")] == ["c"], what="it is dead")
    assert said("dead", "osis", "--requeue", "--yes") == [{"id": "c", "requeued": True}]
    said("requeue", "gone", code=3)
    assert said("create", "--type", "sal", "--id", "late", "x") == {"id": "late"}
    said("start", "late", "-o", "delay=1h")
    assert said("retry", "late") == [{"id": "late", "retried": True}]
    said("retry", "gone", code=3)
    assert said("clear", "sal", "--dry-run") == {"queue": "sal", "cancelled": 0}
    assert said("clear", "sal", "--yes") == {"queue": "sal", "cancelled": 1}
    assert said("stop", "c") == [{"id": "c", "outcome": "cancelled"}]
    said("stop", "gone", code=3)
    assert said("rm", "c", "--dry-run") == [{"id": "c", "deleted": False}]
    assert said("rm", "c", "--yes") == [{"id": "c", "deleted": True}]
    said("rm", "gone", "--yes", code=3)
    line = b'{"jobId": "new", "script": "x", "script_type": "osis"}\n'
    imported = {"imported": ["new"], "skipped": [], "started": False, "dry_run": False}
    assert said("import", "-", stdin=line) == imported

    seen = said.seen
    lists = {name for name, answers in seen.items() if isinstance(answers[0], list) and name != "tail"}
    for name, (kind, fields) in documented().items():
        if name in ("bench", "demo", "show"):  # test_cli_bench.py and test_cli.py; the fields of the job's hash
            continue
        assert name in seen, f"{name} is not tried here"
        assert (kind == "a list") == (name in lists), name
        objects = [row for answer in seen[name] for row in (answer if isinstance(answer, list) else [answer])]
        assert set().union(*objects) == fields, name


def test_every_command_with_json_is_in_the_table() -> None:
    from heroq.cli import app
    from typer.main import get_command

    commands = get_command(app).commands  # type: ignore[attr-defined]
    ours = {name for name, one in commands.items() if any(option.name == "as_json" for option in one.params)}
    others = {"top", "web", "doctor", "metrics", "show"}  # their own pages; show prints the job's fields
    assert ours - others == set(documented()) - others


def test_bytes_that_are_no_text(said: Any, acting: Any) -> None:
    with acting("osis", lambda job: job.finish(b"\xff\x00")):
        assert said("run", "--type", "osis", "x")["output"] == {"base64": "/wA="}
