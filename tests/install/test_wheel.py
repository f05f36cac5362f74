"""The wheel and the sdist, as a stranger gets them: what is in them, what they need, what they build, alone in a fresh
environment. The wheel is the one that scripts/setup.sh made."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.examples import EXAMPLES, ROOT, check, compile_them, run
from support.server import Server

BUILD = Path(os.environ.get("HEROQ_BUILD_DIR", ROOT / "build" / "debug"))
VENDOR = ROOT / "vendor"
#: No index to ask, and no installed library to fall back on.
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PKG_CONFIG_LIBDIR": "/nonexistent"}


@pytest.fixture(scope="module")
def wheel() -> Path:
    (found,) = (ROOT / "build/venv/wheel").glob("heroq-*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel and nothing else in it."""
    folder = tmp_path_factory.mktemp("fresh") / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    program = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", program, "install", "--quiet", "--no-index", "--no-deps", wheel)
    return program


@pytest.fixture(scope="module")
def package(python: Path) -> Path:
    return Path(run(python, "-c", "import heroq; print(heroq.__path__[0])").strip())


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", folder, ROOT)
    (found,) = folder.iterdir()
    return found


@pytest.fixture(scope="module")
def unpacked(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    shutil.unpack_archive(sdist, folder)
    (found,) = folder.iterdir()
    return found


def names(wheel: Path) -> list[str]:
    return sorted(name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/"))


def exported(library: Path) -> list[str]:
    lines = run("nm", "-D", "--defined-only", "--format=posix", library).splitlines()
    return sorted(line.split()[0].partition("@")[0] for line in lines if line.split()[1] != "A")


def pinned() -> dict[str, str]:
    lines = (VENDOR / "SHA256SUMS").read_text().splitlines()
    return {path: sum_ for sum_, path in (line.split(maxsplit=1) for line in lines)}


# ---- what is in it, and what it needs ----


def test_it_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size <= 3_000_000


def test_it_has_all_that_a_c_program_needs(wheel: Path) -> None:
    headers = [f"heroq/include/heroq/{header.name}" for header in (ROOT / "c/include/heroq").glob("*.h")]
    assert len(headers) > 10
    files = [
        *headers,
        "heroq/lib/libheroq.so.0",
        "heroq/lib/pkgconfig/heroq.pc",
        "heroq/lib/cmake/heroq/heroq-config.cmake",
    ]
    assert set(files) - set(names(wheel)) == set()


def test_programs_need_the_c_library_alone(package: Path) -> None:
    for program in ("_heroq.abi3.so", "lib/libheroq.so.0", "bin/heroq-demo-actor"):
        lines = run("readelf", "-dW", package / program).splitlines()
        needed = {line.split("[")[1].rstrip("]") for line in lines if "(NEEDED)" in line}
        own = set() if program.startswith("lib/") else {"libheroq.so.0"}
        assert (
            own <= needed <= own | {"libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "ld-linux-x86-64.so.2"}
        )


def test_only_its_own_names_can_be_seen(package: Path) -> None:
    assert exported(package / "_heroq.abi3.so") == ["PyInit__heroq"]
    assert exported(package / "lib/libheroq.so.0") == sorted((ROOT / "tests/abi/symbols.txt").read_text().split())


def test_it_loads_its_own_library_and_no_other(python: Path, package: Path) -> None:
    assert (BUILD / "c/libheroq.so.0").exists()
    code = "import heroq; print(open('/proc/self/maps').read())"
    maps = run(python, "-c", code, LD_LIBRARY_PATH=str(BUILD / "c"))
    loaded = {word for line in maps.splitlines() for word in line.split()[5:] if ".so" in word}
    assert {path for path in loaded if "heroq" in Path(path).name} == {
        str(package / "_heroq.abi3.so"),
        str(package / "lib/libheroq.so.0"),
    }
    assert [path for path in loaded if any(name in path for name in ("hiredis", "cjson", "libssl", "libcrypto"))] == []


def test_it_tells_what_is_built_in(python: Path) -> None:
    code = "from heroq import _heroq; print(*map(_heroq.heroq_library_version, ('hiredis', 'cjson')))"
    headers = [(VENDOR / path).read_text() for path in ("hiredis/hiredis.h", "cjson/cJSON.h")]
    numbers = [re.findall(r"^#define \w+_(?:MAJOR|MINOR|PATCH) (\d+)$", header, re.MULTILINE) for header in headers]
    assert run(python, "-c", code).split() == [".".join(each) for each in numbers]


def test_it_has_tls(python: Path) -> None:
    assert run(python, "-c", "from heroq import _heroq; print(_heroq.heroq_feature('tls'))") == "1\n"


def test_it_works_alone(python: Path, server: Server) -> None:
    code = f"import heroq; sup = heroq.Supervisor({server.url!r}); print(sup.create_job('x', script_type='t').id)"
    assert server.command("EXISTS", f"hero:job:{run(python, '-c', code).strip()}") == 1


def test_abi3audit_finds_the_stable_abi_alone(wheel: Path) -> None:
    assert "-cp311-abi3-" in wheel.name
    run("abi3audit", "--strict", wheel)


def test_auditwheel_has_nothing_to_add(wheel: Path, tmp_path: Path) -> None:
    assert "manylinux_2_" in run("auditwheel", "show", wheel)
    run("auditwheel", "repair", "--wheel-dir", tmp_path, wheel)
    (repaired,) = tmp_path.iterdir()
    assert "-manylinux_2_" in repaired.name
    assert names(repaired) == names(wheel)


def test_it_has_the_licences_of_what_is_built_in(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        files = {name.rpartition("/")[2]: name for name in archive.namelist() if "/licenses/" in name}
        text = {short: archive.read(name).decode() for short, name in files.items()}
    assert text.keys() == {"LICENSE", "hiredis.txt", "cJSON.txt", "OpenSSL.txt", "uPlot.txt"}
    assert (VENDOR / "hiredis/COPYING").read_text() in text["hiredis.txt"]
    start = (VENDOR / "cjson/cJSON.c").read_text().partition("*/")[0]
    assert "Apache License\n                           Version 2.0" in text["OpenSSL.txt"]
    assert text["cJSON.txt"].split() == start.removeprefix("/*").split()


def test_import_loads_little(python: Path) -> None:
    code = "import sys; before = set(sys.modules); import heroq; print(*sorted(set(sys.modules) - before))"
    loaded = run(python, "-c", code).split()
    foreign = {name.partition(".")[0] for name in loaded if not name.startswith("heroq")}
    slow = {
        "asyncio",
        "dataclasses",
        "inspect",
        "pathlib",
        "socket",
        "ssl",
        "subprocess",
        "tempfile",
        "typer",
        "urllib",
    }
    assert foreign & slow == set()
    assert len(loaded) <= 90, loaded


# ---- what is built with it ----


def by_flags(python: Path, package: Path, folder: Path) -> None:
    compile_them(folder, f"$('{python}' -m heroq --cflags --libs)")


def by_pkg_config(python: Path, package: Path, folder: Path) -> None:
    assert run(python, "-m", "heroq", "--pkgconfigdir").strip() == str(package / "lib/pkgconfig")
    moved = Path(shutil.copytree(package, folder / "moved"))
    compile_them(folder, "$(pkg-config --cflags --libs heroq)", PKG_CONFIG_PATH=str(moved / "lib/pkgconfig"))
    assert str(moved) in run("readelf", "-dW", folder / "actor")


def by_cmake(python: Path, package: Path, folder: Path) -> None:
    run("cmake", "-S", EXAMPLES, "-B", folder, f"-Dheroq_DIR={run(python, '-m', 'heroq', '--cmakedir').strip()}")
    run("cmake", "--build", folder)


@pytest.mark.parametrize("build", [by_flags, by_pkg_config, by_cmake])
def test_c_programs_build_and_run(
    build: Callable[[Path, Path, Path], None], python: Path, package: Path, tmp_path: Path, server: Server
) -> None:
    build(python, package, tmp_path)
    check(tmp_path, server)


# ---- the sdist ----


def test_the_sdist_has_the_pinned_sources(unpacked: Path) -> None:
    assert len(pinned()) > 20
    for path, sum_ in pinned().items():
        assert hashlib.sha256((unpacked / "vendor" / path).read_bytes()).hexdigest() == sum_, path
    found = {
        str(file.relative_to(unpacked / "vendor"))
        for tree in ("hiredis", "cjson")
        for file in (unpacked / "vendor" / tree).iterdir()
    }
    assert found == set(pinned())


def test_the_sdist_has_the_tree_and_nothing_built(unpacked: Path) -> None:
    there = {path.name for path in unpacked.iterdir()}
    assert {"CMakeLists.txt", "README.md", "bindings", "c", "docs", "examples", "python", "scripts", "tests"} < there
    assert there & {".git", "build", "dist"} == set()
    assert [path for path in unpacked.rglob("*") if path.suffix in (".o", ".pyc", ".so", ".whl")] == []


def test_the_sdist_builds_without_network_and_installed_libraries(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    run(*pip, "--config-settings=cmake.build-type=Debug", "--wheel-dir", tmp_path, sdist, **OFFLINE)
    (built,) = tmp_path.iterdir()
    assert built.name == wheel.name
    assert [name.replace("-debug.", "-release.") for name in names(built)] == names(wheel)


def test_a_changed_source_is_not_built(unpacked: Path, tmp_path: Path) -> None:
    tree = Path(shutil.copytree(unpacked, tmp_path / "tree"))
    with (tree / "vendor/hiredis/read.c").open("a") as source:
        source.write("/* */\n")
    done = subprocess.run(
        ["cmake", "-S", tree, "-B", tmp_path / "build", "-DHEROQ_BUNDLED=ON"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "vendor/hiredis/read.c is not what vendor/SHA256SUMS says" in " ".join(done.stderr.split())
