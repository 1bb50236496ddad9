"""Scripts and styles of components: files that lie beside them."""

from pathlib import Path

_HERE = Path(__file__).parent


def script(*names: str) -> str:
    """Return scripts as one module, in this order; ``common`` has what several of them need."""
    return "\n".join((_HERE / f"{name}.js").read_text(encoding="utf-8") for name in names)


def style(name: str) -> list[str]:
    """Return a style, as components want it."""
    return [(_HERE / f"{name}.css").read_text(encoding="utf-8")]
