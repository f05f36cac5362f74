"""A producer that only HSETs and LPUSHes hashes of a script and a status: PORT TYPE PREFIX COUNT."""

import sys

from resp import Redis

port, script_type, prefix, count = sys.argv[1:]
redis = Redis(port)
for i in range(int(count)):
    job_id = f"{prefix}-{i}"
    redis("HSET", f"hero:job:{job_id}", "script", f"work {i}", "status", "Dispatched", "colour", "blue")
    redis("LPUSH", f"hero:q:work:type:{script_type}", job_id)
