"""What the bundled models learn from: rendered fields of two sizes, and shares of crops."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from diatom_training.data.examples import Example, from_coco
from diatom_training.data.rendered_examples import render_set
from diatom_training.learning.options import LearningOptions
from napari_diatom.core.progress import ProgressMonitor

FIELDS_SEED: Final = 20261123
LARGE_SEED: Final = 20261124
TRAIN_STATIONS: Final = ("0DB2", "0024")
TEST_STATION: Final = "0035"
VALIDATION_FIELDS: Final = 40
"""The last of the rendered fields, which are validated on."""
OPTICS: Final = "bright field, DIC, phase contrast"
"""For the cards of models."""


@dataclass(frozen=True)
class Cycle:
    """A training from a high learning rate to a low one.

    Attributes
    ----------
    folder : str
        Where its checkpoint is kept, within the work folder.
    options : LearningOptions
        How it trains.
    until : int or None
        Epoch after which the average of the weights continues in the next cycle, if that is not the last one.
    """

    folder: str
    options: LearningOptions
    until: int | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class Mix:
    """What a cycle sees.

    Attributes
    ----------
    share : float
        Share of the crops that come from real slides.
    largest : float
        Largest scale at which real slides are shown.
    fields : int
        How many of the rendered fields are used.
    wide : float
        Share of the rendered crops that come from large fields, which are also shown much reduced.
    large_fields : int
        How many of these there are.
    """

    share: float
    largest: float
    fields: int
    wide: float
    large_fields: int


def examples(work: Path, real: Path, mix: Mix, monitor: ProgressMonitor) -> tuple[list[Example], list[Example]]:
    """Return what to train on, weighted so that each source gets its share of the crops, and what to validate on."""
    rendered = rendered_fields(work, mix.fields, monitor)
    large = large_fields(work, mix.large_fields, monitor) if mix.wide else []
    slides = from_coco(
        real / "annotations.coco.json", real / "images", groups=TRAIN_STATIONS, scales=(0.22, mix.largest)
    )
    train_on = (
        weighted(rendered[:-VALIDATION_FIELDS], (1 - mix.share) * (1 - mix.wide))
        + weighted(large, (1 - mix.share) * mix.wide)
        + weighted(slides, mix.share)
    )
    return train_on, rendered[-VALIDATION_FIELDS:]


def rendered_fields(work: Path, count: int, monitor: ProgressMonitor) -> list[Example]:
    """Return fields of 800 pixels, rendered into ``work`` where they are missing."""
    return render_set(
        work / "fields", count, FIELDS_SEED, size=800, needles=0.4, scales=(0.7, 1.25), processes=2, monitor=monitor
    )


def large_fields(work: Path, count: int, monitor: ProgressMonitor) -> list[Example]:
    """Return fields of 1,792 pixels, which are also shown much reduced."""
    return render_set(
        work / "fields-large",
        count,
        LARGE_SEED,
        size=1792,
        needles=0.4,
        scales=(0.22, 1.0),
        processes=2,
        monitor=monitor,
    )


def weighted(some: list[Example], share: float) -> list[Example]:
    """Give examples equal weights that sum to ``share``."""
    return [replace(example, weight=share / len(some)) for example in some]
