"""TLS: a server that proves who it is gets all, any other gets nothing, and each error says what is wrong."""

from __future__ import annotations

import hashlib
import os
import random
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import heroq
import pytest
from support.acting import Q, Runner, ended, enqueue, enqueue_many, nothing_left
from support.crew import seeded
from support.server import wait_until
from support.tls import Authority, Impostor, Mute, NoTls, Pair, Plain, Shredder, TlsServer, self_signed

EXAMPLES = Path(os.environ["HEROQ_BUILD_DIR"]) / "examples"
SECRET = "hunter2"
BOTH = "DNS:localhost,IP:127.0.0.1"
Start = Callable[..., TlsServer]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that nobody here trusts."""
    return Authority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture(scope="module")
def good(authority: Authority) -> Pair:
    return authority.issue("good", BOTH)


@pytest.fixture
def start(authority: Authority, good: Pair) -> Iterator[Start]:
    """start("--tls-auth-clients", "yes", pair=…): a private server with TLS, which ends with the test."""
    made: list[TlsServer] = []

    def run(*args: str, pair: Pair = good) -> TlsServer:
        try:
            made.append(TlsServer(pair, authority.ca, *args))
        except NoTls as error:
            pytest.skip(str(error))
        return made[-1]

    yield run
    for one in made:
        one.close()


def refusal(url: str, **options: Any) -> heroq.HeroqError:
    with pytest.raises(heroq.HeroqError) as caught:
        heroq.Client(url, **{"log": "off", **options})
    assert SECRET not in str(caught.value)
    return caught.value


# ---- what works ----


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_supervisor_and_actor(start: Start, authority: Authority, host: str) -> None:
    server = start("--requirepass", SECRET)
    url = f"{server.tls_url(host)}?tls_ca_file={authority.ca}"
    with Runner(url, lambda job: job.finish(job.script[::-1]), threads=4), heroq.Supervisor(url) as sup:
        assert sup.run_job_and_await_result(b"\0abc\xff", script_type="fault", timeout=20) == b"\xffcba\0"
        jobs = sup.submit_many([str(i) for i in range(500)], script_type="fault")
        assert [sup.await_result(job, timeout=20) for job in jobs] == [str(i)[::-1].encode() for i in range(500)]
        assert sup.client.server_info()["url"] == f"rediss://***@{host}:{server.tls_port}/0"


def test_command_line_and_c(start: Start, authority: Authority, tmp_path: Path) -> None:
    """All by the environment, as a container has it."""
    server = start()
    env = {**os.environ, "HEROQ_URL": server.tls_url(), "HEROQ_TLS_CA_FILE": str(authority.ca)}
    actor = subprocess.Popen([EXAMPLES / "actor", "", "osis"], env=env, stdout=subprocess.DEVNULL)
    try:
        argv = [sys.executable, "-m", "heroq", "run", "--type", "osis", "one two three\nfour\n", "--timeout", "20"]
        done = subprocess.run(argv, env=env, capture_output=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.strip() == b"2 lines, 4 words, 19 bytes"
        argv = [str(EXAMPLES / "supervisor"), "", "osis", "five"]
        assert subprocess.check_output(argv, env=env, timeout=60) == b"0 lines, 1 words, 4 bytes\n"
    finally:
        actor.terminate()
        assert actor.wait(20) == 0


def test_sixteen_mebibytes(start: Start, authority: Authority) -> None:
    server = start()
    url = f"{server.tls_url()}?tls_ca_file={authority.ca}"
    script = random.Random(7).randbytes(16 << 20)
    digest = hashlib.sha256(script).digest()
    with (
        Runner(url, lambda job: job.finish(job.script), lease="20s", op_timeout="10s") as runner,
        heroq.Supervisor(url) as sup,
    ):
        output = sup.run_job_and_await_result(script, script_type="fault", timeout=60)
        assert hashlib.sha256(output).digest() == digest
        assert runner.run_count().total() == 1


def test_many_threads_share_a_client(start: Start, authority: Authority) -> None:
    server = start()
    failures: list[BaseException] = []
    with heroq.Client(server.tls_url(), tls_ca_file=str(authority.ca), pool=4) as client:
        sup = heroq.Supervisor(client)

        def work(number: int) -> None:
            try:
                for i in range(50):
                    text = f"{number} {i} " * (i * 100)
                    assert sup.get_job(sup.submit(text, script_type="fault")).script == text.encode()
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert failures == []
    assert server.command("LLEN", "hero:q:work:type:fault") == 400


def test_records_in_pieces(start: Start, authority: Authority) -> None:
    """A record comes and goes byte by byte, or is cut in its middle: all jobs are done all the same."""
    server = start()
    ids = [f"j{i}" for i in range(200)]
    with (
        Shredder(server.tls_port, 40, seeded().randrange(1 << 30)) as shredder,
        Runner(f"rediss://localhost:{shredder.port}?tls_ca_file={authority.ca}", threads=2) as runner,
    ):

        def grown(to: int) -> bool:
            return len(runner.runs) >= to

        enqueue_many(server, ids)
        while not grown(150):
            seen = len(runner.runs)
            wait_until(partial(grown, min(seen + 50, 150)), 30)
            shredder.cut()
        wait_until(lambda: ended(server, ids), 60, "all jobs are done")
        wait_until(lambda: nothing_left(server), 30)


def test_a_record_may_take_long(start: Start, authority: Authority) -> None:
    """On a slow line one record takes longer than op_timeout: as long as its bytes move, nobody gives up."""
    server = start()
    with Shredder(server.tls_port, 1000, seeded().randrange(1 << 30), pause=0.03) as line:
        url = f"rediss://localhost:{line.port}?tls_ca_file={authority.ca}"
        with Runner(url, op_timeout="500ms", connect_timeout="20s", lease="20s"):
            enqueue(server, "j", "x" * 60_000)
            wait_until(lambda: ended(server, ["j"]), 60, "the job is done")


def test_restarts_under_load_lose_nothing(start: Start, authority: Authority) -> None:
    """SIGPIPE is what kills a program here: the C one has it as the system gives it."""
    server = start("--appendonly", "yes", "--appendfsync", "always")
    url = f"{server.tls_url()}?tls_ca_file={authority.ca}&lease=600ms&log=off"
    ids = [f"j{i}" for i in range(5000)]
    actor = subprocess.Popen([EXAMPLES / "actor", url, "fault"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with Runner(url, threads=2, log="off") as runner:

            def went_on(to: int) -> bool:
                return len(runner.runs) > to or server.command("LLEN", Q) == 0

            enqueue_many(server, ids)
            for _ in range(3):
                seen = len(runner.runs)
                wait_until(partial(went_on, seen + 50), 30)
                server.kill9()
                server.restart()
            wait_until(lambda: ended(server, ids), 60, "all jobs are done")
            wait_until(lambda: nothing_left(server), 30)
        assert actor.poll() is None
    finally:
        actor.terminate()
        assert actor.wait(20) == 0


def test_fork(start: Start, authority: Authority) -> None:
    """A child that drops the parent's client says nothing on its connections; reopen gives it one of its own."""
    server = start()
    client = heroq.Client(server.tls_url(), tls_ca_file=str(authority.ca))
    client.ping()
    connections = int(server.command("INFO", "stats").split(b"total_connections_received:")[1].split()[0])
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            fresh = client.reopen()
            del client
            fresh.ping()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    client.ping()
    client.close()
    after = int(server.command("INFO", "stats").split(b"total_connections_received:")[1].split()[0])
    assert after == connections + 2  # the child's and this question


EXIT = """
import hashlib, ssl, sys, threading, heroq
ssl.create_default_context()  # from now on OpenSSL cleans up at exit, whoever is inside it
client = heroq.Client(sys.argv[1])
started = threading.Barrier(4)
def work():
    started.wait()
    try:
        while True:
            client.ping()
    except heroq.ClosedError:
        pass  # said aloud at the interpreter's end it would be fatal to Python
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
started.wait()
client.ping()
"""


def test_a_process_ends_while_threads_are_busy(start: Start, authority: Authority) -> None:
    url = f"{start().tls_url()}?tls_ca_file={authority.ca}"
    for _ in range(10):
        done = subprocess.run([sys.executable, "-c", EXIT, url], capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, (done.returncode, done.stderr)


# ---- whom nobody may trust ----

CERTIFICATES = {
    "unknown CA": "tls_ca_file names the CAs to trust",
    "self-signed": "self-signed certificate",
    "another name": 'its certificate is not for "localhost"',
    "an address only": 'its certificate is not for "localhost"',
    "a name only": 'its certificate is not for "127.0.0.1"',
    "part of a name": 'its certificate is not for "localhost"',
    "expired": "certificate has expired",
}


@pytest.fixture(params=CERTIFICATES)
def bad(request: pytest.FixtureRequest, authority: Authority, stranger: Authority, tmp_path: Path) -> tuple[str, Pair]:
    name = request.param
    made = {
        "unknown CA": lambda: stranger.issue("unknown", BOTH),
        "self-signed": lambda: self_signed(tmp_path, BOTH),
        "another name": lambda: authority.issue("other", "DNS:example.org,DNS:localhost.example.org,IP:127.0.0.2"),
        "an address only": lambda: authority.issue("address", "IP:127.0.0.1"),
        "a name only": lambda: authority.issue("name", "DNS:localhost"),
        "part of a name": lambda: authority.issue("part", "DNS:loc*.localdomain,DNS:l*t"),
        "expired": lambda: authority.issue("expired", BOTH, days=-1),
    }[name]()
    return name, made


def test_a_bad_certificate(authority: Authority, bad: tuple[str, Pair]) -> None:
    """It is refused at once, and its holder has seen nothing of the login or of anything else."""
    name, pair = bad
    host = "127.0.0.1" if name == "a name only" else "localhost"
    with Impostor(pair) as peer:
        url = f"rediss://bob:{SECRET}@{host}:{peer.port}/0"
        error = refusal(url, tls_ca_file=str(authority.ca))
        assert (error.name, error.retryable) == ("HEROQ_E_TLS", False), error
        assert isinstance(error, heroq.ConnectionError)
        assert CERTIFICATES[name] in str(error)
        began = time.monotonic()
        assert (
            refusal(url, tls_ca_file=str(authority.ca), connect="wait").name == "HEROQ_E_TLS"
        )  # it does not pass by waiting
        assert time.monotonic() - began < 5
        assert b"".join(peer.received) == b""


def test_any_certificate_when_told_so(start: Start, bad: tuple[str, Pair]) -> None:
    server = start(pair=bad[1])
    with heroq.Client(server.tls_url(), tls_insecure_skip_verify="yes") as client:
        assert client.ping() >= 0
    assert refusal(server.tls_url(), tls_insecure_skip_verify="no").name == "HEROQ_E_TLS"


def test_the_systems_authorities_are_the_default(
    start: Start, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = start().tls_url()
    assert refusal(url).name == "HEROQ_E_TLS"
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    with heroq.Client(url) as client:
        client.ping()


def test_a_folder_of_authorities(start: Start, authority: Authority, stranger: Authority, tmp_path: Path) -> None:
    url = start().tls_url()
    for made in (stranger, authority):
        (tmp_path / f"{made.folder.name}.pem").write_bytes(made.ca.read_bytes())
    assert refusal(url, tls_ca_path=str(tmp_path)).name == "HEROQ_E_TLS"  # without the hashes
    subprocess.run(["openssl", "rehash", tmp_path], check=True)
    with heroq.Client(url, tls_ca_path=str(tmp_path)) as client:
        client.ping()


def test_the_name_may_be_another_than_the_host(start: Start, authority: Authority) -> None:
    server = start(pair=authority.issue("wild", "DNS:*.example.org"))
    url = f"{server.tls_url('127.0.0.1')}?tls_ca_file={authority.ca}"
    for name, fits in {"redis.example.org": True, "redis.example.org.": True, "a.b.example.org": False}.items():
        if fits:
            heroq.Client(url, tls_server_name=name).close()
        else:
            assert "is not for" in str(refusal(url, tls_server_name=name))


def test_client_certificates(start: Start, authority: Authority, stranger: Authority) -> None:
    url = f"{start('--tls-auth-clients', 'yes').tls_url()}?tls_ca_file={authority.ca}"
    mine, theirs = authority.issue("client"), stranger.issue("client")
    with heroq.Client(url, tls_cert=str(mine.cert), tls_key=str(mine.key)) as client:
        client.ping()
    for _ in range(10):  # the server closes right behind its reason, before it has read all
        error = refusal(url)
        assert (error.name, error.retryable) == ("HEROQ_E_TLS", False), error
        assert "certificate required (does it want a client certificate, tls_cert and tls_key?)" in str(error)
    error = refusal(url, tls_cert=str(theirs.cert), tls_key=str(theirs.key))
    assert error.name == "HEROQ_E_TLS" and "unknown CA" in str(error), error


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_versions_are_refused(good: Pair, authority: Authority) -> None:
    with Impostor(good, (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)) as peer:
        error = refusal(f"rediss://:{SECRET}@localhost:{peer.port}", tls_ca_file=str(authority.ca))
        assert error.name == "HEROQ_E_TLS" and "version" in str(error), error
        assert peer.shaken == 0


# ---- the wrong kind of port ----


def test_a_server_without_tls(authority: Authority) -> None:
    """Never a login in clear text, never another try without TLS."""
    for kind, code, text in ((Plain, "HEROQ_E_PROTOCOL", "does not speak TLS"), (Mute, "HEROQ_E_CONNECTION", "TLS")):
        with kind() as peer:
            url = f"rediss://:{SECRET}@localhost:{peer.port}"
            began = time.monotonic()
            error = refusal(url, tls_ca_file=str(authority.ca), connect_timeout="500ms")
            assert (error.name, text in str(error)) == (code, True), error
            assert time.monotonic() - began < 5
            assert len(peer.received) <= 2 and SECRET.encode() not in b"".join(peer.received)
            assert peer.received[0][:1] == b"\x16"  # a TLS handshake, and nothing but that


def test_a_real_server_without_tls(server: Any, authority: Authority) -> None:
    error = refusal(f"rediss://localhost:{server.port}", tls_ca_file=str(authority.ca), connect_timeout="1s")
    assert error.name in ("HEROQ_E_PROTOCOL", "HEROQ_E_CONNECTION") and "TLS" in str(error), error


def test_a_tls_server_reached_in_clear(start: Start) -> None:
    error = refusal(f"redis://localhost:{start().tls_port}")
    assert "rediss:// is the URL for it" in str(error), error


# ---- in the background ----


def test_a_certificate_that_goes_bad(start: Start, authority: Authority, stranger: Authority, good: Pair) -> None:
    """An actor says so, does not try in a hot loop, and goes on when it is mended."""
    server = start()
    bad = stranger.issue("later", BOTH)

    def present(pair: Pair) -> None:
        server.command("CONFIG", "SET", "tls-cert-file", str(pair.cert), "tls-key-file", str(pair.key))
        server.command("CLIENT", "KILL", "TYPE", "normal")

    def connections() -> int:
        return int(server.command("INFO", "stats").split(b"total_connections_received:")[1].split()[0])

    with Runner(f"{server.tls_url()}?tls_ca_file={authority.ca}") as runner:
        enqueue_many(server, ["a"])
        wait_until(lambda: ended(server, ["a"]), 20)
        present(bad)
        wait_until(lambda: any("is not trusted" in text for text in runner.said()), 20, "it says so")
        before, began = connections(), time.monotonic()
        wait_until(lambda: time.monotonic() - began > 1, 5)
        assert connections() - before < 200  # of which each question here is one
        present(good)
        enqueue_many(server, ["b"])
        wait_until(lambda: ended(server, ["b"]), 30, "it goes on")


# ---- options ----


def test_options_that_cannot_be(authority: Authority, stranger: Authority, good: Pair, tmp_path: Path) -> None:
    url, folder = "rediss://localhost:1", str(tmp_path)
    other, locked = stranger.issue("key"), tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "ec", "-in", good.key, "-out", locked, "-aes128", "-passout", "pass:x"],
        check=True,
        capture_output=True,
    )
    cases: list[tuple[dict[str, Any], str]] = [
        ({"tls_ca_file": "/no/such"}, 'tls_ca_file="/no/such": No such file'),
        ({"tls_ca_file": folder}, "Is a directory"),
        ({"tls_ca_file": good.key}, "no certificate"),
        ({"tls_ca_path": good.cert}, "Not a directory"),
        ({"tls_ca_path": "/no/such"}, "No such file"),
        ({"tls_cert": good.cert}, "tls_cert is set without tls_key"),
        ({"tls_key": good.key}, "tls_key is set without tls_cert"),
        ({"tls_cert": "/no/such", "tls_key": good.key}, 'tls_cert="/no/such"'),
        ({"tls_cert": good.key, "tls_key": good.key}, "tls_cert="),
        ({"tls_cert": good.cert, "tls_key": other.key}, "it is not the key of tls_cert"),
        ({"tls_cert": good.cert, "tls_key": good.cert}, "tls_key="),
        ({"tls_cert": good.cert, "tls_key": locked}, "it has a passphrase"),
        ({"tls_insecure_skip_verify": "perhaps"}, "yes or no"),
    ]
    for options, text in cases:
        error = refusal(url, connect="lazy", **options)
        assert error.name == "HEROQ_E_OPTION" and text in str(error), (options, error)


@pytest.mark.parametrize("url", ["redis://localhost:1", "unix:///run/no.sock"])
def test_options_of_tls_without_tls(url: str, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who names a certificate believes that the line is safe. The environment may be for other programs."""
    for error in (
        refusal(url, connect="lazy", tls_ca_file=str(authority.ca)),
        refusal(f"{url}?tls_insecure_skip_verify=yes", connect="lazy"),
    ):
        assert error.name == "HEROQ_E_OPTION" and "not encrypted" in str(error), error
    monkeypatch.setenv("HEROQ_TLS_CA_FILE", str(authority.ca))
    heroq.Client(url, connect="lazy").close()
