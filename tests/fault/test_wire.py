"""Bytes that no server sends: dripped, cut, wrong, or from another protocol.

The actor is a C program (steps.c), so that a build with sanitizers sees what the parser does with them.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import heroq
import pytest
from support.faultproxy import FaultProxy
from support.faults import H, enqueue, field, nothing_left, output, word_of
from support.server import Server, wait_until

PROGRAM = Path(os.environ["HEROQ_BUILD_DIR"]) / "tests" / "steps"

BANNERS = {
    "http": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<html></html>",
    "tls hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    "tls alert": b"\x15\x03\x03\x00\x02\x02\x28",
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "endless line": b"+" + b"x" * 300_000,
    "empty": b"",
    "zeros": bytes(5000),
    "huge bulk": b"$99999999999999999999\r\n",
    "negative bulk": b"$-7\r\nabc\r\n",
    "huge array": b"*2147483647\r\n",
    "deep arrays": b"*1\r\n" * 5000,
    "a number that is none": b":12x\r\n",
    "an unknown type": b"?1\r\n",
    "too many answers": b"+OK\r\n" * 500,
    "pieces of RESP3": b"%1\r\n+a\r\n#t\r\n,1.5\r\n_\r\n(123\r\n~1\r\n:1\r\n>1\r\n+x\r\n=5\r\ntxt:x\r\n",
}


class Actor:
    """steps.c as an actor behind the proxy; it must live to the end of the test."""

    def __init__(self, url: str, folder: Path) -> None:
        self.errors = folder / "errors"
        with self.errors.open("wb") as err:
            self.process = subprocess.Popen([PROGRAM, url, "actor"], stdout=subprocess.DEVNULL, stderr=err)

    def lives(self) -> bool:
        text = self.errors.read_text(errors="replace")
        return self.process.poll() is None and "Sanitizer" not in text and "runtime error" not in text

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def actor(server: Server, proxy: FaultProxy, tmp_path: Path) -> Iterator[Actor]:
    made = Actor(f"{proxy.url}?op_timeout=500ms&connect_timeout=1s", tmp_path)
    try:
        wait_until(lambda: server.command("ZCARD", f"{H}:actors") == 1, what="the actor is there")
        yield made
        assert made.lives(), made.errors.read_text(errors="replace")
    finally:
        made.end()


def works(server: Server, job_id: str, proof: str = "output") -> None:
    """The actor takes and ends a job that comes now."""
    enqueue(server, job_id, "ok")
    wait_until(lambda: field(server, job_id, "status") == b"finished", seconds=20, what=f"{job_id} is done")
    assert (output(server, job_id) or b"").startswith(proof.encode())


@pytest.mark.parametrize("banner", BANNERS)
def test_47_a_peer_that_is_no_server(server: Server, proxy: FaultProxy, actor: Actor, banner: str) -> None:
    """It answers the handshakes of new connections, and a command on one that stands."""
    proxy.arm(word_of("promote"), "garbage", data=BANNERS[banner])  # a TAKE may have others beside it
    assert proxy.fired.wait(15)  # the watch of an actor before it may have to end
    proxy.arm("HELLO", "garbage", data=BANNERS[banner], times=3)  # before the actor connects anew
    enqueue(server, "a", "ok")
    assert proxy.fired.wait(10)
    works(server, "b")
    wait_until(lambda: nothing_left(server), seconds=15)
    assert output(server, "a") == b"output 1"


@pytest.mark.parametrize("banner", BANNERS)
def test_47_a_caller_meets_it(server: Server, proxy: FaultProxy, banner: str) -> None:
    with heroq.Client(proxy.url, op_timeout="500ms", log="off") as client:
        sup = heroq.Supervisor(client)
        sup.submit("x", script_type="fault", id="a")
        proxy.arm(word_of("await"), "garbage", data=BANNERS[banner])
        began = time.monotonic()
        try:
            sup.get_status("a")
        except heroq.HeroqError as error:
            assert isinstance(error, heroq.ConnectionError | heroq.TimeoutError), error
        assert time.monotonic() - began < 5
        assert sup.get_status("a") == "dispatched"
        proxy.arm("HELLO", "garbage", data=BANNERS[banner])
        with pytest.raises(heroq.HeroqError) as caught:
            heroq.Client(proxy.url, connect_timeout="500ms", log="off")
        assert isinstance(caught.value, heroq.ConnectionError | heroq.ServerError), caught.value
        assert str(caught.value).isprintable()


# where an answer of TAKE is cut or changed: type, length, its line's end, the word, the token
@pytest.mark.parametrize("at", [0, 1, 2, 3, 4, 5, 8, 12, 13, 20, 30])
@pytest.mark.parametrize("harm", ["cut", "corrupt"])
@pytest.mark.parametrize("command", ["BLMOVE", "take", "claim"])
def test_47_one_byte(server: Server, proxy: FaultProxy, actor: Actor, command: str, harm: str, at: int) -> None:
    proxy.arm(word_of(command), harm, at=at)
    enqueue(server, "a", "ok")
    assert proxy.fired.wait(5)
    works(server, "b")
    # a byte inside of an id or a token is not seen by any parser: the lease runs out, and the job is run then
    wait_until(lambda: field(server, "a", "status") == b"finished", seconds=20)
    wait_until(lambda: nothing_left(server), seconds=20)


@pytest.mark.parametrize("side", ["request", "answer"])
@pytest.mark.parametrize("command", ["HELLO", "take", "claim", "finish_reply"])
def test_47_drip(server: Server, proxy: FaultProxy, actor: Actor, command: str, side: str) -> None:
    proxy.arm(word_of(command), "drip", side=side)
    if command == "HELLO":
        server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    works(server, "a")
    assert proxy.fired.wait(5)
    works(server, "b")
    assert field(server, "a", "hq_attempt") == b"1"


@pytest.mark.parametrize("harm", ["cut", "corrupt"])
@pytest.mark.parametrize("at", [0, 1, 5, 9, 40])
def test_47_a_request_is_spoiled(server: Server, proxy: FaultProxy, actor: Actor, harm: str, at: int) -> None:
    """What the server makes of it is an error, or silence: either way the command is sent again."""
    proxy.arm(word_of("finish_reply"), harm, side="request", at=at)
    enqueue(server, "a", "ok")
    assert proxy.fired.wait(5)
    works(server, "b")
    wait_until(lambda: nothing_left(server), seconds=20)
    assert field(server, "a", "status") == b"finished"


def test_47_noise(server: Server, proxy: FaultProxy, actor: Actor) -> None:
    """Every twentieth answer has a wrong byte somewhere. What that means is anybody's guess, but the actor lives, and
    works when it is over."""
    seed = int(os.environ.get("HEROQ_SEED", random.randrange(10**6)))
    print(f"seed {seed}")
    proxy.noise(seed, 0.05)
    end = time.monotonic() + 6  # how long the noise lasts
    sent = 0
    while time.monotonic() < end:
        enqueue(server, f"j{sent}", ("ok", "fail once", "release", "fail")[sent % 4])
        sent += 1
        time.sleep(0.005)
    proxy.noise(seed, 0)
    assert actor.lives()
    works(server, "after")
    ended = sum(field(server, f"j{i}", "status") in (b"finished", b"error") for i in range(sent))
    print(f"{ended} of {sent} ended")
    assert ended > sent // 10
