"""How the site is built: ``sphinx-build -W -n --keep-going -b html docs docs/_build``; no network is needed."""

import logging
import sys
from importlib.metadata import version as installed
from pathlib import Path

import skymist

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

# Lists of pages have places for some that are not there yet: no warning needed, and there is no other way to say so.
logging.getLogger("sphinx.sphinx.directives.other").addFilter(lambda told: "glob pattern" not in str(told.msg))
logging.getLogger("alembic").setLevel(logging.WARNING)

project = "skymist"
author = "The skymist developers"
copyright = "The skymist developers, BSD-3-Clause"
version = release = installed("skymist")
html_title = f"skymist {release}"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "numpydoc",
    "sphinx_click",
    "sphinx_copybutton",
    # Our own, in docs/extensions:
    "diagrams",
    "links",
    "listings",
    "mathml",
    "notebook_pages",
    "openapi",
    "public_names",
    "settings_tables",
    "sql_tables",
]
exclude_patterns = ["_build", "extensions"]
nitpicky = True
default_role = "py:obj"
smartquotes = False  # of "--all" it would make a dash

# Prose is what GitHub shows, too: headings have its anchors, formulas stand in dollars.
myst_enable_extensions = ["dollarmath", "amsmath", "deflist"]
myst_heading_anchors = 4
myst_dmath_double_inline = True
myst_fence_as_directive = ["mermaid"]

# Docstrings say types and shapes themselves, so signatures do without.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 100
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
numpydoc_xref_param_type = True
numpydoc_xref_aliases = {name: f"skymist.{name}" for name in skymist.__all__}
numpydoc_xref_ignore = "all"  # but for these

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["skymist.css"]
html_math_renderer = "mathml"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5c8c", "color-brand-content": "#0b5c8c"},
    "dark_css_variables": {"color-brand-primary": "#7cc0ec", "color-brand-content": "#7cc0ec"},
}
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
