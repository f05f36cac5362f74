"""The configuration file: what counts before what, and what is said of a wrong one."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import heroq
import pytest
from heroq.cli import config
from support.server import Server

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "heroq" / "config.toml"
    path.parent.mkdir()
    return path


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def command(*argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HEROQ_")}
        return subprocess.run(
            [sys.executable, "-m", "heroq", *argv],
            env={**clean, "XDG_CONFIG_HOME": str(tmp_path), **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return command


def test_flag_before_environment_before_file(server: Server, file: Path, run: Run) -> None:
    nobody = "redis://127.0.0.1:1"
    file.write_text(f'url = "{server.url}"\nconnect_timeout = "2s"\n')
    assert run("ls").returncode == 0
    assert run("ls", HEROQ_URL=nobody).returncode == 5
    assert run("ls", "--url", server.url, HEROQ_URL=nobody).returncode == 0
    file.write_text(f'url = "{nobody}"\n')
    assert run("ls").returncode == 5
    assert run("ls", HEROQ_URL=server.url).returncode == 0
    assert run("ls", HEROQ_CONFIG=os.devnull, HEROQ_URL=server.url).returncode == 0


def test_options_of_the_file_count(server: Server, file: Path, run: Run) -> None:
    file.write_text(f'url = "{server.url}"\nindex = true\n')
    job_id = run("create", "--type", "osis", "x").stdout.strip()
    assert server.command("ZSCORE", "{heroq}:index:made", job_id)
    server.command("FLUSHALL")
    run("create", "--type", "osis", "x", HEROQ_INDEX="no")
    assert server.command("EXISTS", "{heroq}:index:made") == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lese = '10s'", "there is no option 'lese': do you mean 'lease'?"),
        ("ulr = 'redis://h'", "do you mean 'url'?"),
        ("lease = 30", 'lease is a time with its unit in quotes, such as "30s"'),
        ("lease = 'soon'", "lease"),
        ("retries = 3", "retries is an option of a job, not of a client or an actor: give it with -o"),
        ("url = 3", "url is a text in quotes"),
        ("pool = [1]", "pool is one value"),
        ("url = ", "is not TOML"),
    ],
)
def test_what_is_wrong_is_named(file: Path, run: Run, text: str, said: str) -> None:
    file.write_text(text + "\n")
    done = run("ls")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert str(file) in done.stderr and said in done.stderr


def test_help_needs_no_file(file: Path, run: Run) -> None:
    file.write_text("nonsense")
    assert run("--help").returncode == 0
    assert run("ls").returncode == 2


def test_any_bytes_are_a_file_or_a_clear_error(file: Path) -> None:
    good = b"url = 'redis://h'\nlease = '10s'\nindex = true\n[x]\ny = [1, {z = 2}]\n"
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    files = [b"x = " + b"[" * 100_000, b"\0", b"\xff\xfe", b"lease = '\\u0000'", b"'' = 1"]
    for _ in range(300):
        data = bytearray(good)
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        files.append(bytes(data[: chance.randrange(len(data))]))
    for data in files:
        file.write_bytes(data)
        try:
            assert all(isinstance(text, str) for text in config.read(file).values())
        except heroq.InvalidError as error:
            assert str(file) in str(error)


def test_a_file_that_is_named_has_to_be_there(run: Run, tmp_path: Path) -> None:
    done = run("ls", HEROQ_CONFIG=str(tmp_path / "none"))
    assert done.returncode == 2 and "cannot read the configuration file" in done.stderr


@pytest.mark.parametrize("text", ["password = 's3cret'", "url = 'redis://:s3cret@127.0.0.1:1'"])
def test_a_password_that_others_can_read_is_warned_of(file: Path, run: Run, text: str) -> None:
    file.write_text(f"{text}\n")
    file.chmod(0o644)
    loose = run("ls", "--url", "redis://127.0.0.1:1")
    assert f"heroq: warning: {file} has a password and others can read it: chmod 600" in loose.stderr
    assert "s3cret" not in loose.stderr
    file.chmod(0o600)
    assert "warning" not in run("ls", "--url", "redis://127.0.0.1:1").stderr


def test_the_login_is_for_the_files_server_alone(new_server: Any, file: Path, run: Run) -> None:
    server = new_server("--requirepass", "s3cret")
    bare = f"redis://127.0.0.1:{server.port}/0"
    file.write_text(f'url = "{bare}"\npassword = "s3cret"\n')
    file.chmod(0o600)
    assert run("ls").returncode == 0
    other = f"redis://localhost:{server.port}/0"
    assert run("ls", "--url", other).returncode == 5
    assert run("ls", HEROQ_URL=other).returncode == 5
    assert run("ls", HEROQ_URL=other, HEROQ_PASSWORD="s3cret").returncode == 0
