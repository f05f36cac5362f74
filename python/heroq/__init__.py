"""heroq: a job system on a Redis or Valkey server.

>>> import heroq
>>> with heroq.embedded() as server, heroq.Supervisor(server) as sup:
...     job = sup.create_job("print(40 + 2)", script_type="python")
"""

from . import keys
from ._heroq import heroq_version_text as _version_text
from .actor import Actor
from .client import Client
from .connection import connect
from .doctor import examine
from .embedded import Embedded, embedded
from .errors import (
    CancelledError,
    ClosedError,
    ConnectionError,
    Fail,
    HeroqError,
    InternalError,
    InvalidError,
    JobFailed,
    NotFoundError,
    PartialError,
    PayloadError,
    Retry,
    ServerError,
    SettledError,
    StateError,
    TimeoutError,
)
from .gather import as_completed, gather
from .handler import Handler, actor, current_job
from .job import Job, StopReason
from .keys import derive_script_type_from_actor_id, get_actor_queue_key
from .payload import Json
from .queue import Queue, list_queues
from .runner import run
from .submitted import Submitted
from .supervisor import Supervisor
from .waiter import Waiter

__version__ = _version_text()

__all__ = [
    "Actor",
    "CancelledError",
    "Client",
    "ClosedError",
    "ConnectionError",
    "Embedded",
    "Fail",
    "Handler",
    "HeroqError",
    "InternalError",
    "InvalidError",
    "Job",
    "JobFailed",
    "Json",
    "NotFoundError",
    "PartialError",
    "PayloadError",
    "Queue",
    "Retry",
    "ServerError",
    "SettledError",
    "StateError",
    "StopReason",
    "Submitted",
    "Supervisor",
    "TimeoutError",
    "Waiter",
    "__version__",
    "actor",
    "as_completed",
    "connect",
    "current_job",
    "derive_script_type_from_actor_id",
    "embedded",
    "examine",
    "gather",
    "get_actor_queue_key",
    "keys",
    "list_queues",
    "run",
]
