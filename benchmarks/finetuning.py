"""What a training in the window and on the command line promises: the same figures, stopping, resuming, memory."""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from fields import SET_UP

from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.run_folder import RunFolder
from diatom_training.finetune.training_process import TrainingProcess
from napari_diatom.core import geometry
from napari_diatom.core.processes import command_of
from napari_diatom.models import library

TINY = {
    "oriented-boxes": "yolo11n-obb",
    "boxes": "yolo11n",
    "semantic": "deeplabv3plus/tu-test_efficientnet/16",
    "instances": "maskrcnn/tu-test_efficientnet/8",
    "classes": "classifier/tu-test_efficientnet/64",
}
"""Tasks, and small networks for them."""
_SIDE = 160
_QUICK = {"size": 64, "batch": 2, "crops": 8, "validation_crops": 4, "warmup": 2}
_USUAL = {"size": 256, "batch": 4, "crops": 16, "validation_crops": 4}


def main() -> int:
    """Measure all four."""
    options = _parser().parse_args()
    if options.real is None and not options.quick:
        print("finetuning.py: name annotated slides with --real, or draw some with --quick", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="napari-diatom-finetuning-") as folder:
        os.environ["NAPARI_DIATOM_MODELS"] = str(Path(folder) / "models")
        return _run(options, Path(folder))


def _run(options: argparse.Namespace, home: Path) -> int:
    chance = random.Random(options.seed)
    slides = _drawn(home / "slides") if options.quick else options.real
    other = 0
    for task in options.tasks:
        config = _config(task, slides, options)
        line = _on_command_line(config, home / task)
        if not options.quick and task == options.tasks[0]:
            window, before, after = _in_window(config, home / task / "window")
            ratio = f"{after / before:.3f} ({before / 1e6:.0f} MB before)"
            print(f"memory of napari after a training / before: {ratio}")
            other += _told(f"{task}: window and command line", window, line)
        for number in range(options.kills):
            killed, where = _killed(RunFolder.create(home / task / f"killed-{number}", config), chance, options)
            other += _told(f"{task}: killed {where} and resumed", killed, line)
    if options.stops:
        _stop(_config(options.tasks[0], slides, options), home / "stopped", chance, options)
    print(f"{other} other" if other else "all the same")
    return 1 if other else 0


def _config(task: str, slides: Path, options: argparse.Namespace) -> TrainConfig:
    """Return what is trained, with the usual number of workers."""
    return TrainConfig.of(
        data=slides / "annotations.coco.json",
        images=slides / "images",
        group=r"_([0-9A-Z]{4})_",
        task=task,
        device="cpu",
        learning=(_QUICK if options.quick else _USUAL) | {"epochs": options.epochs},
        **({"start": "scratch", "architecture": TINY[task]} if options.quick else {}),
    )


def _on_command_line(config: TrainConfig, home: Path) -> RunFolder:
    """Train with ``napari-diatom train``."""
    file = home / "config.yaml"
    config.absolute().write(file)
    command = command_of("napari_diatom.cli", "train", str(file), "-o", str(home / "command"))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return RunFolder(home / "command")


def _killed(folder: RunFolder, chance: random.Random, options: argparse.Namespace) -> tuple[RunFolder, str]:
    """Kill a training at a moment that chance chooses, have it go on, and return it and the moment."""
    epochs = chance.randrange(options.epochs)
    process = TrainingProcess(folder)
    _wait(process, lambda: bool(folder.events()[0]) and len(folder.history()) >= epochs)
    time.sleep(chance.uniform(0, options.longest))
    if process.poll() is None:
        os.kill(folder.state().pid, signal.SIGKILL)
    while process.poll() is None:
        time.sleep(0.05)
    done = f"after {len(folder.history())} of {options.epochs} epochs"
    if folder.state().stage != "finished":
        _wait(TrainingProcess(folder), lambda: False)
    return folder, done


def _stop(config: TrainConfig, home: Path, chance: random.Random, options: argparse.Namespace) -> None:
    """Measure how long a training takes to stop."""
    times = []
    for number in range(options.stops):
        stopped = RunFolder.create(home / f"{number}", config.replace(learning=_endless(config)))
        process = TrainingProcess(stopped)
        time.sleep(chance.uniform(0, options.longest))
        began = time.monotonic()
        process.stop()
        while process.poll() is None:
            time.sleep(0.02)
        times.append(time.monotonic() - began)
    middle = sorted(times)[len(times) // 2]
    print(f"stopping at {len(times)} moments: {max(times):.2f} s at the most, {middle:.2f} s median")


def _drawn(folder: Path) -> Path:
    """Write six slides of two images each, with needles and squares, and return their folder."""
    (folder / "images").mkdir(parents=True)
    data: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
    data["categories"] = [{"id": 1, "name": "needle"}, {"id": 2, "name": "square"}]
    for number in range(12):
        chance = np.random.default_rng(number)
        image = chance.normal(165, 5, (_SIDE, _SIDE, 3)).clip(0, 255).astype(np.uint8)
        places = [[x, y] for x in (45, 115) for y in (45, 115)]
        sizes = [[60, 9], [24, 23], [24, 23], [60, 9]]
        turned = geometry.corners(np.column_stack([places, sizes, chance.uniform(-1.5, 1.5, 4)]))
        cv2.fillPoly(image, list(np.rint(turned).astype(np.int32)), (40, 60, 80))
        name = f"s_{number // 2:04d}_{number}.png"
        cv2.imwrite(str(folder / "images" / name), image)
        data["images"].append({"id": number, "file_name": name, "height": _SIDE, "width": _SIDE})
        for k, ring in enumerate(turned):
            low, high = ring.min(axis=0), ring.max(axis=0)
            data["annotations"].append(
                {
                    "id": 4 * number + k,
                    "image_id": number,
                    "category_id": 2 if k in (1, 2) else 1,
                    "iscrowd": 0,
                    "segmentation": [ring.ravel().tolist()],
                    "bbox": [*low.tolist(), *(high - low).tolist()],
                    "area": float(geometry.polygon_area(ring)),
                }
            )
    (folder / "annotations.coco.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


def _endless(config: TrainConfig) -> dict[str, Any]:
    """Return the learning options of a training that does not end by itself."""
    learning: dict[str, Any] = config.to_plain()["learning"]
    return learning | {"epochs": 1000, "patience": None}


def _in_window(config: TrainConfig, path: Path) -> tuple[RunFolder, float, float]:
    """Train from the window, and return the run, and napari's memory in bytes before and after it."""
    import napari
    from qtpy.QtWidgets import QApplication

    from napari_diatom.widgets.training.widget import FineTuneWidget

    viewer = napari.Viewer(show=True)
    widget = FineTuneWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Fine-tune a model")

    def turn(until: Callable[[], bool]) -> None:
        while not until():
            QApplication.processEvents()
            time.sleep(0.02)

    began = time.monotonic()
    turn(lambda: time.monotonic() > began + 5)
    before = _resident()
    folder = RunFolder.create(path, config)
    widget.progress.start(folder)
    turn(lambda: not widget.progress.monitor.is_running)
    began = time.monotonic()
    turn(lambda: time.monotonic() > began + 2)
    after = _resident()
    viewer.close()
    return folder, before, after


def _resident() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss)


def _wait(process: TrainingProcess, enough: Callable[[], bool]) -> None:
    """Wait until a training has ended, or until it is enough."""
    while process.poll() is None and not enough():
        time.sleep(0.05)


def _told(what: str, one: RunFolder, other: RunFolder) -> int:
    """Say whether two runs have the same figures in every epoch and on the test slides, and the same weights."""
    cards = [library.resolve_model(run / "model").card for run in (one, other)]
    figures = one.history() == other.history() and cards[0].metrics == cards[1].metrics
    weights = cards[0].sha256 == cards[1].sha256
    print(
        f"{what}: {'the same' if figures else 'OTHER'} figures, {'the same' if weights else 'OTHER'} weights",
        flush=True,
    )
    return int(not figures or not weights)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="finetuning.py --real REAL"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--real", type=Path, help="folder with annotations.coco.json and images/")
    parser.add_argument("--quick", action="store_true", help="drawn slides and small networks, without the window")
    parser.add_argument("--tasks", nargs="+", choices=list(TINY), default=list(TINY), help="what is learnt (all)")
    parser.add_argument("--epochs", type=int, default=3, help="of each training (%(default)s)")
    parser.add_argument("--kills", type=int, default=3, help="trainings that are killed (%(default)s)")
    parser.add_argument("--stops", type=int, default=6, help="trainings that are stopped (%(default)s)")
    parser.add_argument("--longest", type=float, default=20.0, help="seconds until then at the most (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
