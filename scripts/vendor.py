#!/usr/bin/env python3
"""Puts the sources that the wheel has built in, hiredis and cJSON, into vendor/.

    scripts/vendor.py              does nothing if they are there and as vendor/SHA256SUMS says
    scripts/vendor.py --rewrite    makes what vendor/packages.txt names the one that is right

pip downloads the packages of vendor/packages.txt, so that its index, its proxy and its cache are used, and checks their
SHA-256. Needs nothing else; the sdist carries the result, so that it builds without a network.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VENDOR = Path(__file__).resolve().parent.parent / "vendor"
PACKAGES = VENDOR / "packages.txt"
SUMS = VENDOR / "SHA256SUMS"

# Where the files lie in a package, without its first folder, and where they go.
PLACES = {
    "vendor/hiredis/": "hiredis/",
    "json_alchemy/src/cJSON.c": "cjson/cJSON.c",
    "json_alchemy/include/cjson/cJSON.h": "cjson/cJSON.h",
}
# The package has cJSON's two files in two folders; in the cJSON project they lie side by side.
INCLUDE_THERE, INCLUDE_HERE = b'#include "../include/cjson/cJSON.h"', b'#include "cJSON.h"'


def wanted() -> dict[str, str]:
    """Path below vendor/ and SHA-256."""
    lines = SUMS.read_text().splitlines()
    return {path: sum_ for sum_, path in (line.split(maxsplit=1) for line in lines)}


def sum_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def is_complete() -> bool:
    return all((VENDOR / path).is_file() and sum_of((VENDOR / path).read_bytes()) == s for path, s in wanted().items())


def download(folder: Path) -> list[Path]:
    names = [line.split("==")[0] for line in PACKAGES.read_text().splitlines() if "==" in line]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    pip += [f"--no-binary={','.join(names)}", "--require-hashes", f"--requirement={PACKAGES}", f"--dest={folder}"]
    if importlib.util.find_spec("setuptools") and importlib.util.find_spec("setuptools.command.bdist_wheel"):
        pip.append("--no-build-isolation")  # spares pip an environment with setuptools for each package
    # Within a build, these tell of ours to the packages' own build backends, which pip asks for their names.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("_PYPROJECT_HOOKS_")}
    done = subprocess.run(
        pip, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=environment
    )
    if done.returncode:
        raise SystemExit(
            f"{done.stdout}heroq: pip cannot download the sources that are to be built in (vendor/packages.txt); "
            "an sdist carries them, and --config-settings=cmake.define.HEROQ_BUNDLED=OFF links the installed hiredis "
            "and cJSON"
        )
    return sorted(folder.iterdir())


def unpack(packages: list[Path]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for package in packages:
        with tarfile.open(package) as archive:
            for member in archive:
                path = member.name.partition("/")[2]
                place = next((p for p in PLACES if path == p or (p.endswith("/") and path.startswith(p))), None)
                content = archive.extractfile(member) if place and member.isfile() else None
                if place and content:
                    data = content.read().replace(INCLUDE_THERE, INCLUDE_HERE)
                    files[PLACES[place] + path.removeprefix(place)] = data
    return files


def fetch(rewrite: bool = False) -> None:
    """Makes vendor/ complete; all of it or nothing."""
    if not rewrite and is_complete():
        return
    with tempfile.TemporaryDirectory() as folder:
        files = unpack(download(Path(folder)))
    sums = {path: sum_of(data) for path, data in sorted(files.items())}
    if rewrite:
        SUMS.write_text("".join(f"{sum_}  {path}\n" for path, sum_ in sums.items()))
    elif wrong := sorted(set(sums.items()) ^ set(wanted().items())):
        raise SystemExit(f"heroq: not as vendor/SHA256SUMS says: {', '.join(sorted({path for path, _ in wrong}))}")
    for tree in sorted({path.partition("/")[0] for path in files}):
        shutil.rmtree(VENDOR / tree, ignore_errors=True)
        (VENDOR / tree).mkdir()
    for path, data in files.items():
        (VENDOR / path).write_bytes(data)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/vendor.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rewrite", action="store_true", help="write vendor/SHA256SUMS anew")
    fetch(parser.parse_args().rewrite)


if __name__ == "__main__":
    main()
