"""What a dashboard is told, checked."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InvalidError

#: a shorter token could be guessed
TOKEN_LEAST = 16


@dataclass(frozen=True, slots=True)
class Settings:
    """`token`: acting needs it; without one nobody can act. `private`: reading needs it too.

    `hosts`: names under which the page may be asked for, besides IP addresses and localhost; "*" is any. `refresh`:
    seconds between two looks at the server. `viewers`: how many live streams there may be.
    """

    token: str | None = None
    private: bool = False
    hosts: frozenset[str] = frozenset()
    refresh: float = 2.0
    viewers: int = 100

    def __post_init__(self) -> None:
        if self.token is not None and len(self.token) < TOKEN_LEAST:
            raise InvalidError(f"a token has at least {TOKEN_LEAST} characters; this one has {len(self.token)}")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable() and " " not in self.token):
            raise InvalidError("a token is of printable ASCII characters without blanks")
        if self.private and self.token is None:
            raise InvalidError("to keep the page private there has to be a token")
        if not 0.1 <= self.refresh <= 3600:
            raise InvalidError(f"refresh is from 0.1 to 3600 seconds, not {self.refresh:g}")
