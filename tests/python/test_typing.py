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


def test_the_stub_is_the_extension(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.write_text("heroq\\._heroq\\.cdata\n")  # SWIG's own
    argv = [sys.executable, "-m", "mypy.stubtest", "heroq._heroq", "--allowlist", str(allowed)]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
