"""`heroq actor`: what a script gets, what becomes of what it says, and what it cannot reach."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import heroq
import heroq.cli.actor
import pytest
from heroq.cli import app
from heroq.script import Confinement, Program, folder
from support.scripts import (
    NOBODY,
    PYTHON,
    ScriptActor,
    commands,
    failure,
    living,
    need_sandbox,
    script_actor,
    wait_for_none,
)
from support.server import Server, wait_until

from .test_bad_input import cli, refused


@pytest.fixture(scope="module", params=["require", "off"])
def actor(request: pytest.FixtureRequest, shared_server: Server) -> Iterator[ScriptActor]:
    with script_actor(shared_server.url, *commands("python", "sh"), "--sandbox", request.param) as one:
        yield one


@pytest.fixture
def sup(shared_server: Server) -> Iterator[heroq.Supervisor]:
    with heroq.Supervisor(shared_server.url) as supervisor:
        yield supervisor


@pytest.fixture
def other_server(new_server: Callable[..., Server]) -> Server:
    """One that the actor above does not work for."""
    return new_server()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can write to."""
    path = Path(tempfile.mkdtemp(prefix="heroq-test-"))
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)


def run(sup: heroq.Supervisor, script: str, script_type: str = "python", **options: Any) -> str:
    return sup.run_job_and_await_result(heroq.Job(script, script_type, **options), timeout=60).decode()


def told(sup: heroq.Supervisor, expression: str, **options: Any) -> Any:
    return json.loads(run(sup, f"import json, os, sys\nprint(json.dumps({expression}))", **options))


# ---- what it says ----


@pytest.mark.usefixtures("actor")
def test_what_it_prints_is_the_output(sup: heroq.Supervisor) -> None:
    assert sup.run_job_and_await_result(r"printf 'a\n\377\n\n'", script_type="sh", timeout=60) == b"a\n\xff\n\n"


@pytest.mark.usefixtures("actor")
def test_what_it_complains_is_the_log(sup: heroq.Supervisor) -> None:
    job = heroq.Job("echo one >&2; echo out; printf 'two\\n\\nthree' >&2", "sh")
    assert sup.run_job_and_await_result(job, timeout=60) == b"out\n"
    assert sup.get_logs(job.id) == [b"one", b"two", b"", b"three"]


@pytest.mark.usefixtures("actor")
def test_a_failure_has_its_status_and_the_complaints(sup: heroq.Supervisor) -> None:
    assert failure(sup, "echo out; echo why >&2; exit 3", "sh") == ["exit status 3", "why"]


@pytest.mark.usefixtures("actor")
def test_it_is_asked_to_end_first(sup: heroq.Supervisor) -> None:
    script = "trap 'echo bye >&2; exit 4' TERM; while :; do sleep 0.05; done"
    lines = failure(sup, script, "sh", timeout=1)
    assert (lines[0], lines[-1]) == ("the time limit is over", "bye")  # the shell may tell of the sleep's end between


@pytest.mark.usefixtures("actor")
def test_a_stop_on_request(sup: heroq.Supervisor) -> None:
    job_id = sup.submit("while :; do sleep 0.05; done", script_type="sh", retries=3)
    wait_until(lambda: sup.get_status(job_id) == "started")
    sup.stop_job(job_id)
    with pytest.raises(heroq.JobFailed) as failed:
        sup.await_result(job_id, timeout=60)
    assert failed.value.error == b"cancelled"  # as the wire has it for each job that was stopped


# ---- what it gets ----


@pytest.mark.usefixtures("actor")
def test_its_environment(sup: heroq.Supervisor) -> None:
    env = {"NAME": "a=b c", "HEROQ_URL": "x", "LD_PRELOAD": "/none.so"}
    found = told(sup, "dict(os.environ)", env=env)
    assert (found["NAME"], found["LD_PRELOAD"], found["HOME"]) == ("a=b c", "/none.so", found["TMPDIR"])
    assert set(found) <= {"NAME", "LD_PRELOAD", "HOME", "TMPDIR", "PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ"}


@pytest.mark.usefixtures("actor")
def test_its_folder_is_its_own(sup: heroq.Supervisor) -> None:
    script = """[
        os.getcwd() == os.environ["HOME"], os.stat(".").st_mode & 0o777, os.listdir("."),
        os.stat(sys.argv[0]).st_mode & 0o777, os.stat(".").st_uid == os.getuid(), os.umask(0)]"""
    assert told(sup, script) == [True, 0o700, [], 0o600, True, 0o077]


@pytest.mark.usefixtures("actor")
def test_it_has_a_session_of_its_own_and_no_files(sup: heroq.Supervisor) -> None:
    script = '[os.getsid(0) == os.getpid() == os.getpgid(0), sys.stdin.read(), sorted(os.listdir("/proc/self/fd"))[:4]]'
    # the fourth is the listing's own
    assert told(sup, script) == [True, "", ["0", "1", "2", "3"]]


@pytest.mark.usefixtures("actor")
def test_it_has_no_rights(sup: heroq.Supervisor) -> None:
    status = told(sup, "dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines())")
    assert (status["CapEff"].strip(), status["NoNewPrivs"].strip()) == ("0" * 16, "1")
    assert told(sup, "[os.getuid(), os.getgroups()]") == [NOBODY.pw_uid if os.geteuid() == 0 else os.getuid(), []] or (
        os.geteuid() != 0
    )


# ---- which program ----


@pytest.mark.usefixtures("actor")
def test_a_job_does_not_choose_its_program(sup: heroq.Supervisor, shared_server: Server) -> None:
    """Its queue does, whatever its hash says and whatever its first line wants."""
    job = sup.create_job("#!/bin/sh\nprint(1)", script_type="sh")
    shared_server.command("LPUSH", "hero:q:work:type:python", job.id)
    assert sup.await_result(job.id, timeout=60) == b"1\n"


def test_a_type_without_a_program_does_not_run() -> None:
    program = Program({"sh": ["sh"]}, confinement=Confinement(sandbox="off"))
    with pytest.raises(heroq.Fail, match="no program is allowed to run scripts of type 'perl'"):
        program(heroq.Job("x", "perl"))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--exec", "sh"], "name the script types"),
        (["--exec", "sh=sh", "--type", "sh,python"], "there is no program for type 'python': --exec python=PROGRAM"),
        (["--exec", "sh=sh", "--exec", "sh=bash"], "there is a program for sh already"),
        (["--exec", "sh", "--exec", "bash", "--type", "sh"], "there is a program for all types already"),
        (["--exec", "sh=sh 'x"], "No closing quotation"),
        (["--exec", "sh=heroq-none"], "there is no program 'heroq-none'"),
        (["--exec", "sh=sh", "--sandbox", "maybe"], 'sandbox is "auto", "require" or "off", not \'maybe\''),
        (["--exec", "sh=sh", "--network", "lan"], 'network is "none" or "host", not \'lan\''),
        (["--exec", "sh=sh", "--writable", "/nowhere"], "/nowhere is no folder"),
        (["--exec", "sh=sh", "--cgroup", "/tmp"], "/tmp is no folder of cgroup v2"),
        (["--exec", "sh=sh", "--user", "nobody at all"], "there is no user 'nobody at all'"),
    ],
)
def test_wrong_arguments(arguments: list[str], text: str) -> None:
    with pytest.raises(heroq.InvalidError) as refusal:
        app(["actor", "--allow-root", *arguments], standalone_mode=False)
    assert text in str(refusal.value)


@pytest.fixture(autouse=True)
def own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command does to its process is not to be done to this one."""
    for name in ("to_stderr", "_keep_to_itself"):
        monkeypatch.setattr(heroq.cli.actor, name, lambda: None)


@pytest.mark.skipif(os.geteuid() != 0, reason="the rule is for root")
def test_root_must_name_a_user(other_server: Server) -> None:
    done = cli("actor", *commands("sh"), url=other_server.url)
    refused(done, 2)
    assert done.stderr.startswith("heroq: started as root: name a user for the scripts")
    with pytest.raises(heroq.InvalidError, match="started as root"):
        app(["actor", *commands("sh"), "--user", "root"], standalone_mode=False)
    with heroq.Supervisor(other_server.url) as sup, script_actor(other_server.url, *commands("sh")):
        assert run(sup, "id -un; id -G", "sh") == "nobody\n65534\n"
    with heroq.Supervisor(other_server.url) as sup, script_actor(other_server.url, *commands("sh"), "--allow-root"):
        assert run(sup, "id -u; grep CapEff /proc/self/status", "sh") == "0\nCapEff:\t0000000000000000\n"


# ---- what it cannot reach ----


def test_the_file_system_is_read_only(sup: heroq.Supervisor, actor: ScriptActor, open_folder: Path) -> None:
    script = f"echo x >{open_folder}/x"
    if not actor.sandboxed:
        assert run(sup, script, "sh") == ""
        return
    first, second = failure(sup, script, "sh")
    assert first == "exit status 2" and second.endswith("Read-only file system")
    assert run(sup, "echo x >$TMPDIR/x; echo y >/dev/shm/y; cat /dev/shm/x y; echo z >/dev/null", "sh") == "x\ny\n"


def test_a_writable_folder(other_server: Server, open_folder: Path) -> None:
    options = ["--sandbox", "require", "--writable", str(open_folder)]
    with heroq.Supervisor(other_server.url) as sup, script_actor(other_server.url, *commands("sh"), *options):
        assert run(sup, f"echo x >{open_folder}/x", "sh") == ""
    assert (open_folder / "x").read_text() == "x\n"


def test_the_network(sup: heroq.Supervisor, actor: ScriptActor, shared_server: Server) -> None:
    script = f"import socket\nsocket.create_connection(('127.0.0.1', {shared_server.port}), 5)\nprint('connected')"
    if actor.sandboxed:
        lines = failure(sup, script, "python")
        assert (lines[0], lines[-1]) == ("exit status 1", "OSError: [Errno 101] Network is unreachable")
    else:
        assert run(sup, script) == "connected\n"


def test_the_network_of_the_host(other_server: Server) -> None:
    script = f"import socket\nsocket.create_connection(('127.0.0.1', {other_server.port}), 5)\nprint('connected')"
    options = ["--sandbox", "require", "--network", "host"]
    with (
        heroq.Supervisor(other_server.url) as sup,
        script_actor(other_server.url, *commands("python"), *options) as actor,
    ):
        assert run(sup, script) == "connected\n"
        assert "scripts run in a sandbox, with network" in actor.log()


def test_it_sees_no_other_processes(sup: heroq.Supervisor, actor: ScriptActor) -> None:
    seen = [int(name) for name in told(sup, "os.listdir('/proc')") if name.isdigit()]
    assert (len(seen) == 2) == actor.sandboxed


def test_it_gets_no_further_namespaces(sup: heroq.Supervisor, actor: ScriptActor) -> None:
    if actor.sandboxed:
        assert failure(sup, "unshare --user true", "sh")[1] == "unshare: unshare failed: No space left on device"


def test_the_log_says_what_holds(actor: ScriptActor) -> None:
    wanted = "scripts run in a sandbox, without network" if actor.sandboxed else "without a sandbox (as asked)"
    assert wanted in actor.log()


@pytest.mark.parametrize("sandbox", ["require", "off"])
def test_an_unprivileged_actor_keeps_its_secrets(other_server: Server, sandbox: str) -> None:
    """Its scripts run as its own user, and still cannot read its environment, where the server's password may be."""
    secret = secrets.token_hex(8)
    script = """
import os
found = 0
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        found += b"SECRET" in open(f"/proc/{pid}/environ", "rb").read()
    except OSError:
        pass
print(os.getuid() != 0, found)
"""
    options, env = [*commands("python"), "--sandbox", sandbox], {"OF_THE_ACTOR": secret}
    with (
        heroq.Supervisor(other_server.url) as sup,
        script_actor(other_server.url, *options, as_nobody=True, env=env),
    ):
        assert run(sup, script.replace("SECRET", secret)) == "True 0\n"


def test_one_that_kills_its_launcher(other_server: Server) -> None:
    """It can where it runs as the actor's own user, without a sandbox; the actor tells, and goes on."""
    options = [*commands("sh"), "--sandbox", "off"]
    with heroq.Supervisor(other_server.url) as sup, script_actor(other_server.url, *options, as_nobody=True):
        assert failure(sup, "kill -9 $PPID; sleep 60", "sh") == ["the script's launcher was killed"]
        assert run(sup, "echo fine", "sh") == "fine\n"


def test_one_that_closes_a_folder(other_server: Server) -> None:
    """What an actor without rights cannot look at may be large: it ends, and can be removed."""
    options = [*commands("sh"), "--sandbox", "off"]
    with heroq.Supervisor(other_server.url) as sup, script_actor(other_server.url, *options, as_nobody=True):
        lines = failure(sup, "mkdir -p d/e; chmod 0 d; sleep 60", "sh")
        assert lines == ["the private folder cannot be looked at: a folder is closed, or too deep"]


def test_where_there_is_no_sandbox(other_server: Server) -> None:
    """A must is a must; else the log tells what there is not."""
    need_sandbox()  # one to be without
    nowhere = 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"'
    forbidding = ["unshare", "--user", "--map-root-user", "sh", "-c", nowhere, "sh"]
    why = "sandbox: no namespaces: No space left on device"
    with ScriptActor(
        other_server.url, *commands("sh"), "--allow-root", "--sandbox", "require", before=forbidding
    ) as one:
        assert one.process.wait(60) == 2
        assert one.log() == f"heroq: scripts must have a sandbox: {why}\n"
    with (
        heroq.Supervisor(other_server.url) as sup,
        ScriptActor(other_server.url, *commands("sh"), "--allow-root", before=forbidding) as actor,
    ):
        assert run(sup, "echo fine", "sh") == "fine\n"
        assert f"scripts run without a sandbox ({why}): they have the network, and their user's files" in actor.log()


# ---- the actor's end ----


@pytest.mark.parametrize("sandbox", ["require", "off"])
@pytest.mark.parametrize("how", ["killed", "ended"])
def test_nothing_outlives_the_actor(other_server: Server, sandbox: str, how: str) -> None:
    marker = f"{4_000_000 + os.getpid()}"
    script = f"setsid sleep {marker} & sleep {marker}"
    options = [*commands("sh"), "--sandbox", sandbox, "--grace", "0"]
    with heroq.Supervisor(other_server.url) as sup, ScriptActor(other_server.url, *options) as actor:
        sup.submit(script, script_type="sh")
        wait_until(lambda: len(living(f"sleep\0{marker}")) >= 2, seconds=30, what="the script")
        if how == "killed":
            actor.process.kill()
            actor.process.wait()
        else:
            assert actor.end() == 0
        wait_for_none(marker)
        assert how == "killed" or actor.folders() == []


def test_any_folder_can_be_removed(tmp_path: Path) -> None:
    """Whatever a script made of it: closed, deeper than Python can go, with links to elsewhere."""
    (tmp_path / "kept").mkdir()
    place = tmp_path / "folder"
    place.mkdir()
    (place / "link").symlink_to(tmp_path / "kept")
    (place / "closed").mkdir()
    (place / "closed" / "file").touch()
    (place / "closed").chmod(0)
    here = os.open(place, os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    folder.remove(place)
    assert os.listdir(tmp_path) == ["kept"]


def test_the_program_is_the_systems() -> None:
    """These tests need one that any user can run."""
    assert Path(PYTHON).is_absolute()
