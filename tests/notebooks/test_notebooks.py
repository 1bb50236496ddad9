"""The notebooks run from a clean kernel, in a folder of their own, with nothing but what is in a clone."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import psutil
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
BOOKS = sorted(NOTEBOOKS.glob("*.ipynb"))

PATIENCE_S = 240
"""For one cell: the first scan on a machine compiles its kernels."""

FIGURES = {
    "01-first-scan": 6, "02-message-to-circular": 3, "03-comparing": 5, "04-writing-a-reconstruction": 3,
    "05-clusters": 2, "06-service-client": 1, "07-archive": 1, "08-live-widget": 2,
}  # fmt: skip
"""How many each notebook draws."""

SENSELESS = ("ARG", "D", "S", "T20")
"""Rules that make no sense in notebooks: prose stands in cells of its own, and cells print."""

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

named = pytest.mark.parametrize("book", BOOKS, ids=[each.stem for each in BOOKS])


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return what a kernel is told: all that it writes goes into a folder, skymist is at hand, no network is."""
    places = {"HOME": "home", "TMPDIR": "tmp", "XDG_CONFIG_HOME": "home/.config", "XDG_CACHE_HOME": "home/.cache",
              "XDG_DATA_HOME": "home/.local"}  # fmt: skip
    for name in ("work", *places.values()):
        (folder / name).mkdir(parents=True, exist_ok=True)
    own = {name: value for name, value in os.environ.items() if not name.startswith("SKYMIST_")}
    commands = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    quiet = {"PATH": commands, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", **nowhere}
    return {**own, **quiet, **{name: str(folder / value) for name, value in places.items()}, **more}


def execute(book: Path, folder: Path, **more: str) -> Any:
    """Return a notebook with its outputs; what a cell raises is raised."""
    own = environment(folder, **more)
    notebook = nbformat.read(book, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=PATIENCE_S, kernel_name="python3", store_widget_state=False,
        resources={"metadata": {"path": str(folder / "work")}},
    )  # fmt: skip
    client.execute(env=own)
    return notebook


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def figures(notebook: Any) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs(notebook))


def complaints(notebook: Any) -> list[str]:
    """Return what cells have written where warnings and errors go."""
    found = (output.text for output in outputs(notebook) if output.get("name") == "stderr")
    return [text for text in found if text.strip()]


def printed(notebook: Any) -> str:
    return "".join(output.text for output in outputs(notebook) if output.get("name") == "stdout")


def left_behind(folder: Path) -> list[psutil.Process]:
    """Return the processes that still know a folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("TMPDIR") == str(folder / "tmp") and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for a kernel; what a notebook that failed has left running is ended."""
    yield tmp_path
    lost = left_behind(tmp_path)
    for process in lost:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    for process in psutil.wait_procs(lost, 30)[1]:
        process.kill()


def written(folder: Path) -> list[str]:
    """Return the files that are left in a folder, but for those of Jupyter and of libraries."""
    others = ".ipython", "matplotlib", "fontconfig", "jupyter", "astropy", "numba", "pooch", "dask"
    files = (path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())
    return [str(path) for path in files if not any(name in part for part in path.parts for name in others)]


@pytest.mark.integration
@named
def test_it_runs_and_leaves_nothing(book: Path, folder: Path) -> None:
    notebook = execute(book, folder)
    assert complaints(notebook) == []
    assert figures(notebook) == FIGURES[book.stem]
    assert left_behind(folder) == []
    assert written(folder) == []


@pytest.mark.integration
def test_the_whole_way_is_gone_with_a_real_alert_where_there_is_one(shared: Path, folder: Path) -> None:
    notebook = execute(NOTEBOOKS / "02-message-to-circular.ipynb", folder, SKYMIST_MIRROR=str(shared / "events"))
    assert complaints(notebook) == []
    assert figures(notebook) == FIGURES["02-message-to-circular"]
    told = printed(notebook)
    assert "IceCube-220624A - " in told
    assert "simulat" not in told
    assert "this site sends no circulars" in told
    assert written(folder) == []


def test_there_are_eight() -> None:
    assert [each.stem for each in BOOKS] == list(FIGURES)


@named
def test_it_is_kept_without_outputs_and_with_names_that_last(book: Path) -> None:
    notebook = nbformat.read(book, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata == METADATA
    topic = book.stem.partition("-")[2]
    assert [cell.id for cell in notebook.cells] == [
        f"{topic}-{number:02d}" for number in range(1, len(notebook.cells) + 1)
    ]
    for cell in notebook.cells:
        assert cell.metadata == {}
        assert cell.cell_type == "markdown" or (cell.outputs, cell.execution_count) == ([], None)
    assert nbformat.writes(notebook) + "\n" == book.read_text(encoding="utf-8")


@named
def test_it_begins_with_a_title_and_is_short(book: Path) -> None:
    notebook = nbformat.read(book, as_version=4)
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("# ")
    assert 10 <= len(notebook.cells) <= 32


def test_code_keeps_the_rules_of_the_project() -> None:
    ignored = [f"--extend-per-file-ignores=notebooks/**:{rule}" for rule in SENSELESS]
    for words in (["check", *ignored], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *words, "--quiet", "notebooks"]
        done = subprocess.run(command, cwd=NOTEBOOKS.parent, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@named
def test_only_public_names_are_used(book: Path) -> None:
    code = "\n".join(cell.source for cell in nbformat.read(book, as_version=4).cells if cell.cell_type == "code")
    imported = re.findall(r"^(?:from|import) (skymist[\w.]*)(?: import (.+))?$", code, re.MULTILINE)
    names = [part for module, items in imported for part in re.split(r"[.,\s]+", f"{module}, {items}")]
    assert names
    assert [name for name in names if name.startswith("_")] == []
    assert re.findall(r"\bskymist(?:\.\w+)*\._\w+", code) == []
