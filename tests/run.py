"""Runs the test tiers and sums them up; tests/run.sh is the way to start it.

A tier is the ctest entries of its label, or folders of pytest files, or both. What should have run and was not there is
a failure; what was left out on purpose is printed with its reason. Needs nothing but Python's standard library.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
SERVERS = ("redis", "valkey")


@dataclass(frozen=True)
class Tier:
    """`both`: run on each server; else on the first one asked for. `sanitized`: makes sense with asan and tsan.

    `full`: small among all tiers; by name in full size (its tests see HEROQ_<TIER>_FULL=1) and on each server.
    `workers`: tests that mostly wait run so many at a time.
    """

    text: str
    folders: tuple[str, ...] = ()
    ctest: bool = False
    both: bool = False
    sanitized: bool = True
    default: bool = True
    full: bool = False
    workers: int = 0


TIERS = {
    "unit": Tier("C, no server", ctest=True),
    "redis": Tier(
        "C and the Lua scripts against a private server", ("redis", "model"), ctest=True, both=True, workers=5
    ),
    "guide": Tier("the guide's lines, with redis-cli and foreign programs", ("guide",), both=True, workers=3),
    "fault": Tier(
        "crashes, lost connections, restarts (smoke; by name: 10,000 jobs, 1,000 kills)",
        ("fault",),
        full=True,
        workers=6,
    ),
    "cross": Tier("every language with every other (smoke)", ("cross",)),
    "install": Tier("the examples against the installed library, the wheel, the sdist", ("install",), sanitized=False),
    "abi": Tier("exported symbols, headers, SWIG in eight languages", ("abi",), sanitized=False),
    "python": Tier("the Python package", ("python",), both=True, workers=4),
    "web": Tier("the dashboard in headless Chromium", ("web",), sanitized=False, workers=2),
    "docs": Tier(
        "what the documentation shows: its site, examples and benchmark", ("docs",), sanitized=False, workers=3
    ),
    "guard": Tier("instructions of the hot paths against committed figures", ("guard",), sanitized=False),
    "bench": Tier("heroq and its peers side by side; by name only", ("bench",), sanitized=False, default=False),
    "scale": Tier("what a job costs as the work grows; by name only", ("scale",), sanitized=False, default=False),
    "soak": Tier("all faults at random, nothing may grow; by name only", ("soak",), sanitized=False, default=False),
}

BY_NAME = """A tier that is named on the command line runs in full size: HEROQ_FAULT_FULL=1 is set for the tests of
fault. Set it yourself for the full size among all tiers, or with pytest alone."""


@dataclass
class Results:
    passed: int = 0
    failures: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def add_junit(self, step: str, path: Path, exit_status: int) -> None:
        """Counts a report; a step that failed without a failed test in its report is a failure of its own."""
        before = len(self.failures)
        count = 0
        try:
            cases = list(ElementTree.parse(path).iter("testcase"))
        except (OSError, ElementTree.ParseError):
            cases = []
        for case in cases:
            name = f"{step}: {case.get('classname', '')}::{case.get('name')}"
            status = case.get("status", "run")
            skip = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None or status == "fail":
                self.failures.append(name)
            elif skip is not None or status in ("notrun", "disabled"):
                reason = skip.get("message", "") if skip is not None else status
                self.skipped.append(f"{name}: {reason}")
                continue
            else:
                self.passed += 1
            count += 1
        if len(self.failures) == before and (exit_status != 0 or count == 0):
            self.failures.append(f"{step}: exit status {exit_status}, {count} tests run")


def say(text: str) -> None:
    print(f"\n==> {text}", flush=True)


class Run:
    def __init__(self, preset: str, servers: Sequence[str], named: Sequence[str]) -> None:
        self.preset = preset
        self.servers = servers
        self.named = named
        self.build = ROOT / "build" / preset
        self.reports = ROOT / "build" / "reports" / preset
        self.results = Results()
        self.sanitize = {"asan": "address,undefined", "tsan": "thread"}.get(preset, "")
        self.venv = ROOT / "build" / ("venv" + ("-" + self.sanitize.replace(",", "-") if self.sanitize else ""))

    # ---- what the steps need ----

    def setup(self, *what: str) -> None:
        environment = {**os.environ, "HEROQ_SANITIZE": self.sanitize}
        subprocess.run([ROOT / "scripts/setup.sh", *what], check=True, env=environment)

    def build_c(self) -> None:
        say(f"building build/{self.preset}")
        for argv in (["cmake", "--preset", self.preset], ["cmake", "--build", "--preset", self.preset]):
            done = subprocess.run(
                argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
            )
            if done.returncode:
                print(done.stdout)
                raise subprocess.CalledProcessError(done.returncode, argv)

    def server_program(self, kind: str) -> str:
        done = subprocess.run(
            [self.venv / "bin/python", ROOT / "tests/support/server.py", kind],
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    # ---- steps ----

    def step(self, name: str, argv: Sequence[str | Path], environment: Mapping[str, str]) -> None:
        say(name)
        report = self.reports / f"{name.replace(' ', '-')}.xml"
        report.unlink(missing_ok=True)
        command = [str(a).replace("{report}", str(report)) for a in argv]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=False)
        self.results.add_junit(name, report, done.returncode)

    def ctest(self, tier: str, kind: str) -> None:
        environment = {"HEROQ_TEST_SERVER": self.server_program(kind)} if TIERS[tier].both else {}
        argv: list[str | Path] = ["ctest", "--test-dir", self.build, "-L", f"^{tier}$", "-j4", "--output-on-failure"]
        argv += ["--no-tests=error", "--output-junit", "{report}"]
        self.step(f"{tier} {kind} C" if TIERS[tier].both else tier, argv, environment)

    def is_full(self, tier: str) -> bool:
        return TIERS[tier].full and tier in self.named

    def on_each(self, tier: str) -> bool:
        return TIERS[tier].both or self.is_full(tier)

    def pytest(self, tier: str, kind: str) -> None:
        folders = [ROOT / "tests" / folder for folder in TIERS[tier].folders]
        name = f"{tier} {kind}" if self.on_each(tier) else tier
        for folder in [folder for folder in folders if not any(folder.glob("**/test_*.py"))]:
            self.results.failures.append(f"{name}: no tests in {folder.relative_to(ROOT)}")
            folders.remove(folder)
        if not folders:
            return
        environment = {
            "HEROQ_TEST_SERVER_KIND": kind,
            "HEROQ_BUILD_DIR": str(self.build),
            "PATH": f"{self.venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }
        if self.is_full(tier):
            environment[f"HEROQ_{tier.upper()}_FULL"] = "1"
        argv: list[str | Path] = [self.venv / "bin/python", "-m", "pytest", "-q", "--color=auto", "--durations=5"]
        argv += ["--junitxml={report}", *folders]
        if TIERS[tier].workers:
            argv += ["-n", str(TIERS[tier].workers), "--dist", "worksteal"]
        self.step(name, argv, environment)

    def run(self, tiers: Sequence[str]) -> None:
        shutil.rmtree(self.reports, ignore_errors=True)
        self.reports.mkdir(parents=True)
        parts = [part for part in ("web", "bench") if part in tiers]
        self.setup("test", *(() if tiers == ["unit"] else ("python-test",)), *parts)
        self.build_c()
        for tier in tiers:
            one = TIERS[tier]
            if self.sanitize and not one.sanitized:
                self.results.skipped.append(f"tier {tier}: has no meaning with --preset {self.preset}")
                continue
            for kind in self.servers if self.on_each(tier) else self.servers[:1]:
                if one.ctest:
                    self.ctest(tier, kind)
                if one.folders:
                    self.pytest(tier, kind)


# ---- what is left over ----


def adopt_orphans() -> None:
    """Processes that lose their parent become our children, so that they can be found at the end."""
    if sys.platform == "linux":
        pr_set_child_subreaper = 36
        ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def children() -> dict[int, str]:
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            command = (stat.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if parent == os.getpid() and command:
            found[int(stat.parent.name)] = command
    return found


def end_left_over() -> list[str]:
    """What still runs when all steps are over, ended; it gets a moment, since a killed process needs one too."""
    end = time.monotonic() + 2
    while children() and time.monotonic() < end:
        time.sleep(0.05)
    left = children()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return list(left.values())


def main() -> int:
    lines = "\n".join(f"  {name:8} {tier.text}" for name, tier in TIERS.items())
    parser = argparse.ArgumentParser(
        prog="tests/run.sh",
        description="Installs what the tests need, builds, runs the tiers.",
        epilog=f"tiers:\n{lines}\n\n{BY_NAME}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tiers", metavar="TIER", nargs="*", help="default: all but bench, scale and soak")
    parser.add_argument("--server", choices=SERVERS, help="default: both, where a tier depends on it")
    parser.add_argument(
        "--preset",
        choices=("debug", "release", "asan", "tsan"),
        help="how the C code is built; default: release for bench and scale, else debug",
    )
    parser.add_argument("--seconds", type=int, help="of the soak; default: HEROQ_SOAK_SECONDS, else 600")
    parser.add_argument("--peers", metavar="A,B", help="of bench: only these; default: all")
    parser.add_argument(
        "--quick", action="store_true", help="bench, scale: few jobs, one round; whether all of it runs"
    )
    parser.add_argument("--rounds", type=int, help="of bench and scale; default: 3")
    parser.add_argument(
        "--out", type=Path, help="bench, scale: folder of the tables and plots; default: build/<tier>/<server>"
    )
    arguments = parser.parse_args()
    unknown = [tier for tier in arguments.tiers if tier not in TIERS]
    if unknown:
        parser.error(f"no tier {', '.join(unknown)}; there are {', '.join(TIERS)}")
    tiers = [name for name in TIERS if name in arguments.tiers] or [
        name for name, tier in TIERS.items() if tier.default
    ]

    if arguments.seconds:
        os.environ["HEROQ_SOAK_SECONDS"] = str(arguments.seconds)
    of_both = [f"--rounds={arguments.rounds}"] if arguments.rounds else []
    of_both += ["--quick"] if arguments.quick else []
    of_both += [f"--out={arguments.out.absolute()}"] if arguments.out else []
    of_bench = [f"--peers={arguments.peers}"] if arguments.peers else []
    os.environ["HEROQ_BENCH_ARGUMENTS"] = shlex.join(of_bench + of_both)
    os.environ["HEROQ_SCALE_ARGUMENTS"] = shlex.join(of_both)
    preset = arguments.preset or ("release" if {"bench", "scale"}.issuperset(tiers) else "debug")

    adopt_orphans()
    started = time.monotonic()
    run = Run(preset, [arguments.server] if arguments.server else SERVERS, arguments.tiers)
    results = run.results
    try:
        run.run(tiers)
    except subprocess.CalledProcessError as error:
        results.failures.append(f"{' '.join(str(part) for part in error.cmd)}: exit status {error.returncode}")
    results.failures += [f"left running: {command}" for command in end_left_over()]

    say(f"tiers: {' '.join(tiers)}, preset {preset}, {time.monotonic() - started:.0f} s")
    results.skipped += [
        f"tier {name}: {TIERS[name].text}" for name in TIERS if name not in tiers and not arguments.tiers
    ]
    if arguments.tiers:
        print(f"not asked for: {' '.join(name for name in TIERS if name not in tiers)}")
    for line in results.skipped:
        print(f"skipped: {line}")
    for line in results.failures:
        print(f"FAILED: {line}")
    print(f"{results.passed} passed, {len(results.failures)} failed", flush=True)
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
