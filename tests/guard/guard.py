"""Counts the instructions of the library's hot paths under callgrind, and holds them against figures.json.

guard.py                  prints each count beside its figure
guard.py --rewrite        writes the counts into figures.json as the new figures

A count does not depend on the clock or on what else the machine does. It does depend on the compiler and on the
libraries, so the file says what it was made with; elsewhere the figures say nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from support.server import Server  # noqa: E402

FIGURES = Path(__file__).with_name("figures.json")
PROGRAM = ROOT / "build" / "release" / "tests" / "guard"
TOLERANCE = 0.03
TIMES = 200
JOBS = 1000
ROUNDS = 4
ALONE = ("keys", "queue-keys", "new-job", "from-json", "to-json", "to-wire", "from-hash", "from-claim")
TAKE, TAKE_WHOLE = "take-finish", "take-finish with the actor's thread"
NAMES = (*ALONE, TAKE, TAKE_WHOLE)
# glibc picks its string functions by the processor. These are the ones that every x86-64 has.
SAME_EVERYWHERE = "glibc.cpu.hwcaps=-AVX2,-AVX512VL,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM,-SSE4_2,-BMI2"


def build() -> None:
    """A release build, whatever preset the other tests have: what users run is what is counted."""
    for argv in (["cmake", "--preset", "release"], ["cmake", "--build", "--preset", "release", "--target", "guard"]):
        done = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(argv)}: exit status {done.returncode}\n{done.stdout}")


def built_with() -> dict[str, str]:
    done = subprocess.run([PROGRAM, "built"], check=True, capture_output=True, text=True)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


def collected(*argv: str, everything: bool = False) -> int:
    """The instructions of one run of the program: inside of `counted`, or everything in all its threads."""
    if not shutil.which("valgrind"):
        raise RuntimeError("valgrind is not on the PATH (Debian package valgrind)")
    with tempfile.TemporaryDirectory(prefix="heroq-guard-") as folder:
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        valgrind += [] if everything else ["--toggle-collect=counted"]
        done = subprocess.run(
            [*valgrind, str(PROGRAM), *argv],
            capture_output=True,
            text=True,
            env={**os.environ, "GLIBC_TUNABLES": SAME_EVERYWHERE, "LD_BIND_NOW": "1"},
            timeout=100,
            check=False,
        )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise RuntimeError(f"guard {' '.join(argv)}: exit status {done.returncode}\n{done.stderr}")
    return int(found[1])


def take(server: Server, jobs: int, everything: bool) -> int:
    server.command("FLUSHALL")
    subprocess.run([PROGRAM, "fill", str(jobs + 1), server.url], check=True, timeout=100)
    return collected(TAKE, str(jobs), server.url, everything=everything)


def count(name: str, server: Server) -> float:
    """Instructions of doing it once.

    With a server in play the least of some runs counts: on a busy machine the turns of the loop are more and smaller,
    which costs, and never less. What opening and closing cost is in both of the runs whose difference is taken.
    """
    few, many = JOBS // 2, JOBS * 3
    if name == TAKE:
        return min(take(server, JOBS, False) for _ in range(ROUNDS)) / JOBS
    if name == TAKE_WHOLE:
        least = [min(take(server, jobs, True) for _ in range(ROUNDS)) for jobs in (few, many)]
        return (least[1] - least[0]) / (many - few)
    return collected(name, str(TIMES)) / TIMES


def figures() -> dict[str, dict[str, str] | dict[str, int]]:
    return dict(json.loads(FIGURES.read_text(encoding="utf-8")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rewrite", action="store_true")
    arguments = parser.parse_args()
    build()
    with Server(kind="redis") as server:
        counts = {name: round(count(name, server)) for name in NAMES}
    old = figures()["instructions"] if FIGURES.exists() else {}
    for name, now in counts.items():
        was = int(old.get(name, 0))
        print(f"{name:<38}{was:>8}{now:>8}" + (f"{now / was * 100 - 100:+7.1f} %" if was else ""))
    if arguments.rewrite:
        text = json.dumps({"made with": built_with(), "instructions": counts}, indent=2)
        FIGURES.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
