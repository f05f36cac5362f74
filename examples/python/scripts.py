"""A script actor: the job is a program's text, and an actor runs it in a process of its own, with limits.

heroq actor --type python --exec python3    in one terminal; as root add --user NAME
python examples/python/scripts.py           in another

Who may submit such jobs decides what runs on the actor's machine: see SECURITY.md.
"""

import heroq

SUM = """
import os
print(sum(range(int(os.environ["LAST"]) + 1)))
"""
BROKEN = """
import sys
sys.exit("no such luck")
"""


def main() -> None:
    with heroq.Supervisor() as sup:  # HEROQ_URL, else redis://localhost
        job = heroq.Job(SUM, "python", env={"LAST": "100"}, timeout=10)
        print(sup.run_job_and_await_result(job, timeout=60).decode().strip())
        try:
            sup.run_job_and_await_result(BROKEN, "python", timeout=60)
        except heroq.JobFailed as failed:
            print("failed:", *failed.error.decode().splitlines())


if __name__ == "__main__":
    main()
