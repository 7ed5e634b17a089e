"""Training examples: an image file and the outlines of the specimens in it."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import read_json

Outline = NDArray[np.float32]
"""A closed polygon, shape (K, 2), x and y in pixels of its image."""
_TOUCHES: Final = 1.0
"""Pixels from the image's edge within which a specimen is cut by it, as :mod:`napari_diatom.tiling.tiles` has it."""


@dataclass(frozen=True, eq=False)
class Example:
    """One image with its truth.

    Attributes
    ----------
    image : Path
        An 8-bit image file.
    outlines : tuple of ndarray, each of shape (K, 2)
        The specimens' outlines, x and y in pixels.
    angles : tuple of float
        The direction of each apical axis, radians from +x towards +y.
    class_ids : tuple of int
        Each specimen's class.
    scales : tuple of float
        The range of scales, smallest and largest, at which the network is to see this image.
    weight : float
        How often the image is drawn, relative to the others.
    group : str
        The slide or station, which a split keeps together.
    own_scale : float or None
        The scale at which the network sees this image where scales are not varied; None is that of its own pixels, or
        the nearest to it among ``scales``.
    """

    image: Path
    outlines: tuple[Outline, ...]
    angles: tuple[float, ...]
    class_ids: tuple[int, ...]
    scales: tuple[float, float] = (1.0, 1.0)
    weight: float = 1.0
    group: str = ""
    own_scale: float | None = None

    def scale_between(self, place: float, share: float) -> float:
        """Return a scale at which the network sees this image.

        Parameters
        ----------
        place : float
            Where in the range of scales it lies, from 0 for the smallest to 1 for the largest, evenly in logarithms.
        share : float
            Share of the range that is used, from 0 for the image's own scale alone to 1 for all of it.
        """
        low, high = self.scales
        own = min(max(1.0, low), high) if self.own_scale is None else self.own_scale
        return float(own * (low / own * (high / low) ** place) ** share)


def box_along_axis(outline: NDArray[np.floating], angle: float) -> NDArray[np.float64]:
    """Return the oriented box, shape (5,), around an outline along the given axis."""
    cos, sin = np.cos(angle), np.sin(angle)
    points = outline.astype(np.float64) @ np.array([[cos, -sin], [sin, cos]])
    low, high = points.min(axis=0), points.max(axis=0)
    (u, v), (length, width) = (low + high) / 2, high - low
    return np.array([u * cos - v * sin, u * sin + v * cos, length, width, angle])


def pixel_edge_outline(mask: CroppedMask, tolerance: float = 0.5) -> Outline:
    """Return the outline, shape (K, 2), of a mask's largest part, simplified within ``tolerance`` pixels."""
    import cv2
    from shapely import Polygon

    found, _ = cv2.findContours(np.pad(mask.pixels, 1).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not found:
        raise InputError("An empty mask has no outline.")
    points = cv2.approxPolyDP(max(found, key=cv2.contourArea), tolerance, True).reshape(-1, 2).astype(np.float64)
    points += (mask.x0 - 0.5, mask.y0 - 0.5)
    if len(points) >= 3:
        # The contour runs through the centres of the outermost pixels; the outline runs along their outer edges.
        grown = Polygon(points).buffer(0.5, join_style="mitre")
        if isinstance(grown, Polygon) and not grown.is_empty:
            return np.asarray(grown.exterior.coords[:-1], dtype=np.float32)
    low, high = points.min(axis=0) - 0.5, points.max(axis=0) + 0.5
    return np.array([low, (high[0], low[1]), high, (low[0], high[1])], dtype=np.float32)


def fitted(outline: NDArray[np.floating], box: NDArray[np.floating]) -> Outline:
    """Return an outline, shape (K, 2), stretched along and across an oriented box's axes until it fills the box.

    The outline of a mask is that of whole pixels, up to one wider than the specimen; its box may be known better.
    """
    cos, sin = np.cos(box[4]), np.sin(box[4])
    turn = np.array([[cos, -sin], [sin, cos]])
    points = (outline.astype(np.float64) - box[:2]) @ turn
    low, high = points.min(axis=0), points.max(axis=0)
    filled = (points - (low + high) / 2) * (box[2:4] / np.maximum(high - low, geometry.TINY))
    return np.asarray(filled @ turn.T + box[:2], dtype=np.float32)


def from_coco(
    annotations: Path,
    images: Path,
    groups: Sequence[str] | None = None,
    group_field: int = -2,
    scales: tuple[float, float] = (1.0, 1.0),
    weight: float = 1.0,
) -> list[Example]:
    """Read the polygons of a COCO file as examples of one class.

    Parameters
    ----------
    annotations, images : Path
        The COCO JSON file and the folder of its images.
    groups : sequence of str, optional
        Keep only images of these groups.
    group_field : int
        Which of the parts between the underscores of a file's stem names its group (slide, station).
    scales, weight
        As in :class:`Example`.

    Raises
    ------
    InputError
        When the file is no COCO annotation file.
    """
    try:
        data = read_json(annotations, "a COCO annotation file")
        by_image: dict[int, list[Outline]] = {entry["id"]: [] for entry in data["images"]}
        for note in data["annotations"]:
            points = np.concatenate(
                [np.asarray(part, dtype=np.float32).reshape(-1, 2) for part in note["segmentation"]]
            )
            by_image[note["image_id"]].append(points)
        files = {entry["id"]: str(entry["file_name"]) for entry in data["images"]}
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise InputError(f"{annotations} is not a COCO annotation file with polygons: {error!r}") from error
    examples = []
    for key in sorted(files, key=files.__getitem__):
        parts = Path(files[key]).stem.split("_")
        group = parts[group_field] if len(parts) >= abs(group_field) else ""
        if groups is not None and group not in groups:
            continue
        outlines = tuple(by_image[key])
        examples.append(
            Example(
                image=images / files[key],
                outlines=outlines,
                angles=tuple(float(geometry.min_area_box(outline)[4]) for outline in outlines),
                class_ids=(0,) * len(outlines),
                scales=scales,
                weight=weight,
                group=group,
            )
        )
    return examples


def reaches_edge(outline: Outline, width: int, height: int) -> bool:
    """Tell whether a specimen is cut by the edge of its image."""
    return bool(min(outline.min(), width - outline[:, 0].max(), height - outline[:, 1].max()) <= _TOUCHES)


def example_truth(example: Example, classes: Sequence[str] = ("diatom",)) -> Detections:
    """Return the oriented boxes of an example's outlines."""
    boxes = [box_along_axis(outline, angle) for outline, angle in zip(example.outlines, example.angles, strict=True)]
    return Detections.of(np.array(boxes).reshape(-1, 5), class_ids=example.class_ids, classes=classes)


def save_truth(path: Path, outlines: Sequence[Outline], angles: Sequence[float], class_ids: Sequence[int]) -> None:
    """Write outlines beside a rendered training image as an ``.npz`` file."""
    np.savez_compressed(
        path,
        points=np.concatenate([np.empty((0, 2), np.float32), *outlines]),
        sizes=np.array([len(outline) for outline in outlines], dtype=np.int64),
        angles=np.array(angles, dtype=np.float64),
        class_ids=np.array(class_ids, dtype=np.int64),
    )


def load_truth(image: Path, scales: tuple[float, float] = (1.0, 1.0), weight: float = 1.0) -> Example:
    """Read the example of a rendered image from the ``.npz`` file beside it.

    Raises
    ------
    InputError
        When that file is missing or damaged.
    """
    path = image.with_suffix(".npz")
    try:
        with np.load(path) as data:
            cuts = np.cumsum(data["sizes"])[:-1]
            outlines = tuple(np.split(data["points"], cuts)) if len(data["sizes"]) else ()
            return Example(
                image=image,
                outlines=outlines,
                angles=tuple(data["angles"].tolist()),
                class_ids=tuple(data["class_ids"].tolist()),
                scales=scales,
                weight=weight,
                group="rendered",
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path} does not hold the outlines of {image.name}: {error}. Remove both files.") from error
