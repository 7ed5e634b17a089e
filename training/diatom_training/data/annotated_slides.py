"""Annotated slides, read from a project or from annotations in any format: the data for training and testing."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from diatom_training.data.examples import Outline, pixel_edge_outline, reaches_edge
from napari_diatom.core import geometry
from napari_diatom.core.annotations import SHAPES, Annotations
from napari_diatom.core.detections import CUT_BY_EDGE, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.text import either, many
from napari_diatom.formats.format_detection import detect
from napari_diatom.formats.registry import Capability
from napari_diatom.formats.shared.image_index import Pictures, with_sizes
from napari_diatom.formats.yolo import dataset_layout
from napari_diatom.images.image_content import content_digest
from napari_diatom.images.slide_image import SlideImage
from napari_diatom.project import splits
from napari_diatom.project.image_identity import open_image_page
from napari_diatom.project.project import Project
from napari_diatom.project.settings import PROJECT_FILE, Division

Part = Literal["train", "validation", "test"]
PARTS: Final[tuple[Part, ...]] = ("train", "validation", "test")
Grouping = Literal["slide", "sample", "image"]

_OF_SPLIT: Final[Mapping[str, Part]] = dict(zip(dataset_layout.SPLITS, PARTS, strict=True))
"""The parts that YOLO's splits are."""
_LAYOUT: Final = frozenset(("images", "labels", "train", "val", "valid", "validation", "test"))
"""Names of folders, in lower case, that say how data are laid out and not which slide they are of."""
BAND_PIXELS: Final = 4_000_000
BAND_ROWS: Final = 512
"""About how many pixels are decoded at once to see whether a file is whole, and in steps of how many rows."""

_whole: Final[set[tuple[Path, int, int, int]]] = set()
"""Path, page, length and time of images that this process has decoded, which takes longer than to read them."""


def key_of(sha256: str, page: int) -> str:
    """Return a short name of a page of a file."""
    return f"{sha256[:16]}-{page}"


@dataclass(frozen=True, eq=False)
class Slide:
    """An annotated image.

    Attributes
    ----------
    name : str
        Of the image, as annotations call it.
    path : Path
        Its file.
    page : int
        Of a file of several, from 1.
    sha256 : str
        Hash of the file.
    group : str
        The slide or sample that it is a part of.
    annotations : Annotations
        Its specimens.
    pixel_size_um : float or None
        Micrometres per pixel.
    part : str
        The part that it is in by the split that the data bring along; empty for none.
    division : str
        What pages of the file are, see :class:`~napari_diatom.project.settings.ProjectImage`.
    """

    name: str
    path: Path
    page: int
    sha256: str
    group: str
    annotations: Annotations
    pixel_size_um: float | None = None
    part: str = ""
    division: Division = "fields"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        assert self.annotations.height is not None
        assert self.annotations.width is not None
        return self.annotations.height, self.annotations.width

    @property
    def truth(self) -> Detections:
        """Its specimens."""
        return self.annotations.detections

    @property
    def outlines(self) -> tuple[Outline, ...]:
        """The outline of each specimen, as :func:`outline_in` has it."""
        return tuple(outline_in(self.annotations, k) for k in range(len(self.truth)))

    @property
    def key(self) -> str:
        """Short name of what it shows, by its file's hash."""
        return key_of(self.sha256, self.page)

    def open(self) -> SlideImage:
        """Return the image, to be read. Raises InputError when it cannot be."""
        return open_image_page(self.path, self.page, self.division)

    def of_classes(self, classes: Sequence[str], one_class: str = "") -> Slide:
        """Return the slide with the specimens of some classes, or with all of them as ``one_class``."""
        chosen = (one_class,) if one_class else tuple(classes)
        return replace(self, annotations=_chosen(self.annotations, chosen, one_class))

    @property
    def outlined(self) -> tuple[bool, ...]:
        """Of each specimen whether it has an outline of its own; others are known by their boxes alone."""
        return tuple(shape == SHAPES[1] for shape in self.annotations.shapes)

    def without_boxes(self) -> Slide:
        """Return the slide with the specimens that have outlines of their own."""
        return replace(self, annotations=_kept(self.annotations, self.truth, np.flatnonzero(self.outlined)))


@dataclass(frozen=True, eq=False)
class AnnotatedSlides:
    """All annotated images that were found.

    Attributes
    ----------
    slides : tuple of Slide
        With all their specimens.
    parts : tuple of str
        Names of the parts of the split that the data bring along; empty where they bring none.
    warnings : tuple of str
        A line each.
    """

    slides: tuple[Slide, ...]
    parts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read_slides(
    data: Path,
    images: Path | None = None,
    group: str = "",
    by: Grouping = "slide",
    monitor: ProgressMonitor = UNWATCHED,
) -> AnnotatedSlides:
    """Read annotated images.

    Every image is decoded once. Where no annotation flags a specimen as cut by the image's edge, those within a pixel
    of it are flagged.

    Parameters
    ----------
    data : Path
        A project's folder, or annotations in any format that ``napari-diatom convert`` reads.
    images : Path, optional
        Folder of the images, for annotations that do not lie beside them.
    group : str
        Regular expression whose first group is the slide in an image's name (without suffix), for data that name no
        slides; without one, the images of a folder are a slide, or each is its own where all lie in one folder.
        Folders such as ``images`` and ``train`` are skipped in favour of their parent folder.
    by : {"slide", "sample", "image"}
        What is a group: the slide or, in a project, the sample. ``image`` takes each image for a slide of its own.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"images"``.

    Raises
    ------
    InputError
        When the data or their images are not there or cannot be read to the last pixel, or nothing is annotated.
    """
    if data.name == PROJECT_FILE or (data / PROJECT_FILE).is_file():
        return _of_project(data, by, monitor)
    there = _of_annotations(data, images, monitor)
    if by == "image":
        return replace(there, slides=tuple(replace(slide, group=slide.name) for slide in there.slides))
    return replace(there, slides=tuple(_grouped(there.slides, group)))


def _of_project(data: Path, by: Grouping, monitor: ProgressMonitor) -> AnnotatedSlides:
    """Read the images of a project that somebody has annotated."""
    slides: list[Slide] = []
    skipped: list[str] = []
    with Project.open(data) as project:
        exported = project.export_annotations()
        split = project.settings.split
        for number, (image, annotations) in enumerate(zip(project.images, exported, strict=True)):
            monitor.report(Progress("images", number, len(exported), image.id))
            monitor.check()
            if image.state in ("untouched", "machine") and not len(annotations):
                skipped.append(image.id)
                continue
            path = project.path(image.id)
            _check_whole(open_image_page(path, image.page, image.division), path, image.page, monitor)
            slides.append(
                Slide(
                    name=annotations.image,
                    path=project.path(image.id),
                    page=image.page,
                    sha256=image.sha256,
                    group=annotations.image if by == "image" else splits.split_group(image, by),
                    annotations=annotations,
                    pixel_size_um=annotations.pixel_size_um,
                    part=(split and splits.part_of(split, image)) or "",
                    division=image.division,
                )
            )
    if not slides:
        raise InputError(f"No image of {data} is annotated: outline the diatoms in some images first.")
    note = f"{many(len(skipped), 'image')} without annotations left out, such as {skipped[0]}" if skipped else ""
    return AnnotatedSlides(tuple(slides), tuple(split.parts) if split else (), (note,) if note else ())


def _of_annotations(data: Path, images: Path | None, monitor: ProgressMonitor) -> AnnotatedSlides:
    """Read annotations in any known format; the slides have no groups yet."""
    if not data.exists():
        raise InputError(f"{data} does not exist: name a project's folder, or a file or folder of annotations.")
    format_ = detect(data)
    members: dict[str, dataset_layout.DatasetImage] = {}
    remarks: list[str] = []
    if Capability.SPLITS in format_.capabilities:
        members = {member.name: member for member in dataset_layout.members(data, Pictures(images))}
        found = format_.read(data, images, remarks)
        paths = {name: member.image for name, member in members.items()}
    else:
        folder = images
        if folder is None:
            folder = data if data.is_dir() else data.parent
            folder = folder / "images" if (folder / "images").is_dir() else folder
        pictures = Pictures(folder)
        found = with_sizes(format_.read(data, folder, remarks), pictures, data)
        paths = {part.image: path for part in found if (path := pictures.path(part.image)) is not None}
    parts, warnings = _parts(members, data)
    flagged = any(part.detections.cut.any() for part in found)
    slides: list[Slide] = []
    for number, part in enumerate(found):
        monitor.report(Progress("images", number, len(found), part.image))
        monitor.check()
        path = paths[part.image]
        match = re.search(r"#(\d+)$", part.image)
        page = int(match[1]) if match else 1
        image = open_image_page(path, page)
        _check_whole(image, path, page, monitor)
        size = part.pixel_size_um or image.pixel_size_um
        shown = part if flagged else _with_cuts(part)
        slides.append(
            Slide(part.image, path, page, content_digest(path)[0], "", shown, size, part=parts.get(part.image, ""))
        )
    if not slides:
        raise InputError(f"{data} does not name any image.")
    own = set(parts.values())
    return AnnotatedSlides(tuple(slides), tuple(part for part in PARTS if part in own), (*remarks, *warnings))


def _parts(members: Mapping[str, dataset_layout.DatasetImage], data: Path) -> tuple[dict[str, Part], tuple[str, ...]]:
    """Return the part of each image by its name, none where all are in one, and warnings about them."""
    parts = {name: _OF_SPLIT[member.splits[0]] for name, member in members.items()}
    if len(set(parts.values())) < 2:
        return {}, ()
    several = [name for name, member in members.items() if len(member.splits) > 1]
    if not several:
        return parts, ()
    line = (
        f"{many(len(several), 'image')} {either(len(several), 'is', 'are')} in several splits of {data.name}, such as "
        f"{several[0]}: each is used only for the first of train, val and test"
    )
    return parts, (line,)


def _check_whole(image: SlideImage, path: Path, page: int, monitor: ProgressMonitor) -> None:
    """Decode an image, so that a damaged file is found before hours of training.

    Raises
    ------
    InputError
        When a pixel cannot be read.
    """
    facts = path.stat()
    key = (path, page, facts.st_size, facts.st_mtime_ns)
    if key in _whole:
        return
    rows = max(BAND_PIXELS // image.width // BAND_ROWS, 1) * BAND_ROWS
    for top in range(0, image.height, rows):
        monitor.check()
        image.read(0, top, image.width, top + rows)
    image.release()
    _whole.add(key)


def _with_cuts(annotations: Annotations) -> Annotations:
    """Return annotations whose specimens are flagged that reach the image's edge."""
    assert annotations.height is not None
    assert annotations.width is not None
    cut = annotations.detections.cut.copy()
    for k in range(len(cut)):
        if reaches_edge(outline_in(annotations, k), annotations.width, annotations.height):
            cut[k] |= CUT_BY_EDGE
    return replace(annotations, detections=replace(annotations.detections, cut=cut))


def _slide_folder(path: Path) -> Path:
    """Return the folder of an image that may be its slide's."""
    folder = path.parent
    while folder.name.lower() in _LAYOUT:
        folder = folder.parent
    return folder


def _grouped(slides: Sequence[Slide], pattern: str) -> list[Slide]:
    """Tell the slide of each image by its name, else by its folder where there are several, else each is its own."""
    if pattern:
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise InputError(f"{pattern!r} is not a regular expression: {error}.") from None
        if not groups:
            raise InputError(f"{pattern!r} has no group in parentheses for the slide.")
        named: list[Slide] = []
        wrong: list[str] = []
        for slide in slides:
            match = re.search(pattern, Path(slide.name).stem)
            if match is None or not match[1]:
                wrong.append(slide.name)
            else:
                named.append(replace(slide, group=match[1]))
        if wrong:
            raise InputError(
                f"The pattern {pattern!r} finds no slide in the names of {many(len(wrong), 'image')}, such "
                f"as {wrong[0]}."
            )
        return named
    return [replace(slide, group=group) for slide, group in zip(slides, _folder_groups(slides), strict=True)]


def _folder_groups(slides: Sequence[Slide]) -> list[str]:
    """Return the slide of each image by its folder; one that lies in none of several is its own."""
    paths = [Path(os.path.abspath(slide.path)) for slide in slides]
    folders = [_slide_folder(path) for path in paths]
    if len(set(folders)) < 2:
        return [slide.name for slide in slides]
    top = next((folder for folder in set(folders) if all(other.is_relative_to(folder) for other in folders)), None)
    return [
        slide.name if folder == top and path.parent != folder else folder.name
        for slide, path, folder in zip(slides, paths, folders, strict=True)
    ]


def _chosen(annotations: Annotations, classes: Sequence[str], one_class: str) -> Annotations:
    """Return the specimens of some classes, numbered as in ``classes``; all as one class where that is asked for."""
    found = annotations.detections
    number = {name: (0 if one_class else classes.index(name) if name in classes else -1) for name in found.classes}
    ids = np.array([number[found.classes[k]] for k in found.class_ids.tolist()], dtype=np.int32)
    kept = np.flatnonzero(ids >= 0)
    if not len(found.classes) or not len(ids):
        return Annotations.of(
            Detections.empty(tuple(classes)),
            image=annotations.image,
            height=annotations.height,
            width=annotations.width,
        )
    return _kept(annotations, replace(found, class_ids=ids.clip(0), classes=tuple(classes)), kept)


def _kept(annotations: Annotations, detections: Detections, kept: NDArray[np.intp]) -> Annotations:
    """Return some of the specimens of annotations, given all of them as detections."""
    return Annotations.of(
        detections[kept],
        shapes=[annotations.shapes[k] for k in kept],
        outlines=[annotations.outlines[k] for k in kept],
        image=annotations.image,
        height=annotations.height,
        width=annotations.width,
        pixel_size_um=annotations.pixel_size_um,
    )


def outline_in(annotations: Annotations, k: int) -> Outline:
    """Return the outline of a specimen: its largest polygon, its mask's, or its box."""
    drawn = annotations.outlines[k]
    if annotations.shapes[k] == "polygon":
        if drawn:
            rings = [polygon[0] for polygon in drawn]
            return np.asarray(max(rings, key=geometry.polygon_area), dtype=np.float32)
        masks = annotations.detections.masks
        if masks is not None and masks[k].area:
            return pixel_edge_outline(masks[k])
    return np.asarray(geometry.corners(annotations.detections.boxes[k : k + 1])[0], dtype=np.float32)
