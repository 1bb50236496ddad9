"""The tables of the database, from the classes that make them; comments of the source say what columns mean."""

import inspect
import re
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from pieces import Cell, paragraph, section, table
from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    """Register it with Sphinx."""
    app.add_directive("sql-tables", Tables)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class Tables(Directive):
    """All tables, a section each."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        from skymist.records.tables import Base

        kinds = {mapper.local_table.name: mapper.class_ for mapper in Base.registry.mappers}
        return [_table(each, kinds[each.name]) for each in Base.metadata.sorted_tables]


def _table(found: Any, kind: Any) -> nodes.section:
    said = _comments(kind)
    rows = [
        ([nodes.literal("", column.name)], str(column.type).lower(), _keys(column), said.get(column.name, ""))
        for column in found.columns
    ]
    made = section([nodes.literal("", found.name)], f"table {found.name}", paragraph(inspect.getdoc(kind) or ""))
    made += table(("column", "type", "key", "meaning"), rows, (20, 18, 24, 38))
    return made


def _comments(kind: Any) -> dict[str, str]:
    """Return the comment at the end of the line of each column."""
    return dict(re.findall(r"^    (\w+): Mapped\[.*?  # (.*)$", inspect.getsource(kind), re.MULTILINE))


def _keys(column: Any) -> Cell:
    told = ["primary"] if column.primary_key else []
    told += [f"of `{key.target_fullname}`" for key in column.foreign_keys]
    told += ["unique"] if column.unique else []
    told += ["may be null"] if column.nullable else []
    return ", ".join(told)
