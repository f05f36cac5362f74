"""How a C program builds against the library, the headers and the CMake package that lie in this package:
`cc app.c $(python -m heroq --cflags --libs)`."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent
_LIB = _FOLDER / "lib"


def cflags() -> str:
    return shlex.join([f"-I{_FOLDER / 'include'}"])


def libs() -> str:
    """The library by its path, since -lheroq needs a link and a wheel cannot have one; programs find it where it is."""
    return shlex.join([*map(str, sorted(_LIB.glob("libheroq.*"))), f"-Wl,-rpath,{_LIB}"])


def cmakedir() -> str:
    """For -Dheroq_DIR=…"""
    return str(_LIB / "cmake" / "heroq")


def pkgconfigdir() -> str:
    """For PKG_CONFIG_PATH."""
    return str(_LIB / "pkgconfig")


_ANSWERS: dict[str, Callable[[], str]] = {
    "--cflags": cflags,
    "--libs": libs,
    "--cmakedir": cmakedir,
    "--pkgconfigdir": pkgconfigdir,
}


def answer(arguments: Sequence[str]) -> str | None:
    """What `python -m heroq ARGUMENTS` prints if they ask for nothing else."""
    if not arguments or not set(arguments).issubset(_ANSWERS):
        return None
    return " ".join(_ANSWERS[argument]() for argument in arguments)
