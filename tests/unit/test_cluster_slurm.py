"""Jobs of SLURM as text; that they run is tested in tests/integration/test_slurm.py."""

import shlex
import signal
import sys
from pathlib import Path

import pytest

from skymist import cluster
from skymist.errors import RequestError

CONFIG = """
partition: long
account: icecube
job_directives: [--constraint=avx2]
prologue: [module load python]
threads: 4
memory: 16 GiB
interface: ib0
scheduler_host: login1
walltime: "1-00:00:00"
margin_s: 600
maximum: 50
shared_directory: {folder}/shared
log_directory: {folder}/logs
scratch_directory: $TMPDIR
"""


def script(folder: Path, more: str = "") -> str:
    (folder / "slurm.yaml").write_text(CONFIG.format(folder=folder) + more)
    return cluster.show("slurm", folder)


def worker(text: str) -> dict[str, str]:
    """Return the options of the worker command."""
    (line,) = (line for line in text.splitlines() if " -m dask worker " in line)
    words = shlex.split(line)
    return {word: value for word, value in zip(words, [*words[1:], ""], strict=True) if word.startswith("--")}


def test_show_has_what_the_site_asks_for(tmp_path: Path) -> None:
    text = script(tmp_path)
    for line in (
        "#SBATCH -p long", "#SBATCH -A icecube", "#SBATCH --cpus-per-task=4", "#SBATCH --mem=16G",
        "#SBATCH -t 1-00:00:00", f"#SBATCH --output={tmp_path}/logs/%x-%j.log", "#SBATCH --constraint=avx2",
        "module load python", "# slurm: 1 to 50 jobs, more than 1 while there is work for them",
    ):  # fmt: skip
        assert line in text.splitlines()
    assert f"exec {sys.executable} -m dask worker tls://login1:PORT" in text
    assert {path.name for path in tmp_path.iterdir()} == {"slurm.yaml"}  # shown, and nothing done


def test_workers_leave_in_time_one_after_the_other(tmp_path: Path) -> None:
    options = worker(script(tmp_path))
    stay, stagger = (int(options[key].removesuffix("s")) for key in ("--lifetime", "--lifetime-stagger"))
    assert stay + stagger == 24 * 3600 - 600
    assert stay - stagger == 24 * 3600 - 2 * 600


def test_workers_encrypt_and_serve_no_pages(tmp_path: Path) -> None:
    options = worker(script(tmp_path))
    assert options["--dashboard-address"] == "127.0.0.1:0"
    assert (options["--protocol"], options["--interface"], options["--local-directory"]) == ("tls", "ib0", "$TMPDIR")
    assert options["--tls-key"] == f"{tmp_path}/shared/tls-RUN/key.pem"
    open_to_all = worker(script(tmp_path, "tls: false"))
    assert not [key for key in open_to_all if key.startswith("--tls")]


def test_a_job_is_shared_by_its_processes(tmp_path: Path) -> None:
    text = script(tmp_path, "processes: 3")
    assert "#SBATCH --cpus-per-task=12" in text
    options = worker(text)
    assert (options["--nworkers"], options["--nthreads"]) == ("3", "4")
    assert options["--memory-limit"] == "5.33GiB"
    assert "--nanny" in options
    assert "--no-nanny" in worker(script(tmp_path))


def test_interrupts_stay_ours() -> None:
    handler = signal.getsignal(signal.SIGINT)
    cluster.show("slurm")
    assert signal.getsignal(signal.SIGINT) is handler


def test_without_sbatch_one_line_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(RequestError, match="cluster slurm: sbatch, squeue, scancel not found"),
        cluster.connect("slurm"),
    ):
        pass
