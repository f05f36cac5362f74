"""A supervisor that LPUSHes and then polls HGET, one job at a time: PORT TYPE PREFIX COUNT. Prints id TAB output."""

import sys
import time

from resp import Redis

port, script_type, prefix, count = sys.argv[1:]
redis = Redis(port)
for i in range(int(count)):
    job_id = f"{prefix}-{i}"
    key = f"hero:job:{job_id}"
    redis("HSET", key, "jobId", job_id, "script_type", script_type, "script", f"ask {i}", "status", "dispatched")
    redis("LPUSH", f"hero:q:work:type:{script_type}", job_id)
    end = time.monotonic() + 30
    while (output := redis("HGET", key, "output")) is None and time.monotonic() < end:
        time.sleep(0.01)
    if output is None:
        raise SystemExit(f"{key} has no output")
    print(job_id, output.decode(), sep="\t", flush=True)
