"""One specimen of an image as people annotate it, and the way between many of them and :class:`Annotations`."""

from __future__ import annotations

import dataclasses
import math
import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import compress
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core import geometry
from napari_diatom.core.annotations import SHAPES, Annotations, Outline
from napari_diatom.core.cut_edges import box_of_bounds
from napari_diatom.core.detections import PERSON, STATUSES, CroppedMask, Detections
from napari_diatom.core.errors import InputError

Box = tuple[float, float, float, float, float]
"""``cx, cy, length, width`` in pixels and the angle in radians, canonical, in single precision as files have it."""

Shape = Literal["rectangle", "polygon"]

_CACHED: Final = ("mask", "polygons")
_STEEP: Final = 1.57
"""Angle (rad) below which single precision does not round up to a right one."""
_LEVEL: Final = 1e-6
"""Angle (rad) above which :func:`~napari_diatom.core.geometry.canonical` changes no digit that single precision has."""
_LEAST: Final = 1e-3
"""Pixels that a box has at least, so that its corners in a file, of four decimals, span an area."""
_FAR: Final = 1e7
"""Pixels from the image's first one beyond which files hold nothing."""
_GEOMETRY: Final = frozenset({"box", "shape", "outline", "pixels"})


@dataclass(frozen=True, eq=False)
class Specimen:
    """One specimen; construct with :meth:`rectangle`, :meth:`polygon` or :meth:`of_mask`.

    Attributes
    ----------
    id : str
        What it is known by for as long as the project lives.
    box : tuple of float, length 5
        See :data:`Box`; any box is made canonical.
    name : str
        Its class.
    status : str
        One of :data:`~napari_diatom.core.detections.STATUSES`.
    shape : {"rectangle", "polygon"}
        Whether the box is all that is known of its outline.
    outline : Outline or None
        The polygons as drawn; None for rectangles, and for specimens known by their mask.
    pixels : CroppedMask or None
        The mask of a specimen that is known by it; see :attr:`mask` for that of any.
    score : float
        0 to 1; 1 for a person's.
    origin : str
        :data:`~napari_diatom.core.detections.PERSON`, or the name and version of the model that found it.
    reviewed : bool
        Whether a person has drawn it, or looked at it.
    annotator : str
        Who changed it last, empty where unknown.
    changed : str
        When that was, ISO 8601 in UTC with seconds, empty where unknown.

    Raises
    ------
    InputError
        With every problem found: numbers that are NaN, infinite or out of range, an unknown status or shape, no class,
        a polygon with neither outline nor mask.
    """

    id: str
    box: Box
    name: str
    status: str = STATUSES[0]
    shape: Shape = "rectangle"
    outline: Outline | None = None
    pixels: CroppedMask | None = field(default=None, repr=False)
    score: float = 1.0
    origin: str = PERSON
    reviewed: bool = False
    annotator: str = ""
    changed: str = ""

    def __post_init__(self) -> None:
        wrong = (
            not self.id,
            not self.name.strip(),
            self.status not in STATUSES,
            self.shape not in SHAPES,
            not 0 <= self.score <= 1,
            self.shape == "polygon" and not self.outline and self.pixels is None,
            len(self.box) != 5 or not all(map(math.isfinite, self.box)),
            len(self.box) == 5 and min(self.box[2:4]) < _LEAST,
            len(self.box) == 5 and max(map(abs, self.box[:2])) + max(self.box[2:4]) > _FAR,
        )
        if any(wrong):
            raise InputError("Bad specimen: " + "; ".join(compress(self._problems(), wrong)) + ".")
        object.__setattr__(self, "box", _canonical(self.box))
        object.__setattr__(self, "score", _single(self.score)[0])

    def _problems(self) -> tuple[str, ...]:
        """Return what may be wrong, in the order in which it is looked at."""
        return (
            "it has no id",
            "it has no class",
            f"unknown status {self.status!r} (known: {', '.join(STATUSES)})",
            f"unknown shape {self.shape!r}",
            "the score must lie within 0 and 1",
            "a polygon needs an outline or a mask",
            "the box needs five finite numbers",
            f"the box's length and width must be above 0 ({_LEAST:g} px at least)",
            f"the box must lie within {_FAR:.0f} px",
        )

    @classmethod
    def rectangle(cls, box: ArrayLike, name: str, **known: Any) -> Self:
        """Return a specimen whose oriented box, shape (5,), is known; ``known`` are other attributes."""
        return cls(**{"id": new_id()} | known, box=_five(box), name=name, shape="rectangle")

    @classmethod
    def polygon(cls, outline: Outline, name: str, box: ArrayLike | None = None, **known: Any) -> Self:
        """Return a specimen of the given outline, in its smallest box unless another one, shape (5,), is given."""
        rings = _checked(outline)
        if box is None:
            box = geometry.min_area_box(np.concatenate([polygon[0] for polygon in rings]))
        return cls(**{"id": new_id()} | known, box=_five(box), name=name, shape="polygon", outline=rings)

    @classmethod
    def of_mask(cls, mask: CroppedMask, name: str, box: ArrayLike | None = None, **known: Any) -> Self:
        """Return a specimen of the given mask, in the mask's own box unless another one, shape (5,), is given."""
        if box is None:
            from napari_diatom.measurement.morphometry import oriented_box

            box = oriented_box(mask)
        return cls(**{"id": new_id()} | known, box=_five(box), name=name, shape="polygon", pixels=mask)

    @cached_property
    def mask(self) -> CroppedMask | None:
        """The pixels inside, None for rectangles; worked out once."""
        if self.shape == "rectangle" or self.pixels is not None or self.outline is None:
            return self.pixels
        from napari_diatom.core.mask_polygons import fill

        return fill(self.outline)

    @property
    def filled(self) -> CroppedMask:
        """The pixels inside, those of the box where it is all that is known."""
        from napari_diatom.core.mask_polygons import fill

        return self.mask or fill(self.polygons)

    @cached_property
    def polygons(self) -> Outline:
        """The outline, whatever is known of it: as drawn, along a mask's pixels, or the corners of the box."""
        from napari_diatom.core.mask_polygons import trace

        if self.outline is not None:
            return self.outline
        traced = () if self.pixels is None else trace(self.pixels)
        return traced or ((np.round(geometry.corners(self.box)[0], 4),),)

    @property
    def reach(self) -> Box:
        """The box by which the edges of the image cut it: upright round its outline, its own where that is unknown."""
        if self.shape == "rectangle":
            return self.box
        return reach_of(self.outline) if self.outline is not None else _canonical(box_of_bounds(*self.filled.bounds))

    def replace(self, **changes: Any) -> Self:
        """Return the specimen with some attributes exchanged."""
        new = dataclasses.replace(self, **changes)
        if not _GEOMETRY & changes.keys():
            new.__dict__.update({name: self.__dict__[name] for name in _CACHED if name in self.__dict__})
        return new

    def reshaped(self, other: Specimen) -> Self:
        """Return the specimen with the outline and the box of another one."""
        new = self.replace(box=other.box, shape=other.shape, outline=other.outline, pixels=other.pixels)
        new.__dict__.update({name: other.__dict__[name] for name in _CACHED if name in other.__dict__})
        return new

    def is_like(self, other: Specimen) -> bool:
        """Return whether both say the same, as do a specimen and its copy that was written and read again.

        The boxes of equal outlines are not compared: a reader makes its own where a box does not fit its outline.
        """
        if self is other:
            return True
        plain = ("id", "name", "status", "shape", "score", "origin", "reviewed", "annotator", "changed")
        return all(getattr(self, name) == getattr(other, name) for name in plain) and self.has_shape_of(other)

    def has_shape_of(self, other: Specimen) -> bool:
        """Return whether both have the same outline, as :meth:`is_like` compares it."""
        if self.shape != other.shape:
            return False
        if self.shape == "rectangle":
            return self.box == other.box
        return len(self.polygons) == len(other.polygons) and all(
            len(a) == len(b) and all(np.array_equal(ring, its) for ring, its in zip(a, b, strict=True))
            for a, b in zip(self.polygons, other.polygons, strict=True)
        )


def reach_of(outline: Outline) -> Box:
    """Return the upright box round an outline."""
    points = np.concatenate([polygon[0] for polygon in outline])
    return _canonical(box_of_bounds(*points.min(axis=0).tolist(), *points.max(axis=0).tolist()))


def new_id() -> str:
    """Return an id that nobody else uses."""
    return str(uuid.uuid4())


def to_annotations(
    specimens: Sequence[Specimen],
    image: str = "",
    height: int | None = None,
    width: int | None = None,
    pixel_size_um: float | None = None,
    classes: Sequence[str] = (),
    masks: bool = True,
) -> Annotations:
    """Return specimens as annotations, in their order.

    Parameters
    ----------
    specimens : sequence of Specimen
        Of one image.
    image : str
        Its name.
    height, width : int, optional
        Of the image in pixels, from which it is known which specimens its edge cuts.
    pixel_size_um : float, optional
        Micrometres per pixel.
    classes : sequence of str
        Classes that come first in the list, in this order, whether they occur or not.
    masks : bool
        Whether to fill the masks where there are polygons; without, outlines are given for all of those.
    """
    from napari_diatom.core.detections import cut_flags

    names = tuple(dict.fromkeys([*classes, *(item.name for item in specimens)])) or ("diatom",)
    number = {name: i for i, name in enumerate(names)}
    boxes = np.array([item.box for item in specimens]).reshape(-1, 5)
    filled: list[CroppedMask] | None = None
    if masks and any(item.shape == "polygon" for item in specimens):
        filled = [item.filled for item in specimens]
    found = Detections.of(
        boxes,
        [number[item.name] for item in specimens],
        [item.score for item in specimens],
        names,
        filled,
        cut_flags(boxes, height, width),
        [STATUSES.index(item.status) for item in specimens],
    )
    outlines = [
        None if item.shape == "rectangle" else item.outline if filled is not None else item.polygons
        for item in specimens
    ]
    annotations = Annotations.of(
        found,
        [item.origin for item in specimens],
        np.array([item.reviewed for item in specimens], dtype=bool),
        [item.shape for item in specimens],
        outlines,
        image,
        height,
        width,
        pixel_size_um,
    )
    return dataclasses.replace(
        annotations,
        ids=tuple(item.id for item in specimens),
        annotators=tuple(item.annotator for item in specimens),
        changed=tuple(item.changed for item in specimens),
    )


def from_annotations(annotations: Annotations, source: str = "The annotations") -> list[Specimen]:
    """Return annotations as specimens, in their order; those without an id get a new one.

    Parameters
    ----------
    annotations : Annotations
        Of one image.
    source : str
        Names them in errors.

    Raises
    ------
    InputError
        When one of them cannot be a specimen, by its number.
    """
    specimens: list[Specimen] = []
    for i in range(len(annotations)):
        try:
            specimens.append(_one(annotations, i))
        except InputError as error:
            raise InputError(f"{source} cannot be used, number {i + 1}: {error}") from error
    return specimens


def _one(annotations: Annotations, i: int) -> Specimen:
    """Return the specimen of number ``i``."""
    found = annotations.detections
    polygon = annotations.shapes[i] == "polygon"
    outline = annotations.outlines[i] if polygon else None
    return Specimen(
        id=annotations.ids[i] or new_id(),
        box=_five(found.boxes[i]),
        name=found.classes[int(found.class_ids[i])],
        status=STATUSES[int(found.status[i])],
        shape="polygon" if polygon else "rectangle",
        outline=None if outline is None else _checked(outline),
        pixels=found.masks[i] if polygon and outline is None and found.masks is not None else None,
        score=float(found.scores[i]),
        origin=annotations.origins[i],
        reviewed=bool(annotations.reviewed[i]),
        annotator=annotations.annotators[i],
        changed=annotations.changed[i],
    )


def _checked(outline: Outline) -> Outline:
    """Return an outline without repeated end points; one that a file could not hold is refused."""
    rings = tuple(tuple(_ring(ring) for ring in polygon) for polygon in outline)
    if not rings or not all(rings):
        raise InputError("An outline needs at least three points.")
    return rings


def _ring(points: ArrayLike) -> NDArray[np.float64]:
    """Return a ring of an outline, shape (K, 2), without its repeated end point."""
    ring = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    if not (np.abs(ring) <= _FAR).all():
        raise InputError(f"An outline needs finite coordinates within {_FAR:.0f} px.")
    if len(ring) > 1 and np.array_equal(ring[0], ring[-1]):
        ring = ring[:-1]
    if len(ring) < 3 or not np.ptp(ring, axis=0).all():
        raise InputError("An outline needs at least three points that span an area.")
    return ring


def _canonical(box: Box) -> Box:
    """Return a box in canonical form and in single precision, as files hold it."""
    _, _, length, width, angle = box
    # The most are canonical already, and thousands of specimens change at once.
    if width <= length and (angle == 0 or (length >= geometry.ROUND * width and _LEVEL < abs(angle) < _STEEP)):
        # The sum leaves of an angle what canonical() leaves of it.
        cx, cy, length, width, angle = _single(*box[:4], angle + math.pi / 2 - math.pi / 2)
    else:
        cx, cy, length, width, angle = geometry.canonical([box])[0].astype(np.float32).tolist()
    return cx, cy, length, width, angle


def _single(*values: float) -> tuple[float, ...]:
    """Return numbers rounded to single precision."""
    return struct.unpack(f"{len(values)}f", struct.pack(f"{len(values)}f", *values))


def _five(box: ArrayLike) -> Box:
    """Return a box as five plain numbers."""
    cx, cy, length, width, angle = np.asarray(box, dtype=np.float64).reshape(5).tolist()
    return cx, cy, length, width, angle
