"""The benchmark report: made of what benchmarks found, all of them, and of nothing else."""

import json
from pathlib import Path

import figures
import measured
import numpy as np
import pytest
import report

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PARTS = "measured", "figures", "report"
NAMES = sorted(path.stem for path in BENCHMARKS.glob("*.py") if path.stem not in PARTS)


def test_the_page_is_what_the_results_make() -> None:
    assert report.PAGE.read_text() == report.page(report.read())


def test_every_benchmark_has_its_results_in_the_page() -> None:
    found = report.read()
    assert sorted(found) == NAMES
    for name in NAMES:
        assert f'results("{name}")' in (BENCHMARKS / f"{name}.py").read_text()
        assert f"`{found[name]['command']}`" in report.PAGE.read_text()
        assert all(found[name]["tables"].values())


@pytest.mark.parametrize("name", figures.ALL)
def test_figures_are_drawn_and_shown(name: str, tmp_path: Path) -> None:
    figures.ALL[name](report.read(), tmp_path / "figure.svg")
    assert "<svg" in (tmp_path / "figure.svg").read_text()
    assert (report.FIGURES / f"{name}.svg").is_file()
    assert f"(benchmarks/{name}.svg)" in report.PAGE.read_text()


def test_results_are_kept_with_when_and_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "RESULTS", tmp_path)
    with measured.results("made-up") as tell:
        tell("times", what="a", ms=1.23456789, ratio=float("nan"))
        tell("times", what="b", ms=123456.7, ratio=2.0)
    found = json.loads((tmp_path / "made-up.json").read_text())
    assert found["tables"] == {
        "times": [{"what": "a", "ms": 1.235, "ratio": None}, {"what": "b", "ms": 123500.0, "ratio": 2.0}]
    }
    assert {"began", "minutes", "load_before", "skymist", "command"} < set(found)
    assert {"processor", "cores", "memory_gib", "python", "libraries"} < set(found["machine"])


def test_a_benchmark_that_fails_keeps_what_was_measured_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "RESULTS", tmp_path)
    (tmp_path / "made-up.json").write_text("before")

    def benchmark() -> None:
        with measured.results("made-up") as tell:
            tell("times", seconds=1.0)
            tell("times", ms=1.0)

    with pytest.raises(ValueError, match="a row of times has ms instead of seconds"):
        benchmark()
    assert (tmp_path / "made-up.json").read_text() == "before"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (True, "yes"), (786432, "786,432"), (0.0, "0"), (0.012345, "0.0123"), (1.5, "1.50"), (99.96, "100.0"),
     (123.4, "123"), (2860000.0, "2,860,000"), (-0.5, "-0.500"), ("MIGRAD", "MIGRAD")],
)  # fmt: skip
def test_figures_are_written_as_people_write_them(value: object, text: str) -> None:
    assert report.text(value) == text


def test_minima_are_compared_with_ours() -> None:
    found = measured.compared(2.0, 30.0, np.array([0.5, 0.05, -0.05, -0.2]))
    assert found == {"ours_ms": 2.0, "theirs_ms": 30.0, "ratio": 15.0, "deeper": 0.25, "shallower": 0.25}
