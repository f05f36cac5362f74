"""An actor that writes the hash and replies: PORT TYPE LEDGER."""

import sys

from resp import Redis, jobs

redis = Redis(sys.argv[1])
for job_id, key, output in jobs(redis, sys.argv[2], sys.argv[3], "actor_both"):
    redis("HSET", key, "status", "Started")
    redis("HSET", key, "output", output, "status", "Finished")
    redis("LPUSH", b"hero:q:reply:" + job_id, output)
