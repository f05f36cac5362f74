"""OpenTelemetry's spans and context, from this process to a worker's and back."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import heroq
import heroq.aio
import heroq.tracing
import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from support.server import Server, wait_until

#: a worker's file: its spans go to a file, a line of JSON each
SETUP = """
import os
from opentelemetry import baggage, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
import heroq.tracing

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(
    out=open(os.environ["SPANS"], "a"), formatter=lambda span: span.to_json(indent=None) + "\\n"
)))
heroq.tracing.install(provider)
"""
APP = (
    SETUP
    + """
import heroq


@heroq.actor("osis", retries=3, backoff=0.01)
def osis(job: heroq.Job) -> str:
    if job.text == "flaky" and job.attempt < 3:
        raise ValueError("not yet")
    if job.text == "bad":
        raise heroq.Fail("never")
    if job.text == "again" and job.attempt == 1:
        raise heroq.Retry("in a moment", delay=0.01)
    if job.text == "nested":
        return inner.run(1) + " inside"
    return f"{baggage.get_baggage('user')} {job.header('colour')}"


@heroq.actor("inner")
def inner(number: int) -> str:
    return trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)
"""
)
AIO_APP = (
    SETUP
    + """
import asyncio
import heroq.aio


@heroq.aio.actor("osis", retries=0)
async def osis(job: heroq.aio.Job) -> str:
    if job.text == "bad":
        raise ValueError("never")
    if job.text == "slow":
        await asyncio.sleep(60)
    await asyncio.sleep(0.01)
    if job.text == "nested":
        return (await inner.run(1)) + " inside"
    return str(baggage.get_baggage("user"))


@heroq.aio.actor("inner")
async def inner(number: int) -> str:
    await asyncio.sleep(0)
    return trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)
"""
)


class Traced:
    """The spans of this process, and those of the worker's."""

    def __init__(self, exporter: InMemorySpanExporter, file: Path, tracer: trace.Tracer):
        self._exporter, self._file, self.tracer = exporter, file, tracer

    def here(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name == name]

    def there(self, name: str, job_id: str, count: int = 1) -> list[dict[str, Any]]:
        """Of a job, once there are so many: a span ends after its result is on the way."""

        def found() -> list[dict[str, Any]]:
            lines = self._file.read_text().splitlines() if self._file.exists() else []
            spans = [json.loads(line) for line in lines if line.endswith("}")]
            return [s for s in spans if s["name"] == name and s["attributes"]["messaging.message.id"] == job_id]

        wait_until(lambda: len(found()) >= count, seconds=20, what=f"{count} × {name}")
        assert len(found()) == count
        return found()


Ids = tuple[str, str]


def hexed(found: trace.SpanContext | None) -> Ids:
    """Trace and span, as the worker's spans have them."""
    assert found is not None
    return f"0x{found.trace_id:032x}", f"0x{found.span_id:016x}"


def ids(span: ReadableSpan | trace.Span) -> Ids:
    return hexed(span.get_span_context())


def parent(span: ReadableSpan) -> Ids:
    return hexed(span.parent)


def links(span: ReadableSpan) -> list[Ids]:
    return [hexed(link.context) for link in span.links]


def is_below(one: dict[str, Any], span: ReadableSpan) -> bool:
    return (one["context"]["trace_id"], one["parent_id"]) == ids(span)


def is_linked(one: dict[str, Any], span: ReadableSpan) -> bool:
    return [(link["context"]["trace_id"], link["context"]["span_id"]) for link in one["links"]] == [ids(span)]


@pytest.fixture(scope="module")
def spans_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tracing") / "spans"


@pytest.fixture
def traced(spans_file: Path) -> Iterator[Traced]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    heroq.tracing.install(provider)
    yield Traced(exporter, spans_file, provider.get_tracer("test"))
    heroq.tracing.uninstall()


@contextmanager
def working(code: str, server: Server, spans_file: Path) -> Iterator[None]:
    app = spans_file.with_name("app.py")
    app.write_text(code)
    environment = {**os.environ, "HEROQ_URL": server.url, "SPANS": str(spans_file)}
    argv = [sys.executable, "-m", "heroq", "worker", str(app), "--grace", "1", "-o", "block=200ms"]
    with subprocess.Popen(argv, env=environment) as process:
        yield
        process.terminate()
        assert process.wait(30) == 0


# The tests that share a worker are in a class, so that no other one is there to take their jobs.
@pytest.fixture(scope="class")
def worker(shared_server: Server, spans_file: Path) -> Iterator[None]:
    with working(APP, shared_server, spans_file):
        yield


@pytest.fixture(scope="class")
def aio_worker(shared_server: Server, spans_file: Path) -> Iterator[None]:
    with working(AIO_APP, shared_server, spans_file):
        yield


@pytest.mark.usefixtures("worker")
class TestThreads:
    def test_one_trace_from_submit_to_result(self, sup: heroq.Supervisor, traced: Traced) -> None:
        token = context.attach(baggage.set_baggage("user", "ann"))
        with traced.tracer.start_as_current_span("request") as request:
            job = sup.submit("x", script_type="osis", headers={"colour": "red"})
            assert sup.await_result(job, timeout=30) == b"ann red"
        context.detach(token)
        [send], [wait], [run] = (
            traced.here("send osis"),
            traced.there("wait osis", job.id),
            traced.there("process osis", job.id),
        )
        assert parent(send) == ids(request) and send.kind is SpanKind.PRODUCER
        assert is_below(wait, send) and is_below(run, send) and is_linked(run, send)
        assert run["kind"] == "SpanKind.CONSUMER" and run["status"]["status_code"] == "UNSET"
        assert run["attributes"] == {
            "messaging.system": "heroq",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": "osis",
            "messaging.message.id": job.id,
            "messaging.heroq.attempt": 1,
            "messaging.heroq.handler": "osis",
        }
        assert wait["start_time"] <= wait["end_time"] <= run["start_time"] <= run["end_time"]
        [awaited] = traced.here("await osis")
        assert parent(awaited) == ids(request) and awaited.kind is SpanKind.CLIENT
        assert links(awaited) == [ids(send)]

    def test_run_job_and_await_result(self, sup: heroq.Supervisor, traced: Traced) -> None:
        sup.run_job_and_await_result("x", script_type="osis", timeout=30)
        [send], [awaited] = traced.here("send osis"), traced.here("await osis")
        assert parent(send) == ids(awaited) and send.attributes
        assert is_below(traced.there("process osis", str(send.attributes["messaging.message.id"]))[0], send)

    def test_many_jobs_share_a_send(self, sup: heroq.Supervisor, traced: Traced) -> None:
        told: list[tuple[int, int | None]] = []
        own = heroq.Job("own", "osis", headers={"colour": "blue"})
        found = sup.submit_many(["a", own], "osis", progress=lambda *how: told.append(how))
        results = heroq.gather(found, timeout=30, server=sup)
        assert (results, told) == ([b"None None", b"None blue"], [(2, 2)])
        [send] = traced.here("send osis")
        assert send.attributes and send.attributes["messaging.batch.message_count"] == 2
        for job_id in found:
            assert is_below(traced.there("process osis", job_id)[0], send)
        [awaited] = traced.here("await")
        assert awaited.attributes and awaited.attributes["messaging.batch.message_count"] == 2

    def test_each_attempt_is_a_span_of_the_same_submit(self, sup: heroq.Supervisor, traced: Traced) -> None:
        job = sup.submit("flaky", script_type="osis")
        sup.await_result(job, timeout=30)
        [send], runs = traced.here("send osis"), traced.there("process osis", job.id, count=3)
        assert [run["attributes"]["messaging.heroq.attempt"] for run in runs] == [1, 2, 3]
        assert all(is_below(run, send) and is_linked(run, send) for run in runs)
        assert [run["status"]["status_code"] for run in runs] == ["ERROR", "ERROR", "UNSET"]
        assert [run["attributes"].get("error.type") for run in runs] == ["ValueError", "ValueError", None]
        assert runs[0]["events"][0]["attributes"]["exception.message"] == "not yet"
        assert len(traced.there("wait osis", job.id)) == 1

        again = sup.submit("again", script_type="osis")
        sup.await_result(again, timeout=30)
        first, second = traced.there("process osis", again.id, count=2)
        assert first["attributes"]["error.type"] == "heroq.errors.Retry" and "error.type" not in second["attributes"]

    def test_a_failure_is_one_here_and_there(self, sup: heroq.Supervisor, traced: Traced) -> None:
        with pytest.raises(heroq.JobFailed):
            sup.run_job_and_await_result("bad", script_type="osis", timeout=30)
        [awaited], [send] = traced.here("await osis"), traced.here("send osis")
        assert awaited.status.status_code is StatusCode.ERROR and awaited.attributes and send.attributes
        assert awaited.attributes["error.type"] == "heroq.errors.JobFailed"
        assert send.status.status_code is StatusCode.UNSET
        [run] = traced.there("process osis", str(send.attributes["messaging.message.id"]))
        assert run["status"] == {"status_code": "ERROR", "description": "Fail: never"}

    def test_a_job_of_a_job_is_in_its_trace(self, sup: heroq.Supervisor, traced: Traced) -> None:
        output = sup.run_job_and_await_result("nested", script_type="osis", timeout=30).decode()
        [send] = traced.here("send osis")
        assert output == f"{ids(send)[0].removeprefix('0x')} inside"

    def test_created_first_and_started_later(self, sup: heroq.Supervisor, traced: Traced) -> None:
        job = sup.create_job("x", script_type="osis")
        sup.start_job(job)
        sup.await_result(job, timeout=30)
        [create], [send] = traced.here("create osis"), traced.here("send osis")
        assert create.attributes and create.attributes["messaging.operation.type"] == "create"
        assert links(send) == [ids(create)]
        assert is_below(traced.there("process osis", job.id)[0], create)

    def test_what_the_user_set_stays(self, sup: heroq.Supervisor, traced: Traced) -> None:
        own = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "baggage": "user=bob"}
        token = context.attach(baggage.set_baggage("user", "ann"))
        job = sup.submit("x", script_type="osis", headers=own)
        assert sup.await_result(job, timeout=30) == b"bob None"
        context.detach(token)
        assert {name: sup.get_job(job).header(name) for name in own} == own
        [run] = traced.there("process osis", job.id)
        assert (run["context"]["trace_id"], run["parent_id"]) == (f"0x{'a' * 32}", f"0x{'b' * 16}")
        [send] = traced.here("send osis")
        assert links(send) == [(f"0x{'a' * 32}", f"0x{'b' * 16}")]

    def test_headers_that_are_no_context_harm_nobody(self, sup: heroq.Supervisor, traced: Traced) -> None:
        job = sup.submit("x", script_type="osis", headers={"traceparent": "nonsense", "baggage": "=;=,%zz"})
        sup.await_result(job, timeout=30)
        assert traced.there("process osis", job.id)[0]["parent_id"] is None


@pytest.mark.usefixtures("aio_worker")
class TestCoroutines:
    def test_asyncio(self, server: Server, traced: Traced) -> None:
        async def main() -> None:
            token = context.attach(baggage.set_baggage("user", "ann"))
            async with heroq.aio.Supervisor(server.url) as sup:
                with traced.tracer.start_as_current_span("request"):
                    job = await sup.submit("x", "osis")
                    assert await sup.await_result(job, timeout=30) == b"ann"
                    found = await sup.submit_many(["a", "b"], "osis")
                    await heroq.aio.gather(found, timeout=30, server=sup)
                    stored = await sup.create_job("x", "osis")
                    await sup.start_job(stored)
                nested = await sup.run_job_and_await_result("nested", "osis", timeout=30)
                with pytest.raises(heroq.JobFailed):
                    await sup.run_job_and_await_result("bad", "osis", timeout=30)
            context.detach(token)
            [request] = traced.here("request")
            one, many, start, outer, bad = traced.here("send osis")
            assert {parent(span) for span in (one, many, start)} == {ids(request)}
            assert many.attributes and many.attributes["messaging.batch.message_count"] == 2
            assert len(traced.here("create osis")) == 1
            [run] = traced.there("process osis", job.id)
            assert is_below(run, one) and is_linked(run, one) and is_below(traced.there("wait osis", job.id)[0], one)
            assert all(is_below(traced.there("process osis", job_id)[0], many) for job_id in found)
            assert nested.decode() == f"{ids(outer)[0].removeprefix('0x')} inside"
            assert bad.attributes and bad.parent
            [failed] = traced.there("process osis", str(bad.attributes["messaging.message.id"]))
            assert failed["attributes"]["error.type"] == "ValueError"
            statuses = [span.status.status_code for span in traced.here("await osis")]
            assert statuses == [StatusCode.UNSET, StatusCode.UNSET, StatusCode.ERROR]

        asyncio.run(main())

    def test_a_coroutine_that_is_cancelled(self, sup: heroq.Supervisor, traced: Traced) -> None:
        job = sup.submit("slow", script_type="osis")
        wait_until(lambda: sup.get_status(job) == "started", seconds=20)
        sup.stop_job(job)
        [run] = traced.there("process osis", job.id)
        assert run["status"]["status_code"] == "ERROR" and "CancelledError" in run["attributes"]["error.type"]


def test_the_same_job_again_keeps_its_context(sup: heroq.Supervisor, traced: Traced) -> None:
    job = sup.submit("x", script_type="osis")
    before = job.header("traceparent")
    sup.submit(job)
    assert before and job.header("traceparent") == before
    first, second = traced.here("send osis")
    assert links(second) == [ids(first)]


@pytest.mark.parametrize("delivery", ["reliable", "canonical"])
def test_jobs_taken_by_hand(server: Server, sup: heroq.Supervisor, traced: Traced, delivery: str) -> None:
    delay = 1 if delivery == "reliable" else 0
    job = sup.submit("x", script_type="osis", delay=delay)
    with heroq.Actor(server.url, types="osis", grace=0, delivery=delivery) as actor:
        taken = actor.take(timeout=20)
        assert taken is not None
        with heroq.tracing.running(taken):
            inside = trace.get_current_span()
            taken.finish("done")
    [send], [run] = traced.here("send osis"), traced.here("process osis")
    assert ids(run) == ids(inside) and parent(run) == ids(send)
    [wait] = traced.here("wait osis")
    assert parent(wait) == ids(send) and wait.start_time and wait.end_time and send.start_time
    assert wait.start_time >= send.start_time + (delay - 0.01) * 1e9, "it waits from when it is due"
    assert sup.await_result(job, timeout=30) == b"done"


#: what a program without tracing has of it, as JSON
PLAIN = """
import json, sys
import heroq, heroq.aio
with heroq.Supervisor() as sup:
    job = sup.submit("x", script_type="osis")
    ids = sup.submit_many(["y"], "osis")
    headers = [sup.get_job(one).field("hq_headers") for one in (job, *ids)]
calls = [heroq.Supervisor.submit, heroq.Waiter.submit, heroq.aio.Supervisor.submit, heroq.handler.run]
print(json.dumps([
    [name for name in sys.modules if "opentelemetry" in name or "tracing" in name],
    [call.__code__.co_filename.rpartition("/")[2] for call in calls],
    headers,
]))
"""


def test_who_does_not_ask_for_it_pays_nothing(server: Server) -> None:
    """Not a module more is loaded, and the very functions are those without a thought of tracing."""
    environment = {**os.environ, "HEROQ_URL": server.url}
    done = subprocess.run([sys.executable, "-c", PLAIN], env=environment, capture_output=True, check=True, timeout=60)
    files = ["supervisor.py", "waiter.py", "supervisor.py", "handler.py"]
    assert json.loads(done.stdout) == [[], files, [None, None]]


def test_uninstall_leaves_nothing(server: Server, sup: heroq.Supervisor) -> None:
    before = heroq.Supervisor.submit, heroq.handler.run, heroq.aio.Supervisor.submit
    heroq.tracing.install(TracerProvider())
    heroq.tracing.install(TracerProvider())
    assert heroq.Supervisor.submit is not before[0]
    heroq.tracing.uninstall()
    assert before == (heroq.Supervisor.submit, heroq.handler.run, heroq.aio.Supervisor.submit)
    assert sup.submit("x", script_type="osis").header("traceparent") is None
    with heroq.tracing.running(heroq.Job("x", "osis")):
        assert not trace.get_current_span().get_span_context().is_valid
