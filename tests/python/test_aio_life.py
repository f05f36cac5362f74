"""heroq.aio in processes of their own: Ctrl-C, SIGTERM, and the end with everything open."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import heroq
import pytest
from support.server import Server, wait_until

Start = Callable[..., "subprocess.Popen[bytes]"]

LOOPS = ("asyncio", "uvloop")
HANDLERS = """
import asyncio, sys, uvloop, heroq.aio
@heroq.aio.actor("osis")
async def osis(job):
    try:
        print("began", flush=True)
        await asyncio.sleep(float(job.script))
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        raise
    return "slept"
"""
MAIN = """
import asyncio, sys, uvloop, heroq.aio
async def main():
    sup = heroq.aio.Supervisor()
    {body}
with asyncio.Runner(loop_factory={loop}.new_event_loop) as runner:
    runner.run(main())
"""
#: seconds from the signal to the end of the process: 0.3, and what a busy machine makes of the interpreter's end
LIMIT = 2.0
RUN = HANDLERS + "heroq.aio.run(osis, loop_factory={loop}.new_event_loop, **{options})\nprint('ended', flush=True)\n"

Seen = Callable[[Server], object]


def blocked_in(command: bytes) -> Seen:
    return lambda server: b"cmd=" + command in server.command("CLIENT", "LIST")


def submitted(count: int) -> Seen:
    return lambda server: server.command("LLEN", "hero:q:work:type:nobody") == count


#: what waits, and how the server sees that it does
WAITS: dict[str, tuple[str, Seen]] = {
    "take": ("await heroq.aio.Actor(types='osis').take()", blocked_in(b"blmove")),
    "iteration": ("[job async for job in heroq.aio.Actor(types='osis')]", blocked_in(b"blmove")),
    "run_job_and_await_result": ("await sup.run_job_and_await_result('x', 'nobody')", submitted(1)),
    "a thousand awaits": (
        "await asyncio.gather(*(sup.run_job_and_await_result('x', 'nobody') for _ in range(1000)))",
        submitted(1000),
    ),
    "with": (
        """async with sup, heroq.aio.Actor(types='osis'):
        await sup.run_job_and_await_result('x', 'nobody')""",
        submitted(1),
    ),
    "stream": ("[chunk async for chunk in sup.stream(await sup.submit('x', 'nobody'))]", blocked_in(b"xread")),
}


def end_by(process: subprocess.Popen[bytes], number: int) -> tuple[float, bytes, bytes]:
    sent = time.monotonic()
    process.send_signal(number)
    out, errors = process.communicate(timeout=30)
    return time.monotonic() - sent, out, errors


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("what", WAITS)
def test_ctrl_c_ends_what_waits(server: Server, start: Start, what: str, loop: str) -> None:
    body, seen = WAITS[what]
    process = start("-c", MAIN.format(body=body, loop=loop))
    wait_until(lambda: seen(server), what="the wait")
    took, _, errors = end_by(process, signal.SIGINT)
    assert errors.rstrip().endswith(b"KeyboardInterrupt"), errors
    assert took < LIMIT, f"{took:.3f} s with the interpreter's end"


@pytest.mark.parametrize("loop", LOOPS)
def test_ctrl_c_ends_calls_to_a_server_that_does_not_answer(server: Server, start: Start, loop: str) -> None:
    body = """await sup.get_status(await sup.submit('x', 'nobody'))
    print('open', flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    calls = [asyncio.create_task(sup.submit('x', 'nobody')) for _ in range(20)]
    asyncio.get_running_loop().call_later(0.1, print, 'called')
    await asyncio.gather(*calls)"""
    process = start("-c", MAIN.format(body=body, loop=loop), stdin=subprocess.PIPE)
    assert process.stdout and process.stdin and process.stdout.readline() == b"open\n"
    server.pause()
    try:
        process.stdin.write(b"go on\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"called\n"
        took, _, errors = end_by(process, signal.SIGINT)
    finally:
        server.cont()
    assert errors.rstrip().endswith(b"KeyboardInterrupt"), errors
    assert took < LIMIT, f"{took:.3f} s with the interpreter's end"


@pytest.mark.parametrize("loop", LOOPS)
def test_ctrl_c_ends_run_and_gives_the_jobs_back(
    server: Server, sup: heroq.Supervisor, start: Start, loop: str
) -> None:
    process = start("-c", RUN.format(loop=loop, options={}))
    ids = [sup.submit("60", "osis").id for _ in range(3)]
    assert process.stdout
    for _ in ids:
        assert process.stdout.readline() == b"began\n"
    took, out, errors = end_by(process, signal.SIGINT)
    assert out == b"cancelled\n" * 3
    assert errors.rstrip().endswith(b"KeyboardInterrupt"), errors
    assert took < LIMIT, f"{took:.3f} s with the interpreter's end"
    assert {sup.get_status(one) for one in ids} == {"dispatched"}
    assert server.command("LLEN", "hero:q:work:type:osis") == 3


@pytest.mark.parametrize("loop", LOOPS)
def test_sigterm_drains_with_a_grace(server: Server, sup: heroq.Supervisor, start: Start, loop: str) -> None:
    process = start("-c", RUN.format(loop=loop, options={"grace": 2.0}))
    quick, slow = sup.submit("1", "osis"), sup.submit("60", "osis")
    assert process.stdout
    assert [process.stdout.readline() for _ in "ab"] == [b"began\n"] * 2
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: sup.get_status(quick) == "finished", what="what is quick enough")
    late = sup.submit("0", "osis")
    out, errors = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, b"cancelled\nended\n"), errors
    assert sup.get_output(quick) == b"slept"
    assert {sup.get_status(job) for job in (slow, late)} == {"dispatched"}


def test_sigterm_is_handled_as_before_afterwards(server: Server, start: Start) -> None:
    code = """
import os, signal, heroq.aio
@heroq.aio.actor("osis")
async def osis(job): ...
signal.signal(signal.SIGTERM, lambda *_: print("mine", flush=True))
print("ready", flush=True)
heroq.aio.run(osis, grace=1.0)
os.kill(os.getpid(), signal.SIGTERM)
"""
    process = start("-c", code)
    assert process.stdout and process.stdout.readline() == b"ready\n"
    wait_until(lambda: server.command("CLIENT", "LIST").count(b"cmd=blmove") >= 1, what="the actor")
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, b"mine\n"), errors


def test_import_heroq_does_not_import_asyncio(start: Start) -> None:
    process = start("-c", "import sys, heroq; print('asyncio' in sys.modules, hasattr(heroq, 'aio'))")
    out, errors = process.communicate(timeout=30)
    assert out == b"False False\n", errors


def test_the_readmes_examples(server: Server, start: Start) -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    section = text.partition("\n## asyncio\n")[2].partition("\n## ")[0]
    actor, supervisor = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    acting = start("-c", actor)
    out, errors = start("-c", supervisor.replace("redis://localhost", server.url)).communicate(timeout=60)
    assert out == b"1000 results\n", errors
    _, out, errors = end_by(acting, signal.SIGTERM)
    assert (acting.returncode, out, errors) == (0, b"", b"")
