"""A batch job with a progress bar: the SHA-256 of each file of a folder, by as many workers as there are.

heroq worker examples/python/batch.py --processes 2 --threads 4
python examples/python/batch.py FOLDER
"""

import hashlib
import sys
from pathlib import Path

import heroq
from rich.progress import MofNCompleteColumn, Progress


@heroq.actor("digest", timeout=60, retries=2)
def digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(folder: Path) -> int:
    heroq.connect()  # HEROQ_URL, else redis://localhost
    paths = sorted(str(path.resolve()) for path in folder.rglob("*") if path.is_file())
    jobs = digest.submit_many(paths)
    names = {job.id: path for job, path in zip(jobs, paths, strict=True)}
    failed = 0
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn()) as bar:
        task = bar.add_task("digests", total=len(jobs))
        for job in heroq.as_completed(jobs):  # in the order in which they end
            try:
                bar.console.print(job.result()[:16], names[job.id], soft_wrap=True, highlight=False)
            except heroq.JobFailed as error:
                failed += 1
                bar.console.print("failed:", names[job.id], str(error), soft_wrap=True, highlight=False)
            bar.advance(task)
    print(f"{len(jobs) - failed} digests, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
