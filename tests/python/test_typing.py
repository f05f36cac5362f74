"""The package's types: mypy --strict over it, and the extension's stub against the extension."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import heroq

PACKAGE = Path(heroq.__file__).parent


def test_mypy_strict(tmp_path: Path) -> None:
    use = tmp_path / "use.py"
    use.write_text(
        "import heroq\n"
        "with heroq.Supervisor() as sup:\n"
        "    out: bytes = sup.run_job_and_await_result('x', script_type='osis', timeout=5)\n"
        "    ids: list[str] = sup.submit_many(['a', b'b'], script_type='osis', retries=3)\n"
        "@heroq.actor('osis', timeout=30)\n"
        "def osis(job: heroq.Job) -> dict[str, int]:\n"
        "    return {'attempt': job.attempt}\n"
        "heroq.run(osis, threads=8)\n"
        "import heroq.aio\n"
        "@heroq.aio.actor('sal')\n"
        "async def sal(job: heroq.aio.Job) -> bytes:\n"
        "    await job.log('a line')\n"
        "    async with heroq.aio.Supervisor() as sup:\n"
        "        rows: list[str] = [row['id'] async for row in sup.list_jobs(type='osis')]\n"
        "        return await sup.run_job_and_await_result('x', script_type='osis', timeout=5)\n"
        "heroq.aio.run(sal, concurrency=200, grace=5)\n"
    )
    argv = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(use)]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    use.write_text("import heroq\nx: str = heroq.Supervisor().run_job_and_await_result('x', script_type='osis')\n")
    assert subprocess.run(argv, capture_output=True, cwd=tmp_path, check=False).returncode == 1


SUBMITS = """
from collections.abc import AsyncIterator, Generator, Iterator
import heroq
import heroq.aio
from heroq.testing import run_inline

@heroq.actor("add")
def add(a: int, b: int = 0) -> int: ...
@heroq.actor("one")
def one(job: heroq.Job, n: int) -> list[str]: ...
@heroq.actor("whole")
def whole(job: heroq.Job) -> bytes: ...
@heroq.actor("stream")
def stream(n: int) -> Iterator[str]: ...
@heroq.actor("count")
def count(n: int) -> Generator[str, None, dict[str, int]]: ...
@heroq.aio.actor("later")
async def later(job: heroq.aio.Job, text: str, n: int = 1) -> str: ...
@heroq.aio.actor("chunks")
async def chunks(n: int) -> AsyncIterator[str]:
    yield "x"
@heroq.actor("async")
async def plain(n: int) -> AsyncIterator[str]:
    yield "x"

"""
RIGHT = """
a: int = add.using(delay=5, id="x").run(1, b=2)
b: heroq.Submitted[list[str]] = one.submit(5)
c: list[int] = heroq.gather(add.submit_many([(1, 2), (3, 4), add.job(5)]))
d: list[heroq.Submitted[list[str]]] = one.submit_many(range(5), progress=print)
e: list[bytes | Exception] = heroq.gather([whole.submit("script")], return_exceptions=True)
f: list[bytes] = [job.result(timeout=1.0) for job in heroq.as_completed(["an id"])]
g: dict[str, int] = count.run(3)
h: int = add(1, 2)
i: Iterator[str] = count(3)
j: None = stream.submit(3).result()
l: str = later.sync.submit("x", 5).result()
m: int = run_inline(add.using(id="x"), 1)
k: heroq.Json = {"a": [1, None]}
n: None = plain.submit(1).result()
async def main() -> None:
    a: str = await (await later.using(delay=5).submit("x", n=5)).result()
    b: int = await add.aio.run(1, b=2)
    c: list[int] = await heroq.aio.gather(await add.aio.submit_many([(1, 2), add.job(5)], progress=print))
    d: list[heroq.aio.Submitted[str]] = await later.submit_many([("x", 1)])
    e: list[str] = [await job.result() async for job in heroq.aio.as_completed(d, timeout=5.0)]
    f: list[bytes | Exception] = await heroq.aio.gather(["an id"], return_exceptions=True)
    await chunks.run(3)
    h: AsyncIterator[str] = chunks(3)
    i: heroq.aio.Supervisor = await heroq.aio.connect("redis://localhost", op_timeout=5)
    j: list[None] = await heroq.aio.gather(await chunks.submit_many(range(3)))
"""
WRONG = """
add.submit("x")
add.submit()
add.run(1, c=2)
one.submit_many(["x"])
add.submit_many([(1, "x")])
add.using(dely=5)
w0 = later.submit(5)
later.sync.submit(5)
w1 = add.aio.submit("x")
w2 = add.aio.submit_many([(1, "x")])
w3 = chunks.submit("x")
later.using(server=heroq.Supervisor())
run_inline(add, "x")
whole.submit(5)
x: str = add.submit(1).result()
heroq.actor("x", after=5)
"""


def test_what_is_submitted_is_checked(tmp_path: Path) -> None:
    use = tmp_path / "use.py"
    use.write_text(SUBMITS.replace(": ...", ":\n    raise SystemExit") + RIGHT + WRONG)
    argv = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(use)]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, check=False)
    lines = use.read_text().splitlines()
    found = {lines[int(line.split(":")[1]) - 1] for line in done.stdout.splitlines() if ": error:" in line}
    assert found == set(WRONG.split("\n")) - {""}, done.stdout + done.stderr


def test_the_stub_is_the_extension(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.write_text("heroq\\._heroq\\.cdata\n")  # SWIG's own
    argv = [sys.executable, "-m", "mypy.stubtest", "heroq._heroq", "--allowlist", str(allowed)]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
