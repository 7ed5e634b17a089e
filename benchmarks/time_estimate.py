"""Is the time that is said before a training the time that it takes? Small trainings of all tasks on the sample slides.

What is said is that of *Estimate time* and of `napari-diatom train --check`; what is taken is the time from the start
of the process to the end of its test. It is good where it is within 40 % of what is taken.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import command
from fields import SET_UP

from diatom_training.finetune import training_process
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.presets import BUNDLED
from diatom_training.finetune.resource_estimate import estimate
from diatom_training.finetune.run_folder import RunFolder
from napari_diatom.core.progress import UNWATCHED

SAMPLES = Path(__file__).parents[1] / "sample_data"
LIMIT = 0.4
"""Largest difference between said and taken, as a share of what was taken."""
SMALL: dict[str, dict[str, int]] = {
    "oriented-boxes": {"size": 320},
    "boxes": {"size": 320},
    "semantic": {"size": 256},
    "instances": {"size": 256},
    "classes": {},
    "outlines": {},
}
"""Tasks, and sizes that a CPU trains in a minute or two."""


def main() -> int:
    """Estimate and train each task, and print both."""
    parser = _parser()
    return command.run(parser, _run)


def _run(options: argparse.Namespace) -> int:
    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="napari-diatom-times-") as name:
        os.environ["NAPARI_DIATOM_MODELS"] = str(Path(name) / "models")
        for task in options.tasks:
            config = _config(task, options)
            said = estimate(config)
            folder = RunFolder.create(Path(name) / task, config)
            begun = time.perf_counter()
            training_process.run(folder, UNWATCHED)
            taken = time.perf_counter() - begun
            seconds = said.seconds(config)
            told[task] = {"said": seconds, "taken": taken, "parts said": said.parts(config), "parts": _parts(folder)}
            print(f"{task}: said {seconds:.0f} s, taken {taken:.0f} s, {seconds / taken - 1:+.0%}", flush=True)
            if options.parts:
                for what in ("parts said", "parts"):
                    row = ", ".join(f"{part} {value:.1f}" for part, value in told[task][what].items())
                    print(f"  {what}: {row}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    wrong = [task for task, row in told.items() if abs(row["said"] / row["taken"] - 1) > LIMIT]
    print(f"beyond {LIMIT:.0%}: {', '.join(wrong)}" if wrong else f"all within {LIMIT:.0%}")
    return 1 if wrong else 0


def _config(task: str, options: argparse.Namespace) -> TrainConfig:
    """Return a small training on the sample slides."""
    learning = {"epochs": options.epochs, "crops": options.crops, "patience": None} | SMALL[task]
    if options.validation_crops:
        learning["validation_crops"] = options.validation_crops
    return TrainConfig.of(
        data=SAMPLES / "truth",
        images=SAMPLES / "slides",
        group=r"^([a-z]+)_",
        task=task,
        start=BUNDLED[task],
        device="cpu",
        learning=learning,
    )


def _parts(folder: RunFolder) -> dict[str, float]:
    """Return the seconds that a run spent before each of its events, by their stages."""
    spent: Counter[str] = Counter()
    events, _ = folder.events()
    for before, after in itertools.pairwise(events):
        spent[after["stage"]] += after["time"] - before["time"]
    return dict(spent)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="time_estimate.py"),
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--tasks", nargs="+", choices=tuple(SMALL), default=list(SMALL), help="tasks to train (all)")
    parser.add_argument("--epochs", type=int, default=4, help="epochs of a training (4)")
    parser.add_argument("--crops", type=int, default=48, help="crops of an epoch (48)")
    parser.add_argument("--validation-crops", type=int, help="crops of a validation (the task's usual)")
    parser.add_argument("--parts", action="store_true", help="print where the time went")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
