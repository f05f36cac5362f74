"""Exit codes: which error ends a command how."""

from __future__ import annotations

import sys

import typer

from .. import errors
from .tables import shown

FAILED, USAGE, NOT_FOUND, NOT_IN_TIME, NO_SERVER, STATE, FAULT, INTERRUPTED = 1, 2, 3, 4, 5, 6, 7, 130

EPILOG = (
    "Exit codes: 0 done, 1 the job failed, 2 wrong usage, 3 not found, 4 not in time, 5 no server or refused, "
    "6 not possible in this state, 7 fault, 130 Ctrl-C."
)
_CODES: list[tuple[type[BaseException], int]] = [
    (errors.JobFailed, FAILED),
    (errors.InvalidError, USAGE),
    (errors.NotFoundError, NOT_FOUND),
    (errors.TimeoutError, NOT_IN_TIME),
    (errors.ConnectionError, NO_SERVER),
    (errors.ServerError, NO_SERVER),
    (errors.StateError, STATE),
]


def code_of(error: BaseException) -> int:
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAULT)


def text_of(error: BaseException) -> str:
    """One line for a person."""
    if isinstance(error, errors.JobFailed) and error.error:
        return " ".join(error.error.decode(errors="replace").split()) or str(error)
    text = " ".join(str(error).split()) or type(error).__name__
    known = isinstance(error, errors.HeroqError) or code_of(error) != FAULT
    return text if known else f"{type(error).__name__}: {text}"


def complain(text: str) -> None:
    """On standard error; what a job said is in there, so control characters are out."""
    print(f"heroq: {shown(text)}", file=sys.stderr)


def end_with(error: BaseException | None) -> None:
    """Ends the command with the code of the first error that it met and has told, if there is one."""
    if error is not None:
        raise typer.Exit(code_of(error))
