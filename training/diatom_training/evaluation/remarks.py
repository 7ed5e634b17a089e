"""What to bear in mind about the figures of an evaluation: a sentence each."""

from __future__ import annotations

from collections.abc import Sequence

from diatom_training.metrics.bootstrap import FEW
from diatom_training.metrics.detection_figures import DetectionFigures
from diatom_training.metrics.test_cases import Case, Units
from napari_diatom.core.proportions import FEWEST
from napari_diatom.core.text import many


def remarks_of(units: Units) -> list[str]:
    """Say what the intervals are worth."""
    if len(units) < 2:
        return [f"There is only one of the {units.kind}, so the effect of chance is not known."]
    if units.kind != "slides":
        return [
            f"All {units.kind} are of one slide. The intervals come from resampling {units.kind}, not slides: they "
            "show how certain the figures are for this slide only; other slides may differ more."
        ]
    if len(units) < FEW:
        return [
            f"There are only {len(units)} slides, so the intervals are rough; {FEW} or more slides give reliable "
            f"intervals."
        ]
    return []


def remarks_of_evaluation(units: Units) -> list[str]:
    """Say what the intervals of an evaluation are worth, in which those of shares come of their specimens too."""
    if len(units) > 1:
        return remarks_of(units)
    one = units.kind.removesuffix("s")
    return [
        f"There is only one {one}. The intervals of shares treat specimens as independent, and so are too narrow; for "
        "the other figures the effect of chance is not known."
    ]


def few_specimens(specimens: int, found: int = FEWEST) -> list[str]:
    """Say where figures are of too few specimens, or finds, to tell anything."""
    if specimens < FEWEST:
        return [
            f"There {'is' if specimens == 1 else 'are'} only {many(specimens, 'specimen')} annotated: too few to "
            f"tell how good the model is. At least {FEWEST} are needed."
        ]
    if 0 < found < FEWEST:
        return [f"The precision is based on only {many(found, 'detection')}: too few to tell."]
    return []


def remarks_of_cases(cases: Sequence[Case], figures: DetectionFigures) -> list[str]:
    """Say what was left out of the figures."""
    remarks = []
    if figures.names.nameless:
        remarks.append(
            "The model knows none of the annotated classes, so only its detections are tested, not their names."
        )
    if figures.names.unknown:
        listed = ", ".join(f"{name} ({_number(cases, name)})" for name in figures.names.unknown)
        remarks.append(
            f"The model does not know these annotated classes: {listed}. They count as specimens to find, but "
            "are left out of the means over the classes."
        )
    absent = [part.name for part in figures.classes if not part.specimens]
    if absent:
        remarks.append(f"These classes have no annotated specimens, so they have no figures: {', '.join(absent)}.")
    without = sum(case.pixel_size_um is None for case in cases)
    if without:
        known = f"{len(cases) - without} of the {len(cases)} images; sizes on the others are in pixels"
        if without == len(cases):
            known = "no image, so sizes are in pixels"
        remarks.append(f"The pixel size is known for {known}.")
    if not figures.overall.found:
        remarks.append("The model found nothing at all at this threshold.")
    return remarks


def _number(cases: Sequence[Case], name: str) -> int:
    """Return how many specimens of a class there are in the truth."""
    return sum(
        int((case.truth.class_ids == case.truth.classes.index(name)).sum())
        for case in cases
        if name in case.truth.classes
    )
