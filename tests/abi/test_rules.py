"""The rules that every public function keeps, read off the headers, and that none of them falls over a NULL."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from .test_abi import BUILD, baseline

NUMBERS = {"int32_t", "uint32_t", "int64_t", "double", "size_t", "heroq_status"}
#: what is one value however it is written: text, bytes, a handle, room for an answer
POINTERS = re.compile(
    r"(const )?(char|void|heroq_\w+) \*|(heroq_\w+|char) \*\*|(int32_t|int64_t|size_t|heroq_status) \*"
)
HANDLES = "bytes|call|client|error|job|jobs|options|queue|record|supervisor|waiter|actor"
CLOSED = {"client", "supervisor", "waiter", "actor", "queue"}
#: functions that answer a status and have no error, for bindings that are just being set up
NO_ERROR = {"heroq_status_at", "heroq_jobs_status"}
#: functions with a time that return at once all the same
NEVER_WAITS = {
    "heroq_call_set_timeout",
    "heroq_actor_drain",
    "heroq_waiter_add",
    "heroq_waiter_fetch",
    "heroq_waiter_stop",
    "heroq_waiter_submit",
    "heroq_waiter_submit_many",
    "heroq_job_set_option",
}


@dataclass(frozen=True)
class Function:
    result: str
    name: str
    #: type and name of each
    parameters: tuple[tuple[str, str], ...]


def parse(line: str) -> Function | None:
    found = re.fullmatch(r"(.*?[ *])(heroq_\w+)\((.*)\)", line)
    if not found or line.startswith("typedef"):
        return None
    result, name, parameters = found.groups()
    split = [re.fullmatch(r"(.*?[ *])(\w+)", one) for one in parameters.split(", ") if one != "void"]
    assert all(split), line
    return Function(result.strip(), name, tuple((one[1].strip(), one[2]) for one in split if one))


FUNCTIONS = [one for one in map(parse, baseline.declarations()) if one]


def broken(rule: object) -> list[str]:
    assert callable(rule)
    return [one.name for one in FUNCTIONS if not rule(one)]


def test_all_functions_are_seen() -> None:
    assert [one.name for one in sorted(FUNCTIONS, key=lambda one: one.name)] == baseline.symbols()


def test_every_call_takes_the_error_last() -> None:
    def rule(one: Function) -> bool:
        last = one.parameters[-1:] == (("heroq_error *", "err"),)
        return last == (one.result == "heroq_status" and one.name not in NO_ERROR)

    assert broken(rule) == []


def test_a_call_handle_stands_before_the_error() -> None:
    def rule(one: Function) -> bool:
        own = one.name.startswith("heroq_call_")
        at = [i for i, (kind, _) in enumerate(one.parameters) if kind == "heroq_call *"]
        return own or not at or at == [len(one.parameters) - 2]

    assert broken(rule) == []


def test_what_has_a_time_can_be_cancelled() -> None:
    def rule(one: Function) -> bool:
        times = [(kind, name) for kind, name in one.parameters if re.search("timeout|_ms$", name)]
        waits = any(name in ("timeout_ms", "grace_ms") for _, name in times)
        cancelled = "heroq_call *" in [kind for kind, _ in one.parameters]
        return all(kind == "int64_t" for kind, _ in times) and (not waits or cancelled or one.name in NEVER_WAITS)

    assert broken(rule) == []


def test_only_plain_values_go_in_and_out() -> None:
    """No varargs, no struct by value, no `long`, no enum, no array of handles, no callback but that of the C loop."""

    def plain(kind: str, name: str) -> bool:
        if kind.endswith("**"):
            return name == "out"
        return kind in NUMBERS or POINTERS.fullmatch(kind) is not None

    def rule(one: Function) -> bool:
        parameters = [
            p for p in one.parameters if one.name != "heroq_actor_run" or p[1] not in ("handler", "user_data")
        ]
        return all(plain(*p) for p in parameters) and (one.result in {"void", *NUMBERS} or one.result.endswith("*"))

    assert broken(rule) == []


def test_the_error_is_the_only_struct() -> None:
    structs = [line for line in baseline.declarations() if "{" in line and not line.startswith("enum")]
    assert [line.split(" {")[0] for line in structs] == ["struct heroq_error"]
    assert "[464]" in structs[0] and "reserved[32]" in structs[0] and ":" not in structs[0]


def test_settling_takes_flags() -> None:
    settling = [one for one in FUNCTIONS if re.fullmatch("heroq_job_(finish|fail|retry|release)", one.name)]
    assert len(settling) == 4
    assert all(("uint32_t", "flags") in one.parameters for one in settling)


def test_every_handle_is_freed_by_one_function() -> None:
    frees = {one.name: one for one in FUNCTIONS if one.name.endswith("_free")}
    assert sorted(frees) == sorted(f"heroq_{name}_free" for name in HANDLES.split("|"))
    assert all((one.result, len(one.parameters)) == ("void", 1) for one in frees.values())


def test_what_has_a_connection_can_be_closed() -> None:
    assert {one.name for one in FUNCTIONS if one.name.endswith("_close")} == {f"heroq_{name}_close" for name in CLOSED}


def test_the_headers_hide_nothing_from_a_binding() -> None:
    """No inline function, and no macro with arguments but the list of statuses."""
    text = "".join((baseline.INCLUDE / "heroq" / name).read_text() for name in baseline.HEADERS)
    macros = set(re.findall(r"#define (\w+)\(", text))
    assert macros == {"HEROQ_STATUS_LIST", "HEROQ_STATUS_ENUM"}
    assert "inline" not in re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    assert all(name.startswith("HEROQ_") for name in re.findall(r"#define (\w+)", text))


#: with nothing but NULL and 0 these do what they say
FINE_WITH_NOTHING = {
    "heroq_call_new",
    "heroq_jobs_new",
    "heroq_doctor_findings",
    "heroq_options_new",
    "heroq_options_describe",
    "heroq_options_get",
    "heroq_bytes_new",
    "heroq_client_open",
}


def program(function: Function, room: bool) -> str:
    """Calls it with NULL and 0 for everything but, with `room`, for its answer; says what came of it."""
    given = []
    for kind, name in function.parameters:
        if name == "err":
            given.append("err")
        elif room and name == "out" and kind.endswith("**"):
            given.append(f"({kind})&out")
        else:
            given.append("0" if kind in NUMBERS else "NULL")
    call = f"{function.name}({', '.join(given)})"
    if function.result != "heroq_status":
        return f"  (void){call};\n"
    answers = room and any(name == "out" and kind.endswith("**") for kind, name in function.parameters)
    return f'  out = {"&mark" if answers else "NULL"}; status = {call}; say("{function.name}", status, err, out);\n'


HEAD = r"""
#include <heroq/heroq.h>
#include <stdio.h>
static int mark;
static void say(const char *name, heroq_status status, const heroq_error *err, const void *out) {
  int text = err ? err->text[0] != 0 : -1, code = err ? err->code : 0;
  printf("%s %d %d %d %s\n", name, (int)status, code, text, out == &mark ? "untouched" : out ? "given" : "NULL");
}
int main(void) {
  static heroq_error error;
  heroq_status status;
  void *out;
"""


@pytest.mark.parametrize("error", ["NULL", "&error"])
def test_null_is_an_error_and_no_crash(tmp_path: Path, error: str) -> None:
    source = tmp_path / "null.c"
    lines = [program(one, room) for one in FUNCTIONS for room in (False, True) if one.name != "heroq_client_open"]
    source.write_text(f"{HEAD}  heroq_error *err = {error};\n{''.join(lines)}  return 0;\n}}\n")
    made = tmp_path / "null"
    argv = ["gcc", "-std=c11", "-w", source, "-I", baseline.INCLUDE, "-L", BUILD / "c", "-lheroq", "-o", made]
    subprocess.run([str(a) for a in argv], check=True)
    done = subprocess.run(
        [made], env={"LD_LIBRARY_PATH": str(BUILD / "c")}, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, f"after {done.stdout.splitlines()[-1:]}: {done.stderr}"
    said = [line.split() for line in done.stdout.splitlines()]
    assert len(said) == 2 * sum(one.result == "heroq_status" for one in FUNCTIONS) - 2
    wrong = []
    for name, status, code, text, out in said:
        refused = int(status) == -1  # HEROQ_E_INVALID
        told = error == "NULL" or (code == status and text == "1") or name in NO_ERROR
        if name not in FINE_WITH_NOTHING and not (refused and told and out == "NULL"):
            wrong.append((name, status, code, text, out))
    assert wrong == []
