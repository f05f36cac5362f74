"""What leaves the library, and that the headers stand on their own."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BUILD = Path(os.environ.get("HEROQ_BUILD_DIR", ROOT / "build" / "debug"))
SHARED = BUILD / "c" / "libheroq.so"
STATIC = BUILD / "c" / "libheroq.a"
CHANGED = "the ABI is not what it was; if that is meant, run python3 tests/abi/baseline.py (see CONTRIBUTING.md)"


def load_baseline() -> ModuleType:
    spec = importlib.util.spec_from_file_location("baseline", HERE / "baseline.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


baseline = load_baseline()


def output(*argv: str | Path) -> str:
    return subprocess.run([str(a) for a in argv], check=True, capture_output=True, text=True).stdout


def exported() -> list[str]:
    names = [line.split()[-1].split("@")[0] for line in output("nm", "-D", "--defined-only", SHARED).splitlines()]
    return sorted(name for name in names if name != "HEROQ_0.1")


def test_only_heroq_symbols_leave_the_library() -> None:
    assert [name for name in exported() if not name.startswith("heroq_")] == []


def test_exported_symbols_are_the_committed_ones() -> None:
    assert exported() == baseline.committed("symbols.txt"), CHANGED


def test_exported_symbols_are_the_declared_ones() -> None:
    assert exported() == baseline.symbols()


def test_declarations_are_the_committed_ones() -> None:
    assert baseline.declarations() == baseline.committed("declarations.txt"), CHANGED


def test_private_symbols_of_the_static_library_are_hidden() -> None:
    lines = [line.split() for line in output("readelf", "-sW", STATIC).splitlines()]
    defined = [f for f in lines if len(f) == 8 and f[4] == "GLOBAL" and f[6] != "UND"]
    assert len(defined) > len(exported())
    assert [f[7] for f in defined if f[5] == "DEFAULT" and not f[7].startswith("heroq_")] == []


def test_every_symbol_has_its_version_node() -> None:
    lines = output("nm", "-D", "--defined-only", "--with-symbol-versions", SHARED).splitlines()
    assert [line for line in lines if " T " in line and not line.endswith("@@HEROQ_0.1")] == []


def test_shared_library_is_hardened_and_stays_loaded() -> None:
    dynamic = output("readelf", "-dW", SHARED)
    assert re.search(r"SONAME.*\[libheroq\.so\.0\]", dynamic)
    assert re.search(r"FLAGS_1.*NOW", dynamic)
    assert re.search(r"FLAGS_1.*NODELETE", dynamic)
    assert "TEXTREL" not in dynamic
    segments = output("readelf", "-lW", SHARED)
    assert "GNU_RELRO" in segments
    stack = next(line for line in segments.splitlines() if "GNU_STACK" in line)
    assert stack.split()[6] == "RW"


COMPILERS = {
    "c11": ["gcc", "-std=c11", "-x", "c"],
    "c++11": ["g++", "-std=c++11", "-x", "c++"],
    "c++20": ["g++", "-std=c++20", "-x", "c++"],
}


@pytest.mark.parametrize("header", baseline.HEADERS)
@pytest.mark.parametrize("language", COMPILERS)
def test_header_compiles_alone(language: str, header: str) -> None:
    source = f"#include <heroq/{header}>\n#include <heroq/{header}>\nint main(void) {{ return 0; }}\n"
    argv = [
        *COMPILERS[language],
        "-Wall",
        "-Wextra",
        "-pedantic",
        "-Werror",
        "-fsyntax-only",
        "-I",
        str(baseline.INCLUDE),
        "-",
    ]
    done = subprocess.run(argv, input=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_header_is_in_heroq_h() -> None:
    text = (baseline.INCLUDE / "heroq" / "heroq.h").read_text()
    assert sorted(re.findall(r'#include "(\w+\.h)"', text)) == [h for h in baseline.HEADERS if h != "heroq.h"]
