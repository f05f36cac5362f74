"""An actor that writes only the hash: PORT TYPE LEDGER."""

import sys

from resp import Redis, jobs

redis = Redis(sys.argv[1])
for _, key, output in jobs(redis, sys.argv[2], sys.argv[3], "actor_hash"):
    redis("HSET", key, "status", "started")
    redis("HSET", key, "output", output, "status", "finished")
