"""Bad input and bad servers: a clear error in the time allowed, from Python and the command line, never a secret."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import heroq
import pytest
from support.server import Server

SECRET = "s3cret-Passw0rd"


def cli(*argv: str, url: str = "", timeout: float = 30) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEROQ_")}
    if url:
        environment["HEROQ_URL"] = url
    return subprocess.run(
        [sys.executable, "-m", "heroq", *argv],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str], code: int) -> None:
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stderr.startswith("heroq: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr and SECRET not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: heroq.Job("x", ""), "HEROQ_E_INVALID"),
        (lambda: heroq.Job("x", "a:b"), "HEROQ_E_INVALID"),
        (lambda: heroq.Job("x", "osis", id="a b"), "HEROQ_E_INVALID"),
        (lambda: heroq.Job("x", "osis", id=""), "HEROQ_E_INVALID"),
        (lambda: heroq.Job("x", "osis", retires=3), "HEROQ_E_OPTION"),
        (lambda: heroq.Job("x", "osis", timeout="soon"), "HEROQ_E_OPTION"),
        (lambda: heroq.Job("x", "osis", timeout=math.inf), "HEROQ_E_OPTION"),
        (lambda: heroq.Job("x", "osis", timeout=math.nan), "HEROQ_E_OPTION"),
        (lambda: heroq.Job("x", "osis", lease=3), "HEROQ_E_OPTION"),
        (lambda: heroq.Job("x", "osis", prerequisites=[""]), "HEROQ_E_INVALID"),
        (lambda: heroq.Job("x", "osis", fields={"hq_token": "1"}), "HEROQ_E_INVALID"),
        (lambda: heroq.Job("x", "\udcff"), "HEROQ_E_INVALID"),
        (lambda: heroq.Job("\udcff", "osis"), "HEROQ_E_INVALID"),
        (lambda: heroq.Job("x", "a\0b"), "HEROQ_E_INVALID"),
        (lambda: heroq.Job.from_json(""), "HEROQ_E_JSON"),
        (lambda: heroq.Job.from_json("[]"), "HEROQ_E_JSON"),
        (lambda: heroq.Job.from_json('{"script": "x", "script_type": "a b"}'), "HEROQ_E_INVALID"),
        (lambda: heroq.keys.job_hash(""), "HEROQ_E_INVALID"),
        (lambda: heroq.keys.work_group("osis", ""), "HEROQ_E_INVALID"),
        (lambda: heroq.keys.parse("hero:job:"), "HEROQ_E_INVALID"),
        (lambda: heroq.Job.from_json("{"), "HEROQ_E_JSON"),
        (lambda: heroq.Job("x", "osis", fields={"env_vars": "A=1"}), "HEROQ_E_JSON"),
        (lambda: heroq.Client("http://localhost"), "HEROQ_E_INVALID"),
        (lambda: heroq.Client("redis://:" + SECRET + "@localhost:99999"), "HEROQ_E_INVALID"),
        (lambda: heroq.Client("rediss://localhost", tls_cert="/no/such"), "HEROQ_E_OPTION"),
        (lambda: heroq.Client("redis://localhost?pasword=" + SECRET), "HEROQ_E_OPTION"),
        (lambda: heroq.Client("redis://localhost", password=SECRET * 400), "HEROQ_E_OPTION"),
        (lambda: heroq.Client("unix://"), "HEROQ_E_INVALID"),
    ],
)
def test_values(call: Callable[[], object], name: str) -> None:
    with pytest.raises(heroq.HeroqError) as caught:
        call()
    assert caught.value.name == name
    assert SECRET not in str(caught.value)


def test_a_wrong_option_names_the_nearest() -> None:
    with pytest.raises(heroq.InvalidError, match="retries"):
        heroq.Job("x", "osis", retires=3)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda sup: heroq.Actor(sup.client), "HEROQ_E_INVALID"),
        (lambda sup: heroq.Actor(sup.client, types=""), "HEROQ_E_INVALID"),
        (lambda sup: heroq.Actor(sup.client, types=[]), "HEROQ_E_INVALID"),
        (lambda sup: heroq.Actor(sup.client, types="a,,b"), "HEROQ_E_INVALID"),
        (lambda sup: heroq.Actor(sup.client, types="a b"), "HEROQ_E_INVALID"),
        (lambda sup: heroq.Actor(sup.client, types="osis", actor_id=""), "HEROQ_E_INVALID"),
        (lambda sup: heroq.Actor(sup.client, types="osis", instance="one"), "HEROQ_E_OPTION"),
        (lambda sup: heroq.Actor(sup.client, types="osis", leese=1), "HEROQ_E_OPTION"),
        (lambda sup: heroq.run(heroq.actor("a b")(print), server=sup.client), "HEROQ_E_INVALID"),
        (lambda sup: heroq.Queue("", sup.client), "HEROQ_E_INVALID"),
        (lambda sup: sup.get_job(""), "HEROQ_E_INVALID"),
        (lambda sup: sup.await_result("a b"), "HEROQ_E_INVALID"),
        (lambda sup: sup.await_result("not-there", timeout=math.nan), "HEROQ_E_INVALID"),
        (lambda sup: sup.await_result("not-there", timeout=math.inf), "HEROQ_E_EXPIRED"),
        (lambda sup: sup.start_job("not-there", "osis", grup="a"), "HEROQ_E_OPTION"),
        (lambda sup: sup.submit_many(["x"], ""), "HEROQ_E_INVALID"),
        (lambda sup: sup.submit_many(["x"], "osis", retires=1), "HEROQ_E_OPTION"),
        (lambda sup: sup.submit("x"), "HEROQ_E_INVALID"),
        (lambda sup: list(sup.list_jobs(count=0)), "HEROQ_E_OPTION"),
    ],
)
def test_calls(server: Server, sup: heroq.Supervisor, call: Callable[[heroq.Supervisor], object], name: str) -> None:
    with pytest.raises(heroq.HeroqError) as caught:
        call(sup)
    assert caught.value.name == name
    assert server.command("DBSIZE") == 0


def test_for_ever_is_none_or_infinity(server: Server, sup: heroq.Supervisor) -> None:
    with heroq.Actor(server.url, types="osis") as actor:
        threading.Timer(0.2, sup.submit, ("x", "osis")).start()
        job = actor.take(math.inf)
        assert job is not None
        job.finish("done", sync=True)
        assert sup.await_result(job, timeout=math.inf) == b"done"
        assert actor.take(-1) is None
        with pytest.raises(heroq.InvalidError):
            actor.take(math.nan)


def test_no_object_shows_its_secret(new_server: Callable[..., Server]) -> None:
    url = new_server("--requirepass", SECRET).url
    assert SECRET in url
    with (
        heroq.Supervisor(url) as sup,
        heroq.Actor(sup.client, types="osis") as actor,
        heroq.Waiter(sup.client) as waiter,
    ):
        things = (sup, sup.client, actor, waiter, sup.client.server_info(), actor.stats(), heroq.examine(sup.client))
        assert SECRET not in f"{things!r} {[vars(thing) for thing in things[:4]]!r}"


def test_wrong_python_types() -> None:
    with pytest.raises(TypeError):
        heroq.Job(3, "osis")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        heroq.Client(3)  # type: ignore[arg-type]


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def not_redis() -> Iterator[int]:
    """Answers like a web server."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                one, _ = listening.accept()
            except OSError:
                return
            one.recv(1000)
            one.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            one.close()

    threading.Thread(target=serve, daemon=True).start()
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()


@pytest.fixture
def silent() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_no_server(closed_port: int) -> None:
    url = f"redis://user:{SECRET}@127.0.0.1:{closed_port}"
    with pytest.raises(heroq.ConnectionError) as caught:
        heroq.Client(url)
    assert str(closed_port) in str(caught.value) and SECRET not in str(caught.value)
    assert caught.value.retryable
    refused(cli("create", "--type", "osis", "x", url=url), 5)


def test_a_server_that_is_none(not_redis: int) -> None:
    with pytest.raises(heroq.ConnectionError):
        heroq.Client(f"redis://127.0.0.1:{not_redis}")
    refused(cli("ls", url=f"redis://127.0.0.1:{not_redis}"), 5)


def test_a_silent_server(silent: int) -> None:
    start = time.monotonic()
    with pytest.raises(heroq.HeroqError):
        heroq.Client(f"redis://127.0.0.1:{silent}", connect_timeout=0.5)
    assert time.monotonic() - start < 2
    refused(cli("ls", url=f"redis://127.0.0.1:{silent}?connect_timeout=500ms"), 5)


def test_a_wrong_password(new_server: Callable[..., Server]) -> None:
    server = new_server("--requirepass", "right")
    for url in (f"redis://:{SECRET}@127.0.0.1:{server.port}", f"redis://127.0.0.1:{server.port}"):
        with pytest.raises(heroq.ServerError) as caught:
            heroq.Client(url)
        assert caught.value.name == "HEROQ_E_AUTH" and SECRET not in str(caught.value)
        refused(cli("ls", url=url), 5)


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["create", "--type", "", "x"], 2),
        (["create", "--type", "a:b", "x"], 2),
        (["create", "x"], 2),
        (["create", "--type", "osis", "@/not/there"], 2),
        (["create", "--type", "osis", "-o", "retires=3", "x"], 2),
        (["create", "--type", "osis", "-o", "nonsense", "x"], 2),
        (["start", "not-there"], 3),
        (["show", "not-there"], 3),
        (["stop", "not-there"], 3),
        (["start", "a b"], 2),
        (["run", "--type", "nobody", "x", "--timeout", "0.2"], 4),
        (["worker", "not_a_module_here"], 2),
        (["worker", "/not/a/file.py"], 2),
        (["worker", ""], 2),
        (["worker", "os"], 2),
        (["create", "--type", "osis", "--id", "", "x"], 2),
        (["create", "--type", "osis", "--id", "a b", "x"], 2),
        (["create", "--type", "osis", "--env", "A", "x"], 2),
        (["create", "--type", "osis", "-o", "timeout=", "x"], 2),
        (["create", "--type", os.fsdecode(b"\xff"), "x"], 2),
        (["show", ""], 2),
        (["rm", "", "--yes"], 2),
        (["rm", "not-there", "--yes"], 3),
        (["requeue", "not-there"], 3),
        (["run", "--type", "nobody", "x", "--timeout", "nan"], 2),
        (["run", "--type", "nobody", "x", "--timeout", "soon"], 2),
        (["actor", "--type", "", "--exec", "sh", "--allow-root"], 2),
        (["actor", "--type", "a b", "--exec", "sh", "--allow-root"], 2),
        (["actor", "--type", "sh", "--exec", "", "--allow-root"], 2),
        (["actor", "--type", "sh", "--exec", "'", "--allow-root"], 2),
        (["actor", "--type", "sh", "--exec", "/not/there", "--allow-root"], 2),
        (["actor", "--type", "sh", "--exec", "sh", "--user", "nobody-here"], 2),
        (["ls", "--url", "htp://localhost"], 2),
        (["ls", "--limit", "-1"], 2),
        (["ls", "--type", "a b"], 2),
        (["start", "not-there", "--type", ""], 2),
        (["start", "not-there", "-o", "retries=3"], 2),
        (["requeue", "not-there", "-o", "type=a b"], 2),
        (["frobnicate"], 2),
        (["demo", "/not/a/folder"], 2),
    ],
)
def test_command_line(server: Server, argv: list[str], code: int) -> None:
    refused(cli(*argv, url=server.url), code)
    if code == 2:
        assert server.command("DBSIZE") == 0
