"""The actors of the pictures' scene: quick ones, slow ones that tell how far they are, and one that often fails."""

from __future__ import annotations

import random
import time

import heroq


@heroq.actor("thumbnail", retries=2)
def thumbnail(job: heroq.Job) -> str:
    time.sleep(random.uniform(0.02, 0.08))
    return f"{len(job.script)} bytes"


@heroq.actor("mail", retries=0)
def mail(job: heroq.Job) -> str:
    time.sleep(random.uniform(0.05, 0.2))
    if random.random() < 0.3:
        raise heroq.Fail("smtp.example.com answers 451: try again later")
    return "sent"


@heroq.actor("report")
def report(job: heroq.Job) -> str:
    for page in range(1, 41):
        job.progress(page * 2.5, f"page {page} of 40")
        job.log(f"page {page} drawn")
        time.sleep(random.uniform(0.3, 0.6))
    return "40 pages"
