"""Benchmarks two commits by turns, in one run on one server, and prints how the second does beside the first.

compare.py BEFORE [AFTER] [--jobs N] [--rounds R] [--server redis|valkey]    AFTER: HEAD

Each is built as released in build/compare/<commit>, which stays for the next time. The ratio of a row is the median of
its rounds' ratios: what the machine does to one of a pair it mostly does to the other too. The last column says whether
the second is worse by more than a tenth.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]
from peers import ROOT  # noqa: E402
from support.server import Server  # noqa: E402

ROWS = [
    (language, what)
    for what in ("bulk", "single", "drain", "drain-canonical", "roundtrip")
    for language in ("C", "Python")
]
WORSE = 1.10


class Tree:
    """A commit, built."""

    def __init__(self, commit: str) -> None:
        self.commit = git("rev-parse", "--short=12", commit)
        self.folder = ROOT / "build" / "compare" / self.commit
        if not self.folder.exists():
            git("clone", "--quiet", str(ROOT), str(self.folder))
            subprocess.run(["git", "checkout", "--quiet", self.commit], cwd=self.folder, check=True)
        for argv in (
            ["cmake", "--preset", "release", "-DHEROQ_BUILD_TESTS=ON"],
            ["cmake", "--build", "build/release", "-j2", "--target", "bench"],
            ["scripts/setup.sh", "python"],
        ):
            subprocess.run(argv, cwd=self.folder, check=True, stdout=subprocess.DEVNULL)

    def command(self, server: Server, language: str, what: str, n: int) -> list[str]:
        if language == "Python":
            program = [str(self.folder / "build/venv/bin/python"), str(self.folder / "tests/bench/actor.py")]
            return [*program, server.url, what, str(n)]
        return [str(self.folder / "build/release/tests/bench"), server.url, str(server.port), what, str(n)]


def git(*argv: str) -> str:
    done = subprocess.run(["git", *argv], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def run(argv: Sequence[str]) -> list[float]:
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=300)
    return [float(x) for x in done.stdout.split()]


def measure(tree: Tree, server: Server, language: str, what: str, n: int) -> float:
    """Microseconds a job."""
    server.cli("FLUSHALL")
    if what.startswith("drain"):
        run(tree.command(server, "C", "bulk", n))
    if what != "roundtrip":
        return run(tree.command(server, language, what, n))[0] / n * 1e6
    actor = subprocess.Popen(tree.command(server, language, "serve", 1))
    try:
        run(tree.command(server, language, what, 50))
        return run(tree.command(server, language, what, n))[2] * 1e3
    finally:
        actor.kill()
        actor.wait()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before")
    parser.add_argument("after", nargs="?", default="HEAD")
    parser.add_argument("--jobs", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--server", default="redis")
    arguments = parser.parse_args(argv)
    trees = [Tree(arguments.before), Tree(arguments.after)]
    worse = 0
    print(f"us a job: {trees[0].commit}, {trees[1].commit}, ratio (median of {arguments.rounds} pairs)")
    with Server(kind=arguments.server) as server:
        for language, what in ROWS:
            n = max(1000, arguments.jobs // (10 if what in ("single", "roundtrip") else 1))
            took: list[list[float]] = [[], []]
            for round_number in range(arguments.rounds):
                for i in (0, 1) if round_number % 2 else (1, 0):
                    took[i].append(measure(trees[i], server, language, what, n))
            ratio = statistics.median(b / a for a, b in zip(*took, strict=True))
            worse += ratio > WORSE
            middle = [statistics.median(one) for one in took]
            print(
                f"{what:<18}{language:<8}{middle[0]:>9.1f}{middle[1]:>9.1f}   {ratio:5.2f}"
                f"{'   worse' if ratio > WORSE else ''}",
                flush=True,
            )
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
