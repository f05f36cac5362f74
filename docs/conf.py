"""The site of the documentation: Sphinx reads the Markdown pages and the docstrings of the installed package."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import heroq
import heroq.aio
import heroq.codec
import heroq.testing
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "heroq"
author = "the heroq authors"
project_copyright = author
release = version = heroq.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton", "tables"]
exclude_patterns = ["_*"]
source_suffix = {".md": "markdown"}
nitpicky = True
nitpick_ignore_regex = [
    # Python's own, which has its own documentation, and what signatures name that is not public
    ("py:.*", r"(_?asyncio|collections\.abc|contextlib|datetime|typing)\..*"),
    ("py:class", r"heroq\.(?!aio\.\w+$|testing|keys|codec|options)(aio\.)?[a-z]\w*\.\w+"),
    ("py:class", r"(options\.)?[A-Z]\w*"),
]

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "smartquotes"]
copybutton_prompt_text = "$ "

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
autoclass_content = "both"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
default_role = "code"  # the docstrings are plain text with `code` in it

pygments_dark_style = "github-dark"
html_theme = "furo"
html_title = "heroq"
html_static_path = ["_static"]
html_css_files = ["heroq.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False

#: from where a name is written, as signatures have it, to where users import it from
PLACES = {
    f"{thing.__module__}.{name}": f"{module.__name__}.{name}"
    for module in (heroq, heroq.aio)
    for name in module.__all__
    if isinstance(thing := getattr(module, name), type)
}


def find(app: Sphinx, env: Any, node: Any, content: Any) -> Any:
    """The reference of a name that is documented elsewhere than it is written."""
    place = PLACES.get(node.get("reftarget", ""))
    if place is None:
        return None
    domain = env.domains.python_domain
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", place, node, content)


def setup(app: Sphinx) -> None:
    app.connect("missing-reference", find)
