"""A supervisor that LPUSHes and then waits on the reply list, one job at a time: PORT TYPE PREFIX COUNT. Prints id TAB
reply.
"""

import sys

from resp import Redis

port, script_type, prefix, count = sys.argv[1:]
redis = Redis(port)
for i in range(int(count)):
    job_id = f"{prefix}-{i}"
    redis("HSET", f"hero:job:{job_id}", "jobId", job_id, "script", f"wait {i}", "status", "dispatched")
    redis("LPUSH", f"hero:q:work:type:{script_type}", job_id)
    reply = redis("BLPOP", f"hero:q:reply:{job_id}", 30)
    if reply is None:
        raise SystemExit(f"no reply to {job_id}")
    print(job_id, reply[1].decode(), sep="\t", flush=True)
