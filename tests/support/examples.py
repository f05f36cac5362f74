"""The examples as a stranger builds and runs them: examples/actor.c and supervisor.c, against a private server."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .server import Server, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "examples"


def run(*argv: str | Path, **environment: str) -> str:
    done = subprocess.run(
        [str(a) for a in argv], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, f"{' '.join(str(a) for a in argv)}\n{done.stdout}{done.stderr}"
    return done.stdout


def compile_them(folder: Path, flags: str, **environment: str) -> None:
    """`flags`: what stands behind the compiler's other arguments, read by a shell."""
    for example in ("actor", "supervisor"):
        run("sh", "-ec", f"cc '{EXAMPLES}/{example}.c' -o '{folder}/{example}' {flags}", **environment)


@contextmanager
def _started(environment: Mapping[str, str], *argv: str | Path) -> Iterator[subprocess.Popen[str]]:
    command = [str(a) for a in argv]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def check(folder: Path, server: Server, **environment: str) -> None:
    """The two programs in `folder` do a job together, refuse an empty one, and leave nothing on the server."""
    with _started(environment, folder / "actor", server.url, "osis") as actor:
        with _started(environment, folder / "supervisor", server.url, "osis", "one two three\nfour\n") as supervisor:
            out, errors = supervisor.communicate(timeout=20)
            assert (out, errors, supervisor.returncode) == ("2 lines, 4 words, 19 bytes\n", "", 0)
        with _started(environment, folder / "supervisor", server.url, "osis", "") as failing:
            out, errors = failing.communicate(timeout=20)
            assert (out, failing.returncode) == ("", 2)
            assert "the script is empty" in errors
        actor.send_signal(signal.SIGTERM)
        out, errors = actor.communicate(timeout=20)
        assert (errors, actor.returncode) == ("", 0)
        assert "attempt 1: 2 lines, 4 words, 19 bytes" in out
    wait_until(lambda: not server.command("CLIENT", "LIST", "TYPE", "normal").count(b"\n") > 1, 5, "no client left")
