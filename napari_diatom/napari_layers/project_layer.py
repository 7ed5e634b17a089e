"""A project's specimens as shapes of a napari layer, and back; colours and labels by what they are asked to tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core import cropped_masks, geometry
from napari_diatom.core.colours import PALETTE
from napari_diatom.core.detections import STATUSES
from napari_diatom.measurement import columns
from napari_diatom.napari_layers import shapes_layer
from napari_diatom.project.settings import ProjectClass, rgb
from napari_diatom.project.specimen import Specimen

By = Literal["class", "status", "score"]
"""What colours and labels tell."""

WAYS: Final[tuple[By, ...]] = get_args(By)

ID: Final = "id"
FEATURES: Final = (
    ID,
    shapes_layer.CLASS,
    shapes_layer.STATUS,
    shapes_layer.SCORE,
    shapes_layer.LENGTH_PX,
    shapes_layer.WIDTH_PX,
    shapes_layer.LENGTH_UM,
    shapes_layer.WIDTH_UM,
    shapes_layer.RATIO,
    shapes_layer.ORIGIN,
)
"""Columns of the features of a layer of a project's specimens."""

_UNSURE, _SURE = np.array([213, 94, 0]) / 255, np.array([0, 158, 115]) / 255
"""Colours of scores of 0 and 1, distinguished for colour-blind people."""


def to_shape(specimen: Specimen, plane: Sequence[int] = ()) -> tuple[NDArray[np.float64], str]:
    """Return a specimen as a shape of a Shapes layer: its corners as ..., y, x, and its kind.

    Of a specimen of several parts, or with holes, the outline of the largest part is shown.
    """
    if specimen.shape == "rectangle":
        return shapes_layer.to_quads([specimen.box], plane)[0], "rectangle"
    if specimen.pixels is not None:
        return shapes_layer.to_points(cropped_masks.trace_outline(specimen.pixels), plane), "polygon"
    assert specimen.outline is not None
    largest = max(specimen.outline, key=lambda polygon: geometry.polygon_area(polygon[0]))
    return shapes_layer.to_points(largest[0], plane), "polygon"


def to_shapes(specimens: Sequence[Specimen], plane: Sequence[int] = ()) -> list[tuple[NDArray[np.float64], str]]:
    """Return specimens as :func:`to_shape` does, thousands of boxes at once."""
    boxes = np.array([item.box for item in specimens if item.shape == "rectangle"], dtype=np.float64).reshape(-1, 5)
    quads = iter(shapes_layer.to_quads(boxes, plane))
    return [(next(quads), "rectangle") if item.shape == "rectangle" else to_shape(item, plane) for item in specimens]


def from_shape(shape: ArrayLike, kind: str, name: str, **known: Any) -> Specimen:
    """Return what a person has drawn as a specimen of class ``name``; ``known`` are other attributes.

    Rectangles become true ones again, whatever was dragged; ellipses and lines become the boxes round them.
    """
    points = shapes_layer.from_points(shape)
    if kind in ("polygon", "path") and len(points) > 2 and geometry.polygon_area(points) > 0:
        return Specimen.polygon(((points,),), name, **known)
    box = bounding_box(points)
    return Specimen.rectangle(geometry.min_area_box(points) if box is None else box, name, **known)


def bounding_box(points: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the box of corners, shape (M, 2), as x, y; None where they span no area yet."""
    if len(points) < 3 or np.ptp(points, axis=0).max() < 1:
        return None
    return geometry.from_corners(points)[0] if shapes_layer.is_rectangle(points) else geometry.min_area_box(points)


def is_same(shape: ArrayLike, kind: str, other: ArrayLike, its: str) -> bool:
    """Tell whether two shapes are of one kind and lie in one place, within a hundredth of a pixel."""
    points, others = np.asarray(shape, dtype=np.float64), np.asarray(other, dtype=np.float64)
    return kind == its and points.shape == others.shape and bool(np.abs(points - others).max() <= 0.01)


def feature_columns(specimens: Sequence[Specimen], pixel_size_um: float | None) -> dict[str, list[Any]]:
    """Return the columns of :data:`FEATURES`; sizes in µm are NaN while the pixel size is unknown."""
    boxes = np.array([item.box for item in specimens], dtype=np.float64).reshape(-1, 5)
    sizes = {shapes_layer.LENGTH_PX: boxes[:, 2], shapes_layer.WIDTH_PX: boxes[:, 3]}
    known: dict[str, list[Any]] = {
        ID: [item.id for item in specimens],
        shapes_layer.CLASS: [item.name for item in specimens],
        shapes_layer.STATUS: [item.status for item in specimens],
        shapes_layer.SCORE: [item.score for item in specimens],
        shapes_layer.RATIO: (boxes[:, 2] / boxes[:, 3]).tolist(),
        shapes_layer.ORIGIN: [item.origin for item in specimens],
    }
    known |= {name: values.tolist() for name, values in (sizes | columns.sizes_in_um(sizes, pixel_size_um)).items()}
    return {name: known[name] for name in FEATURES}


def colours(specimens: Sequence[Specimen], classes: Sequence[ProjectClass], by: By = "class") -> NDArray[np.float32]:
    """Return the colour of each specimen's line, shape (N, 4), red to alpha of 0..1."""
    out = np.ones((len(specimens), 4), dtype=np.float32)
    if not specimens:
        return out
    if by == "score":
        scores = np.array([[item.score] for item in specimens])
        out[:, :3] = _UNSURE + scores * (_SURE - _UNSURE)
    elif by == "status":
        palette = np.asarray(PALETTE) / 255
        out[:, :3] = palette[[STATUSES.index(item.status) % len(palette) for item in specimens]]
    else:
        known = class_colours(classes)
        out[:, :3] = [known.get(item.name, (1.0, 1.0, 1.0)) for item in specimens]
    return out


def class_colours(classes: Sequence[ProjectClass]) -> Mapping[str, tuple[float, ...]]:
    """Return red, green and blue of 0..1 by the classes' names."""
    return {entry.name: tuple(channel / 255 for channel in rgb(entry.colour)) for entry in classes}


def label(specimen: Specimen, pixel_size_um: float | None, by: By = "class") -> str:
    """Return the text beside a specimen: what ``by`` says, and its length."""
    text = {"class": specimen.name, "status": specimen.status, "score": f"{specimen.score:.2f}"}[by]
    length = specimen.box[2]
    return f"{text}  " + (f"{length:.0f} px" if pixel_size_um is None else f"{length * pixel_size_um:.1f} µm")


def size_text(box: ArrayLike, pixel_size_um: float | None) -> str:
    """Return length and width of a box as text, such as ``42.1 x 8.3 µm``."""
    length, width = np.asarray(box, dtype=np.float64)[2:4]
    if pixel_size_um is None:
        return f"{length:.0f} x {width:.0f} px"
    return f"{length * pixel_size_um:.1f} x {width * pixel_size_um:.1f} µm"
