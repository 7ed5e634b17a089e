"""What a training in the window and on the command line promises: the same figures, stopping, resuming, memory."""

from __future__ import annotations

import argparse
import gc
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

import psutil
from fields import SET_UP

from diatom_training.finetune.child import Child
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.folder import RunFolder
from napari_diatom.models import library


def main() -> int:
    """Measure all four."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="napari-diatom-finetuning-") as folder:
        os.environ["NAPARI_DIATOM_MODELS"] = str(Path(folder) / "models")
        return _run(options, Path(folder))


def _run(options: argparse.Namespace, home: Path) -> int:
    chance = random.Random(options.seed)
    file = home / "config.yaml"
    config = TrainConfig.of(
        data=options.real / "annotations.coco.json",
        images=options.real / "images",
        group=r"_([0-9A-Z]{4})_",
        task=options.task,
        device="cpu",
        learning={"size": 256, "batch": 4, "crops": 16, "epochs": options.epochs, "validation_crops": 4, "workers": 0},
    )
    config.absolute().write(file)

    window, before, after = _in_window(config, home / "window")
    print(f"memory of napari after a training / before: {after / before:.3f} ({before / 1e6:.0f} MB before)")

    command = [sys.executable, "-m", "napari_diatom.cli", "train", str(file), "-o", str(home / "command")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    line = RunFolder(home / "command")
    print(f"window and command line: {_same(window, line)}")

    for number in range(options.kills):
        killed = RunFolder.create(home / f"killed-{number}", config)
        process = Child(killed)
        _wait(process, lambda run=killed: bool(run.events()[0]))
        time.sleep(chance.uniform(0, options.longest))
        if process.poll() is None:
            os.kill(killed.state().pid, signal.SIGKILL)
        while process.poll() is None:
            time.sleep(0.05)
        done = len(killed.history())
        if killed.state().stage != "finished":
            again = Child(killed)
            _wait(again, lambda: False)
        print(f"killed after {done} epochs and resumed: {_same(killed, line)}")

    times = []
    for number in range(options.stops):
        stopped = RunFolder.create(home / f"stopped-{number}", config.replace(learning=_endless(config)))
        process = Child(stopped)
        time.sleep(chance.uniform(0, options.longest))
        began = time.monotonic()
        process.stop()
        while process.poll() is None:
            time.sleep(0.02)
        times.append(time.monotonic() - began)
    middle = sorted(times)[len(times) // 2]
    print(f"stopping at {len(times)} moments: {max(times):.2f} s at the most, {middle:.2f} s median")
    return 0


def _endless(config: TrainConfig) -> dict[str, Any]:
    """Return the learning options of a training that does not end by itself."""
    learning: dict[str, Any] = config.to_plain()["learning"]
    return learning | {"epochs": 1000, "patience": None}


def _in_window(config: TrainConfig, path: Path) -> tuple[RunFolder, float, float]:
    """Train from the window, and return the run, and napari's memory in bytes before and after it."""
    import napari
    from qtpy.QtWidgets import QApplication

    from napari_diatom.widgets.finetune.widget import FineTuneWidget

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
    turn(lambda: not widget.progress.watch.is_running)
    began = time.monotonic()
    turn(lambda: time.monotonic() > began + 2)
    after = _resident()
    viewer.close()
    return folder, before, after


def _resident() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss)


def _wait(process: Child, enough: Callable[[], bool]) -> None:
    """Wait until a training has ended, or until it is enough."""
    while process.poll() is None and not enough():
        time.sleep(0.05)


def _same(one: RunFolder, other: RunFolder) -> str:
    """Say whether two runs have the same figures in every epoch, on the test slides, and the same weights."""
    cards = [library.find(run / "model").card for run in (one, other)]
    figures = one.history() == other.history() and cards[0].metrics == cards[1].metrics
    weights = cards[0].sha256 == cards[1].sha256
    return f"{'the same' if figures else 'OTHER'} figures, {'the same' if weights else 'OTHER'} weights"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="finetuning.py --real REAL"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--real", type=Path, required=True, help="folder with annotations.coco.json and images/")
    parser.add_argument("--task", default="oriented-boxes", help="what is learnt (%(default)s)")
    parser.add_argument("--epochs", type=int, default=3, help="of each training (%(default)s)")
    parser.add_argument("--kills", type=int, default=3, help="trainings that are killed (%(default)s)")
    parser.add_argument("--stops", type=int, default=6, help="trainings that are stopped (%(default)s)")
    parser.add_argument("--longest", type=float, default=20.0, help="seconds until then at the most (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
