"""Scripts that mean no good: each is stopped and reported, nothing of it is left, and the actor does the next job."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import heroq
import pytest
from support.scripts import PYTHON, ScriptActor, commands, failure, living, script_actor
from support.server import Server

LIMITS = (
    *("--cpu", "1", "--memory", "256", "--processes", "24", "--output", "1", "--log", "1"),
    *("--disk", "8", "--files", "500", "--file-size", "64", "--open-files", "64", "--threads", "2"),
)
_seconds = itertools.count(3_000_000 + os.getpid() * 100)


@pytest.fixture(scope="module", params=["require", "off"])
def actor(request: pytest.FixtureRequest, shared_server: Server) -> Iterator[ScriptActor]:
    options = [*commands("python", "sh"), "--sandbox", request.param, *LIMITS]
    # Outside of the sandbox the kernel counts all processes of a user: other tests' scripts have another one.
    with script_actor(shared_server.url, *options, user="daemon") as one:
        yield one


#: for what is the same in both, and takes its time
one_is_enough = pytest.mark.parametrize("actor", ["require"], indirect=True)


@pytest.fixture
def sup(shared_server: Server, actor: ScriptActor) -> Iterator[heroq.Supervisor]:
    """After each test the actor still does what it is asked, and no folder is left."""
    with heroq.Supervisor(shared_server.url) as supervisor:
        yield supervisor
        assert supervisor.run_job_and_await_result("print(40 + 2)", script_type="python", timeout=60) == b"42\n"
        assert actor.process.poll() is None
        assert actor.folders() == []


@pytest.fixture
def marker() -> str:
    """Seconds to sleep, which no other process sleeps."""
    return str(next(_seconds))


def test_a_fork_bomb(sup: heroq.Supervisor) -> None:
    first, *rest = failure(sup, "import os\nwhile True: os.fork()", "python")
    assert first == "exit status 1"
    # all of them complain, each in the middle of the others
    assert "BlockingIOError: [Errno 11] Resource temporarily unavailable" in "\n".join(rest)


def test_a_fork_bomb_that_does_not_give_up(sup: heroq.Supervisor, marker: str) -> None:
    script = f"""
import os, sys
if len(sys.argv) == 1: os.execv("{PYTHON}", ["python3", sys.argv[0], "{marker}"])
while True:
    try: os.fork(); os.setsid()
    except OSError: pass
"""
    assert failure(sup, script, "python", timeout=1)[0] == "the time limit is over"
    assert living(marker) == []


def test_a_gibibyte_of_output(sup: heroq.Supervisor) -> None:
    assert failure(sup, "for _ in range(1024): print('x' * (1 << 20))", "python") == [
        "the output is longer than 1048576 bytes"
    ]


@one_is_enough
def test_a_gibibyte_of_complaints(sup: heroq.Supervisor) -> None:
    """They are not its output: it may go on, the log takes a part."""
    script = "import sys\nfor _ in range(1 << 14): print('x' * (1 << 16), file=sys.stderr)\nprint('done')"
    job = heroq.Job(script, "python")
    assert sup.run_job_and_await_result(job, timeout=60) == b"done\n"
    lines = sup.get_logs(job.id, last=1000)
    assert lines[-1] == b"the log is longer than 1048576 bytes: the rest is left out"
    assert 0 < sum(map(len, lines[:-1])) <= 1 << 20 and max(map(len, lines)) == 4096


def test_one_that_ignores_sigterm(sup: heroq.Supervisor, marker: str) -> None:
    script = f"trap '' TERM\nsleep {marker} &\nwhile :; do wait; sleep 1; done"
    assert failure(sup, script, "sh", timeout=1) == ["the time limit is over"]
    assert living(marker) == []


def test_one_that_makes_daemons(sup: heroq.Supervisor, marker: str) -> None:
    script = f"""
import os
for _ in range(5):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0: os.execvp("sleep", ["sleep", "{marker}"])
        os._exit(0)
print("left")
"""
    assert sup.run_job_and_await_result(script, script_type="python", timeout=60) == b"left\n"
    assert living(marker) == []


def test_one_large_file(sup: heroq.Supervisor) -> None:
    script = "with open('x', 'wb') as file:\n for _ in range(60): file.write(bytes(1 << 20))"
    assert failure(sup, script, "python")[0] == "the private folder holds more than 8388608 bytes"


def test_one_larger_file(sup: heroq.Supervisor) -> None:
    """The kernel holds its writer at once, however large the folder may be."""
    script = "import signal\nsignal.signal(signal.SIGXFSZ, 0)\nopen('x', 'wb').truncate(1 << 30)"
    assert failure(sup, script, "python") == ["signal SIGXFSZ: a file longer than 67108864 bytes"]


def test_many_small_files(sup: heroq.Supervisor) -> None:
    script = "for i in range(100_000): open(str(i), 'w').close()"
    assert failure(sup, script, "python")[0] == "the private folder holds more than 500 files"


def test_small_files_in_a_deep_tree(sup: heroq.Supervisor, actor: ScriptActor) -> None:
    script = "import os\nwhile True:\n os.mkdir('d'); os.chdir('d')"
    told = "holds more than 500 files" if actor.sandboxed else "cannot be looked at: a folder is closed, or too deep"
    assert failure(sup, script, "python")[0] == f"the private folder {told}"


def test_deep_recursion(sup: heroq.Supervisor) -> None:
    lines = failure(sup, "def f(): f()\nf()", "python")
    assert (lines[0], lines[-1]) == ("exit status 1", "RecursionError: maximum recursion depth exceeded")


def test_a_program_without_end_of_its_stack(sup: heroq.Supervisor, shared_program: Path) -> None:
    assert failure(sup, f"exec {shared_program}", "sh") == ["signal SIGSEGV"]


@pytest.fixture(scope="module")
def shared_program() -> Iterator[Path]:
    """A program that calls itself for ever, which every user can run."""
    folder = Path(tempfile.mkdtemp(prefix="heroq-test-"))
    folder.chmod(0o755)
    source = (
        b"int f(volatile int *p) { int x = *p + 1; return f(&x) + x; }\nint main(void) { int x = 0; return f(&x); }"
    )
    subprocess.run(["cc", "-O0", "-w", "-x", "c", "-", "-o", str(folder / "deep")], input=source, check=True)
    yield folder / "deep"
    shutil.rmtree(folder)


def test_one_that_closes_its_output(sup: heroq.Supervisor) -> None:
    script = "exec 2>&1; echo before; exec >&- 2>&-; sleep 0.3; exit 0"
    assert sup.run_job_and_await_result(script, script_type="sh", timeout=60) == b"before\n"


@one_is_enough
def test_one_that_closes_its_output_and_stays(sup: heroq.Supervisor) -> None:
    assert failure(sup, "exec <&- >&- 2>&-; while :; do sleep 1; done", "sh", timeout=1) == ["the time limit is over"]


def test_too_much_memory(sup: heroq.Supervisor) -> None:
    first, *rest = failure(sup, "x = bytearray(1 << 30)", "python")
    assert (first, rest[-1]) == ("exit status 1", "MemoryError")
    shared = failure(sup, "import mmap\nmmap.mmap(-1, 1 << 30)", "python")
    assert (shared[0], shared[-1]) == ("exit status 1", "OSError: [Errno 12] Cannot allocate memory")


@one_is_enough
def test_too_much_processor_time(sup: heroq.Supervisor) -> None:
    ignoring = sup.submit("trap '' XCPU; while :; do :; done", script_type="sh")
    assert failure(sup, "while True: pass", "python") == ["signal SIGXCPU: more than 1 s of processor time"]
    with pytest.raises(heroq.JobFailed) as failed:
        sup.await_result(ignoring, timeout=60)
    assert failed.value.error == b"signal SIGKILL: more than 1 s of processor time"


def test_too_many_open_files(sup: heroq.Supervisor) -> None:
    lines = failure(sup, "import os\nwhile True: os.dup(0)", "python")
    assert (lines[0], lines[-1]) == ("exit status 1", "OSError: [Errno 24] Too many open files")


def test_a_huge_environment(sup: heroq.Supervisor) -> None:
    assert failure(sup, "print(1)", "python", env={"A": "x" * 200_000}) == [
        f"the script was not run: cannot run {PYTHON}: Argument list too long"
    ]
    assert (
        sup.run_job_and_await_result(
            heroq.Job("import os; print(len(os.environ['A']))", "python", env={"A": "x" * 100_000}), timeout=60
        )
        == b"100000\n"
    )


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGSEGV", "SIGABRT"])
def test_one_that_a_signal_ends(sup: heroq.Supervisor, name: str) -> None:
    assert failure(sup, f"kill -{name.removeprefix('SIG')} $$", "sh") == [f"signal {name}"]


def test_one_that_kills_all_it_can(sup: heroq.Supervisor, actor: ScriptActor) -> None:
    if not actor.sandboxed:  # all of its user's, others' scripts too, but not what ends it
        if os.geteuid() == 0:
            assert sup.run_job_and_await_result("kill -9 $PPID; echo there", script_type="sh", timeout=60) == b"there\n"
        return
    assert sup.run_job_and_await_result("kill -9 1; kill -9 -1; echo there", script_type="sh", timeout=60) == b"there\n"
