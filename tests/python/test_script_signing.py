"""Signed scripts: only what a holder of a key has signed runs, as it was signed, and in its time."""

from __future__ import annotations

import hashlib
import hmac
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import heroq
import pytest
from heroq.signing import HEADER, Keys
from support.scripts import ScriptActor, commands, failure, script_actor
from support.server import Server

from .test_bad_input import cli, refused

OLD, NEW, FOREIGN = "old 0123456789abcdef0123", "new fedcba9876543210fedc", "old ffffffffffffffffffff"


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The actor's: the new key signs, the old one is still good."""
    path = tmp_path_factory.mktemp("keys") / "keys"
    path.write_text(f"# since November\n{NEW}\n\n{OLD}\n")
    return path


def keys(tmp_path: Path, text: str) -> Keys:
    path = tmp_path / "keys"
    path.write_text(text)
    return Keys.read(path)


@pytest.fixture(scope="module")
def actor(shared_server: Server, key_file: Path) -> Iterator[ScriptActor]:
    with script_actor(shared_server.url, *commands("sh"), "--sign-key-file", str(key_file)) as one:
        yield one


@pytest.fixture
def sup(shared_server: Server, actor: ScriptActor) -> Iterator[heroq.Supervisor]:
    with heroq.Supervisor(shared_server.url) as supervisor:
        yield supervisor
        job = heroq.Job("echo fine", "sh")
        Keys({"new": NEW.split()[1].encode()}).sign(job)
        assert supervisor.run_job_and_await_result(job, timeout=60) == b"fine\n"


@pytest.mark.parametrize("key", [OLD, NEW])
def test_a_signed_script_runs(sup: heroq.Supervisor, tmp_path: Path, key: str) -> None:
    job = heroq.Job("echo $NAME", "sh", env={"NAME": "x", "B": "ü"})
    keys(tmp_path, key).sign(job)
    assert sup.run_job_and_await_result(job, timeout=60) == b"x\n"
    sup.requeue_job(job.id)
    assert sup.await_result(job.id, timeout=60) == b"x\n"


def test_without_a_signature(sup: heroq.Supervisor, actor: ScriptActor) -> None:
    """It ends at once, whatever retries are left."""
    assert failure(sup, "touch ran", "sh", id="bare", retries=5) == ["not run: the script is not signed"]
    assert sup.get_job("bare").fields["hq_attempt"] == "1"


def said(sup: heroq.Supervisor, job: heroq.Job) -> str:
    with pytest.raises(heroq.JobFailed) as failed:
        sup.run_job_and_await_result(job, timeout=60)
    return failed.value.error.decode()


def test_one_that_has_expired(sup: heroq.Supervisor, tmp_path: Path) -> None:
    job = heroq.Job("echo x", "sh", retries=5)
    keys(tmp_path, NEW).sign(job, valid_for=-1)
    assert said(sup, job) == "not run: the signature has expired"


def test_a_key_that_is_not_known(sup: heroq.Supervisor, tmp_path: Path) -> None:
    job = heroq.Job("echo x", "sh", retries=5)
    keys(tmp_path, "other 0123456789abcdef0123").sign(job)
    assert said(sup, job) == "not run: the script is signed by a key that is not known here: other"


def test_a_secret_that_is_another(sup: heroq.Supervisor, tmp_path: Path) -> None:
    job = heroq.Job("echo x", "sh", retries=5)
    keys(tmp_path, FOREIGN).sign(job)
    assert said(sup, job) == "not run: the signature is wrong"


@pytest.mark.parametrize("text", ["", "x", "1 new 1", "2 new 9999999999 " + "0" * 64])
def test_what_is_no_signature(sup: heroq.Supervisor, text: str) -> None:
    assert said(sup, heroq.Job("echo x", "sh", headers={HEADER: text})) == "not run: the signature has no known form"


CHANGES: list[tuple[str, Callable[[str], heroq.Job]]] = [
    ("id", lambda text: heroq.Job("echo x", "sh", env={"A": "1"}, headers={HEADER: text})),
    ("script", lambda text: heroq.Job("echo y", "sh", id="script", env={"A": "1"}, headers={HEADER: text})),
    ("env", lambda text: heroq.Job("echo x", "sh", id="env", env={"A": "1", "B": ""}, headers={HEADER: text})),
    ("expiry", lambda text: heroq.Job("echo x", "sh", id="expiry", env={"A": "1"}, headers={HEADER: later(text)})),
]


def later(text: str) -> str:
    form, key, expiry, digest = text.split()
    return f"{form} {key} {int(expiry) + 1} {digest}"


@pytest.mark.parametrize(("what", "changed"), CHANGES, ids=[name for name, _ in CHANGES])
def test_a_signature_is_for_one_job(
    sup: heroq.Supervisor, tmp_path: Path, what: str, changed: Callable[[str], heroq.Job]
) -> None:
    job = heroq.Job("echo x", "sh", id=what, env={"A": "1"})
    keys(tmp_path, NEW).sign(job)
    assert said(sup, changed(job.header(HEADER) or "")) == "not run: the signature is wrong"


def test_a_signature_is_for_one_type(shared_server: Server, tmp_path: Path) -> None:
    signed = heroq.Job("x", "sh", id="it")
    keys(tmp_path, NEW).sign(signed)
    other = heroq.Job("x", "python", id="it", headers={HEADER: signed.header(HEADER) or ""})
    keys(tmp_path, NEW).check(signed)
    with pytest.raises(heroq.Fail, match="the signature is wrong"):
        keys(tmp_path, NEW).check(other)


def test_a_digest_is_as_it_is_written_down() -> None:
    """Other languages make the same one from docs/script-actors.md."""
    job = heroq.Job("echo x", "sh", id="it", env={"B": "2", "A": "1"})
    Keys({"k": b"0123456789abcdef"}).sign(job, valid_for=100)
    form, key, expiry, digest = (job.header(HEADER) or "").split()
    assert (form, key) == ("1", "k") and 90 <= int(expiry) - time.time() <= 100
    parts = ["heroq-script-1", "k", expiry, "it", "sh", "echo x", "A", "1", "B", "2"]
    message = b"".join(len(part).to_bytes(8, "big") + part.encode() for part in parts)
    assert digest == hmac.new(b"0123456789abcdef", message, hashlib.sha256).hexdigest()


def test_the_command_line_signs(shared_server: Server, actor: ScriptActor, key_file: Path) -> None:
    url = shared_server.url
    run = ("run", "--type", "sh", "--timeout", "30", "echo $A", "--env", "A=1")
    bare = cli(*run, url=url)
    assert (bare.returncode, bare.stderr) == (1, "heroq: not run: the script is not signed\n")
    assert cli(*run, "--sign-key-file", str(key_file), "--sign-for", "60", url=url).stdout == "1\n"
    made = cli("create", "--type", "sh", "echo 2", "--sign-key-file", str(key_file), url=url).stdout.strip()
    assert cli("start", made, url=url).returncode == 0
    with heroq.Supervisor(url) as sup:
        assert sup.await_result(made, timeout=60) == b"2\n"


def test_keys_from_the_environment(new_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    server = new_server()
    text = f"{NEW}\n{OLD}"
    with script_actor(server.url, *commands("sh"), env={"HEROQ_SIGN_KEYS": text}), heroq.Supervisor(server.url) as sup:
        assert failure(sup, "echo x", "sh") == ["not run: the script is not signed"]
        monkeypatch.setenv("HEROQ_SIGN_KEYS", text)
        signer = Keys.given(None)
        assert signer
        job = heroq.Job("echo x; env | grep -c SIGN", "sh", retries=0)
        signer.sign(job)
        with pytest.raises(heroq.JobFailed) as failed:  # grep finds none
            sup.run_job_and_await_result(job, timeout=60)
        assert failed.value.error == b"exit status 1"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "there is no key to sign with"),
        ("new", "line 1: not the id of a key and its secret"),
        (f"{NEW}\n{NEW}", "line 2: not the id of a key and its secret, or the id is there twice"),
        ("new short", "the secret of key new is shorter than 16 bytes"),
        ("n:w fedcba9876543210fedc", "'n:w' is no id of a key"),
    ],
)
def test_files_that_are_none(tmp_path: Path, text: str, wanted: str) -> None:
    path = tmp_path / "keys"
    path.write_text(text)
    with pytest.raises(heroq.InvalidError) as refusal:
        Keys.read(path)
    assert wanted in str(refusal.value) and "fedcba" not in str(refusal.value)


def test_a_key_file_that_is_not_there(shared_server: Server) -> None:
    for command in (["actor", "--allow-root", *commands("sh")], ["run", "--type", "sh", "x"]):
        done = cli(*command, "--sign-key-file", "/nowhere", url=shared_server.url)
        refused(done, 2)
        assert done.stderr == "heroq: cannot read /nowhere: No such file or directory\n"


def test_the_key_file_and_the_configuration_are_hidden_from_scripts(new_server: Callable[..., Server]) -> None:
    """Where the actor's user is the scripts' user too, they could sign what they like."""
    server = new_server()
    folder = Path(tempfile.mkdtemp(prefix="heroq-test-"))
    folder.chmod(0o755)
    try:
        path = folder / "keys"
        path.write_text(NEW)
        config = folder / "config.toml"
        config.write_text("pool = 3\n")
        options = [*commands("sh"), "--sandbox", "require", "--sign-key-file", str(path)]
        env = {"HEROQ_CONFIG": str(config)}
        with script_actor(server.url, *options, as_nobody=True, env=env), heroq.Supervisor(server.url) as sup:
            job = heroq.Job(f"cat {path} {config}; id -u", "sh")
            Keys.read(path).sign(job)
            assert int(sup.run_job_and_await_result(job, timeout=60)) == (65534 if os.geteuid() == 0 else os.getuid())
    finally:
        shutil.rmtree(folder)
