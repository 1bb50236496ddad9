"""The reference of the REST API, from the OpenAPI document that the service itself gives.

``{rest} TAG`` shows all operations of a tag, with the role that each needs, what it takes and what it answers;
``{rest-documents}`` shows every document that goes in or comes out, ``{rest-overview}`` lists all paths.
"""

from collections.abc import Iterator
from functools import cache
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from docutils import nodes
from pieces import Cell, anchor, paragraph, section, table, words
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

DOCUMENTS = "reference/rest/documents"
PROBLEM = "application/problem+json"
PAGES = "reference/rest"
Json = dict[str, Any]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register it with Sphinx."""
    for name, directive in (("rest", Operations), ("rest-documents", Documents), ("rest-overview", Overview)):
        app.add_directive(name, directive)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


@cache
def document() -> Json:
    """Return the OpenAPI document of a service that also shows its archive to everybody."""
    from skymist.api import ApiSettings, create_app
    from skymist.records import Database
    from skymist.workflow.archive.settings import ArchiveSettings

    with TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/none.sqlite")
        try:
            return create_app(ApiSettings(database, folder, archive=ArchiveSettings(public=True))).openapi()
        finally:
            database.close()


def operations(tag: str | None = None) -> Iterator[tuple[str, str, Json]]:
    """Yield method, path and description of the operations of a tag, or of all."""
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            if tag is None or tag in operation["tags"]:
                yield method.upper(), path, operation


class Operations(SphinxDirective):
    """All operations of one tag, a section each."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        found = [self._operation(*each) for each in operations(self.arguments[0])]
        if not found:
            raise self.error(f"no operation of the API has the tag {self.arguments[0]!r}")
        return list(found)

    def _operation(self, method: str, path: str, operation: Json) -> nodes.section:
        name = f"{method} {path}"
        made = section([nodes.literal("", name)], name)
        role = operation.get("x-role")
        made += paragraph(f"Role: {role}" if role else "For everybody: no token is needed.", "role")
        for text in (operation.get("description") or operation.get("summary", "")).split("\n\n"):
            made += paragraph(text)
        if rows := [_parameter(each) for each in operation.get("parameters", ())]:
            made += table(("parameter", "in", "type", "meaning"), rows, (22, 10, 22, 46))
        if body := operation.get("requestBody"):
            for media, content in body["content"].items():
                made += nodes.paragraph("", "", nodes.Text("Body: "), *self._content(media, content))
        answers = operation["responses"]
        problems = [status for status, each in answers.items() if PROBLEM in each.get("content", {})]
        rows = [(status, self._answer(status, each)) for status, each in answers.items() if status not in problems]
        made += table(("answer", "what"), rows, (12, 88))
        if problems:
            made += nodes.paragraph("", "", nodes.Text("Problems ("), *self._link("Problem"),
                                    nodes.Text("): " + ", ".join(problems) + "."), classes=["role"])  # fmt: skip
        return made

    def _answer(self, status: str, answer: Json) -> Cell:
        said = answer.get("description", "")
        shown = words(HTTPStatus(int(status)).phrase if said == "Successful Response" else said)
        for media, content in answer.get("content", {}).items():
            shown += [nodes.Text("; "), *self._content(media, content)]
        return shown

    def _content(self, media: str, content: Json) -> list[nodes.Node]:
        return [nodes.literal("", media), nodes.Text(" "), *self._type(content.get("schema", {}))]

    def _type(self, schema: Json) -> list[nodes.Node]:
        return _linked(schema, self)

    def _link(self, name: str) -> list[nodes.Node]:
        return [_reference(name, self)]


class Documents(SphinxDirective):
    """Every document (schema) of the API, a section each."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        return [self._schema(name, schema) for name, schema in sorted(document()["components"]["schemas"].items())]

    def _schema(self, name: str, schema: Json) -> nodes.section:
        made = section([nodes.literal("", name)], f"document {name}")
        for text in schema.get("description", "").split("\n\n"):
            made += paragraph(text) if text else []
        needed = schema.get("required", ())
        rows = [
            ([nodes.literal("", key)], _linked(each, self), _meaning(each, needed=key in needed))
            for key, each in schema.get("properties", {}).items()
        ]
        made += table(("key", "type", "meaning"), rows, (22, 26, 52)) if rows else paragraph(_linked(schema, self))
        return made


class Overview(SphinxDirective):
    """All operations by their path, with the role that each needs."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        self.env.note_reread()  # other pages say where operations are
        rows = [
            (self._link(method, path, operation["tags"][0]), [nodes.literal("", method)],
             operation.get("x-role", "everybody"), first_sentence(operation))
            for method, path, operation in operations()
        ]  # fmt: skip
        return [table(("path", "method", "role", "what"), rows, (40, 10, 12, 38))]

    def _link(self, method: str, path: str, tag: str) -> list[nodes.Node]:
        """Return a link to the section of an operation, which is on the page that shows its tag."""
        folder = Path(self.env.srcdir, PAGES)
        name = next(page.stem for page in sorted(folder.glob("*.md")) if f"{{rest}} {tag}\n" in page.read_text("utf-8"))
        page = self.env.app.builder.get_relative_uri(self.env.docname, f"{PAGES}/{name}")
        target = f"{page}#{anchor(f'{method} {path}')}"
        return [nodes.reference("", "", nodes.literal("", path), internal=True, refuri=target)]


def first_sentence(operation: Json) -> str:
    """Return what an operation does, in one sentence."""
    return " ".join(operation.get("description", "").split()).partition(". ")[0].removesuffix(".")


def _parameter(given: Json) -> tuple[Cell, ...]:
    schema = given.get("schema", {})
    about = {**schema, "description": given.get("description") or schema.get("description", "")}
    needed = bool(given.get("required"))
    return [nodes.literal("", given["name"])], given["in"], _plain(schema), _meaning(about, needed=needed)


def _meaning(schema: Json, *, needed: bool) -> str:
    parts = [schema.get("description", "").strip()]
    if needed:
        parts.append("Has to be there.")
    elif schema.get("default") not in (None, [], {}, ""):
        parts.append(f"Default: `{schema['default']}`.")
    return " ".join(part if part.endswith((".", "?")) or not part else f"{part}." for part in parts if part)


def _linked(schema: Json, page: SphinxDirective) -> list[nodes.Node]:
    """Return a type in words, in which documents are links."""
    if "$ref" in schema:
        return [_reference(schema["$ref"].rpartition("/")[2], page)]
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        found = [_linked(each, page) for each in choices]
        return [node for at, each in enumerate(found) for node in ([nodes.Text(" or ")] if at else []) + each]
    if schema.get("type") == "array":
        return [nodes.Text("list of "), *_linked(schema.get("items", {}), page)]
    return [nodes.Text(_plain(schema))]


def _reference(name: str, page: SphinxDirective) -> nodes.reference:
    here, builder = page.env.docname, page.env.app.builder
    where = "" if here == DOCUMENTS else builder.get_relative_uri(here, DOCUMENTS)
    target = f"{where}#{anchor(f'document {name}')}"
    return nodes.reference("", "", nodes.literal("", name), internal=True, refuri=target)


def _plain(schema: Json) -> str:
    """Return a type in words, with its bounds."""
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(_plain(each) for each in choices)
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _plain(document()["components"]["schemas"][name])
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_plain(schema.get('items', {}))}"
    names = {"object": "mapping", "string": schema.get("format", "text"), "integer": "whole number", **_WORDS}
    return f"{names.get(kind, kind)}{_bounds(schema)}"


_WORDS = {"boolean": "true or false"}


def _bounds(schema: Json) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    told = [f"{sign} {schema[key]:g}" for key, sign in signs.items() if key in schema]
    if "maxLength" in schema and schema["maxLength"] < 10**6:
        told.append(f"up to {schema['maxLength']} characters")
    return f" ({', '.join(told)})" if told else ""
