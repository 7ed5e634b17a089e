"""How many specimens of what an image has, without reading their outlines."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from napari_diatom.core import geometry
from napari_diatom.core.cut_edges import edges_of_boxes
from napari_diatom.core.detections import NEAR_EDGE
from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import read_bytes, read_json
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.formats.geojson.feature_geometry import shape_box_and_outline
from napari_diatom.formats.geojson.feature_reader import kind_without_area
from napari_diatom.formats.geojson.qupath_classes import class_and_status
from napari_diatom.project.class_names import renamed_counts
from napari_diatom.project.document import Document
from napari_diatom.project.edits import State
from napari_diatom.project.image_record import files_of
from napari_diatom.project.settings import ProjectImage
from napari_diatom.project.specimen import Specimen, reach_of

Counts = Mapping[tuple[str, str], int]
"""Numbers of specimens by class and status."""

CutCounts = Mapping[tuple[str, str, int], int]
"""Numbers of specimens that edges cut by class, status and edges, as :mod:`napari_diatom.core.cut_edges` has them."""

_Item = tuple[str, str, Sequence[float]]
"""Class and status of a specimen, and the box by which edges cut it."""

Stamp = tuple[tuple[int, int], ...]
"""Time of change in nanoseconds and length of an image's two files: which revision was counted."""


@dataclass(frozen=True)
class Tally:
    """What an image has.

    Attributes
    ----------
    image : ProjectImage
        The image.
    state : State
        How far it is.
    counts : Counts
        Its specimens.
    proposals : int
        How many are proposed besides.
    cut : CutCounts
        Those of its specimens that the edge of the image cuts.
    problem : str
        Why it could not be counted, empty where it could.
    """

    image: ProjectImage
    state: State
    counts: Counts = field(default_factory=dict)
    proposals: int = 0
    cut: CutCounts = field(default_factory=dict)
    problem: str = ""

    @property
    def total(self) -> int:
        """Number of specimens."""
        return sum(self.counts.values())

    def by_class(self) -> Counter[str]:
        """Return the numbers of specimens by class."""
        numbers: Counter[str] = Counter()
        for (name, _), number in self.counts.items():
            numbers[name] += number
        return numbers

    def of(self, image: ProjectImage) -> Tally:
        """Return it for the image as the settings have it now."""
        return replace(self, image=image)

    def renamed(self, names: Mapping[str, str]) -> Tally:
        """Return it under the present names of classes, by their former ones."""
        if not names:
            return self
        return replace(self, counts=renamed_counts(self.counts, names), cut=renamed_counts(self.cut, names))

    def counted(self, statuses: Iterable[str]) -> Counter[str]:
        """Return the numbers of specimens of some statuses by class."""
        wanted = set(statuses)
        numbers: Counter[str] = Counter()
        for (name, status), number in self.counts.items():
            numbers[name] += number if status in wanted else 0
        return +numbers


def of_document(image: ProjectImage, document: Document) -> Tally:
    """Count what is open."""
    items = [(item.name, item.status, _near_edges(item, image)) for item in document.specimens.values()]
    return Tally(image, document.state, *_counted(image, items, len(document.proposals)))


def of_files(project: Path, image: ProjectImage) -> Tally:
    """Count what the files of an image hold; a damaged one is named in the tally."""
    try:
        items = [_item(feature, image) for feature in _features(files_of(project, image.id)[0])]
        proposals = len(_features(files_of(project, image.id)[1]))
        return Tally(image, image.state, *_counted(image, items, proposals))
    except InputError as error:
        return Tally(image, image.state, problem=str(error))


def _near_edges(item: Specimen, image: ProjectImage) -> Sequence[float]:
    """Return the box by which edges cut a specimen; its own where that is far from them."""
    x, y, length, width, _ = item.box
    is_far = min(x, y, image.width - x, image.height - y) > length + width + NEAR_EDGE
    return item.box if is_far else item.reach


def _counted(image: ProjectImage, items: Sequence[_Item], proposals: int) -> tuple[Counts, int, CutCounts]:
    """Return counts by class and status, the number of proposals, and counts of those that the edge cuts."""
    counts = Counter((name, status) for name, status, _ in items)
    boxes = np.fromiter(chain.from_iterable(box for *_, box in items), np.float64, 5 * len(items)).reshape(-1, 5)
    # As a document has them, in single precision.
    boxes = geometry.canonical(boxes).astype(np.float32).astype(np.float64)
    sizes = np.broadcast_to(np.array([image.width, image.height], dtype=np.float64), (len(boxes), 2))
    edges = edges_of_boxes(boxes, sizes)
    cut: Counter[tuple[str, str, int]] = Counter()
    for k in np.flatnonzero(edges).tolist():
        name, status, _ = items[k]
        cut[name, status, int(edges[k])] += 1
    return dict(counts), proposals, dict(cut)


def stamp(project: Path, image: ProjectImage) -> Stamp:
    """Return which revision of an image's files there is."""
    found: list[tuple[int, int]] = []
    for path in files_of(project, image.id):
        try:
            facts = path.stat()
            found.append((facts.st_mtime_ns, facts.st_size))
        except OSError:
            found.append((0, 0))
    return tuple(found)


class Cache:
    """Tallies by revision, kept from one opening of the project to the next.

    Parameters
    ----------
    path : Path
        The file; one that is missing or damaged is an empty cache.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, tuple[Stamp, Tally]] = {}
        self._stored: dict[str, Any] = {}
        self._read: float = -1
        self._load()

    def tally(self, project: Path, image: ProjectImage) -> Tally:
        """Return what the files of an image hold, read only where they are another revision than last time."""
        now = stamp(project, image)
        known = self._known.get(image.id)
        if known is None or known[0] != now:
            # Another window, or a process that works for this one, may have counted it.
            tally = self._restored(image, now)
            if tally is None and self._load():
                tally = self._restored(image, now)
            tally = tally or of_files(project, image)
            known = self._known[image.id] = now, tally
        return replace(known[1], image=image, state=image.state)

    def note(self, project: Path, image: ProjectImage, document: Document) -> None:
        """Keep what a document holds whose files were just written; the caller holds the lock under which they were."""
        self._known[image.id] = stamp(project, image), of_document(image, document)

    def text(self) -> str:
        """Return all that is known, for the file."""
        counted = {
            id_: [now, tally.proposals, _rows(tally.counts), _rows(tally.cut)]
            for id_, (now, tally) in self._known.items()
            if not tally.problem
        }
        return json.dumps(self._stored | counted, ensure_ascii=False)

    def _load(self) -> bool:
        """Read what was counted, where it was written since the last time, and return whether it was."""
        try:
            written = self._path.stat().st_mtime
        except OSError:
            return False
        if written == self._read:
            return False
        self._read = written
        with suppress(InputError):
            stored = read_json(self._path, "what was counted")
            self._stored = stored if isinstance(stored, dict) else {}
        return True

    def _restored(self, image: ProjectImage, now: Stamp) -> Tally | None:
        """Return what an earlier session counted of the same revision."""
        try:
            # Earlier versions did not count what the edge cuts.
            then, proposals, rows, cut_rows = self._stored[image.id]
            if [tuple(pair) for pair in then] != list(now):
                return None
            counts = {(_text(name), _text(status)): _number(count) for name, status, count in rows}
            cut = {(_text(name), _text(status), _number(edges)): _number(n) for name, status, edges, n in cut_rows}
            return Tally(image, image.state, counts, _number(proposals), cut)
        except (KeyError, ValueError, TypeError):
            return None


def _features(path: Path) -> list[Mapping[str, Any]]:
    """Return the features of a file that are of specimens."""
    try:
        data = read_bytes(path)
    except InputError:
        if os.path.lexists(path):
            raise
        return []
    parsed = geojson.parsed(data, str(path))
    listed = parsed.get("features") if isinstance(parsed, dict) else parsed
    if not isinstance(listed, list):
        raise InputError(f"{path} is not a GeoJSON FeatureCollection.")
    return [item for item in listed if isinstance(item, dict) and kind_without_area(item) is None]


def _item(feature: Mapping[str, Any], image: ProjectImage) -> _Item:
    """Return what is counted of a feature as a document has it; a point for a box that is far from all edges."""
    properties, shape = feature.get("properties"), feature.get("geometry")
    known = properties if isinstance(properties, dict) else {}
    name, status = class_and_status(known)
    box: Sequence[float] = (image.width / 2, image.height / 2, 0.0, 0.0, 0.0)
    # What is damaged is said when the image is opened.
    with suppress(InputError):
        if isinstance(shape, dict) and not _is_far_from_edges(shape, image):
            kind, own, outline = shape_box_and_outline(known, shape)
            box = own.tolist() if kind == "rectangle" or outline is None else reach_of(outline)
    return name, str(status), box


def _is_far_from_edges(shape: Mapping[str, Any], image: ProjectImage) -> bool:
    """Return whether no box round an outline can reach an edge, without reading the outline as such.

    The smallest box of any direction has sides no longer than the outline is wide.
    """
    try:
        if shape["type"] != "Polygon":
            return False
        xs, ys = zip(*shape["coordinates"][0], strict=True)
        left, top, right, bottom = min(xs), min(ys), max(xs), max(ys)
        margin = 2 * math.hypot(right - left, bottom - top) + 1
        return bool(min(left, top, image.width - right, image.height - bottom) > margin)
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        return False


def _rows(counts: Mapping[Any, int]) -> list[list[Any]]:
    """Return counts as rows of a file."""
    return [[*cell, number] for cell, number in counts.items()]


def _text(value: Any) -> str:
    """Return text as it is; raises TypeError where it is none."""
    if not isinstance(value, str):
        raise TypeError
    return value


def _number(value: Any) -> int:
    """Return a number of specimens as it is; raises TypeError where it is none."""
    if type(value) is not int or not 0 <= value < 2**53:
        raise TypeError
    return value
