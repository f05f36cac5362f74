"""The configuration file. An option's value is that of the command line, else the URL's, else the environment's
(HEROQ_<NAME>), else the file's, else the table's default."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path
from typing import Any

from .. import _heroq, options
from ..errors import HeroqError, InvalidError

#: who one is to the server of `url`: no other server is told
_LOGIN = ("username", "password", "password_file")
_MORE = {"url": "HEROQ_URL", "sign_key_file": "HEROQ_SIGN_KEY_FILE"}
_SCOPES = ("client", "actor")

#: what the file, and nothing else, said: variables that this process has set
_from_file: dict[str, str] = {}


def path() -> Path | None:
    """HEROQ_CONFIG, else heroq/config.toml in the user's folder for such files; None: there is none."""
    if named := os.environ.get("HEROQ_CONFIG"):
        return Path(named)
    folder = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    try:
        usual = Path(folder, "heroq", "config.toml").expanduser()
        return usual if usual.exists() else None
    except (OSError, RuntimeError):
        return None


def load(*, quiet: bool = False) -> None:
    """Makes the file's values those of the environment, where that has none."""
    if (file := path()) is None:
        return
    values = read(file)
    login = [name for name in _LOGIN if name in values]
    if not quiet:
        _warn_of_readers(file, values)
    for name, text in values.items():
        variable = _MORE.get(name, f"HEROQ_{name.upper()}")
        if not os.environ.get(variable):
            os.environ[variable] = _from_file[variable] = text
    if login and "HEROQ_URL" in os.environ:
        use(os.environ["HEROQ_URL"])


def use(url: str | None) -> str | None:
    """The server is chosen: the file's login is for the file's server alone."""
    if url != _from_file.get("HEROQ_URL"):
        for name in _LOGIN:
            variable = f"HEROQ_{name.upper()}"
            if _from_file.pop(variable, None) is not None:
                os.environ.pop(variable, None)
    return url


def read(file: Path) -> dict[str, str]:
    """Names and texts that the file gives; InvalidError says what is wrong with it."""
    import tomllib

    try:
        with file.open("rb") as opened:
            table = tomllib.load(opened)
    except OSError as error:
        raise InvalidError(f"cannot read the configuration file {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidError(f"{file} is not TOML: {error}") from None
    return {name: _text(file, name, value) for name, value in table.items()}


def _text(file: Path, name: str, value: Any) -> str:
    if name in _MORE:
        if not isinstance(value, str):
            raise InvalidError(f"{file}: {name} is a text in quotes")
        return str(Path(value).expanduser()) if name == "sign_key_file" else value
    row = options.table().get(name)
    if row is None:
        raise InvalidError(f"{file}: there is no option {name!r}{_near(name)}")
    if row["scope"] not in _SCOPES:
        raise InvalidError(
            f"{file}: {name} is an option of a {row['scope']}, not of a client or an actor: give it with -o"
        )
    if isinstance(value, (dict, list)) or (row["type"] == "duration" and not isinstance(value, str)):
        example = 'a time with its unit in quotes, such as "30s"' if row["type"] == "duration" else "one value"
        raise InvalidError(f"{file}: {name} is {example}")
    text = options.text_of(name, value)
    try:
        _heroq.heroq_options_set(_heroq.heroq_options_new(), name, text)
    except HeroqError as error:
        raise InvalidError(f"{file}: {error}") from None
    return text


def _near(name: str) -> str:
    import difflib

    known = [*_MORE, *(one for one, row in options.table().items() if row["scope"] in _SCOPES)]
    near = difflib.get_close_matches(name, known, 1)
    return f": do you mean {near[0]!r}?" if near else ""


def _warn_of_readers(file: Path, values: dict[str, str]) -> None:
    secret = "password" in values or re.search("//[^/]*:[^/]*@", values.get("url", ""))
    if secret and stat.S_IMODE(file.stat().st_mode) & 0o077:
        print(f"heroq: warning: {file} has a password and others can read it: chmod 600 {file}", file=sys.stderr)
