"""Sizes of specimens in pixels and micrometres, and which of them count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.detections import CUT_BY_EDGE, STATUSES, CroppedMask, Detections
from napari_diatom.images.pixel_size import validate_pixel_size
from napari_diatom.measurement.columns import SIZES_PX, sizes_in_um
from napari_diatom.measurement.intensity import UNKNOWN, IntensitySource, brightness
from napari_diatom.measurement.morphometry import SHAPE_NAMES, measure_shape
from napari_diatom.measurement.outline_refinement import NO_OUTLINE, outline_verdicts
from napari_diatom.measurement.striae import NO_PIXEL_SIZE, Striae, measure_striae

if TYPE_CHECKING:
    from napari_diatom.core.annotations import Annotations

_STRIAE: Final = ("striae_10um", "striae_left_10um", "striae_middle_10um", "striae_right_10um")


@dataclass(frozen=True, eq=False)
class Measurements:
    """One row per specimen, as arrays of shape (N,); the names are those of ``specimens.csv``.

    Attributes
    ----------
    class_names, statuses : tuple of str
        Class and status of each specimen.
    score : ndarray of float
        0 to 1.
    x_px, y_px : ndarray of float
        Centre, from the image's left and top edge.
    length_px, width_px : ndarray of float
        Sides of the oriented box; the length is along the apical axis.
    angle_deg : ndarray of float
        Of the apical axis, from right towards down, in [-90, 90).
    area_px : ndarray of float
        Of the mask where there is one, else of the box, in square pixels.
    length_um, width_um, area_um2 : ndarray of float
        The same in µm and µm²; NaN where the pixel size is unknown.
    length_width_ratio : ndarray of float
        Length over width.
    cut_by_edge : ndarray of bool
        Whether the specimen touches the image's edge, so that its true size is unknown.
    pixel_size_um : float or None
        Micrometres per pixel.
    midline_length_px, width_max_px, width_centre_px, perimeter_px, feret_px, min_feret_px : ndarray of float
        Of the mask; see :class:`~napari_diatom.measurement.morphometry.Shape`. These and all that follow are NaN where
        there is no mask, or an empty one.
    midline_length_um, width_max_um, width_centre_um, perimeter_um, feret_um, min_feret_um : ndarray of float
        The same in µm.
    feret_angle_deg : ndarray of float
        Of Feret's diameter, in [0, 180), anticlockwise from right.
    circularity, rectangularity, solidity, convexity, symmetry_apical, symmetry_transapical : ndarray of float
        Shape, 0 to 1.
    intensity_mean, intensity_sd, intensity_sd_inner : ndarray of float
        Of the pixels inside, see :class:`~napari_diatom.measurement.intensity.Brightness`; NaN where no image was
        given.
    striae_10um, striae_left_10um, striae_middle_10um, striae_right_10um, striae_quality : ndarray of float
        Striae in 10 µm, of specimens with a mask or only a box, see :class:`~napari_diatom.measurement.striae.Striae`;
        NaN where they are refused, or no image was given.
    striae_refused : tuple of str
        Why there is no density; empty where there is one, or no image was given.
    outlines : tuple of str, or None
        Where a network has outlined the specimens, whether each outline agrees with its box, see
        :func:`~napari_diatom.measurement.outline_refinement.outline_verdicts`; empty for those that a person drew.
    """

    class_names: tuple[str, ...]
    statuses: tuple[str, ...]
    score: NDArray[np.float64]
    x_px: NDArray[np.float64]
    y_px: NDArray[np.float64]
    length_px: NDArray[np.float64]
    width_px: NDArray[np.float64]
    angle_deg: NDArray[np.float64]
    area_px: NDArray[np.float64]
    length_um: NDArray[np.float64]
    width_um: NDArray[np.float64]
    area_um2: NDArray[np.float64]
    length_width_ratio: NDArray[np.float64]
    cut_by_edge: NDArray[np.bool_]
    pixel_size_um: float | None
    midline_length_px: NDArray[np.float64]
    width_max_px: NDArray[np.float64]
    width_centre_px: NDArray[np.float64]
    perimeter_px: NDArray[np.float64]
    feret_px: NDArray[np.float64]
    min_feret_px: NDArray[np.float64]
    midline_length_um: NDArray[np.float64]
    width_max_um: NDArray[np.float64]
    width_centre_um: NDArray[np.float64]
    perimeter_um: NDArray[np.float64]
    feret_um: NDArray[np.float64]
    min_feret_um: NDArray[np.float64]
    feret_angle_deg: NDArray[np.float64]
    circularity: NDArray[np.float64]
    rectangularity: NDArray[np.float64]
    solidity: NDArray[np.float64]
    convexity: NDArray[np.float64]
    symmetry_apical: NDArray[np.float64]
    symmetry_transapical: NDArray[np.float64]
    intensity_mean: NDArray[np.float64]
    intensity_sd: NDArray[np.float64]
    intensity_sd_inner: NDArray[np.float64]
    striae_10um: NDArray[np.float64]
    striae_left_10um: NDArray[np.float64]
    striae_middle_10um: NDArray[np.float64]
    striae_right_10um: NDArray[np.float64]
    striae_quality: NDArray[np.float64]
    striae_refused: tuple[str, ...]
    outlines: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, rows: NDArray[np.intp]) -> Self:
        """Return those of some specimens, by their indices."""
        chosen: dict[str, Any] = {}
        for item in fields(self):
            values = getattr(self, item.name)
            if isinstance(values, tuple):
                chosen[item.name] = tuple(values[i] for i in rows)
            elif isinstance(values, np.ndarray):
                chosen[item.name] = values[rows]
        return replace(self, **chosen)

    def with_rows(self, rows: NDArray[np.intp], others: Self) -> Self:
        """Return these with the measurements of some specimens, by their indices, exchanged for others.

        What no network has outlined has an empty text among outlines.
        """
        changed: dict[str, Any] = {}
        for item in fields(self):
            values, new = getattr(self, item.name), getattr(others, item.name)
            if isinstance(values, tuple):
                exchanged = dict(zip(rows.tolist(), ("",) * len(rows) if new is None else new, strict=True))
                changed[item.name] = tuple(exchanged.get(i, value) for i, value in enumerate(values))
            elif isinstance(values, np.ndarray):
                changed[item.name] = values.copy()
                changed[item.name][rows] = new
        return replace(self, **changed)

    def at(self, pixel_size_um: float | None) -> Self:
        """Return the same sizes in pixels with those in µm by another pixel size; None leaves them unknown (NaN).

        Raises
        ------
        InputError
            When the pixel size cannot be right.
        """
        if pixel_size_um is not None:
            pixel_size_um = validate_pixel_size(pixel_size_um, "The measurements")
        sizes = sizes_in_um({name: getattr(self, name) for name in SIZES_PX}, pixel_size_um)
        changed: dict[str, Any] = {**sizes, "pixel_size_um": pixel_size_um}
        before = np.nan if self.pixel_size_um is None else self.pixel_size_um
        for name in _STRIAE:
            changed[name] = getattr(self, name) * (before / (np.nan if pixel_size_um is None else pixel_size_um))
        if pixel_size_um is None:
            changed["striae_refused"] = tuple(
                text if np.isnan(found) else NO_PIXEL_SIZE
                for text, found in zip(self.striae_refused, self.striae_10um, strict=True)
            )
        return replace(self, **changed)


def measure(
    detections: Detections,
    pixel_size_um: float | None,
    image: IntensitySource | NDArray[Any] | None = None,
    numerical_aperture: float | None = None,
) -> Measurements:
    """Measure specimens.

    Parameters
    ----------
    detections : Detections
        In image pixels. Length, width and angle are those of the boxes; what needs a mask is NaN without one.
    pixel_size_um : float or None
        Micrometres per pixel; None leaves the sizes in µm unknown (NaN).
    image : SlideImage, or ndarray of shape (H, W) or (H, W, 3), optional
        Where striae, and the brightness inside the masks, are read, crop by crop; without it, they are unknown (NaN).
    numerical_aperture : float, optional
        Of the objective; finer striae than it resolves are refused.

    Raises
    ------
    InputError
        When the pixel size cannot be right, or the image cannot be read.
    """
    masks: Sequence[CroppedMask | None] = detections.masks or (None,) * len(detections)
    flags = detections.outline_flags
    if flags is not None:
        # Where no outline was found, the mask is only the box.
        masks = [None if flag & NO_OUTLINE else mask for mask, flag in zip(masks, flags.tolist(), strict=True)]
    return _measure(detections, masks, pixel_size_um, image, numerical_aperture)


def measure_annotations(
    annotations: Annotations,
    image: IntensitySource | NDArray[Any] | None = None,
    numerical_aperture: float | None = None,
) -> Measurements:
    """Measure annotated specimens: polygons as the masks that they enclose, rectangles as boxes.

    Parameters
    ----------
    annotations : Annotations
        With the pixel size. What was drawn as a rectangle has no outline, even where a mask was made of it.
    image : SlideImage, or ndarray of shape (H, W) or (H, W, 3), optional
        As for :func:`measure`.
    numerical_aperture : float, optional
        As for :func:`measure`.

    Raises
    ------
    InputError
        When the pixel size cannot be right, or the image cannot be read.
    """
    masks = annotation_masks(annotations)
    return _measure(annotations.detections, masks, annotations.pixel_size_um, image, numerical_aperture)


def annotation_masks(annotations: Annotations) -> list[CroppedMask | None]:
    """Return the masks that annotated specimens enclose; None for those that were drawn as a rectangle."""
    from napari_diatom.core.mask_polygons import fill

    found = annotations.detections
    masks: list[CroppedMask | None] = []
    for i, (shape, outline) in enumerate(zip(annotations.shapes, annotations.outlines, strict=True)):
        if shape != "polygon":
            masks.append(None)
        elif found.masks is not None:
            masks.append(found.masks[i])
        else:
            masks.append(None if outline is None else fill(outline))
    return masks


def _measure(
    detections: Detections,
    masks: Sequence[CroppedMask | None],
    pixel_size_um: float | None,
    image: IntensitySource | NDArray[Any] | None,
    aperture: float | None,
) -> Measurements:
    """Measure specimens with these masks."""
    if pixel_size_um is not None:
        pixel_size_um = validate_pixel_size(pixel_size_um, "The measurements")
    boxes = detections.boxes.astype(np.float64)
    length, width = boxes[:, 2], boxes[:, 3]
    area = geometry.box_areas(boxes)
    for i, mask in enumerate(masks):
        if mask is not None:
            area[i] = mask.area
    filled = [mask if mask is not None and mask.pixels.any() else None for mask in masks]
    shapes = [None if mask is None else measure_shape(mask) for mask in filled]
    shape = {
        name: np.array([np.nan if item is None else getattr(item, name) for item in shapes], dtype=np.float64)
        for name in SHAPE_NAMES
    }
    of_box = {"length_px": length, "width_px": width, "area_px": area}
    sizes = {name: of_box[name] if name in of_box else shape[name.removesuffix("_px")] for name in SIZES_PX}
    lit = [UNKNOWN] * len(filled) if image is None else brightness(filled, image)
    striae = [Striae()] * len(filled)
    if image is not None:
        striae = measure_striae(image, boxes, filled, pixel_size_um, aperture)
    return Measurements(
        class_names=tuple(detections.classes[i] for i in detections.class_ids),
        statuses=tuple(STATUSES[i] for i in detections.status),
        score=detections.scores.astype(np.float64),
        x_px=boxes[:, 0],
        y_px=boxes[:, 1],
        angle_deg=np.degrees(boxes[:, 4]),
        length_width_ratio=length / width,
        cut_by_edge=(detections.cut & CUT_BY_EDGE) > 0,
        pixel_size_um=pixel_size_um,
        **sizes,
        **sizes_in_um(sizes, pixel_size_um),
        **{name: values for name, values in shape.items() if f"{name}_px" not in SIZES_PX},
        intensity_mean=np.array([item.mean for item in lit], dtype=np.float64),
        intensity_sd=np.array([item.sd for item in lit], dtype=np.float64),
        intensity_sd_inner=np.array([item.sd_inner for item in lit], dtype=np.float64),
        striae_10um=np.array([item.whole for item in striae], dtype=np.float64),
        striae_left_10um=np.array([item.left for item in striae], dtype=np.float64),
        striae_middle_10um=np.array([item.middle for item in striae], dtype=np.float64),
        striae_right_10um=np.array([item.right for item in striae], dtype=np.float64),
        striae_quality=np.array([item.quality for item in striae], dtype=np.float64),
        striae_refused=tuple(item.reason for item in striae),
        outlines=None if detections.outline_flags is None else outline_verdicts(detections.outline_flags),
    )
