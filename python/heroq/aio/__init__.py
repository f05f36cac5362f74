"""heroq on an event loop: the names of heroq, with coroutines.

>>> import heroq.aio
>>> async with heroq.aio.Supervisor("redis://localhost") as sup:
...     output = await sup.run_job_and_await_result("print(40 + 2)", script_type="python", timeout=5)
"""

from .actor import Actor
from .connection import connect
from .gather import as_completed, gather
from .handler import Handler, actor
from .job import Job
from .runner import run, serve
from .submitted import Submitted
from .supervisor import Supervisor
from .waiter import Waiter

__all__ = [
    "Actor",
    "Handler",
    "Job",
    "Submitted",
    "Supervisor",
    "Waiter",
    "actor",
    "as_completed",
    "connect",
    "gather",
    "run",
    "serve",
]
