"""The private folder of a script."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def private(script: bytes, account: pwd.struct_passwd | None) -> Iterator[tuple[Path, Path]]:
    """The script's file and the folder to work in, which only its user can enter; gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="heroq-job-"))
    try:
        file, work = folder / "script", folder / "work"
        file.touch(0o600)
        file.write_bytes(script)
        work.mkdir(0o700)
        if account:
            for path in (file, work, folder):
                os.chown(path, account.pw_uid, account.pw_gid)
        yield file, work
    finally:
        remove(folder)


def remove(folder: Path) -> None:
    """Whatever a script has made of it. When this is called, none of its processes is left."""
    try:
        shutil.rmtree(folder)
    except (OSError, RecursionError):  # folders that are closed, or deeper than Python can go
        for argv in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
            subprocess.run([*argv, "--", str(folder)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
