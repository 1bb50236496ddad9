"""Links of prose to files of the repository that are no pages: they are part of the site as downloads, folders as code.

Also the README and CONTRIBUTING are no pages here, but GitHub's front door: what they say stands in these docs.
"""

from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    """Register it with Sphinx."""
    app.connect("doctree-read", _outside)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _outside(app: Sphinx, doctree: nodes.document) -> None:
    """Give links that lead out of the docs to where they can lead."""
    folder = Path(str(app.env.doc2path(app.env.docname))).parent
    for node in list(doctree.findall(pending_xref)):
        target = str(node.get("reftarget", ""))
        if node.get("reftype") != "myst" or not target.startswith(".."):
            continue
        path = (folder / target.partition("#")[0]).resolve()
        if path.is_relative_to(app.srcdir) or not path.exists():
            continue  # a page, or Sphinx warns
        if path.is_dir():
            node.replace_self(nodes.literal("", node.astext()))
