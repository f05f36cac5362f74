"""Before something is lost: what will be done is said, and the exact name asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from ..errors import HeroqError, InvalidError, NotFoundError, StateError
from . import exits
from .common import put_json
from .progress import progress
from .tables import shown

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


def agreed(what: str, name: str, *, yes: bool, dry_run: bool) -> bool:
    """Whether to do it: False in a dry run. Who is asked and types anything but the name ends the command."""
    if dry_run:
        print(shown(what), file=sys.stderr)
    if dry_run or yes:
        return not dry_run
    if not sys.stdin.isatty():
        raise InvalidError(f"{what} There is no terminal to ask on: say --yes")
    print(f"{shown(what)}\nType {shown(name)} to do it: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != name:
        raise InvalidError("that is not it; nothing was done")
    return True


def count_of(items: Sequence[object], noun: str = "job") -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"


def list_of(items: Sequence[str], most: int = 10) -> str:
    """The first of them, for a sentence."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more


@dataclass
class Outcome:
    """A row for each job, and the first error."""

    rows: list[dict[str, Any]]
    error: HeroqError | None = None

    def finish(self, counted: str, as_json: bool) -> None:
        """Tells it and ends the command; a person is told of how many `counted` is true, if it is a name."""
        if as_json:
            put_json(self.rows)
        elif counted:
            print(f"{count_of([row for row in self.rows if row[counted]])} {counted}")
        exits.end_with(self.error)


def each(job_ids: Sequence[str], act: Callable[[str], dict[str, Any]], what: str, otherwise: dict[str, Any]) -> Outcome:
    """Does it for each job; what is refused is told, and the others are done nevertheless."""
    outcome = Outcome([])
    with progress(what, len(job_ids)) as advance:
        for job_id in job_ids:
            try:
                outcome.rows.append({"id": job_id, **act(job_id)})
            except (NotFoundError, StateError) as error:
                exits.complain(exits.text_of(error))
                outcome.rows.append({"id": job_id, **otherwise, "error": exits.text_of(error)})
                outcome.error = outcome.error or error
            advance()
    return outcome
