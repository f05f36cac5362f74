"""The ABI as text: the exported symbols and every declaration of the public headers.

    python3 tests/abi/baseline.py        writes symbols.txt and declarations.txt anew from the headers

The tests compare the library and the headers with the two committed lists, so that a change of the ABI is always one
that somebody sees in a review. After 0.1.0 lines are only added.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
INCLUDE = HERE.parent.parent / "c" / "include"
HEADERS = sorted(path.name for path in (INCLUDE / "heroq").glob("*.h"))


def _preprocessed() -> str:
    """heroq.h as the compiler sees it, the system's headers left out."""
    with tempfile.TemporaryDirectory() as empty:
        for name in ("stddef.h", "stdint.h"):
            (Path(empty) / name).touch()
        argv = ["gcc", "-std=c11", "-E", "-P", "-nostdinc", "-I", empty, "-I", str(INCLUDE), "-x", "c", "-"]
        source = "#include <heroq/heroq.h>\n"
        return subprocess.run(argv, input=source, check=True, capture_output=True, text=True).stdout


def declarations() -> list[str]:
    """One line each, sorted: functions, types, the numbers of the enums, the error's layout."""
    text = re.sub(r"\s+", " ", re.sub(r"__attribute__\(\(.*?\)\)+", "", _preprocessed()))
    parts, depth, start = [], 0, 0
    for i, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if character == ";" and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    return sorted(set(parts))


def symbols() -> list[str]:
    found: set[str] = set()
    for name in HEADERS:
        text = (INCLUDE / "heroq" / name).read_text()
        found.update(re.findall(r"HEROQ_API[^;{]*?\b(heroq_\w+)\(", text))
    return sorted(found)


def committed(name: str) -> list[str]:
    return (HERE / name).read_text().splitlines()


if __name__ == "__main__":
    (HERE / "symbols.txt").write_text("".join(f"{line}\n" for line in symbols()))
    (HERE / "declarations.txt").write_text("".join(f"{line}\n" for line in declarations()))
