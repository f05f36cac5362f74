"""The site that Sphinx builds of docs: whole, strict, and served by nobody else; the files of examples/deploy."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import heroq
import heroq.aio
import heroq.testing
import pytest
from heroq.cli import app as commands
from sphinx.util.inventory import InventoryFile
from typer.main import get_command

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "examples" / "deploy"
PUBLIC = [
    (module, name)
    for module in (heroq, heroq.aio, heroq.testing)
    for name in module.__all__
    if not inspect.ismodule(getattr(module, name)) and name != "__version__"
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """-nW: a reference or a link that leads nowhere is an error."""
    folder = tmp_path_factory.mktemp("site")
    argv = [sys.executable, "-m", "sphinx", "-nWq", "--keep-going", "-b", "html"]
    done = subprocess.run(
        [*argv, "-d", str(folder / "trees"), str(ROOT / "docs"), str(folder / "html")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "html"


class Loads(HTMLParser):
    """What a page makes a browser load, and where its links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids.add(given.get("id", ""))
        if "src" in given:
            self.loaded.append(given["src"])
        if tag == "link" and given.get("rel") in ("stylesheet", "preload", "icon", "preconnect", "dns-prefetch"):
            self.loaded.append(given["href"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])


def test_every_page_is_there(site: Path) -> None:
    for page in (ROOT / "docs").glob("*.md"):
        assert (site / f"{page.stem}.html").exists()


def test_links_lead_somewhere_and_nothing_comes_from_elsewhere(site: Path) -> None:
    pages = {path: Loads(path.read_text(encoding="utf-8")) for path in site.glob("*.html")}
    for path, page in pages.items():
        for address in page.loaded:
            assert not re.match(r"(https?:)?//", address), f"{path.name} loads {address}"
            assert (path.parent / address.partition("?")[0]).exists(), f"{path.name} loads {address}"
        for link in page.links:
            if re.match(r"(https?|mailto):", link):
                continue
            name, _, anchor = link.partition("#")
            target = pages.get(path.parent / name if name else path)
            assert target or (name and (path.parent / name).exists()), f"{path.name}: {link}"
            assert not anchor or not target or anchor in target.ids, f"{path.name}: {link}"
    for style in site.rglob("*.css"):
        outside = re.findall(r"(?:url\(|@import )['\"]?((?:https?:)?//[^)'\"]*)", style.read_text(encoding="utf-8"))
        assert not outside, f"{style.name}: {outside}"


def test_the_reference_has_all_that_is_public(site: Path) -> None:
    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="")
    known = {name for kind, names in inventory.data.items() if kind.startswith("py:") for name in names}
    assert {f"{module.__name__}.{name}" for module, name in PUBLIC} <= known


def test_the_headers_are_there() -> None:
    page = (ROOT / "docs" / "c.md").read_text(encoding="utf-8")
    for header in (ROOT / "c" / "include" / "heroq").glob("*.h"):
        assert f"literalinclude}} ../c/include/heroq/{header.name}\n" in page


def test_the_commands_are_there(site: Path) -> None:
    page = (site / "commands.html").read_text(encoding="utf-8")
    for name, command in get_command(commands).commands.items():  # type: ignore[attr-defined]
        assert (f'id="heroq-{name}"' in page) is not command.hidden


def test_the_options_are_there(site: Path) -> None:
    page = (site / "options.html").read_text(encoding="utf-8")
    for name in heroq.options.table():
        assert f'<span class="pre">{name}</span>' in page


def parts(module: ModuleType, name: str) -> Iterator[tuple[str, object]]:
    """A public name, and what is public in a class."""
    thing = getattr(module, name)
    yield name, thing
    if inspect.isclass(thing):
        for own, part in inspect.getmembers(thing):
            if not own.startswith("_") and (inspect.isroutine(part) or isinstance(part, property)):
                yield f"{name}.{own}", part


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_docstrings(module: ModuleType, name: str) -> None:
    bare = [label for label, part in parts(module, name) if not inspect.getdoc(part)]
    assert not bare, f"without a docstring in {module.__name__}: {', '.join(bare)}"


# ---- examples/deploy ----


def test_the_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("there is no systemd-analyze (Debian package systemd)")
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "heroq").symlink_to("/bin/true")
    unit = tmp_path / "heroq-worker.service"
    text = (DEPLOY / unit.name).read_text().replace("User=app", "User=root")
    unit.write_text(text.replace("/srv/app", str(tmp_path)))
    done = subprocess.run([program, "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and unit.name not in done.stderr, done.stderr
    unit.write_text(unit.read_text().replace("KillMode=mixed", "KillMod=mixed"))
    done = subprocess.run([program, "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False)
    assert "KillMod" in done.stderr  # it does look


def joined(name: str) -> str:
    """A file of examples/deploy with its continued lines as one each."""
    return re.sub(r"\\\n\s*", "", (DEPLOY / name).read_text())


def started(line: str) -> list[str]:
    """The arguments of `heroq worker` in a line."""
    words = line.replace('"', " ").replace(",", " ").replace("[", " ").replace("]", " ").split()
    return words[words.index("worker") + 1 :]


def test_what_is_deployed_exists() -> None:
    unit = joined("heroq-worker.service")
    container = joined("Containerfile")
    lines = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    lines.append(" ".join(line for line in container.splitlines() if line.startswith(("ENTRYPOINT", "CMD"))))
    known = {option for one in get_command(commands).commands["worker"].params for option in one.opts}  # type: ignore[attr-defined]
    for line in lines:
        used = {word for word in started(line) if word.startswith("-")}
        assert used and used <= known, line
    grace = int(started(lines[0])[started(lines[0]).index("--grace") + 1])
    stop = re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert stop and int(stop[1]) > grace


def test_the_environment() -> None:
    lines = [line for line in (DEPLOY / "worker.env").read_text().splitlines() if not line.startswith("#")]
    given = dict(line.split("=", 1) for line in lines)
    names = {f"HEROQ_{name.upper()}" for name in heroq.options.table()}
    assert set(given) <= names | {"HEROQ_URL"}
    done = subprocess.run(
        [sys.executable, "-c", "import heroq; heroq.Client('redis://127.0.0.1:1', connect='lazy').close()"],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_containerfile() -> None:
    """No engine builds it here: its instructions, and what it copies."""
    text = joined("Containerfile")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    words = ["FROM", "RUN", "COPY", "WORKDIR", "USER", "HEALTHCHECK", "ENTRYPOINT", "CMD"]
    assert {line.split()[0] for line in lines} <= set(words)
    for line in lines:
        if line.startswith("COPY ") and line != "COPY app /app":  # the reader's application
            assert all((ROOT / source).exists() for source in line.split()[1:-1]), line
