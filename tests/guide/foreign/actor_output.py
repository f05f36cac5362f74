"""An actor that sets only `output` and no status: PORT TYPE LEDGER."""

import sys

from resp import Redis, jobs

redis = Redis(sys.argv[1])
for _, key, output in jobs(redis, sys.argv[2], sys.argv[3], "actor_output"):
    redis("HSET", key, "output", output)
