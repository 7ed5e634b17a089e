"""What a format cannot hold of given specimens, counted before anything is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import PERSON, STATUSES
from napari_diatom.core.text import many, quoted
from napari_diatom.formats.label_image.painting import LabelPainter, masks_or_filled_boxes
from napari_diatom.formats.registry import Capability, Format
from napari_diatom.formats.shared.parsed_specimens import DEFAULT_CLASS
from napari_diatom.formats.shared.specimen_shapes import corners_of, is_upright, mask_of, specimen_polygons
from napari_diatom.formats.yolo.codec import reaches_too_far


class _Number(int):
    """A number that is formatted with its noun, ``{:image,images}``."""

    def __format__(self, nouns: str) -> str:
        return many(int(self), *nouns.split(","))


@dataclass(frozen=True)
class Loss:
    """One thing that is lost.

    Attributes
    ----------
    kind : Capability
        What the format does not hold.
    count : int
        Specimens, or images, that have it.
    what : str
        What becomes of it, with ``{count:image,images}`` where the number belongs: the noun for one, and for several.
    """

    kind: Capability
    count: int
    what: str

    def text(self) -> str:
        """Return it in a few words."""
        return self.what.format(count=_Number(self.count))


@dataclass(frozen=True)
class Losses:
    """All that a format cannot hold.

    Attributes
    ----------
    title : str
        The format's name for people.
    items : tuple of Loss
        What is lost; empty where nothing is.
    """

    title: str
    items: tuple[Loss, ...]

    def __bool__(self) -> bool:
        return bool(self.items)

    def text(self) -> str:
        """Return a sentence for the user."""
        if not self.items:
            return f"{self.title} keeps everything."
        return f"{self.title} does not keep: {'; '.join(item.text() for item in self.items)}."


def losses(format_: Format, annotations: Sequence[Annotations]) -> Losses:
    """Return what ``format_`` cannot hold of these specimens."""
    items = []
    for kind, (words, count) in _KINDS.items():
        if kind not in format_.capabilities and not _implied(kind, format_):
            number = sum(count(part) for part in annotations)
            if number:
                items.append(Loss(kind, number, words))
    items += _spelt_otherwise(format_, annotations)
    return Losses(format_.title, tuple(items))


def _implied(kind: Capability, format_: Format) -> bool:
    """Tell whether a loss is part of a greater one: what becomes pixels has no angle."""
    return kind is Capability.ROTATION and Capability.BOXES not in format_.capabilities


def _rotated(part: Annotations) -> int:
    return sum(not is_upright(box) for box in part.detections.boxes)


def _boxes(part: Annotations) -> int:
    return sum(mask_of(part, i) is None for i in range(len(part)))


def _outlined(part: Annotations) -> int:
    return sum(mask_of(part, i) is not None for i in range(len(part)))


def _with_holes(part: Annotations) -> int:
    return sum(any(len(polygon) > 1 for polygon in specimen_polygons(part, i) or ()) for i in range(len(part)))


def _with_islands(part: Annotations) -> int:
    return sum(len(specimen_polygons(part, i) or ()) > 1 for i in range(len(part)))


def _hidden(part: Annotations) -> int:
    """Return how many specimens lie partly below others, 0 where the image's size is unknown."""
    if part.height is None or part.width is None:
        return 0
    whole = masks_or_filled_boxes(part.detections, (part.height, part.width))
    masks = tuple(mask.within(0, 0, part.width, part.height) for mask in whole)
    return LabelPainter.of(replace(part.detections, masks=masks), None, part.height, part.width).overlap().specimens


def _beyond(part: Annotations) -> int:
    """Return how many specimens reach too far beyond their image for Ultralytics."""
    if part.height is None or part.width is None:
        return 0
    return sum(reaches_too_far(corners_of(part, i), (part.height, part.width)) for i in range(len(part)))


def _of_classes(part: Annotations) -> int:
    return sum(part.detections.classes[i] != DEFAULT_CLASS for i in part.detections.class_ids.tolist())


def _spelt_otherwise(format_: Format, annotations: Sequence[Annotations]) -> list[Loss]:
    """Return what becomes of the classes whose names a format cannot hold as they are."""
    names = Counter(part.detections.classes[i] for part in annotations for i in part.detections.class_ids.tolist())
    changed = [name for name in names if format_.spelling(name) != name]
    if not changed:
        return []
    number = sum(names[name] for name in changed)
    if all(format_.spelling(name) == name.replace(" ", "_") for name in changed):
        return [
            Loss(Capability.NAMES, number, "spaces in the class names of {count:specimen,specimens} become underscores")
        ]
    such = f"{quoted(changed[0])} becomes {quoted(format_.spelling(changed[0]))}".replace("{", "{{").replace("}", "}}")
    words = "class names of {count:specimen,specimens} change: " + such + (" and others" if len(changed) > 1 else "")
    return [Loss(Capability.NAMES, number, words)]


_KINDS: Final[dict[Capability, tuple[str, Callable[[Annotations], int]]]] = {
    Capability.ROTATION: ("{count:rotated box becomes,rotated boxes become} upright", _rotated),
    Capability.BOXES: ("{count:box becomes,boxes become} pixels", _boxes),
    Capability.MASKS: ("{count:outline becomes a box,outlines become boxes}", _outlined),
    Capability.HOLES: ("{count:mask has,masks have} holes", _with_holes),
    Capability.ISLANDS: ("{count:mask has,masks have} several parts", _with_islands),
    Capability.OVERLAPS: ("{count:specimen lies,specimens lie} partly below others", _hidden),
    Capability.BEYOND: ("{count:specimen far beyond the edge is,specimens far beyond the edge are} clipped", _beyond),
    Capability.CLASSES: ("classes of {count:specimen,specimens}", _of_classes),
    Capability.SCORES: ("scores of {count:specimen,specimens}", lambda part: int((part.detections.scores != 1).sum())),
    Capability.STATUS: (
        f"status other than {STATUSES[0]} of {{count:specimen,specimens}}",
        lambda part: int((part.detections.status > 0).sum()),
    ),
    Capability.ORIGIN: (
        "origin or review of {count:specimen,specimens}",
        lambda part: int(np.count_nonzero(part.reviewed | (np.array(part.origins) != PERSON))),
    ),
    Capability.IDS: (
        "ids or annotators of {count:specimen,specimens}",
        lambda part: sum(any(stamps) for stamps in zip(part.ids, part.annotators, part.changed, strict=True)),
    ),
    Capability.TAXA: ("taxa of {count:specimen,specimens}", lambda part: sum(name is not None for name in part.names)),
    Capability.CUT: ("cut marks of {count:specimen,specimens}", lambda part: int((part.detections.cut > 0).sum())),
    Capability.SIZE: ("sizes of {count:image,images}", lambda part: int(part.height is not None)),
    Capability.PIXEL_SIZE: ("pixel sizes of {count:image,images}", lambda part: int(part.pixel_size_um is not None)),
    Capability.EMPTY: ("{count:image,images} without specimens", lambda part: int(not len(part))),
}
"""What may be lost: in which words, and of how many."""
