"""The examples of docs/script-actors.md, run as they are printed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from heroq.script import Limits
from support.server import Server, wait_until

PAGE = (Path(__file__).parents[2] / "docs" / "script-actors.md").read_text(encoding="utf-8")
SHELL = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def folder() -> Iterator[Path]:
    """The command `heroq` in bin, and the system's programs for the scripts' user."""
    path = Path(tempfile.mkdtemp(prefix="heroq-test-"))
    path.chmod(0o755)
    (path / "bin").mkdir()
    shim = path / "bin" / "heroq"
    shim.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m heroq "$@"\n')
    shim.chmod(0o755)
    yield path
    shutil.rmtree(path)


def environment(folder: Path, server: Server) -> dict[str, str]:
    return {**os.environ, "HEROQ_URL": server.url, "PATH": f"{folder}/bin:/usr/bin:/bin", "TMPDIR": str(folder)}


@contextmanager
def working(folder: Path, server: Server, code: str) -> Iterator[None]:
    if os.geteuid() != 0:
        code = code.replace(" --user nobody", "")
    log = folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["bash", "-ec", re.sub("^heroq", "exec heroq", code, flags=re.MULTILINE)],
            cwd=folder,
            env=environment(folder, server),
            stdout=file,
            stderr=file,
        )
    try:
        wait_until(lambda: "scripts run" in log.read_text(), seconds=60, what="the actor")
        yield
    finally:
        process.terminate()
        process.wait(30)


def run(folder: Path, server: Server, *argv: str) -> str:
    done = subprocess.run(
        argv, cwd=folder, env=environment(folder, server), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_has_its_examples() -> None:
    assert [code.split()[0] for code in SHELL] == ["heroq", "heroq", "(umask", "heroq", "#!/bin/sh"]
    assert len(PYTHON) == 1


def test_the_actor(folder: Path, server: Server) -> None:
    with working(folder, server, SHELL[0]):
        assert run(folder, server, "bash", "-ec", SHELL[1]) == "42\n"


def test_the_signatures(folder: Path, server: Server) -> None:
    with working(folder, server, SHELL[2]):
        assert run(folder, server, "bash", "-ec", SHELL[3]) == "signed\n"
        code = PYTHON[0].replace("redis://localhost", server.url)
        assert run(folder, server, sys.executable, "-c", code) == "b'signed\\n'\n"


def test_the_limits() -> None:
    """Each default of the table is the one that holds."""
    rows = dict(re.findall(r"^\| `--([a-z-]+)` \| (\d+) \|", PAGE, re.MULTILINE))
    mib = 1 << 20
    limits = Limits()
    assert {name: int(value) for name, value in rows.items()} == {
        "cpu": limits.cpu,
        "memory": limits.memory // mib,
        "processes": limits.processes,
        "file-size": limits.file_size // mib,
        "disk": limits.disk // mib,
        "files": limits.files,
        "open-files": limits.open_files,
        "output": limits.output // mib,
        "log": limits.log // mib,
    }
    for word in ("disk", "files"):
        assert f"`{limits.told(word)}`" in PAGE
