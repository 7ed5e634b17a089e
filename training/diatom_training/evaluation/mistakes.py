"""The worst mistakes, to be looked at: missed and false specimens, wrong names, wrong lengths."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from diatom_training.data.drawing import FOUND, TRUTH, draw_ring, encode_jpeg, specimen_outline
from diatom_training.metrics.matching import Matched
from diatom_training.metrics.test_cases import Case
from napari_diatom.core import geometry
from napari_diatom.core.detections import CUT_BY_EDGE, Detections
from napari_diatom.images.slide_image import ReadableImage

Kind = Literal["missed", "false", "misnamed", "size", "outline"]
KINDS: Final[tuple[Kind, ...]] = ("missed", "false", "misnamed", "size")
"""Those of models that find specimens."""

MOST: Final = 10
"""Mistakes of a kind that are shown."""
SIDE: Final = 260
"""Of a picture, in pixels."""
_AROUND: Final = 1.7
"""Side of what is shown over the specimen's length."""
_LEAST: Final = 48
"""Image pixels that are shown at least."""
_WRONG: Final = 0.1
"""Share of its length from which a specimen's length is a mistake."""
_MEETS: Final = 0.05
"""Intersection over union from which two boxes are said to overlap."""


@dataclass(frozen=True)
class Mistake:
    """Something that a model got wrong.

    Attributes
    ----------
    kind : {"missed", "false", "misnamed", "size", "outline"}
        A specimen that was not found, a detection that is none, one of another class, one of another length, an outline
        that is off.
    case : int
        Index of the image.
    truth, found : int or None
        Indices of the specimen and of the detection, as far as there are such.
    words : str
        The same for a person.
    """

    kind: Kind
    case: int
    truth: int | None
    found: int | None
    words: str


def worst(matched: Matched, threshold: float, most: int = MOST) -> tuple[Mistake, ...]:
    """Return the worst mistakes at a threshold, ``most`` of each kind.

    The worst are the longest specimens that were missed, the surest detections that are false or of another class, and
    the lengths that are off by the largest share, if by a tenth.
    """
    ranked: dict[Kind, list[tuple[float, Mistake]]] = {kind: [] for kind in KINDS}
    for k in range(len(matched.cases)):
        for badness, mistake in _mistakes(matched, k, threshold):
            ranked[mistake.kind].append((badness, mistake))
    # Sorting is stable: equally bad ones stay in the order of the images.
    return tuple(mistake for kind in KINDS for _, mistake in sorted(ranked[kind], key=lambda pair: -pair[0])[:most])


def _mistakes(matched: Matched, k: int, threshold: float) -> Iterator[tuple[float, Mistake]]:
    """Yield the mistakes of an image, each with how bad it is among those of its kind."""
    case = matched.cases[k]
    truth, found = case.truth, case.found
    which, whose = matched.kept(k, threshold)
    sure = np.flatnonzero(found.scores >= np.float32(threshold))
    for i in np.setdiff1d(np.arange(len(truth)), whose).tolist():
        words = f"{_name(truth, i)} missed, {_length(truth, i, case)} long"
        words += _nearest(truth.boxes[i], found, sure)
        yield float(truth.boxes[i, 2]), Mistake("missed", k, i, None, words)
    for j in np.setdiff1d(sure, which).tolist():
        words = f"{_name(found, j)} with a score of {found.scores[j]:.2f}"
        words += _nearest(found.boxes[j], truth, np.arange(len(truth))) or ", where nothing is annotated"
        yield float(found.scores[j]), Mistake("false", k, None, j, words)
    for j, i in zip(which.tolist(), whose.tolist(), strict=True):
        if truth.class_ids[i] != found.class_ids[j]:
            words = f"{_name(truth, i)} named {_name(found, j)} with a score of {found.scores[j]:.2f}"
            yield float(found.scores[j]), Mistake("misnamed", k, i, j, words)
        off = abs(float(found.boxes[j, 2] / truth.boxes[i, 2]) - 1)
        if off >= _WRONG and not truth.cut[i] & CUT_BY_EDGE:
            words = f"{_name(truth, i)}, {_length(truth, i, case)} long, measured as {_length(found, j, case)}"
            yield off, Mistake("size", k, i, j, words)


def _nearest(box: NDArray[np.float32], others: Detections, indices: NDArray[np.intp]) -> str:
    """Say which of some specimens or detections a box overlaps most; nothing where it meets none."""
    if not len(indices):
        return ""
    ious = geometry.box_ious(np.repeat(box[None], len(indices), axis=0), others.boxes[indices])
    best = int(ious.argmax())
    if ious[best] < _MEETS:
        return ""
    return f"; overlap with the nearest {_name(others, int(indices[best]))}: {100 * ious[best]:.0f} %"


def picture(mistake: Mistake, case: Case, image: ReadableImage, threshold: float) -> bytes:
    """Return a JPEG of a mistake: truth and findings are drawn, those in question with a thicker line.

    Raises
    ------
    InputError
        When the image cannot be read.
    OutputError
        When the picture cannot be encoded.
    """
    boxes = [
        part.boxes[index]
        for part, index in ((case.truth, mistake.truth), (case.found, mistake.found))
        if index is not None
    ]
    bounds = geometry.bounds(np.stack(boxes))
    low, high = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
    side = math.ceil(max(_AROUND * float((high - low).max()), _LEAST))
    most = np.maximum(np.array([image.width, image.height]) - side, 0)
    x0, y0 = np.clip((low + high - side) / 2, 0, most).astype(int).tolist()
    x1, y1 = min(x0 + side, image.width), min(y0 + side, image.height)
    canvas = np.ascontiguousarray(image.read(x0, y0, x1, y1, SIDE / side))
    factor = canvas.shape[1] / (x1 - x0), canvas.shape[0] / (y1 - y0)
    sure = np.flatnonzero(case.found.scores >= np.float32(threshold))
    drawn = (
        (case.truth, range(len(case.truth)), mistake.truth, TRUTH),
        (case.found, sure.tolist(), mistake.found, FOUND),
    )
    for part, indices, meant, colour in drawn:
        for index in indices:
            ring = (specimen_outline(part, index) - (x0, y0)) * factor
            draw_ring(canvas, ring, colour, 2 if index == meant else 1)
    return encode_jpeg(canvas)


def _name(part: Detections, index: int) -> str:
    """Return the class of a specimen."""
    return part.classes[int(part.class_ids[index])]


def _length(part: Detections, index: int, case: Case) -> str:
    """Return the length of a specimen with its unit."""
    length = float(part.boxes[index, 2])
    return f"{length:.0f} px" if case.pixel_size_um is None else f"{length * case.pixel_size_um:.1f} µm"
