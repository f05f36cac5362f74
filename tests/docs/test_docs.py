"""The pages of docs, and the README's typed handlers: their examples are run as they are printed.

On a page

- a `python` block begins with the name of its file, such as `# app.py`;
- a `console` block is run, in the order of the page, and prints what stands there; `…` is any part of a line, and alone
  in a line any number of lines;
- actors that `sh` blocks start are started before; the other commands of heroq in them have to exist, with
  their options.

Other programs' code is in a code-block directive and is not run.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from heroq.cli import app as commands
from support.server import Server
from typer.main import get_command

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
#: seconds that a printed output may take to come true: what a page shows next may be still under way
PATIENCE = 30.0


#: a page that one of these names is run there
OTHER_TESTS = "".join(
    path.read_text(encoding="utf-8")
    for path in Path(__file__).parent.glob("test_*.py")
    if path.name not in ("test_docs.py", "test_site.py")
)


@dataclass
class Page:
    """What a page says is to be written and run."""

    files: dict[str, str]
    actors: list[list[str]]
    shell: list[str]
    consoles: list[tuple[str, str]]


def read(path: Path) -> Page:
    page = Page({}, [], [], [])
    for language, code in re.findall(
        r"^```(\w+)\n(.*?)^```$", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    ):
        if language == "python":
            name = re.match(r"# (\S+\.py)\n", code)
            assert name or path.name in OTHER_TESTS, f"{path.name}: the first line is no file's name:\n{code}"
            if name:
                page.files[name[1]] = code
        elif language == "console":
            for part in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
                command, _, output = part.partition("\n")
                page.consoles.append((command, output))
        elif language == "sh":
            lines = [shlex.split(line, comments=True) for line in code.replace("\\\n", " ").splitlines()]
            page.shell += [shlex.join(line) for line in lines if line]
            page.actors += [argv for argv in lines if argv[:1] == ["python"] or argv[:2] == ["heroq", "worker"]]
    return page


NAMES = sorted(path.name for path in DOCS.glob("*.md"))
PAGES = {name: read(DOCS / name) for name in NAMES}
#: examples that only define something; test_the_libraries uses them
LIBRARIES = {"hook.py", "around.py"}


def matches(printed: str, said: str) -> bool:
    pattern = ""
    for line in printed.splitlines():
        if line == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(re.escape(part) for part in line.split("…")) + r"\n"
    return re.fullmatch(pattern, said if said.endswith("\n") or not said else said + "\n") is not None


def only_looks(command: str) -> bool:
    words = command.split()
    return words[:2] in (["heroq", "ls"], ["heroq", "show"], ["heroq", "queues"], ["heroq", "metrics"]) or (
        words[0] == "redis-cli" and words[1] in ("HGET", "HGETALL", "LLEN", "LRANGE", "KEYS")
    )


@pytest.fixture
def environment(tmp_path: Path, server: Server) -> dict[str, str]:
    """With the page's commands: heroq and python are those of this test, redis-cli talks to its server."""
    tools = tmp_path / "bin"
    tools.mkdir()
    python = shlex.quote(sys.executable)
    for name, command in {
        "python": python,
        "heroq": f"{python} -m heroq",
        "redis-cli": f"/usr/bin/env PATH={shlex.quote(os.environ['PATH'])} redis-cli -p {server.port}",
    }.items():
        (tools / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (tools / name).chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "HEROQ_URL": server.url,
        "NO_COLOR": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_ADDOPTS": "-p no:cacheprovider",
    }


@dataclass
class Folder:
    """A folder with a page's files, and a shell in it."""

    path: Path
    environment: dict[str, str]

    def write(self, page: Page) -> None:
        for name, code in page.files.items():
            (self.path / name).write_text(code.replace("redis://localhost", self.environment["HEROQ_URL"]))

    def run(self, command: str) -> str:
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.path,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=100,
            check=False,
        )
        return done.stdout.decode()

    @contextmanager
    def working(self, actors: list[list[str]]) -> Iterator[None]:
        """Actors that end well when they are told to."""
        started = [subprocess.Popen(argv, cwd=self.path, env=self.environment) for argv in actors]
        try:
            yield
        finally:
            for actor in started:
                actor.terminate()
            ends = [actor.wait(60) for actor in started]
        assert ends == [0] * len(ends)


@pytest.fixture
def folder(tmp_path: Path, environment: dict[str, str]) -> Folder:
    path = tmp_path / "page"
    path.mkdir()
    return Folder(path, environment)


@pytest.mark.parametrize("name", [name for name in NAMES if PAGES[name].consoles])
def test_the_page_is_true(name: str, folder: Folder) -> None:
    page = PAGES[name]
    folder.write(page)
    with folder.working(page.actors):
        for command, printed in page.consoles:
            end = time.monotonic() + PATIENCE
            said = folder.run(command)
            while not matches(printed, said) and only_looks(command) and time.monotonic() < end:
                time.sleep(0.05)
                said = folder.run(command)
            assert matches(printed, said), f"$ {command}\n{said}--- but {name} says\n{printed}"


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_run(name: str) -> None:
    page = PAGES[name]
    started = " ".join([*page.shell, *(command for command, _ in page.consoles)])
    for file in page.files:
        stem = file.removesuffix(".py")
        imported = any(re.search(rf"^\s*(from|import) {stem}\b", code, re.MULTILINE) for code in page.files.values())
        elsewhere = name in OTHER_TESTS or file in LIBRARIES
        assert imported or file in started or elsewhere, f"{name}: nothing runs {file}"


def test_other_programs_are_at_least_python() -> None:
    text = (DOCS / "moving-from.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```\{code-block\} python\n:caption: (\w+)\n(.*?)```", text, re.DOTALL)
    assert [name for name, _ in blocks] == ["Celery", "RQ"]
    for name, code in blocks:
        compile(code, name, "exec")


def test_types(tmp_path: Path) -> None:
    """mypy --strict, but functions may be without annotations."""
    for name, page in PAGES.items():
        if page.files:
            folder = tmp_path / name.removesuffix(".md")
            folder.mkdir()
            for file, code in page.files.items():
                (folder / file).write_text(code)
            argv = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "."]
            loose = ["--allow-untyped-defs", "--allow-untyped-calls"]
            done = subprocess.run([*argv, *loose], cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"


def test_the_commands_exist() -> None:
    known = get_command(commands).commands  # type: ignore[attr-defined]
    seen = 0
    lines = [(name, line) for name, page in PAGES.items() for line in page.shell]
    lines += [(name, command) for name, page in PAGES.items() for command, _ in page.consoles]
    lines += [
        ("README.md", part.strip())
        for code in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
        for part in re.split("[;\n]", code)
    ]
    for name, line in lines:
        argv = shlex.split(line, comments=True)
        if argv[:1] == ["heroq"]:
            seen += 1
            assert argv[1] in known, f"{name}: {line}"
            options = {option for one in known[argv[1]].params for option in one.opts}
            used = {word.partition("=")[0] for word in argv[2:] if re.match(r"--?[a-z]", word)}
            assert used <= options, f"{name}: {line}"
    assert seen > 10


@pytest.mark.parametrize(
    ("printed", "said", "fits"),
    [
        ("a\n", "a\n", True),
        ("a\n", "a b\n", False),
        ("a…\n", "a b\n", True),
        ("…\na\n", "x\ny\na\n", True),
        ("…\na\n", "x\ny\n", False),
        ("a\n…\n", "a\n", True),
        ("", "a\n", False),
        ("a.\n", "ab\n", False),
    ],
)
def test_what_matches(printed: str, said: str, fits: bool) -> None:
    assert matches(printed, said) is fits


# ---- what needs more ----


def test_the_libraries(folder: Folder) -> None:
    folder.write(PAGES["python-handlers.md"])
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
    assert folder.run(f"python -c {shlex.quote(code)} 2>/dev/null") == "not our tenant\n"


README = (ROOT / "README.md").read_text(encoding="utf-8")


def readme(section: str, language: str) -> list[str]:
    text = README.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return found


def test_the_readme(folder: Folder) -> None:
    """Its first actor is in test_cli.py, that of asyncio in test_aio_life.py."""
    app, client = readme("Typed handlers", "python")
    folder.write(Page({"app.py": app, "client.py": client}, [], [], []))
    with folder.working([["heroq", "worker", "app.py"]]):
        assert folder.run("python client.py") == "{'width': 100, 'height': 50}\n[1, 2, 3]\n"


def test_the_readme_in_c(folder: Folder) -> None:
    """tests/install links and runs such a program."""
    (folder.path / "actor.c").write_text(*readme("A first actor", "c"))
    include = shlex.quote(str(ROOT / "c" / "include"))
    assert folder.run(f"cc -std=c11 -Wall -Wextra -Werror -fsyntax-only -I {include} actor.c") == ""
