"""The README's table, the extension as it is built, and its check of the library that it meets."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import heroq
import heroq.aio  # not imported by heroq itself
import pytest
from heroq import _heroq

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
#: what the guide names, as it spells it
GUIDE = """keys::job_hash keys::work_type keys::work_group keys::work_instance keys::reply keys::stop_type
Job::store_in_redis Job::set_result Supervisor::create_job Supervisor::start_job start_job_using_connection
Supervisor::run_job_and_await_result Supervisor::get_actor_queue_key derive_script_type_from_actor_id Actor::spawn
spawn_rhai_actor"""


def table() -> list[list[str]]:
    section = README.split("## The guide's names")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if "|" in line]
    assert rows[0] == ["guide", "C", "Python"]
    return rows[2:]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("name", GUIDE.split())
def test_the_readme_has_every_name_of_the_guide(name: str) -> None:
    assert name in [found for row in table() for found in names(row[0])]


def test_every_name_in_c_is_a_function() -> None:
    exported = (ROOT / "tests/abi/symbols.txt").read_text().split()
    assert [name for row in table() for name in names(row[1]) if name not in exported] == []


def test_every_name_in_python_is_there() -> None:
    found = 0
    for name in [name for row in table() for name in names(row[2])]:
        if name.startswith("heroq "):
            command = name.split()[1]
            assert subprocess.run([sys.executable, "-m", "heroq", command, "--help"], stdout=-3).returncode == 0, name
            continue
        thing: object = heroq
        for part in name.removeprefix("heroq.").split("."):
            thing = getattr(thing, part)
        assert callable(thing), name
        found += 1
    assert found >= 15


def test_the_extension_stays_loaded_and_needs_only_the_stable_abi() -> None:
    path = Path(_heroq.__file__ or "")
    assert path.suffixes[-2:] == [".abi3", ".so"]
    assert re.search(r"FLAGS_1.*NODELETE", subprocess.check_output(["readelf", "-dW", path], text=True))


def test_another_library_is_refused() -> None:
    code = """
import importlib, heroq.errors
heroq.errors._heroq.heroq_version = lambda: 1
importlib.reload(heroq.errors)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "ImportError: heroq was built for another library" in done.stderr


def test_the_package_cannot_be_made_to_die() -> None:
    """Failpoints are in the library of the tests alone."""
    assert _heroq.heroq_feature("failpoints") == 0
