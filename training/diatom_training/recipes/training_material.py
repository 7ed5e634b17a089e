"""What the bundled models learn from: rendered fields of two sizes, and shares of crops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from diatom_training.data.examples import Example
from diatom_training.data.rendered_examples import render_set
from napari_diatom.core.progress import Report

FIELDS_SEED: Final = 20261123
LARGE_SEED: Final = 20261124
TRAIN_STATIONS: Final = ("0DB2", "0024")
TEST_STATION: Final = "0035"


def rendered_fields(work: Path, count: int, report: Report) -> list[Example]:
    """Return fields of 800 pixels, rendered into ``work`` where they are missing."""
    return render_set(
        work / "fields", count, FIELDS_SEED, size=800, needles=0.4, scales=(0.7, 1.25), processes=2, report=report
    )


def large_fields(work: Path, count: int, report: Report) -> list[Example]:
    """Return fields of 1,792 pixels, which are also shown much reduced."""
    return render_set(
        work / "fields-large", count, LARGE_SEED, size=1792, needles=0.4, scales=(0.22, 1.0), processes=2, report=report
    )


def weighted(some: list[Example], share: float) -> list[Example]:
    """Give examples equal weights that sum to ``share``."""
    return [replace(example, weight=share / len(some)) for example in some]
