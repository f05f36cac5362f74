"""All metrics: name, kind, labels, meaning. What is exposed is made of these, and docs/metrics.md shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: not "instance", which is the name of a label of Prometheus itself
QUEUE = ("queue", "script_type", "group", "queue_instance")


@dataclass(frozen=True)
class Metric:
    name: str
    kind: Literal["gauge", "counter", "histogram"]
    labels: tuple[str, ...]
    text: str


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, "gauge", labels, text)


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, "counter", labels, text)


BUILD = _gauge("heroq_build_info", "always 1: heroq's version", "version")

#: of `heroq metrics`
UP = _gauge("heroq_up", "1: the server answered the last look, 0: it did not, and nothing below is there")
LOOK = _gauge("heroq_look_seconds", "how long the last look took")
SERVER = _gauge(
    "heroq_server_info",
    "always 1: the Redis or Valkey server",
    *("server", "version", "role", "mode", "maxmemory_policy", "appendonly"),
)
MEMORY = _gauge("heroq_server_memory_bytes", "memory that the server uses")
MEMORY_LIMIT = _gauge("heroq_server_memory_limit_bytes", "its maxmemory, 0: none")
EVICTED = _counter("heroq_server_evicted_keys_total", "keys that the server threw away at its limit")
QUEUES = _gauge("heroq_queues", "queues that are known")
QUEUES_LEFT_OUT = _gauge("heroq_queues_left_out", "queues without metrics, beyond --max-queues")
QUEUES_WHOLE = _gauge("heroq_queues_whole", "0: there are too many keys, queues of foreign programs may be missing")
WAITING = _gauge("heroq_queue_waiting_jobs", "jobs that wait", *QUEUE)
OLDEST = _gauge("heroq_queue_oldest_waiting_seconds", "how long the oldest waits, 0: none does", *QUEUE)
IN_FLIGHT = _gauge("heroq_queue_in_flight_jobs", "jobs that actors have taken", *QUEUE)
DELAYED = _gauge("heroq_queue_delayed_jobs", "jobs that are due later, retries too", *QUEUE)
DEAD = _gauge("heroq_queue_dead_jobs", "jobs that were given up on", *QUEUE)
ACTORS = _gauge("heroq_queue_actors", "actors of heroq that listen", *QUEUE)
STATE = _gauge(
    "heroq_queue_state", "1 for the state it is in: ok, idle, paused, no_actor, stuck; else 0", *QUEUE, "state"
)
ALERTS = _gauge("heroq_queue_alerts", "what `heroq top` says is wrong, by severity: warning, error", *QUEUE, "severity")
FINISHED_RATE = _gauge("heroq_queue_finished_jobs_per_minute", "jobs that finished, of the last five minutes", *QUEUE)
FAILED_RATE = _gauge("heroq_queue_failed_jobs_per_minute", "jobs that failed for good, likewise", *QUEUE)
ENDED = _counter(
    "heroq_queue_jobs_total",
    "finished, failed, retried, lost (their lease ran out), since `heroq metrics` was started",
    *(*QUEUE, "outcome"),
)
WAIT = _gauge("heroq_queue_wait_p95_seconds", "95 % of the last five minutes' jobs waited at most so long", *QUEUE)
RUN = _gauge("heroq_queue_run_p95_seconds", "95 % of the last five minutes' runs took at most so long", *QUEUE)

OF_BOARD = (
    *(BUILD, UP, LOOK, SERVER, MEMORY, MEMORY_LIMIT, EVICTED, QUEUES, QUEUES_LEFT_OUT, QUEUES_WHOLE),
    *(WAITING, OLDEST, IN_FLIGHT, DELAYED, DEAD, ACTORS, STATE, ALERTS),
    *(FINISHED_RATE, FAILED_RATE, ENDED, WAIT, RUN),
)

#: of `heroq worker --metrics`
WORKER_TAKEN = _counter("heroq_worker_taken_jobs_total", "jobs that its handlers were given", "handler")
WORKER_JOBS = _counter(
    "heroq_worker_jobs_total",
    "finished, failed (for good), retried, released (given back), stale (the result came too late and was refused)",
    *("handler", "outcome"),
)
WORKER_BURIED = _counter("heroq_worker_buried_jobs_total", "jobs that it put to the dead ones", "handler")
WORKER_LOST = _counter("heroq_worker_lost_leases_total", "jobs whose lease was gone while it had them", "handler")
WORKER_RUNS = Metric("heroq_worker_run_seconds", "histogram", ("handler", "script_type"), "how long handlers ran")
WORKER_IN_HAND = _gauge("heroq_worker_in_hand_jobs", "jobs that handlers have", "handler")
WORKER_AHEAD = _gauge("heroq_worker_ahead_jobs", "jobs that are taken and wait for a handler", "handler")
WORKER_UNSETTLED = _gauge("heroq_worker_unsettled_jobs", "results that the server has not acknowledged", "handler")
WORKER_STUCK = _gauge("heroq_worker_stuck_jobs", "handlers that hang past their timeout", "handler")
WORKER_PENDING = _gauge("heroq_worker_pending_bytes", "results, logs and streams that are still to be sent", "handler")
WORKER_CONNECTED = _gauge("heroq_worker_connected", "0: a process has no connection to the server", "handler")
WORKER_RECONNECTS = _counter("heroq_worker_reconnects_total", "connections that had to be made anew", "handler")
WORKER_STARVED = _gauge(
    "heroq_worker_starved_seconds", "how long the server has answered takes with errors, 0: it does not", "handler"
)
WORKER_LAST_TAKE = _gauge("heroq_worker_last_take_timestamp_seconds", "when it took a job, by its own clock", "handler")
WORKER_PROCESSES = _gauge("heroq_worker_processes", "processes that it is to have")
WORKER_UP = _gauge("heroq_worker_process_up", "1: the process works and reaches the server", "process")
WORKER_STARTS = _counter("heroq_worker_process_starts_total", "how often it was started", "process")
WORKER_CRASHES = _counter("heroq_worker_process_crashes_total", "how often it ended and was not meant to", "process")
WORKER_MEMORY = _gauge("heroq_worker_resident_memory_bytes", "memory of the process", "process")
WORKER_CPU = _counter("heroq_worker_cpu_seconds_total", "CPU time of the process and those before it", "process")

OF_WORKER = (
    *(BUILD, WORKER_TAKEN, WORKER_JOBS, WORKER_BURIED, WORKER_LOST, WORKER_RUNS),
    *(WORKER_IN_HAND, WORKER_AHEAD, WORKER_UNSETTLED, WORKER_STUCK, WORKER_PENDING),
    *(WORKER_CONNECTED, WORKER_RECONNECTS, WORKER_STARVED, WORKER_LAST_TAKE),
    *(WORKER_PROCESSES, WORKER_UP, WORKER_STARTS, WORKER_CRASHES, WORKER_MEMORY, WORKER_CPU),
)
