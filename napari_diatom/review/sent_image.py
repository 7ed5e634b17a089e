"""Specimens that were found in an image, on their way to a project: their ids, their classes, what becomes of them."""

from __future__ import annotations

import dataclasses
import hashlib
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args

import numpy as np

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import PERSON
from napari_diatom.core.errors import InputError
from napari_diatom.images.orientation import AS_STORED
from napari_diatom.images.planes import BEST
from napari_diatom.project.specimen import Specimen, from_annotations

AsSpecimens = Literal["reviewed", "all"]
"""Which finds become specimens of the project; the others become proposals."""
AS_SPECIMENS: Final[tuple[AsSpecimens, ...]] = get_args(AsSpecimens)

_IDS: Final = uuid.UUID("0e6f3f62-9a43-4f0c-8f0e-4d1b7a6f5c2e")
"""Names the ids of specimens that come without one."""
_SAME_PX: Final = 0.05
"""Pixels within which two boxes are one: a layer and a file round them."""
_SAME_AREA: Final = 0.01
"""Share by which the areas of one outline may differ, as it was drawn and as it was read from a file."""


@dataclass(frozen=True, eq=False)
class SentImage:
    """An image and what was found in it.

    Attributes
    ----------
    name : str
        Of the image in the results.
    file : Path
        Its file.
    load : callable
        Returns the specimens; called once, when it is their turn.
    page : int or None
        Number of the image in a file of several, from 1; None where the file has only one.
    z : str
        How the images of the file are counted, as for :func:`napari_diatom.images.slide_image.open_images`.
    sample : str
        The sample that the image belongs to; empty for the name of its folder.
    sha256 : str
        Of the file when specimens were found in it, in hexadecimal; empty where unknown.
    pixel_size_um : float or None
        Micrometres per pixel of the results.
    annotations : Path or None
        The file that the specimens are read from, None where they are in memory.
    """

    name: str
    file: Path
    load: Callable[[], Annotations]
    page: int | None = None
    z: str = BEST
    sample: str = ""
    sha256: str = ""
    pixel_size_um: float | None = None
    annotations: Path | None = None


class Arrived(NamedTuple):
    """What becomes of the specimens of an image in a project, how many it has already, and how many it rejected."""

    specimens: list[Specimen]
    proposals: list[Specimen]
    known: int
    rejected: int


def classes_sent(annotations: Annotations) -> tuple[str, ...]:
    """Return what the specimens of an image will be called, each name once.

    These are the classes of the results, or the taxa where specimens are named.
    """
    classes = () if any(annotations.names) else annotations.detections.classes
    return tuple(dict.fromkeys([*classes, *_names(annotations)]))


def specimens_sent(annotations: Annotations, identity: str, orientation: int) -> list[Specimen]:
    """Return the specimens of an image with ids that are the same each time.

    Parameters
    ----------
    annotations : Annotations
        The specimens.
    identity : str
        Tells their image from all others.
    orientation : int
        Of the file (1 to 8, as in EXIF).

    Raises
    ------
    InputError
        When one of them cannot be a specimen, or their coordinates may be those of the image as it is stored.
    """
    if annotations.orientation is None and orientation != AS_STORED:
        raise InputError(
            "Its file is turned, and the results do not say whether they were found in the upright image. Run the "
            "model again."
        )
    # Ids that a file states may be those of another project's specimens.
    bare = dataclasses.replace(annotations, ids=())
    found = from_annotations(bare, annotations.image or "The result")
    names = _names(annotations)
    return [item.replace(id=_id(item, identity), name=name) for item, name in zip(found, names, strict=True)]


def arrive(
    coming: Sequence[Specimen],
    there: Iterable[Specimen],
    as_specimens: AsSpecimens,
    is_class: Callable[[str], bool],
    rejected: Iterable[Specimen] = (),
) -> Arrived:
    """Return what becomes of specimens in an image of a project.

    Parameters
    ----------
    coming : sequence of Specimen
        What was found.
    there : iterable of Specimen
        Specimens and proposals of the image.
    as_specimens : {"reviewed", "all"}
        Which of them become specimens. What a person drew always does.
    is_class : callable
        Whether the project has a class. What has another class stays a proposal, if a model made it.
    rejected : iterable of Specimen
        What people rejected or deleted in the project. It does not come back, unless a person has drawn it, changed it
        or looked at it in the results.
    """
    known = _Places(there)
    refused: defaultdict[str, _Places] = defaultdict(_Places)
    for item in rejected:
        refused[item.origin].add(item)
    arrived = Arrived([], [], 0, 0)
    repeated = left_out = 0
    for item in coming:
        if known.has(item):
            repeated += 1
            continue
        by_person = item.origin == PERSON
        if not by_person and not item.reviewed and refused[item.origin].has(item):
            left_out += 1
            continue
        known.add(item)
        taken = by_person or ((item.reviewed or as_specimens == "all") and is_class(item.name))
        (arrived.specimens if taken else arrived.proposals).append(item)
    return arrived._replace(known=repeated, rejected=left_out)


class _Places:
    """Specimens by their ids and their places, to find one of the same geometry."""

    def __init__(self, items: Iterable[Specimen] = ()) -> None:
        self._ids: set[str] = set()
        self._cells: dict[tuple[int, int], list[Specimen]] = defaultdict(list)
        for item in items:
            self.add(item)

    def add(self, item: Specimen) -> None:
        self._ids.add(item.id)
        self._cells[int(item.box[0]), int(item.box[1])].append(item)

    def has(self, item: Specimen) -> bool:
        if item.id in self._ids:
            return True
        x, y = int(item.box[0]), int(item.box[1])
        near = (self._cells.get((x + i, y + k), ()) for i in (-1, 0, 1) for k in (-1, 0, 1))
        return any(_is_same(item, other) for cell in near for other in cell)


def _is_same(one: Specimen, other: Specimen) -> bool:
    """Return whether two specimens have one geometry, but for what files round."""
    if one.shape != other.shape or max(abs(a - b) for a, b in zip(one.box[:4], other.box[:4], strict=True)) > _SAME_PX:
        return False
    if abs(np.sin(one.box[4] - other.box[4])) * one.box[2] > 2 * _SAME_PX:
        return False
    if one.shape == "rectangle":
        return True
    areas = one.filled.area, other.filled.area
    return abs(areas[0] - areas[1]) <= _SAME_AREA * max(areas)


def _names(annotations: Annotations) -> list[str]:
    """Return what each specimen is called: its taxon where it is named, else its class."""
    found = annotations.detections
    classes = [found.classes[i] for i in found.class_ids.tolist()]
    return [own if name is None else name.taxon for own, name in zip(classes, annotations.names, strict=True)]


def _id(item: Specimen, identity: str) -> str:
    """Return an id for a specimen that only depends on its image, its origin and its geometry."""
    geometry = hashlib.sha256(repr([round(value, 2) for value in item.box]).encode())
    if item.shape == "polygon":
        for polygon in item.polygons:
            for ring in polygon:
                geometry.update(np.round(ring, 1).tobytes())
    return str(uuid.uuid5(_IDS, f"{identity} {item.origin} {item.shape} {geometry.hexdigest()}"))
