"""Programs that end with this process, however it ends."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

#: A shell that runs the program and waits for its own standard input to end, which the kernel sees to when this process
#: is gone, also by kill -9. Then the program goes too, and the folder, if one was given.
_KEEPER = """
folder=$1; shift
"$@" </dev/null & program=$!
read -r _
kill "$program"; wait "$program"; status=$?
[ -z "$folder" ] || rm -rf -- "$folder"
exit $status
"""


class Kept:
    """Runs from its making until `end`. `folder` is removed afterwards."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        folder: str = "",
        environment: Mapping[str, str] | None = None,
        quiet: bool = False,
    ):
        import subprocess

        self._pid = os.getpid()
        out = subprocess.DEVNULL if quiet else None
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, "sh", folder, *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=out,
            env=environment,
            start_new_session=True,
        )

    def end(self) -> None:
        """SIGTERM, and waits. A child made by fork leaves it alone."""
        stdin = self._keeper.stdin
        if os.getpid() != self._pid or stdin is None or stdin.closed:
            return
        try:
            stdin.write(b"\n")
            stdin.close()
        except BrokenPipeError:
            pass
        self._keeper.wait()
