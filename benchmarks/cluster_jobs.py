"""Whether what ``count --print-job`` prints runs as printed: a folder counted by a cluster has the bytes of one run.

SLURM is used where ``sbatch`` submits to a cluster (one node with Debian's ``slurm-wlm`` will do), Snakemake where
``snakemake`` is installed, and Nextflow where ``nextflow`` is. What is not there is told.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from command import run
from counted_bytes import counted_bytes
from fields import SET_UP

_PATIENCE_S: Final = 1800


def main() -> int:
    """Count a folder by every scheduler that there is, and compare."""
    return run(_parser(), _run)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="cluster_jobs.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    samples = Path(__file__).parents[1] / "sample_data" / "slides"
    parser.add_argument("--images", type=Path, default=samples, help="folder to count (the sample slides)")
    parser.add_argument("--jobs", type=int, default=3, help="shards (%(default)s)")
    return parser


def _run(options: argparse.Namespace) -> int:
    images, wrong = options.images.resolve(), 0
    with tempfile.TemporaryDirectory(prefix="napari-diatom-benchmark-") as name:
        work = Path(name)
        _count(work, str(images), "-o", "whole", "--threads", "1")
        expected = counted_bytes(work / "whole")
        for kind, (program, submit) in _KINDS.items():
            if shutil.which(program) is None:
                print(f"{kind}: not run, {program} is not installed")
                continue
            script = _count(
                work, str(images), "-o", kind, "--print-job", kind, "--jobs", str(options.jobs), "--threads", "1"
            )
            began = time.perf_counter()
            submit(work, script)
            same = (work / kind / "run.json").exists() and counted_bytes(work / kind) == expected
            wrong += not same
            print(f"{kind}: {'the bytes' if same else 'OTHER bytes than those'} of one run, {_since(began):.0f} s")
    return int(wrong > 0)


def _since(began: float) -> float:
    return time.perf_counter() - began


def _count(work: Path, *arguments: str) -> str:
    """Run ``napari-diatom count`` and return what it prints; skipped images are no failure."""
    command = [sys.executable, "-m", "napari_diatom.cli", "count", *arguments]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 3):
        raise SystemExit(done.stderr)
    return done.stdout


def _slurm(work: Path, script: str) -> None:
    """Submit a job array and its merge, and wait until the table is there."""
    (work / "job.sh").write_text(script, encoding="utf-8")
    job = _said(work, "sbatch", "--parsable", "job.sh")
    wrapped = next(shlex.split(line)[-1] for line in script.splitlines() if "--wrap=" in line)
    last = _said(work, "sbatch", "--parsable", f"--dependency=afterany:{job}", wrapped)
    deadline = time.monotonic() + _PATIENCE_S
    while _said(work, "squeue", "-h", "-j", last) and time.monotonic() < deadline:
        time.sleep(1)


def _snakemake(work: Path, script: str) -> None:
    (work / "Snakefile").write_text(script, encoding="utf-8")
    _said(work, "snakemake", "--cores", "all")


def _nextflow(work: Path, script: str) -> None:
    (work / "count.nf").write_text(script, encoding="utf-8")
    _said(work, "nextflow", "run", "count.nf")


def _said(work: Path, *command: str) -> str:
    """Return what a command prints; its ``napari-diatom`` is that of this Python."""
    here = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=work, env=here, capture_output=True, text=True, check=False)
    if done.returncode and command[0] != "squeue":
        raise SystemExit(f"{' '.join(command)}: {done.stderr.strip()[-2000:]}")
    return done.stdout.strip()


_KINDS: Final[Mapping[str, tuple[str, Callable[[Path, str], None]]]] = MappingProxyType(
    {
        "slurm": ("sbatch", _slurm),
        "snakemake": ("snakemake", _snakemake),
        "nextflow": ("nextflow", _nextflow),
    }
)


if __name__ == "__main__":
    raise SystemExit(main())
