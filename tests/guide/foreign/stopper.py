"""A supervisor that asks for the end of jobs by a message on the control list: PORT TYPE ID…"""

import sys

from resp import Redis

redis = Redis(sys.argv[1])
for job_id in sys.argv[3:]:
    redis("LPUSH", f"hero:q:ctl:type:{sys.argv[2]}", job_id)
