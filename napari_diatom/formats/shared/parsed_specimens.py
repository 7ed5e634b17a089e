"""From what a file says of its specimens to :class:`Annotations`, with every problem of the file reported together."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.annotations import SHAPES, Annotations, Outline
from napari_diatom.core.detections import PERSON, STATUSES, CroppedMask, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.mask_polygons import check_near
from napari_diatom.core.text import first_few, quoted, shortened
from napari_diatom.formats.shared.field_values import parse_number, size_of
from napari_diatom.formats.shared.polygon_repair import (
    are_of_size,
    are_valid,
    check_angle,
    check_box,
    fill_outline,
    filled_box,
    repaired,
)
from napari_diatom.measurement.morphometry import oriented_box

Size = tuple[int, int]
"""Height and width of an image in pixels."""

DEFAULT_CLASS: Final = "diatom"
LISTED: Final = 3
"""Problems that an error names before it says how many more there are."""
LONGEST: Final = 1000
"""Characters of one of them."""


def some_of(items: Sequence[str], separator: str = ", ") -> str:
    """Return the first few of many as text, and how many more there are."""
    return first_few([shortened(item, LONGEST) for item in items], LISTED, separator)


class NoArea(InputError):
    """A mark that is sound but not a specimen, such as a point: it is left out, and counted.

    Parameters
    ----------
    kind : str
        What it is, in the singular.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(f"is a {kind}, which has no area")
        self.kind = kind


class Problems:
    """What is wrong with a file, gathered while it is read."""

    def __init__(self) -> None:
        self._found: list[str] = []

    @contextlib.contextmanager
    def at(self, place: str, left_out: Counter[str] | None = None) -> Iterator[None]:
        """Keep the error of the block, if it raises one; its message goes on after ``place``.

        A :class:`NoArea` is not an error but counted in ``left_out``, where that is given.
        """
        try:
            yield
        except InputError as error:
            if isinstance(error, NoArea) and left_out is not None:
                left_out[error.kind] += 1
                return
            self.add(f"{place} {error}")

    def add(self, problem: str) -> None:
        """Keep a problem."""
        self._found.append(problem)

    def check(self, source: object) -> None:
        """Say what was found.

        Raises
        ------
        InputError
            With the first few problems, when there is any.
        """
        if self._found:
            raise InputError(f"{source} has damaged annotations: {some_of(self._found, '; ')}.")


@dataclass(frozen=True)
class Facts:
    """What is known of a specimen beside its class and its shape; see :class:`Annotations`."""

    score: float = 1.0
    status: str = STATUSES[0]
    origin: str = PERSON
    reviewed: bool = False
    cut: int = 0

    @classmethod
    def of(cls, annotations: Annotations, i: int) -> Self:
        """Return those of specimen ``i``."""
        found = annotations.detections
        return cls(
            score=float(str(found.scores[i])),
            status=STATUSES[int(found.status[i])],
            origin=annotations.origins[i],
            reviewed=bool(annotations.reviewed[i]),
            cut=int(found.cut[i]),
        )

    @classmethod
    def parsed(cls, known: Mapping[str, Any]) -> Self:
        """Read them from numbers or texts by name; all may be missing.

        Raises
        ------
        InputError
            When one cannot be right; the message continues after the specimen's name.
        """
        score = parse_number(known["score"], "score") if known.get("score") not in (None, "") else 1.0
        if not 0 <= score <= 1:
            raise InputError(f"has the score {score:g}, which is not within 0 and 1")
        status = str(known.get("status") or STATUSES[0])
        if status not in STATUSES:
            raise InputError(f"has the unknown status {quoted(status)} (known: {', '.join(STATUSES)})")
        cut = parse_number(known.get("cut") or 0, "cut flags")
        if cut not in (0, 1, 2, 3):
            raise InputError(f"has the cut flags {cut:g}, which are not within 0 and 3")
        reviewed = known.get("reviewed")
        return cls(
            score=score,
            status=status,
            origin=str(known.get("origin") or PERSON),
            reviewed=str(reviewed).strip().lower() in ("true", "1", "yes"),
            cut=int(cut),
        )

    def texts(self) -> dict[str, str]:
        """Return them as texts by name."""
        return {
            "status": self.status,
            "score": f"{self.score:g}" if float(f"{self.score:g}") == self.score else repr(self.score),
            "origin": self.origin,
            "reviewed": str(self.reviewed).lower(),
            "cut": str(self.cut),
        }


NO_FACTS: Final = Facts()


@dataclass(frozen=True, eq=False)
class ParsedSpecimen:
    """One specimen as read.

    Attributes
    ----------
    name : str
        Its class.
    box : ndarray, shape (5,)
        As in :class:`~napari_diatom.core.detections.Detections`.
    mask : CroppedMask or None
        None for rectangles.
    outline : Outline or None
        As drawn.
    facts : Facts
        What else is known.
    """

    name: str
    box: NDArray[np.float64]
    mask: CroppedMask | None = None
    outline: Outline | None = None
    facts: Facts = NO_FACTS

    @classmethod
    def rectangle(cls, name: str, box: Any, size: Size | None, facts: Facts = NO_FACTS) -> Self:
        """Return a specimen that is a box; ``size`` is that of its image.

        Raises
        ------
        InputError
            When it has no area or lies outside the image; the message continues after the specimen's name.
        """
        numbers = np.asarray(box, dtype=np.float64)
        check_near(numbers[:4])
        if not (numbers[2:4] > 0).all():
            raise InputError("has a box without an area")
        check_angle(float(numbers[4]))
        check_box(numbers)
        if size is not None:
            x0, y0, x1, y1 = geometry.bounds(numbers)[0]
            _check_seen(x1 > 0 and y1 > 0 and x0 < size[1] and y0 < size[0], size)
        return cls(name, geometry.canonical(numbers)[0], facts=facts)

    @classmethod
    def outlined(cls, name: str, outline: Outline, size: Size | None, facts: Facts = NO_FACTS) -> Self:
        """Return a specimen that is drawn as polygons; rings that cross themselves are repaired.

        Raises
        ------
        InputError
            When the polygons have no area, or nothing of them lies in the image.
        """
        lines = repaired(outline)
        mask = fill_outline(lines, size)
        if size is not None and not mask.area:
            low, high = _reach(lines)
            _check_seen((high > 0).all() and low[0] < size[1] and low[1] < size[0], size)
        return cls.masked(name, mask, None, facts, lines)

    @classmethod
    def masked(
        cls,
        name: str,
        mask: CroppedMask,
        size: Size | None,
        facts: Facts = NO_FACTS,
        outline: Outline | None = None,
    ) -> Self:
        """Return a specimen that is known by its mask, which is cut at the image's edge.

        Raises
        ------
        InputError
            When no pixel is inside, or none of them lies in the image.
        """
        seen = mask if size is None else mask.within(0, 0, size[1], size[0])
        if not mask.area:
            raise InputError("is too small: it contains no pixel's centre")
        if size is not None:
            _check_seen(seen.area > 0, size)
        return cls(name, oriented_box(seen), seen.trimmed(), outline, facts)


def _reach(outline: Outline) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and greatest x, y of polygons."""
    points = np.concatenate([polygon[0] for polygon in outline])
    return points.min(axis=0), points.max(axis=0)


def _check_seen(seen: Any, size: Size) -> None:
    """Refuse what lies wholly outside the image."""
    if not seen:
        raise InputError(f"lies outside its image of {size[1]} x {size[0]} pixels")


@dataclass(frozen=True, eq=False)
class Sheet:
    """What a file says of one image."""

    image: str
    size: Size | None
    specimens: list[ParsedSpecimen] = field(default_factory=list)
    pixel_size_um: float | None = None
    left_out: Counter[str] = field(default_factory=Counter)


def assembled(sheets: Sequence[Sheet], classes: Sequence[str] = ()) -> list[Annotations]:
    """Return annotations that share one list of classes: ``classes``, then all others by name."""
    others = {specimen.name for sheet in sheets for specimen in sheet.specimens} - set(classes)
    names = (*classes, *sorted(others)) or (DEFAULT_CLASS,)
    return [_annotations(sheet, names) for sheet in sheets]


def _annotations(sheet: Sheet, classes: tuple[str, ...]) -> Annotations:
    """Join the specimens of one image."""
    specimens = sheet.specimens
    masked = any(specimen.mask is not None for specimen in specimens)
    index = {name: i for i, name in enumerate(classes)}
    found = Detections.of(
        np.reshape([specimen.box for specimen in specimens], (-1, 5)),
        [index[specimen.name] for specimen in specimens],
        [specimen.facts.score for specimen in specimens],
        classes,
        [_mask(specimen, sheet.size) for specimen in specimens] if masked else None,
        [specimen.facts.cut for specimen in specimens],
        [STATUSES.index(specimen.facts.status) for specimen in specimens],
    )
    height, width = sheet.size or (None, None)
    annotations = Annotations.of(
        found,
        origins=[specimen.facts.origin for specimen in specimens],
        reviewed=np.array([specimen.facts.reviewed for specimen in specimens], dtype=bool),
        shapes=[SHAPES[specimen.mask is not None] for specimen in specimens],
        outlines=[specimen.outline for specimen in specimens],
        image=sheet.image,
        height=height,
        width=width,
        pixel_size_um=sheet.pixel_size_um,
    )
    return replace(annotations, left_out=dict(sheet.left_out))


def _mask(specimen: ParsedSpecimen, size: Size | None) -> CroppedMask:
    """Return a specimen's mask, that of its box where it has none."""
    if specimen.mask is not None:
        return specimen.mask
    return filled_box(specimen.box, size)


def tidy(part: Annotations, source: object) -> Annotations:
    """Return annotations with outlines that do not cross themselves, and with masks where there are outlines.

    Raises
    ------
    InputError
        When specimens lie wholly outside their image, or have no area; the first few are named by their numbers.
    """
    size = size_of(part.height, part.width)
    if size is None and not (part.height is None and part.width is None):
        raise InputError(f"{source} has an image with an impossible height or width.")
    problems = Problems()
    corners = geometry.corners(part.detections.boxes)
    lines = list(part.outlines)
    masks: list[CroppedMask] = []
    needs_masks = part.detections.masks is None and SHAPES[1] in part.shapes
    # Of thousands of outlines nearly all are sound: those are found at once.
    is_sound = are_valid(part.outlines) & np.isfinite(corners).all(axis=(1, 2)) & are_of_size(corners)
    for i, outline in enumerate(part.outlines):
        if is_sound[i] and part.shapes[i] == SHAPES[1] and not needs_masks:
            continue
        with problems.at(f"{part.image or 'the image'} specimen {i + 1}"):
            if not np.isfinite(corners[i]).all():
                raise InputError("has a box without a size")
            check_box(part.detections.boxes[i])
            lines[i] = None if outline is None else repaired(outline)
            if size is not None and part.shapes[i] == SHAPES[0]:
                (x0, y0), (x1, y1) = corners[i].min(axis=0), corners[i].max(axis=0)
                _check_seen(x1 > 0 and y1 > 0 and x0 < size[1] and y0 < size[0], size)
            if needs_masks:
                line = lines[i]
                masks.append(filled_box(part.detections.boxes[i], size) if line is None else fill_outline(line, size))
    problems.check(source)
    found = replace(part.detections, masks=tuple(masks)) if masks else part.detections
    return replace(part, detections=found, outlines=tuple(lines))
