"""Commands on a terminal: what they print, and what a person types."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence


def on_terminal(
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    columns: int = 80,
    asked: str = "",
    answer: str = "",
    seconds: float = 60.0,
) -> tuple[int, list[str]]:
    """Exit status and lines, without colours. `answer` is typed when `asked` was printed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {"TERM": "xterm-256color", **environment}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        argv, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    said, end = b"", time.monotonic() + seconds
    try:
        while select.select([ours], [], [], max(0.0, end - time.monotonic()))[0]:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other side is closed
                part = b""
            if not part:
                break
            said += part
            if asked and asked.encode() in said:
                os.write(ours, answer.encode() + b"\n")
                asked = ""
        status = process.wait(max(1.0, end - time.monotonic()))
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said.decode())
    return status, text.replace("\r\n", "\n").splitlines()
