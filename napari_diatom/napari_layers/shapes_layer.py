"""Detections to napari layer data and back: the only place where x, y becomes y, x.

In Detections an image spans 0..width and the centre of a pixel lies at +0.5; in napari the centre of pixel 0 lies at
0. Both the swap of axes and that half pixel are handled here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core import geometry
from napari_diatom.core.colours import PALETTE
from napari_diatom.core.detections import PERSON, STATUSES, Detections, cut_flags
from napari_diatom.core.taxa import COLUMNS, NO_CELLS, Name
from napari_diatom.measurement import columns
from napari_diatom.measurement.measurements import Measurements, measure
from napari_diatom.napari_layers.result_facts import ResultFacts

SPECIMEN: Final = columns.column("specimen").name
CLASS: Final = columns.column("class").name
STATUS: Final = columns.column("status").name
SCORE: Final = columns.column("score").name
LENGTH_PX: Final = columns.column("length_px").name
WIDTH_PX: Final = columns.column("width_px").name
AREA_PX: Final = columns.column("area_px").name
LENGTH_UM: Final = columns.column("length_um").name
WIDTH_UM: Final = columns.column("width_um").name
AREA_UM2: Final = columns.column("area_um2").name
RATIO: Final = columns.column("length_width_ratio").name
ANGLE: Final = columns.column("angle_deg").name
PERIMETER_PX: Final = columns.column("perimeter_px").name
PERIMETER_UM: Final = columns.column("perimeter_um").name
CIRCULARITY: Final = columns.column("circularity").name
SOLIDITY: Final = columns.column("solidity").name
INTENSITY: Final = columns.column("intensity_mean").name
INTENSITY_SD: Final = columns.column("intensity_sd").name
CUT: Final = columns.column("cut_by_edge").name
ORIGIN: Final = columns.column("origin").name
OUTLINE: Final = columns.column("outline").name

SIZES: Final = (LENGTH_PX, WIDTH_PX, AREA_PX, LENGTH_UM, WIDTH_UM, AREA_UM2, RATIO, ANGLE)

SHAPES: Final = (PERIMETER_PX, PERIMETER_UM, CIRCULARITY, SOLIDITY, INTENSITY, INTENSITY_SD)
"""What is known of specimens with a mask only."""

FEATURES: Final = (SPECIMEN, CLASS, STATUS, SCORE, *SIZES, *SHAPES, CUT, ORIGIN)
"""Columns of ``layer.features``, named as in specimens.csv; sizes in µm are NaN while the pixel size is unknown."""

TAXON, TAXON_CONFIDENCE, GENUS, TAXON_2, TAXON_3, NAMED_BY = COLUMNS
"""Columns of ``layer.features`` beside :data:`FEATURES`, where taxa were named."""

NAMES_KEY: Final = "napari_diatom_names"
"""Entry of ``layer.metadata`` with the names of specimens by their numbers, those that a threshold hides too."""

WAITING_KEY: Final = "napari_diatom_waiting"
"""Entry of ``layer.metadata`` that is true while a layer is hidden until the image of its size is opened."""

MAP_KEY: Final = "napari_diatom_map"
"""Entry of the metadata of layers that show a map; holds the same as
:data:`~napari_diatom.napari_layers.result_facts.METADATA_KEY` for a map of classes."""

MAP_OPACITY: Final = 0.45

_CLEAR: Final = (0.0, 0.0, 0.0, 0.0)
_CENTRE: Final = 0.5


@dataclass(frozen=True)
class BoxLook:
    """How boxes and their labels look."""

    opacity: float = 0.95
    text_size: float = 8
    text_anchor: str = "upper_left"
    text_colour: str = "#ffffff"

    def layer_kwargs(self) -> dict[str, Any]:
        """Return keyword arguments of a napari Shapes layer."""
        return {
            "opacity": self.opacity,
            "face_color": "transparent",
            "text": {
                "string": {"constant": ""},
                "size": self.text_size,
                "anchor": self.text_anchor,
                "color": self.text_colour,
            },
        }


LOOK: Final = BoxLook()


def class_map_kwargs(class_map: NDArray[np.uint8], name: str, facts: ResultFacts) -> dict[str, Any]:
    """Return keyword arguments of a napari Labels layer for a map of classes, its data among them.

    The status bar names the class under the mouse, and classes have the colours of their boxes. For a plane of a stack
    the data have an axis of length 1 for each of those before y and x; ``translate`` then has to put them at the plane.

    Parameters
    ----------
    class_map : ndarray of uint8, shape (height, width)
        0 is the background, k the class k - 1.
    name : str
        Of the layer.
    facts : ResultFacts
        Image, classes and pixel size, which go into the layer's metadata.
    """
    colours: dict[int | None, tuple[float, ...]] = {None: _CLEAR, 0: _CLEAR}
    for number, colour in enumerate(edge_colours(facts.classes, facts.classes), start=1):
        colours[number] = tuple(colour.tolist())
    return {
        "data": _in_stack(class_map, facts.plane),
        "name": name,
        "features": {"index": np.arange(1 + len(facts.classes)), CLASS: _strings(["background", *facts.classes])},
        "colormap": colours,
        "opacity": MAP_OPACITY,
        "blending": "translucent_no_depth",
        "metadata": {MAP_KEY: asdict(facts)},
    }


def probability_kwargs(probability: NDArray[np.uint8], name: str, plane: Sequence[int] = ()) -> dict[str, Any]:
    """Return keyword arguments of a napari Image layer for the probability of a specimen, its data among them.

    For a plane of a stack the data get leading axes, as those of :func:`class_map_kwargs`.

    Parameters
    ----------
    probability : ndarray of uint8, shape (height, width)
        255 is certainty.
    name : str
        Of the layer.
    plane : sequence of int
        Position on the axes before y and x.
    """
    return {
        "data": _in_stack(probability, plane),
        "name": name,
        "colormap": "magma",
        "contrast_limits": (0, 255),
        "blending": "additive",
        "opacity": 0.7,
        "metadata": {MAP_KEY: {"image": name}},
    }


def _in_stack(values: NDArray[np.uint8], plane: Sequence[int]) -> NDArray[np.uint8]:
    """Return an image with an axis of length 1 for each of those before y and x."""
    return values.reshape((*(1 for _ in plane), *values.shape))


def edge_width(height: int | None, width: int | None) -> float:
    """Return the width of a box's line in image pixels: fine, yet visible with the whole image on the screen."""
    return max(1.0, round(max(height or 0, width or 0) / 800, 1))


def edge_colours(class_names: Sequence[str], classes: Sequence[str]) -> NDArray[np.float32]:
    """Return red, green, blue and alpha of 0..1 by class, shape (N, 4)."""
    position = {name: i for i, name in enumerate(classes)}
    palette = np.asarray(PALETTE, dtype=np.float32) / 255
    colours = np.ones((len(class_names), 4), dtype=np.float32)
    if len(class_names):
        colours[:, :3] = palette[[position.get(name, len(classes)) % len(PALETTE) for name in class_names]]
    return colours


def to_quads(boxes: ArrayLike, plane: Sequence[int] = ()) -> NDArray[np.float64]:
    """Return the corners of boxes as napari rectangles, shape (N, 4, len(plane) + 2), as ..., y, x."""
    return to_points(geometry.corners(boxes), plane)


def to_points(points: ArrayLike, plane: Sequence[int] = ()) -> NDArray[np.float64]:
    """Return points x, y in image coordinates, shape (..., 2), as napari's ..., y, x."""
    swapped = np.asarray(points, dtype=np.float64)[..., ::-1] - _CENTRE
    if not plane:
        return swapped
    lead = np.broadcast_to(np.asarray(plane, dtype=np.float64), (*swapped.shape[:-1], len(plane)))
    return np.concatenate([lead, swapped], axis=-1)


def from_points(points: ArrayLike) -> NDArray[np.float64]:
    """Return napari's points, shape (K, D), as x, y in image coordinates, shape (K, 2)."""
    return np.asarray(points, dtype=np.float64)[:, -2:][:, ::-1] + _CENTRE


def to_boxes(shapes: Sequence[ArrayLike]) -> NDArray[np.float64]:
    """Return the rotated box of each shape, shape (N, 5), in canonical form.

    Rectangles keep their corners exactly; anything else (a dragged corner, a sheared rectangle, a polygon, an
    ellipse's or a line's points) becomes the box of least area around it.

    Parameters
    ----------
    shapes : sequence of array-like, shape (M, D)
        Points as ..., y, x; the last two axes are those of the image.
    """
    boxes = np.empty((len(shapes), 5))
    for i, shape in enumerate(shapes):
        points = from_points(shape)
        if is_rectangle(points):
            boxes[i] = geometry.from_corners(points[None])[0]
        else:
            boxes[i] = geometry.min_area_box(points)
    return boxes


def is_rectangle(points: ArrayLike, tolerance: float = 0.01) -> bool:
    """Return whether four corners, shape (4, 2), make a rectangle to within ``tolerance`` pixels and right angles."""
    quad = np.asarray(points, dtype=np.float64)
    if quad.shape != (4, 2):
        return False
    first, second = quad[1] - quad[0], quad[3] - quad[0]
    sides = float(np.hypot(*first)), float(np.hypot(*second))
    if min(sides) < 1e-3 or np.abs(quad[0] + quad[2] - quad[1] - quad[3]).max() > tolerance:
        return False
    return bool(abs(first @ second) <= 1e-4 * sides[0] * sides[1])


def to_features(
    detections: Detections,
    specimens: ArrayLike,
    origins: Sequence[str] | str,
    pixel_size_um: float | None,
    measured: Measurements | None = None,
) -> dict[str, NDArray[Any]]:
    """Return the features of specimens, an array of length N for each of :data:`FEATURES`, :data:`OUTLINE` if known.

    Parameters
    ----------
    detections : Detections
        The specimens.
    specimens : array-like of int, shape (N,)
        Their numbers.
    origins : sequence of str, or str
        ``"person"`` or the name and version of a model.
    pixel_size_um : float or None
        Micrometres per pixel.
    measured : Measurements, optional
        Of these specimens, where they are known already: outlines and brightness take time.
    """
    measured = measure(detections, pixel_size_um) if measured is None else measured.at(pixel_size_um)
    return {
        SPECIMEN: np.asarray(specimens, dtype=np.int64),
        CLASS: _strings(measured.class_names),
        STATUS: _strings(measured.statuses),
        **{name: getattr(measured, name) for name in (SCORE, *SIZES, *SHAPES, CUT)},
        ORIGIN: _strings([origins] * len(detections) if isinstance(origins, str) else origins),
        **({} if measured.outlines is None else {OUTLINE: _strings(measured.outlines)}),
    }


def to_taxa(names: Sequence[Name | None]) -> dict[str, NDArray[Any]]:
    """Return the features that tell the taxa of N specimens, one array of length N per name."""
    cells = [NO_CELLS if name is None else name.cells() for name in names]
    parts = {column: [cell[column] for cell in cells] for column in COLUMNS}
    return {
        column: np.asarray(values, dtype=np.float64) if column == TAXON_CONFIDENCE else _strings(values)
        for column, values in parts.items()
    }


def taxon_names(features: Mapping[str, Any], n: int) -> tuple[Name | None, ...]:
    """Return the names of N specimens in a table of features, None for specimens without a name."""
    parts = zip(*(_column(features, column, NO_CELLS[column], n) for column in COLUMNS), strict=True)
    cells = (dict(zip(COLUMNS, values, strict=True)) for values in parts)
    return tuple(Name.of(cell) if np.isfinite(cell[TAXON_CONFIDENCE]) else None for cell in cells)


def names_in(metadata: Mapping[str, Any]) -> dict[int, Name]:
    """Return the names that a layer remembers, by the numbers of its specimens."""
    names: dict[int, Name] = metadata.get(NAMES_KEY, {})
    return names


def features_in_um(features: Mapping[str, Any], pixel_size_um: float | None) -> dict[str, NDArray[np.float64]]:
    """Return the features in µm, by their names, of a table that has those in pixels; NaN without a pixel size."""
    sizes = (LENGTH_PX, WIDTH_PX, PERIMETER_PX, AREA_PX)
    return columns.sizes_in_um({name: np.asarray(features[name], dtype=np.float64) for name in sizes}, pixel_size_um)


def detections_from_shapes(shapes: Sequence[ArrayLike], features: Mapping[str, Any], facts: ResultFacts) -> Detections:
    """Return the specimens of a layer, in the order of their shapes.

    Sizes come from the shapes, class, status and score from the features; what a feature table lacks or a person
    left empty takes the defaults: the first class, valve, score 1.

    Parameters
    ----------
    shapes : sequence of array-like, shape (M, D)
        ``layer.data``.
    features : Mapping
        ``layer.features``, or any table with some of :data:`FEATURES`.
    facts : ResultFacts
        Where the classes and the image's size come from.
    """
    n = len(shapes)
    names = [str(name) for name in _column(features, CLASS, facts.classes[0], n)]
    classes = tuple(dict.fromkeys([*facts.classes, *(name for name in names if name)]))
    position = {name: i for i, name in enumerate(classes)}
    states = {name: i for i, name in enumerate(STATUSES)}
    scores = np.asarray(_column(features, SCORE, 1.0, n), dtype=np.float64)
    boxes = to_boxes(shapes)
    return Detections.of(
        boxes,
        class_ids=[position.get(name, 0) for name in names],
        scores=np.clip(np.where(np.isfinite(scores), scores, 1.0), 0, 1),
        classes=classes,
        cut=cut_flags(boxes, facts.height, facts.width),
        status=[states.get(str(name), 0) for name in _column(features, STATUS, STATUSES[0], n)],
    )


def labels(features: Mapping[str, Any], many_classes: bool) -> NDArray[np.str_]:
    """Return the text beside each box: number and length; between them its taxon, or its class where there are many."""
    texts = []
    parts = [features[name] for name in (SPECIMEN, CLASS, LENGTH_UM, LENGTH_PX)]
    taxa = _column(features, TAXON, "", len(parts[0]))
    for number, name, length_um, length_px, taxon in zip(*parts, taxa, strict=True):
        size = f"{length_um:.1f} µm" if np.isfinite(length_um) else f"{length_px:.0f} px"
        called = taxon or (name if many_classes else "")
        texts.append(f"{number} {called} {size}")
    return np.asarray(texts, dtype=np.str_)


def origins_of(features: Mapping[str, Any], n: int) -> tuple[str, ...]:
    """Return the origins in a table of features; a person where it names none."""
    return tuple(str(origin) or PERSON for origin in _column(features, ORIGIN, PERSON, n))


def _column(features: Mapping[str, Any], name: str, default: Any, n: int) -> Sequence[Any]:
    """Return a feature's values, with ``default`` where the feature is missing or None."""
    if name not in features:
        return [default] * n
    return [default if value is None else value for value in features[name]]


def _strings(values: Sequence[str]) -> NDArray[np.object_]:
    """Return text as the object array that pandas keeps as it is."""
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out
