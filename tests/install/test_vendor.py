"""scripts/vendor.py, with a package of our own in the place of those on PyPI: what it takes, what it refuses."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from support.examples import ROOT

#: pip asks a source package's build backend for its name.
BACKEND = b"""
import os
def prepare_metadata_for_build_wheel(folder, settings=None):
    os.mkdir(os.path.join(folder, "sources-1.dist-info"))
    with open(os.path.join(folder, "sources-1.dist-info", "METADATA"), "w") as file:
        file.write("Metadata-Version: 2.1\\nName: sources\\nVersion: 1\\n")
    return "sources-1.dist-info"
"""
PACKAGE = {
    "pyproject.toml": b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    "backend.py": BACKEND,
    "PKG-INFO": b"Metadata-Version: 2.1\nName: sources\nVersion: 1\n",
    "vendor/hiredis/read.c": b"int read_c;\n",
    "vendor/hiredis/COPYING": b"as you like\n",
    "json_alchemy/src/cJSON.c": b'#include "../include/cjson/cJSON.h"\n',
    "json_alchemy/include/cjson/cJSON.h": b"int header;\n",
    "json_alchemy/src/other.c": b"int other;\n",
}
TAKEN = {
    "hiredis/read.c": b"int read_c;\n",
    "hiredis/COPYING": b"as you like\n",
    "cjson/cJSON.c": b'#include "cJSON.h"\n',
    "cjson/cJSON.h": b"int header;\n",
}


def sum_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Tree:
    """A copy of what scripts/vendor.py works on, which pins the package in `index`."""

    def __init__(self, folder: Path) -> None:
        self.script = folder / "scripts/vendor.py"
        self.vendor = folder / "vendor"
        self.index = folder / "index"
        self.vendor.mkdir()
        self.index.mkdir()
        shutil.copytree(ROOT / "scripts", folder / "scripts")
        package = self.index / "sources-1.tar.gz"
        with tarfile.open(package, "w:gz") as archive:
            for path, data in PACKAGE.items():
                member = tarfile.TarInfo(f"sources-1/{path}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        self.pin(sum_of(package.read_bytes()))
        self.expect(TAKEN)

    def pin(self, sum_: str) -> None:
        (self.vendor / "packages.txt").write_text(f"sources==1 --hash=sha256:{sum_}\n")

    def expect(self, files: dict[str, bytes]) -> None:
        lines = [f"{sum_of(data)}  {path}\n" for path, data in sorted(files.items())]
        (self.vendor / "SHA256SUMS").write_text("".join(lines))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.index)}
        command = [sys.executable, str(self.script), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    def files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.vendor)): path.read_bytes()
            for path in self.vendor.rglob("*")
            if path.is_file() and path.parent != self.vendor
        }


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_what_is_pinned_is_taken_and_no_more(tree: Tree) -> None:
    done = tree.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert tree.files() == TAKEN


def test_only_what_is_missing_or_changed_is_fetched_again(tree: Tree) -> None:
    assert tree.run().returncode == 0
    away = tree.index.rename(tree.index.with_name("away"))
    assert tree.run().returncode == 0
    (tree.vendor / "hiredis/read.c").write_text("int changed;\n")
    (tree.vendor / "hiredis/more.c").touch()
    assert tree.run().returncode == 1
    away.rename(tree.index)
    assert tree.run().returncode == 0
    assert tree.files() == TAKEN


def test_another_package_is_refused(tree: Tree) -> None:
    tree.pin("0" * 64)
    done = tree.run()
    assert done.returncode == 1
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert tree.files() == {}


def test_other_files_in_the_package_are_refused(tree: Tree) -> None:
    changed = {**TAKEN, "hiredis/read.c": b"int other_c;\n", "hiredis/missing.c": b""}
    del changed["hiredis/COPYING"]
    tree.expect(changed)
    done = tree.run()
    names = "hiredis/COPYING, hiredis/missing.c, hiredis/read.c"
    assert (done.returncode, done.stderr) == (1, f"heroq: not as vendor/SHA256SUMS says: {names}\n")
    assert tree.files() == {}


def test_rewrite_makes_the_packages_right(tree: Tree) -> None:
    wanted = (tree.vendor / "SHA256SUMS").read_text()
    tree.expect({})
    assert tree.run("--rewrite").returncode == 0
    assert (tree.vendor / "SHA256SUMS").read_text() == wanted
    assert tree.files() == TAKEN


def test_a_package_that_cannot_be_had_is_said_to_be_missing(tree: Tree) -> None:
    shutil.rmtree(tree.index)
    done = tree.run()
    assert done.returncode == 1
    assert "HEROQ_BUNDLED=OFF" in done.stderr
    assert tree.files() == {}
