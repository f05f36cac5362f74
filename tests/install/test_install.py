"""The installed library, as a stranger uses it: through pkg-config and through find_package, shared and static, also
after the installed tree was moved. The examples are built against it and run against a private server."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.examples import EXAMPLES, ROOT, check, compile_them, run
from support.server import Server

BUILD = Path(os.environ.get("HEROQ_BUILD_DIR", ROOT / "build" / "debug"))


def install(prefix: Path) -> Path:
    run("cmake", "--install", BUILD, "--prefix", prefix)
    return prefix


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("installed") / "prefix")


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("moved")
    (folder / "elsewhere").mkdir()
    return install(folder / "prefix").rename(folder / "elsewhere" / "tree")


@pytest.fixture(params=["installed", "moved"])
def prefix(request: pytest.FixtureRequest) -> Path:
    path: Path = request.getfixturevalue(request.param)
    return path


def by_pkg_config(prefix: Path, folder: Path, static: bool) -> None:
    pkgconfig, flags = prefix / "lib" / "pkgconfig", ["--cflags", "--libs"]
    if static:  # as a distribution's static-only package: the archive alone
        prefix = Path(shutil.copytree(prefix, folder / "static", symlinks=True))
        for library in prefix.glob("lib/libheroq.so*"):
            library.unlink()
        pkgconfig, flags = prefix / "lib" / "pkgconfig", ["--static", *flags]
    compile_them(folder, f"$(pkg-config {' '.join(flags)} heroq)", PKG_CONFIG_PATH=str(pkgconfig))


def by_find_package(prefix: Path, folder: Path, static: bool) -> None:
    run("cmake", "-S", EXAMPLES, "-B", folder, f"-DCMAKE_PREFIX_PATH={prefix}", f"-DHEROQ_EXAMPLES_STATIC={static}")
    run("cmake", "--build", folder)


def needs_shared_library(program: Path) -> bool:
    return "libheroq.so.0" in run("readelf", "-dW", program)


@pytest.mark.parametrize("static", [False, True], ids=["shared", "static"])
@pytest.mark.parametrize("build", [by_pkg_config, by_find_package])
def test_examples_build_and_run(
    build: Callable[[Path, Path, bool], None],
    static: bool,
    prefix: Path,
    tmp_path: Path,
    server: Server,
) -> None:
    build(prefix, tmp_path, static)
    assert needs_shared_library(tmp_path / "actor") is not static
    check(tmp_path, server, LD_LIBRARY_PATH=str(prefix / "lib"))


@pytest.mark.parametrize("program", ["actor", "supervisor"])
def test_examples_say_what_is_wrong(
    program: str, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_pkg_config(installed, tmp_path, False)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(installed / "lib"))
    for url, wanted in (("redis://127.0.0.1:1", "127.0.0.1:1"), ("http://nowhere", "redis://")):
        done = subprocess.run([tmp_path / program, url], capture_output=True, text=True, check=False, timeout=20)
        assert done.returncode == 1
        assert done.stderr.startswith(f"{program}: ")
        assert done.stderr.count("\n") == 1
        assert wanted in done.stderr


def test_package_names_its_version(installed: Path) -> None:
    header = (installed / "include/heroq/base.h").read_text()
    parts = [line.split()[-1] for line in header.splitlines() if line.startswith("#define HEROQ_VERSION_M")]
    patch = next(line.split()[-1] for line in header.splitlines() if line.startswith("#define HEROQ_VERSION_PATCH"))
    version = run("pkg-config", "--modversion", "heroq", PKG_CONFIG_PATH=str(installed / "lib/pkgconfig")).strip()
    assert version == ".".join([*parts, patch])


def configure(folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    argv = ["cmake", "-S", str(ROOT), "-B", str(folder), *options]
    return subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def test_tls_is_there_or_refused(tmp_path: Path, server: Server) -> None:
    """Where OpenSSL is not installed: ON is an error, AUTO makes a library that never falls back to plain."""
    (tmp_path / "pkgconfig").mkdir()
    for name in ("hiredis", "libcjson"):
        found = Path(run("pkg-config", "--variable=pcfiledir", name).strip()) / f"{name}.pc"
        shutil.copy(found, tmp_path / "pkgconfig")
    without = {"PKG_CONFIG_LIBDIR": str(tmp_path / "pkgconfig")}
    asked_for = configure(tmp_path / "on", "-DHEROQ_TLS=ON", **without)
    assert asked_for.returncode != 0 and "libssl" in asked_for.stdout + asked_for.stderr

    build = tmp_path / "auto"
    assert configure(build, **without).returncode == 0
    run("cmake", "--build", build, "-j2", "--target", "example_supervisor")
    assert "libssl" not in run("readelf", "-dW", build / "c/libheroq.so") + (build / "c/heroq.pc").read_text()

    def connections() -> int:
        return int(server.command("INFO", "stats").split(b"total_connections_received:")[1].split()[0])

    before, url = connections(), f"rediss://127.0.0.1:{server.port}/0"
    done = subprocess.run([build / "examples/supervisor", url], capture_output=True, text=True, check=False, timeout=20)
    assert (done.returncode, done.stderr) == (1, f"supervisor: {url}: this build of heroq has no TLS\n")
    assert connections() == before + 1  # this question itself
