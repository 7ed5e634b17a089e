"""What is known about the specimens of an image, as all formats of annotations read and write it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core.detections import PERSON, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.text import many

if TYPE_CHECKING:
    from napari_diatom.core.taxa import Name


SHAPES: Final = ("rectangle", "polygon")
Polygon = tuple[NDArray[np.float64], ...]
"""Rings of shape (K, 2) as x, y in pixels, without the repeated end point: the outline first, then its holes."""
Outline = tuple[Polygon, ...]
"""The polygons of one specimen; more than one where its parts do not touch."""


@dataclass(frozen=True, eq=False)
class Annotations:
    """What is known about the specimens of one image; construct with :meth:`of`.

    Pixel coordinates are continuous: the image spans 0..width and 0..height, a pixel's centre lies at +0.5.

    Attributes
    ----------
    detections : Detections
        The specimens.
    origins : tuple of str
        Per specimen ``PERSON``, or the name and version of the model that found it.
    reviewed : ndarray of bool, shape (N,)
        Whether a person has looked at it.
    shapes : tuple of str
        Per specimen ``"rectangle"`` or ``"polygon"``.
    outlines : tuple of (Outline or None)
        Per specimen the polygons as drawn; None for rectangles, and for polygons that are known by their mask only.
    image : str
        Name of the image, empty where unknown.
    height, width : int or None
        Of the image, in pixels.
    pixel_size_um : float or None
        Micrometres per pixel.
    orientation : int or None
        How the file of the image stores it (1 to 8, as in EXIF), while coordinates are those of the upright image; None
        where it is unknown whether they are.
    ids : tuple of str
        Per specimen what it is known by in its file and project, empty where it has no such name.
    annotators : tuple of str
        Per specimen who changed it last, empty where unknown.
    changed : tuple of str
        Per specimen when that was, ISO 8601 in UTC, empty where unknown.
    names : tuple of (Name or None)
        Per specimen its taxon, where taxa were named.
    left_out : Mapping of str to int
        What else the file has of this image that is not a specimen, such as ``{"tag": 2}``: its kind, in the singular,
        and how many.
    """

    detections: Detections
    origins: tuple[str, ...]
    reviewed: NDArray[np.bool_]
    shapes: tuple[str, ...]
    outlines: tuple[Outline | None, ...]
    image: str = ""
    height: int | None = None
    width: int | None = None
    pixel_size_um: float | None = None
    ids: tuple[str, ...] = ()
    annotators: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    names: tuple[Name | None, ...] = ()
    orientation: int | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Fill in what was left empty, and check the rest.

        Raises
        ------
        InputError
            With every problem found: lengths that do not match, unknown shapes, polygons without mask or outline, ids
            that two specimens share.
        """
        for name, empty in (("ids", ""), ("annotators", ""), ("changed", ""), ("names", None)):
            if not getattr(self, name):
                object.__setattr__(self, name, (empty,) * len(self))
        columns = {
            "origins": self.origins,
            "shapes": self.shapes,
            "outlines": self.outlines,
            "reviewed": self.reviewed,
            "ids": self.ids,
            "annotators": self.annotators,
            "times of change": self.changed,
            "names": self.names,
        }
        problems = [
            f"{len(column)} {name} for {len(self)} specimens"
            for name, column in columns.items()
            if len(column) != len(self)
        ]
        problems += [f"{number} specimens with the id {name}" for name, number in repeated(self.ids).items()]
        problems += [f"unknown shape {kind!r}" for kind in sorted(set(self.shapes) - set(SHAPES))]
        if not problems and self.detections.masks is None:
            problems += [
                f"specimen {i} is a polygon without a mask or an outline"
                for i, (kind, line) in enumerate(zip(self.shapes, self.outlines, strict=True))
                if kind == "polygon" and line is None
            ]
        if problems:
            raise InputError("Bad annotations: " + "; ".join(problems) + ".")

    @classmethod
    def of(
        cls,
        detections: Detections,
        origins: Sequence[str] | str = PERSON,
        reviewed: ArrayLike = False,
        shapes: Sequence[str] | None = None,
        outlines: Sequence[Outline | None] | None = None,
        image: str = "",
        height: int | None = None,
        width: int | None = None,
        pixel_size_um: float | None = None,
    ) -> Self:
        """Build annotations; one origin or one ``reviewed`` stands for all specimens.

        Shapes default to polygons where there are masks and to rectangles elsewhere. What else may be known, such as
        ids, names or the orientation, is added with :func:`dataclasses.replace`.

        Raises
        ------
        InputError
            With every problem found.
        """
        n = len(detections)
        seen = np.asarray(reviewed, dtype=bool)
        return cls(
            detections,
            (origins,) * n if isinstance(origins, str) else tuple(origins),
            np.full(n, seen) if seen.ndim == 0 else seen,
            (SHAPES[detections.masks is not None],) * n if shapes is None else tuple(shapes),
            (None,) * n if outlines is None else tuple(outlines),
            image,
            height,
            width,
            pixel_size_um,
        )

    def __len__(self) -> int:
        return len(self.detections)


def repeated(ids: Sequence[str]) -> dict[str, int]:
    """Return how often each id occurs that occurs more than once; empty ones are none."""
    return {name: number for name, number in Counter(ids).items() if number > 1 and name}


def class_names(parts: Iterable[Annotations]) -> tuple[str, ...]:
    """Return the classes of several images, each once, in the order of their first image."""
    return tuple(dict.fromkeys(name for part in parts for name in part.detections.classes))


def disambiguated(names: Sequence[tuple[str, str]]) -> list[str]:
    """Return a name for each of several classes: the short one, or the long one where others have the same short one.

    Parameters
    ----------
    names : sequence of (str, str)
        The short and the long name of each class, such as ``("sp. 1", "Navicula > sp. 1")``.
    """
    meant: dict[str, set[str]] = {}
    for short, long in names:
        meant.setdefault(short, set()).add(long)
    return [short if len(meant[short]) == 1 else long for short, long in names]


def left_out(parts: Iterable[Annotations]) -> str:
    """Return in words what the files of several images have that is not a specimen, empty where there is nothing."""
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part.left_out)
    return ", ".join(many(number, kind) for kind, number in sorted(total.items()))
