"""Memory runs out at every allocation of the public calls, one after the other (torture.c): no crash, no leak, the
right error, and no acknowledged job is lost."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from support.faults import Runner, field, nothing_left, sanitizer
from support.server import Server, wait_until
from support.tls import Authority, TlsServer

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BUILD = Path(os.environ["HEROQ_BUILD_DIR"])


def needed() -> list[str]:
    """What a program that links the static library needs besides, as heroq.pc names it."""
    lines = (BUILD / "c/heroq.pc").read_text().splitlines()
    return next(line for line in lines if line.startswith("Requires.private:")).replace(",", " ").split()[1:]


@pytest.fixture(scope="module")
def torture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("torture") / "torture"
    argv: list[str | Path] = [os.environ.get("CC", "cc"), "-g", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE"]
    argv += ["-I", ROOT / "c/include"]
    argv += ["-o", program, HERE / "torture.c", HERE / "failmalloc.c"]
    if sanitizer():  # its malloc is the real one; that of the libraries cannot be made to fail then
        argv += [f"-fsanitize={sanitizer()}", "-fno-sanitize-recover=all", "-DFAILMALLOC_WRAP"]
        argv += [f"-Wl,--wrap={name}" for name in ("malloc", "calloc", "realloc")]
    libraries = subprocess.check_output(["pkg-config", "--libs", *needed()], text=True)
    argv += [BUILD / "c/libheroq.a", *shlex.split(libraries), "-lpthread", "-lm"]
    subprocess.run(argv, check=True)
    return program


# scenario, first allocation, step, how many fail in a row
RUNS = [
    ("client", 1, 1, 1),
    ("client", 1, 1, 20),
    ("parse", 1, 1, 1),
    ("enqueue", 1, 1, 1),
    ("enqueue", 1, 1, 20),
    ("read", 1, 3, 1),
    ("clear", 1, 3, 1),
    ("doctor", 1, 11, 1),
    ("actor", 1, 1, 1),
    ("actor", 1, 3, 4),
    ("close", 1, 1, 1),
    ("await", 1, 1, 1),
    ("await", 1, 1, 20),
    ("requests", 1, 1, 1),
    ("requests", 1, 1, 20),
]


@pytest.mark.parametrize(("scenario", "first", "step", "times"), RUNS)
def test_56_malloc_torture(server: Server, torture: Path, scenario: str, first: int, step: int, times: int) -> None:
    other = Runner(server.url) if scenario == "await" else None  # somebody has to run what is awaited
    try:
        done = subprocess.run(
            [torture, f"{server.url}?log=off&index=yes", scenario, str(first), str(step), str(times)],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    finally:
        if other:
            other.close()
    lines = [line for line in done.stdout.splitlines() if not line.startswith("acked ")]
    assert done.returncode == 0, (done.returncode, lines[-5:], done.stderr[-3000:])
    assert len(lines) == 1 and lines[0].startswith("runs "), lines
    print(lines[0])
    assert int(lines[0].split()[1]) > (2 if scenario == "close" else 10)  # close wants no memory at all
    acked = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("acked ")}
    rest = Runner(server.url)
    try:
        wait_until(lambda: nothing_left(server), seconds=15, what="all that was started ends")
        assert {field(server, job_id, "status") for job_id in acked} <= {b"finished"}
    finally:
        rest.close()


@pytest.mark.parametrize(("scenario", "step"), [("client", 23), ("actor", 101)])
def test_56_malloc_torture_with_tls(torture: Path, tmp_path: Path, scenario: str, step: int) -> None:
    """OpenSSL does not always say that it was memory, and forgets some itself: the connection counts as failed, nothing
    worse. With a sanitizer only our own allocations fail, and none may be forgotten."""
    authority = Authority(tmp_path)
    with TlsServer(authority.issue("server", "DNS:localhost"), authority.ca, kind="redis") as server:
        url = f"{server.tls_url()}?log=off&tls_ca_file={authority.ca}"
        argv = [str(torture), url, scenario, "1", "1" if sanitizer() else str(step), "1"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=100, check=False)
        lines = [line for line in done.stdout.splitlines() if not line.startswith("acked ")]
        assert done.returncode == 0, (done.returncode, lines[-5:], done.stderr[-3000:])
        runs = int(lines[-1].split()[1])
        assert runs > 10, lines[-1]
        leaks = [line for line in lines[:-1] if line.startswith("leak ")]
        assert len(leaks) <= runs / 20, leaks
        allowed = ("HEROQ_E_TLS", "HEROQ_E_CONNECTION", "HEROQ_E_OPTION")
        assert [line for line in lines[:-1] if line not in leaks and not any(one in line for one in allowed)] == []
