"""heroq on an event loop: the names of heroq, with coroutines.

>>> import heroq.aio
>>> async with heroq.aio.Supervisor("redis://localhost") as sup:
...     output = await sup.run_job_and_await_result("print(40 + 2)", script_type="python", timeout=5)
"""

from .actor import Actor
from .job import Job
from .runner import actor, run, serve
from .supervisor import Supervisor
from .waiter import Waiter

__all__ = ["Actor", "Job", "Supervisor", "Waiter", "actor", "run", "serve"]
