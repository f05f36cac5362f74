"""bindings/swig/heroq.i is the whole surface, and SWIG makes every language of it without a warning."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEADERS = ROOT / "c" / "include" / "heroq"
SWIG = ROOT / "bindings" / "swig"

ERROR = "languages raise errors: typemaps for heroq_error *err stand for it"
NOT_WRAPPED = {
    "heroq_actor_run": "callbacks; a language loops over take",
    "heroq_bytes_size": "heroq_bytes_data gives the bytes with their size",
    "heroq_error_new": ERROR,
    "heroq_error_free": ERROR,
    "heroq_error_code": ERROR,
    "heroq_error_flags": ERROR,
    "heroq_error_errno": ERROR,
    "heroq_error_item": ERROR,
    "heroq_error_text": ERROR,
}
#: headers that heroq.i includes whole
WHOLE = ("base.h", "error.h")
LANGUAGES = {
    "go": ["-go", "-cgo", "-intgosize", "64"],
    "java": ["-java"],
    "node": ["-c++", "-javascript", "-napi"],
    "ruby": ["-ruby"],
    "lua": ["-lua"],
    "perl": ["-perl5"],
    "php": ["-php"],
    "tcl": ["-tcl8"],
    "python": ["-python"],
}


def public(name: str) -> set[str]:
    text = (HEADERS / name).read_text(encoding="utf-8")
    return set(re.findall(r"^HEROQ_API\b[^;(]*?\b(heroq_\w+)\(", text, re.MULTILINE))


def all_public() -> set[str]:
    return set().union(*(public(path.name) for path in HEADERS.glob("*.h")))


def wrapped() -> set[str]:
    text = re.sub(r"%\{.*?%\}|/\*.*?\*/", "", (SWIG / "heroq.i").read_text(encoding="utf-8"), flags=re.DOTALL)
    ignored = set(re.findall(r"^%ignore (\w+);", text, re.MULTILINE))
    names = set(re.findall(r"^HEROQ_(?:OUT|I)\([^,]+, (heroq_\w+),", text, re.MULTILINE))
    names |= set(re.findall(r"^HEROQ_BYTES\((heroq_\w+),", text, re.MULTILINE))
    names |= set(re.findall(r"^[a-z][\w ]*[ *](heroq_\w+)\(", text, re.MULTILINE))
    return names | (set().union(*(public(name) for name in WHOLE)) - ignored)


def test_every_public_function_is_wrapped_or_named_here() -> None:
    assert len(all_public()) > 100
    assert all_public() - wrapped() - set(NOT_WRAPPED) == set()


def test_nothing_is_wrapped_that_is_not_public() -> None:
    assert wrapped() - all_public() == set()


def test_what_is_named_here_is_really_left_out() -> None:
    assert set(NOT_WRAPPED) & wrapped() == set()
    assert set(NOT_WRAPPED) <= all_public()


def test_the_shared_file_knows_no_language() -> None:
    code = re.sub(r"/\*.*?\*/", "", (SWIG / "heroq.i").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert not re.search(r"Py[A-Z_]|SWIGPYTHON|jenv|Napi|lua_State", code)


def test_every_language_has_its_file() -> None:
    assert {path.stem for path in SWIG.glob("*.i")} == set(LANGUAGES) | {"heroq", "errors"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_swig_generates_without_a_warning(language: str, tmp_path: Path) -> None:
    swig = shutil.which("swig", path=Path(sys.executable).parent) or shutil.which("swig")
    assert swig, "swig is missing (pip install swig)"
    argv = [swig, "-Wall", "-Werror", *LANGUAGES[language], f"-I{HEADERS.parent}", "-outdir", str(tmp_path)]
    done = subprocess.run(
        [*argv, "-o", str(tmp_path / "wrap.c"), str(SWIG / f"{language}.i")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    generated = (tmp_path / "wrap.c").read_text(encoding="utf-8")
    for name in ("heroq_supervisor_submit", "heroq_actor_take", "heroq_job_finish", "heroq_doctor_run"):
        assert f"{name}(" in generated
