"""The Lua scripts as they are sent: includes resolved, comments and indentation gone, as embed_lua.cmake does."""

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "c" / "src" / "lua"


def _expand(path: Path) -> str:
    def include(match: re.Match[str]) -> str:
        return _expand(FOLDER / "lib" / f"{match[1]}.lua")

    return re.sub(r"^ *-- @include (\w+)\n", include, path.read_text(), flags=re.MULTILINE)


def load(name: str) -> str:
    lines = (line.strip(" ") for line in _expand(FOLDER / f"{name}.lua").splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("--"))


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.lua"))


def keys(name: str) -> list[str]:
    """The names of a script's keys, from its header, where "none" stands for none."""
    header = re.search(r"^-- KEYS (.+)$", (FOLDER / f"{name}.lua").read_text(), flags=re.MULTILINE)
    assert header, name
    return [] if header[1] == "none" else header[1].split()


def queue_key(queue: str, name: str) -> str:
    """The key of a queue by its name in the headers."""
    return queue if name == "Q" else f"{{{queue}}}:{name}"
