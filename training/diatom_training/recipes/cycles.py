"""Training in cycles of some minutes, each of which goes on where the one before ended.

A cycle renders what is missing, as far as its share of the minutes goes, trains until the time is up, measures on
fields that are never learnt from, and adds a line of figures to a file.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from diatom_training.data.examples import Example
from diatom_training.data.rendered_examples import field_path
from diatom_training.learning.fitting import Fitting, Trained
from diatom_training.learning.memory_allocator import keep_freed_memory
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.train import train
from diatom_training.recipes.training_material import TEST_STATION, TRAIN_STATIONS
from napari_diatom.core.errors import DiatomError, InputError, Stopped
from napari_diatom.core.progress import Progress, ProgressMonitor

FIGURES_FILE: Final = "figures.jsonl"
RENDERING_SHARE: Final = 0.4
"""Share of a cycle's minutes that may go into rendering; what is missing then is rendered in the next cycle."""
FEWEST_FIELDS: Final = 40


def check_stations(stations: Sequence[str]) -> None:
    """Refuse the station that figures are taken on.

    Raises
    ------
    InputError
        When it is among those to be learnt from.
    """
    if TEST_STATION in stations:
        raise InputError(f"Station {TEST_STATION} is the test set; nothing is trained on it. Leave it out.")


def rendered_until(
    render: Callable[..., list[Example]], folder: Path, count: int, until: float, monitor: ProgressMonitor
) -> list[Example]:
    """Return rendered fields, fewer than ``count`` where the time is up, but :data:`FEWEST_FIELDS` at least.

    Parameters
    ----------
    render : callable
        :func:`~diatom_training.data.rendered_examples.render_set`, which is given folder, number and monitor.
    folder : Path
        Where the fields are kept.
    count : int
        How many are wanted.
    until : float
        The moment of :func:`time.monotonic` at which the time is up.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.
    """

    def late() -> bool:
        return monitor.should_stop() or time.monotonic() > until

    render(folder, min(count, FEWEST_FIELDS), monitor=monitor)
    with contextlib.suppress(Stopped):
        return render(folder, count, monitor=ProgressMonitor(monitor.report, late))
    monitor.check()
    return render(folder, next(index for index in range(count + 1) if not field_path(folder, index).exists()))


def train_until(task: Fitting, until: float, monitor: ProgressMonitor) -> Trained:
    """Train until the time is up, or to the end, and return what the last finished epoch left.

    Raises
    ------
    Stopped
        When a stop was asked for before an epoch was finished.
    """
    last: list[Trained] = []
    previous = time.monotonic()

    def look(history: Sequence[Mapping[str, float]], pictures: Sequence[NDArray[np.uint8]], trained: Any) -> None:
        nonlocal previous
        last[:] = [trained()]
        now = time.monotonic()
        # Pictures come with an epoch that this cycle has done: the next one takes as long.
        if len(pictures) and now + (now - previous) > until:
            raise Stopped("The minutes of this cycle are over.")
        previous = now

    try:
        return train(task, monitor, look=look)
    except Stopped:
        if not last:
            raise
        return last[0]


def progress_figures(trained: Trained, options: LearningOptions) -> dict[str, Any]:
    """Return how far a training is, and the losses and figures of its last epoch."""
    return {
        "epochs": len(trained.history),
        "of_epochs": options.epochs,
        "specimens_seen" if options.task == "outlines" else "crops_seen": len(trained.history) * trained.plan.crops,
        # A figure of nothing is not a number, which JSON does not have.
        **{name: round(value, 4) if math.isfinite(value) else None for name, value in trained.history[-1].items()},
    }


def rounded_history(trained: Trained) -> list[dict[str, float]]:
    """Return the figures of all epochs, for the card."""
    return [{key: round(value, 5) for key, value in epoch.items()} for epoch in trained.history]


def keep_figures(work: Path, figures: Mapping[str, Any]) -> None:
    """Add a line to the figures of a training."""
    work.mkdir(parents=True, exist_ok=True)
    with (work / FIGURES_FILE).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(figures) + "\n")


def cycle_parser(description: str | None) -> argparse.ArgumentParser:
    """Return what reads the command line of a cycle: what all of them take."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--checkpoint", type=Path, required=True, help="folder for rendered fields and checkpoints")
    add("--minutes", type=float, default=90.0, help="length of this cycle (%(default)s)")
    add("--real", type=Path, help="folder with annotations.coco.json and images/")
    add("--stations", nargs="+", default=list(TRAIN_STATIONS), help="of the real slides (%(default)s)")
    add("--epochs", type=int, help="of the whole training, in place of the model's own")
    add("--crops", type=int, help="crops or specimens an epoch")
    add("--batch", type=int, help="crops or specimens a step")
    add("--rate", type=float, help="highest learning rate")
    add("--workers", type=int, help="processes that prepare crops")
    add("--architecture", help="of the network")
    add("--export", type=Path, metavar="FOLDER", help="write the model into a folder of its name there")
    return parser


def chosen_options(options: LearningOptions, chosen: argparse.Namespace) -> LearningOptions:
    """Return the options of a model with what the command line names in their place."""
    names = ("epochs", "crops", "batch", "rate", "workers", "architecture")
    named = {name: getattr(chosen, name) for name in names if getattr(chosen, name) is not None}
    return LearningOptions(**(options.model_dump() | named))


def run_cycle(
    parser: argparse.ArgumentParser,
    work: Callable[[argparse.Namespace, ProgressMonitor], Mapping[str, Any]],
    arguments: Sequence[str] | None,
) -> int:
    """Run a cycle from the command line and print its figures as a line of JSON; an error ends with exit code 2."""
    chosen = parser.parse_args(arguments)
    cv2.setNumThreads(torch.get_num_threads())
    keep_freed_memory()
    try:
        figures = work(chosen, ProgressMonitor(report_to_terminal))
    except DiatomError as error:
        parser.exit(2, f"{error}\n")
    print(json.dumps(figures), flush=True)
    return 0


def report_to_terminal(progress: Progress) -> None:
    """Print each epoch, and one step in fifty."""
    if progress.stage in ("epoch", "memory") or progress.done % 50 == 0:
        numbers = " ".join(f"{key} {value:.4g}" for key, value in progress.values.items())
        print(f"{progress.stage} {progress.done}/{progress.total} {progress.message}{numbers}", flush=True)
