"""docs/web.md: the dashboard mounted in another app, as the page prints it."""

from __future__ import annotations

import importlib.util
import json
import re
import urllib.request
from pathlib import Path

from support.dashboard import serve
from support.server import Server

PAGE = Path(__file__).resolve().parents[2] / "docs" / "web.md"


def test_the_mounted_dashboard_answers(server: Server, tmp_path: Path) -> None:
    found = re.search(r"^```python\n(# dashboard\.py\n.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert found
    file = tmp_path / "dashboard.py"
    file.write_text(found[1].replace("redis://localhost", server.url))
    spec = importlib.util.spec_from_file_location("dashboard", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    one = serve(module.app, path="/jobs/")
    try:
        with urllib.request.urlopen(f"{one.url}api/board", timeout=30) as answer:
            assert json.load(answer)["queues"] == []
        assert one.ask("GET", "api/board", Host="example.org").status == 200
    finally:
        one.stop()
