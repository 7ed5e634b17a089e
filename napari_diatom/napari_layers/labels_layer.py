"""Specimens with masks as napari layers, as polygons or as a label image, and back without losing a pixel.

A napari polygon has neither holes nor islands and a label image has no overlaps, so a layer keeps the masks that it
stands for in its metadata. A specimen that nobody changed comes back with its own mask; one that somebody changed, with
what was drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core import cropped_masks, geometry
from napari_diatom.core.colours import class_colour
from napari_diatom.core.detections import PERSON, STATUSES, CroppedMask, Detections, cut_flags
from napari_diatom.core.mask_polygons import fill
from napari_diatom.formats.label_image import painting
from napari_diatom.formats.label_image.painting import LabelPainter, Labels
from napari_diatom.measurement import morphometry
from napari_diatom.measurement.measurements import Measurements
from napari_diatom.napari_layers import shapes_layer
from napari_diatom.napari_layers.result_facts import ResultFacts

MASKS_KEY: Final = "napari_diatom_masks"
"""Entry of ``layer.metadata`` with the masks of its specimens; see :func:`draw_polygons`."""
FACTS_KEY: Final = "napari_diatom_labels"
"""Entry of a Labels layer's metadata with its :class:`~napari_diatom.napari_layers.result_facts.ResultFacts`."""
INDEX: Final = "index"
"""Column of a Labels layer's features that napari finds a label's row by."""

_UNMOVED: Final = 0.01
"""Pixels within which a corner is where it was."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """A specimen as a layer shows it, and what that stands for.

    Attributes
    ----------
    shape : ndarray of float64, shape (K, D)
        Its polygon, as ..., y, x.
    box : ndarray of float32, shape (5,)
        Its oriented box.
    mask : CroppedMask
        Its mask.
    """

    shape: NDArray[np.float64]
    box: NDArray[np.float32]
    mask: CroppedMask

    def is_shown_by(self, shape: ArrayLike) -> bool:
        """Return whether a shape is still the polygon, or a box of it, as this program draws them."""
        points = np.asarray(shape, dtype=np.float64)
        if points.shape == self.shape.shape and np.abs(points - self.shape).max() <= _UNMOVED:
            return True
        corners = shapes_layer.from_points(points)
        if not shapes_layer.is_rectangle(corners):
            return False
        boxes = geometry.corners(np.stack([self.box, geometry.min_area_box(shapes_layer.from_points(self.shape))]))
        distances = np.linalg.norm(boxes[:, :, None] - corners, axis=3).min(axis=2).max(axis=1)
        return bool(distances.min() <= _UNMOVED)


def draw_polygons(detections: Detections, numbers: ArrayLike, plane: Sequence[int] = ()) -> dict[int, Drawn]:
    """Return the polygons of specimens by their numbers, in their order.

    A polygon is the simplified outline of the largest part of a mask, to be added to a Shapes layer as it is; a
    specimen without mask, or whose mask is empty, has its box.
    """
    quads = shapes_layer.to_quads(detections.boxes, plane)
    found: dict[int, Drawn] = {}
    for i, (number, mask) in enumerate(
        zip(np.asarray(numbers).tolist(), painting.masks_or_filled_boxes(detections), strict=True)
    ):
        as_mask = detections.masks is not None and mask.area
        shape = shapes_layer.to_points(cropped_masks.trace_outline(mask), plane) if as_mask else quads[i]
        found[int(number)] = Drawn(shape, detections.boxes[i], mask)
    return found


def to_metadata(drawn: Mapping[int, Drawn]) -> dict[str, Any]:
    """Return the metadata that a layer of these specimens needs beside that of its facts."""
    return {MASKS_KEY: dict(drawn)}


def drawn_in(metadata: Mapping[str, Any]) -> Mapping[int, Drawn] | None:
    """Return the specimens with masks that a layer's metadata holds, None where there are none."""
    entry = metadata.get(MASKS_KEY)
    if not isinstance(entry, Mapping) or not all(isinstance(item, Drawn) for item in entry.values()):
        return None
    return entry


def masked_detections_from_shapes(
    shapes: Sequence[ArrayLike],
    features: Mapping[str, Any],
    facts: ResultFacts,
    drawn: Mapping[int, Drawn] | None = None,
) -> Detections:
    """Return the specimens of a Shapes layer, with masks where ``drawn`` is given.

    As :func:`napari_diatom.napari_layers.shapes_layer.detections_from_shapes`. A shape that still shows the mask drawn
    under its number has that mask and its box; any other one has the mask of the pixels whose centres lie in it.
    """
    found = shapes_layer.detections_from_shapes(shapes, features, facts)
    if drawn is None:
        return found
    boxes = found.boxes.copy()
    kept: list[CroppedMask] = []
    numbers = features[shapes_layer.SPECIMEN] if shapes_layer.SPECIMEN in features else np.zeros(len(shapes))
    for i, (number, shape) in enumerate(zip(numbers, shapes, strict=True)):
        known = drawn.get(int(number)) if np.isfinite(number) else None
        if known is not None and known.is_shown_by(shape):
            boxes[i] = known.box
            kept.append(known.mask)
        else:
            kept.append(fill(((shapes_layer.from_points(shape),),)))
    return replace(found, boxes=boxes, masks=tuple(kept), cut=cut_flags(boxes, facts.height, facts.width))


def to_labels(detections: Detections, height: int, width: int, numbers: ArrayLike | None = None) -> Labels:
    """Return the data of a Labels layer, shape (height, width): a specimen's number in its pixels, 0 elsewhere.

    Small specimens lie on large ones. Numbers count from 1 by default, 16 bits where they fit.

    Raises
    ------
    InputError
        When a mask reaches beyond the image, or the numbers are not different and above 0.
    """
    return LabelPainter.of(detections, numbers, height, width).rows(0, height)


def labels_kwargs(
    detections: Detections,
    numbers: ArrayLike,
    origins: Sequence[str] | str,
    facts: ResultFacts,
    measured: Measurements | None = None,
) -> dict[str, Any]:
    """Return keyword arguments of the Labels layer of :func:`to_labels`.

    Its features have a row per specimen after one for the background; with specimens numbered 1, 2, 3 ... value and row
    agree, and with any numbers the column ``index`` tells napari each value's row. Specimens have the colours of their
    classes.
    """
    features = shapes_layer.to_features(detections, numbers, origins, facts.pixel_size_um, measured)
    colours: dict[int | None, Any] = {None: (0.0, 0.0, 0.0, 0.0), 0: (0.0, 0.0, 0.0, 0.0)}
    for number, class_id in zip(np.asarray(numbers).tolist(), detections.class_ids.tolist(), strict=True):
        colours[number] = (*(channel / 255 for channel in class_colour(class_id)), 1.0)
    known = (
        detections
        if detections.masks is not None
        else replace(detections, masks=painting.masks_or_filled_boxes(detections))
    )
    return {
        "name": f"{facts.image} masks",
        "features": label_features(features),
        "colormap": colours,
        "metadata": {
            FACTS_KEY: asdict(facts),
            **to_metadata(_unoutlined(known, numbers)),
        },
    }


def _unoutlined(detections: Detections, numbers: ArrayLike) -> dict[int, Drawn]:
    """Return specimens by their numbers with their boxes as shapes: a Labels layer needs no polygons."""
    assert detections.masks is not None
    rows = zip(shapes_layer.to_quads(detections.boxes), detections.boxes, detections.masks, strict=True)
    return {int(number): Drawn(*row) for number, row in zip(np.asarray(numbers).tolist(), rows, strict=True)}


def label_features(features: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return a table of specimens with a row for the background before them and the column ``index``."""
    table: dict[str, NDArray[Any]] = {
        INDEX: np.concatenate([[0], np.asarray(features[shapes_layer.SPECIMEN], dtype=np.int64)])
    }
    for name, values in features.items():
        column = np.asarray(values)
        empty = {"f": np.nan, "b": False, "i": 0, "u": 0}.get(column.dtype.kind, "")
        table[name] = np.concatenate([np.array([empty], dtype=column.dtype), column])
    return table


def detections_from_labels_layer(
    labels: ArrayLike, features: Mapping[str, Any], facts: ResultFacts, drawn: Mapping[int, Drawn] | None = None
) -> tuple[NDArray[np.int64], Detections, tuple[str, ...]]:
    """Return the specimens of a Labels layer, in the order of their numbers.

    What nobody painted on keeps its whole mask, also what lies below others. What somebody painted on has the pixels
    that are there now and those that lay below others before. A number that is gone from the image is gone. Holes stay
    holes, and all islands of one number are one specimen.

    Parameters
    ----------
    labels : array-like of integers, shape (H, W)
        ``layer.data``.
    features : Mapping
        ``layer.features``; specimens that are not in it are valves of the first class, by a person.
    facts : ResultFacts
        Where the classes come from.
    drawn : Mapping, optional
        The specimens as they were laid into the layer.

    Returns
    -------
    numbers : ndarray of int64, shape (N,)
        Of the specimens.
    detections : Detections
        With masks.
    origins : tuple of str
        Per specimen; a person where it was changed.
    """
    array = np.asarray(labels)
    numbers, found = painting.detections_from_label_image(array, "The Labels layer")
    known = dict(zip(numbers.tolist(), zip(found.boxes, found.masks or (), strict=True), strict=True))
    changed = set(known)
    if drawn:
        before = Detections.of([item.box for item in drawn.values()], masks=[item.mask for item in drawn.values()])
        painter = LabelPainter.of(before, list(drawn), *array.shape)
        painted = painter.rows(0, array.shape[0])
        differs = painted != array
        changed = (set(np.unique(array[differs]).tolist()) | set(np.unique(painted[differs]).tolist())) - {0}
        changed |= set(known) - set(drawn)
        below = set(painter.overlap().hidden)
        for number, item in drawn.items():
            if number not in changed and (number in known or number in below):
                known[number] = (item.box, item.mask)
            elif number in known:
                whole = cropped_masks.united([known[number][1], _covered(item.mask, painted, number)])
                known[number] = (morphometry.oriented_box(whole).astype(np.float32), whole)
    order = sorted(known)
    rows = _rows(features)

    def column(name: str, default: Any) -> list[Any]:
        values = list(features[name]) if name in features else []
        return [values[rows[number]] if number in rows and values else default for number in order]

    names = [str(name) or facts.classes[0] for name in column(shapes_layer.CLASS, facts.classes[0])]
    classes = tuple(dict.fromkeys([*facts.classes, *names]))
    scores = np.nan_to_num(np.asarray(column(shapes_layer.SCORE, 1.0), dtype=np.float64), nan=1.0)
    by_person = np.array([number in changed for number in order], dtype=bool)
    boxes = np.reshape([known[number][0] for number in order], (-1, 5))
    states = {name: i for i, name in enumerate(STATUSES)}
    detections = Detections.of(
        boxes,
        [classes.index(name) for name in names],
        np.where(by_person, 1.0, np.clip(scores, 0, 1)),
        classes,
        [known[number][1] for number in order],
        cut_flags(boxes, *array.shape),
        [states.get(str(name), 0) for name in column(shapes_layer.STATUS, STATUSES[0])],
    )
    origins = [
        PERSON if changed_by_person else str(origin) or PERSON
        for origin, changed_by_person in zip(column(shapes_layer.ORIGIN, PERSON), by_person, strict=True)
    ]
    return np.array(order, dtype=np.int64), detections, tuple(origins)


def _covered(mask: CroppedMask, painted: Labels, number: int) -> CroppedMask:
    """Return the part of a mask that others were painted over."""
    height, width = mask.pixels.shape
    seen = painted[mask.y0 : mask.y0 + height, mask.x0 : mask.x0 + width]
    return CroppedMask(mask.pixels & (seen != number), mask.x0, mask.y0)


def _rows(features: Mapping[str, Any]) -> dict[int, int]:
    """Return the row of each number in a Labels layer's features, as napari finds it."""
    if INDEX in features:
        return {int(number): row for row, number in enumerate(features[INDEX])}
    length = len(next((features[name] for name in features), ()))
    return {row: row for row in range(1, length)}
