"""Directives whose text comes from the package itself: the commands and the options of a job, an actor, …

```{commands}
```

```{options} job actor
```
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from docutils import nodes  # type: ignore[import-untyped]
from heroq import options
from heroq.cli import app as commands
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from typer.main import get_command


def row(*cells: str) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    return ["", row(*head), "|" + "---|" * len(head), *(row(*cells) for cells in rows), ""]


def parameter(one: Any) -> tuple[str, str]:
    if one.param_type_name == "argument":
        return f"`{one.metavar or one.name.upper()}`", one.help or ""
    names = ", ".join(f"`{name}`" for name in one.opts)
    text = one.help or ""
    if one.required:
        text += " Needed."
    elif isinstance(one.default, (int, float, str)) and not one.is_flag and one.default != "":
        text += f" Default: {one.default:g}." if isinstance(one.default, float) else f" Default: {one.default}."
    if one.envvar:
        text += f" Else `{one.envvar}`."
    return names, text


class Commands(SphinxDirective):
    """Each command of the command line: what it does, and its parameters."""

    def run(self) -> list[nodes.Node]:
        lines = []
        for name, command in get_command(commands).commands.items():  # type: ignore[attr-defined]
            if not command.hidden:
                rows = [parameter(one) for one in command.params if one.name != "help"]
                text = (command.help or "").replace("\b", "")
                lines += [f"## heroq {name}", "", text, *table(("parameter", "meaning"), rows)]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


class Options(SphinxDirective):
    """The rows of the options table whose scope is among the arguments."""

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        scopes = self.arguments[0].split() if self.arguments else []
        rows = []
        for name, one in options.table().items():
            if one["scope"] in scopes:
                kind = ", ".join(one["choices"]) if one["type"] == "choice" else one["type"]
                default = f"`{one['default']}`" if one["default"] else "–"
                rows.append((f"`{name}`", f"{one['text']} ({kind})", default))
        return self.parse_text_to_nodes("\n".join(table(("option", "meaning", "default"), rows)))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("commands", Commands)
    app.add_directive("options", Options)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
