"""An actor that runs a job until the control list names it: PORT TYPE LEDGER."""

import sys

from resp import Redis, jobs

redis = Redis(sys.argv[1])
for job_id, key, _ in jobs(redis, sys.argv[2], sys.argv[3], "actor_slow"):
    redis("HSET", key, "status", "started")
    while redis("BLPOP", f"hero:q:ctl:type:{sys.argv[2]}", 1) != [f"hero:q:ctl:type:{sys.argv[2]}".encode(), job_id]:
        pass
    redis("HSET", key, "status", "error", "error", "stopped by a message")
