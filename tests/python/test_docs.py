"""The examples of docs/python-handlers.md and of the README's section on typed handlers, run as they are printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.server import Server

ROOT = Path(__file__).parents[2]


def examples(text: str) -> dict[str, str]:
    """By the name in the first line of each example."""
    blocks = re.findall(r"```python\n(# (\S+)\n.*?)```", text, re.DOTALL)
    return {name: code for code, name in blocks}


PAGE = examples((ROOT / "docs" / "python-handlers.md").read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path: Path, server: Server) -> Path:
    for name, code in PAGE.items():
        (tmp_path / name).write_text(code.replace("redis://localhost", server.url))
    return tmp_path


def run(folder: Path, *argv: str) -> str:
    done = subprocess.run([sys.executable, *argv], cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def working(folder: Path, server: Server, *argv: str) -> Iterator[None]:
    worker = subprocess.Popen([sys.executable, *argv], cwd=folder, env={**os.environ, "HEROQ_URL": server.url})
    try:
        yield
    finally:
        worker.terminate()
        assert worker.wait(30) == 0


def test_the_page_has_its_examples() -> None:
    assert set(PAGE) == {"app.py", "client.py", "hook.py", "around.py", "test_app.py"}


def test_the_app_and_its_client(folder: Path, server: Server) -> None:
    with working(folder, server, "app.py"):
        lines = run(folder, "client.py").splitlines()
    assert lines[:5] == [
        "2",
        "{'width': 100, 'height': 50} [b'attempt 1']",
        "b.png-200",
        "['one', 'two', 'three'] 3",
        "499500",
    ]
    assert sorted(lines[5:]) == ["c.png: a width of 0 never works", "{'width': 10, 'height': 10}"]


def test_the_tests_of_the_app(folder: Path) -> None:
    assert "3 passed" in run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_app.py")


def test_the_other_examples(folder: Path) -> None:
    code = """
import hook, around, heroq
from pathlib import PurePosixPath
from heroq.testing import run_inline

@heroq.actor("x")
def parents(paths: list[PurePosixPath]) -> PurePosixPath:
    return paths[0].parent

assert run_inline(parents, [PurePosixPath("/a/b")]) == PurePosixPath("/a")
assert run_inline(around.ours.using(headers={"tenant": "us"}), "x") == "X"
try:
    run_inline(around.ours, "x")
except heroq.Fail as error:
    print(error)
"""
    assert run(folder, "-c", code) == "not our tenant\n"


def test_the_readme(tmp_path: Path, server: Server) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("\n## Typed handlers\n")[2].partition("\n## ")[0]
    app, client = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (tmp_path / "app.py").write_text(app)
    (tmp_path / "client.py").write_text(client.replace("redis://localhost", server.url))
    with working(tmp_path, server, "-m", "heroq", "worker", "app.py"):
        assert run(tmp_path, "client.py") == "{'width': 100, 'height': 50}\n[1, 2, 3]\n"
