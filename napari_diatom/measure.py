"""Sizes of specimens in pixels and micrometres, and which of them count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom import geometry
from napari_diatom.detections import CUT_BY_EDGE, STATUSES, Detections
from napari_diatom.errors import InputError
from napari_diatom.pixelsize import checked

DEFAULT_COUNTED: Final = ("valve", "girdle", "frustule", "unidentified", "teratological")
"""Statuses that count unless the protocol says otherwise: all but broken valves."""


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

    def __len__(self) -> int:
        return len(self.score)


def measure(detections: Detections, pixel_size_um: float | None) -> Measurements:
    """Measure specimens.

    Parameters
    ----------
    detections : Detections
        In image pixels.
    pixel_size_um : float or None
        Micrometres per pixel; None leaves the sizes in µm unknown (NaN).

    Raises
    ------
    InputError
        When the pixel size cannot be right.
    """
    unit = np.nan if pixel_size_um is None else checked(pixel_size_um, "The measurements")
    boxes = detections.boxes.astype(np.float64)
    length, width = boxes[:, 2], boxes[:, 3]
    area = geometry.areas(boxes)
    if detections.masks is not None:
        area = np.array([mask.area for mask in detections.masks], dtype=np.float64)
    return Measurements(
        class_names=tuple(detections.classes[i] for i in detections.class_ids),
        statuses=tuple(STATUSES[i] for i in detections.status),
        score=detections.scores.astype(np.float64),
        x_px=boxes[:, 0],
        y_px=boxes[:, 1],
        length_px=length,
        width_px=width,
        angle_deg=np.degrees(boxes[:, 4]),
        area_px=area,
        length_um=length * unit,
        width_um=width * unit,
        area_um2=area * unit**2,
        length_width_ratio=length / width,
        cut_by_edge=(detections.cut & CUT_BY_EDGE) > 0,
        pixel_size_um=pixel_size_um,
    )


@dataclass(frozen=True)
class Protocol:
    """The counting protocol: each specimen of a counted status is one object, whole or cut by the image's edge.

    Attributes
    ----------
    counted : tuple of str
        Statuses that count, in the order of :data:`~napari_diatom.detections.STATUSES`.
    """

    counted: tuple[str, ...] = field(default=DEFAULT_COUNTED)

    def __post_init__(self) -> None:
        unknown = [name for name in self.counted if name not in STATUSES]
        if unknown:
            raise InputError(f"Unknown status {', '.join(unknown)}; known are {', '.join(STATUSES)}.")
        if not self.counted:
            raise InputError(f"At least one status has to count; known are {', '.join(STATUSES)}.")

    @classmethod
    def of(cls, counted: Sequence[str]) -> Protocol:
        """Return the protocol that counts these statuses, given in any order.

        Raises
        ------
        InputError
            When none is given, or one is unknown.
        """
        known = sorted({name for name in counted if name in STATUSES}, key=STATUSES.index)
        return cls((*known, *(name for name in counted if name not in STATUSES)))

    def counts(self, detections: Detections) -> dict[str, int]:
        """Return how many specimens of each class count, in the order of the classes, zeros included."""
        codes = [STATUSES.index(name) for name in self.counted]
        counting = np.isin(detections.status, codes)
        numbers = np.bincount(detections.class_ids[counting], minlength=len(detections.classes))
        return {name: int(number) for name, number in zip(detections.classes, numbers, strict=True)}
