"""How long the threshold's tuning and the test of a model will take, measured on one image."""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from diatom_training.data.annotated_slides import Part, Slide
from diatom_training.finetune.dataset import Dataset
from diatom_training.finetune.threshold_tuning import tune_and_test
from napari_diatom import engines
from napari_diatom.analysis.pipeline import AnalysisOptions, analyse
from napari_diatom.core.errors import Stopped
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.models.card import NAMING_TASK, OUTLINING_TASK
from napari_diatom.models.library import ModelFolder

LOOK_SECONDS: Final = 5.0
"""The longest time spent on a large image."""
LARGE_PIXELS: Final = 40_000_000
"""Pixels from which an image is large: only some of its tiles are looked at."""
ENOUGH_SPECIMENS: Final = 60
"""Specimens of an image whose naming or outlining is measured, at the most, where there is a smaller one."""


def judging_seconds(model: ModelFolder, data: Dataset, device: str, folder: Path, monitor: ProgressMonitor) -> float:
    """Return how long a model will take to be tuned on the validation part and tested on the test part.

    Parameters
    ----------
    model : ModelFolder
        As it was trained for a few steps; its card is written.
    data : Dataset
        Its slides; one of validation or test is looked at.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    folder : Path
        For a report.
    monitor : ProgressMonitor
        Is asked for stops.

    Raises
    ------
    DiatomError
        As :func:`~diatom_training.finetune.threshold_tuning.tune_and_test`.
    """
    single = model.card.task in (NAMING_TASK, OUTLINING_TASK)
    size: Callable[[Slide], int] = _specimens if single else _pixels
    judged: dict[Part, tuple[Slide, ...]] = {
        part: data.parts[part] if data.count(part).total() else () for part in _judged(model)
    }
    slides = [slide for part in judged.values() for slide in part if len(slide.truth)]
    if not slides:
        return 0.0
    work = sum(size(slide) for part in judged.values() for slide in part)
    if single:
        chosen = max((s for s in slides if size(s) <= ENOUGH_SPECIMENS), key=size, default=min(slides, key=size))
    else:
        chosen = min(slides, key=size)
        if size(chosen) > LARGE_PIXELS:
            return _large_seconds(model, chosen, device, monitor) * work / size(chosen)
    parts: dict[Part, tuple[Slide, ...]] = {"train": (), "validation": (), "test": ()}
    parts |= {part: (chosen,) for part, there in judged.items() if there}
    times: list[tuple[float, bool]] = [(time.perf_counter(), False)]

    def report(progress: Progress) -> None:
        if progress.stage in parts:
            times.append((time.perf_counter(), progress.done > 0))

    tune_and_test(model, replace(data, parts=parts), folder, device, replace(monitor, report=report))
    ended = time.perf_counter()
    looking = _looking(times)
    return ended - times[0][0] - sum(looking) + looking[-1] * work / max(size(chosen), 1)


def _judged(model: ModelFolder) -> Sequence[Part]:
    """Return the parts on which a model is tuned and tested."""
    return ("test",) if model.card.task == OUTLINING_TASK else ("validation", "test")


def _looking(times: Sequence[tuple[float, bool]]) -> list[float]:
    """Return the seconds for each image, between the report of its begin and of its end."""
    pairs = itertools.pairwise(times)
    found = [now - before for (before, done), (now, ended) in pairs if ended and not done]
    return found or [0.0]


def _large_seconds(model: ModelFolder, slide: Slide, device: str, monitor: ProgressMonitor) -> float:
    """Return how long a model takes for a large image, going by a part of its tiles."""
    engine = engines.load(model, device)
    times: list[float] = []
    share = 1.0

    def report(progress: Progress) -> None:
        nonlocal share
        if progress.stage == "tiles":
            share = progress.done / max(progress.total, 1)
            times.append(time.perf_counter())

    def should_stop() -> bool:
        return monitor.should_stop() or bool(times and times[-1] - times[0] > LOOK_SECONDS)

    with contextlib.suppress(Stopped):
        options = AnalysisOptions(pixel_size_um=slide.pixel_size_um)
        analyse(slide.open(), engine, options, ProgressMonitor(report, should_stop))
    monitor.check()
    return (times[-1] - times[0]) / max(share, 1e-6) if times else 0.0


def _pixels(slide: Slide) -> int:
    return math.prod(slide.size)


def _specimens(slide: Slide) -> int:
    return len(slide.truth)
