"""An actor that only replies and never writes the hash: PORT TYPE LEDGER."""

import sys

from resp import Redis, jobs

redis = Redis(sys.argv[1])
for job_id, _, output in jobs(redis, sys.argv[2], sys.argv[3], "actor_reply"):
    redis("LPUSH", b"hero:q:reply:" + job_id, output)
