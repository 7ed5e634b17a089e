"""Scripts for clusters: what they are made of, and that a shell runs them to the results of one run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.counting import results, save
from napari_diatom.cli import app as cli


@pytest.fixture
def season(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two slides, whose name a shell would take apart."""
    for k in range(2):
        save(tmp_path / "my {season} of 'Ada'" / f"{k}.png", number=k + 1, seed=k)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "my {season} of 'Ada'"


def printed(capsys: pytest.CaptureFixture[str], season: Path, kind: str, *arguments: str) -> str:
    assert cli.main(["count", season.name, "-o", "out", "--print-job", kind, *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="the script is for bash")
def test_a_job_array_counts_what_one_run_does(season: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["count", season.name, "-o", "whole", "--threads", "1"]) == 0
    capsys.readouterr()
    script = printed(capsys, season, "slurm", "--jobs=2", "--threads", "1")
    assert "#SBATCH --array=1-2\n" in script
    command = Path(sys.executable).parent
    for job in ("1", "2"):
        here = os.environ | {"SLURM_ARRAY_TASK_ID": job, "PATH": f"{command}{os.pathsep}{os.environ['PATH']}"}
        subprocess.run(["bash", "-c", script], env=here, check=True, capture_output=True)
    merge = next(line for line in script.splitlines() if "--merge" in line).partition("--wrap=")[2]
    assert merge == "'napari-diatom count out --merge'"
    assert cli.main(["count", "out", "--merge"]) == 0
    assert results(Path("out")) == results(Path("whole"))


def test_every_kind_says_what_its_program_asks_for(season: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sge = printed(capsys, season, "sge", "--jobs", "3", "--xlsx")
    assert "#$ -t 1-3\n" in sge
    assert "napari-diatom count out --merge --xlsx" in sge
    assert "--threads 4 --shard auto/3" in sge
    snakemake = printed(capsys, season, "snakemake", "--jobs", "3")
    assert "my {{season}} of" in snakemake
    compile(snakemake.split("rule merge")[0], "Snakefile", "exec")
    nextflow = printed(capsys, season, "nextflow", "--jobs", "3")
    assert "Channel.of(1..3)" in nextflow
    assert "--shard !{k}/3" in nextflow
    for text in (sge, snakemake, nextflow):
        assert "--print-job" not in text
        assert "--jobs" not in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--print-job", "cron"), "slurm, sge, snakemake, nextflow"),
        (("--print-job", "slurm", "--jobs", "0"), "--jobs is 0"),
        (("--print-job", "slurm", "--threads", "0"), "--threads is 0"),
        (("--print-job", "slurm", "--resume"), "leave out"),
    ],
)
def test_what_makes_no_script_is_told(
    season: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    try:
        code = cli.main(["count", season.name, "-o", "out", *arguments])
    except SystemExit as ended:
        code = int(str(ended.code))
    assert code == 2
    assert words in capsys.readouterr().err
