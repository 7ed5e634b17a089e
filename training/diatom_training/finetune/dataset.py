"""The annotated slides that a training learns from: read from a project or any annotation format, and divided."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np
from PIL import Image

from diatom_training.examples import Example, Outline, outline_of
from diatom_training.finetune.config import TrainConfig
from napari_diatom import geometry
from napari_diatom.analysis import plan_scales
from napari_diatom.detections import Detections
from napari_diatom.errors import InputError, OutputError
from napari_diatom.formats import Annotations, class_names
from napari_diatom.formats.detect import detect
from napari_diatom.formats.pictures import Pictures, with_sizes
from napari_diatom.imaging import SlideImage
from napari_diatom.progress import Progress, Report, ShouldStop, check, never, silent
from napari_diatom.project import splits
from napari_diatom.project.pictures import page_of
from napari_diatom.project.settings import PROJECT_FILE, ProjectImage, Split
from napari_diatom.project.store import Project
from napari_diatom.project.tallies import Tally

Part = Literal["train", "validation", "test"]
PARTS: Final[tuple[Part, ...]] = ("train", "validation", "test")

FEW: Final = 20
"""Specimens of a class in the training part below which it is hardly learnt."""
IMBALANCE: Final = 20
"""How many times as many specimens the most frequent class may have as the rarest one."""
SPREAD: Final = 1.2
"""By what factor the scale of an image of known pixel size varies, both ways."""
_PLAIN: Final = (".jpg", ".jpeg", ".png", ".bmp")
"""Files that a training reads as they are, where they are of one page and 8 bits."""


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
        Its specimens, of the classes to learn alone.
    pixel_size_um : float or None
        Micrometres per pixel.
    """

    name: str
    path: Path
    page: int
    sha256: str
    group: str
    annotations: Annotations
    pixel_size_um: float | None = None

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

    def open(self) -> SlideImage:
        """Return the image, to be read. Raises InputError when it cannot be."""
        return page_of(self.path, self.page)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Annotated images in three parts.

    Attributes
    ----------
    classes : tuple of str
        What is to be learnt.
    parts : mapping of str to tuple of Slide
        Of ``train``, ``validation`` and ``test``.
    warnings : tuple of str
        A line each: what speaks against training on it.
    """

    classes: tuple[str, ...]
    parts: Mapping[Part, tuple[Slide, ...]]
    warnings: tuple[str, ...]

    def count(self, part: Part) -> Counter[str]:
        """Return the number of specimens of each class in a part."""
        return Counter(self.classes[k] for slide in self.parts[part] for k in slide.truth.class_ids.tolist())

    def to_json(self) -> dict[str, object]:
        """Return the split with the hashes of the files, for :func:`json.dumps`."""
        return {
            "classes": list(self.classes),
            "parts": {
                part: [
                    {
                        "image": slide.name,
                        "path": str(slide.path),
                        "page": slide.page,
                        "sha256": slide.sha256,
                        "slide": slide.group,
                        "specimens": len(slide.truth),
                    }
                    for slide in self.parts[part]
                ]
                for part in PARTS
            },
        }


def read(config: TrainConfig, report: Report = silent, should_stop: ShouldStop = never) -> Dataset:
    """Read and divide the data of a training.

    Raises
    ------
    InputError
        When the data cannot be read, hold none of the classes, or leave a part empty.
    """
    if config.data.name == PROJECT_FILE or (config.data / PROJECT_FILE).is_file():
        slides, own, warnings = _of_project(config, report, should_stop)
    else:
        slides, own, warnings = _of_annotations(config, report, should_stop)
    classes = _classes(config, slides)
    slides = [replace(slide, annotations=_chosen(slide.annotations, classes, config.one_class)) for slide in slides]
    split = own if own is not None and config.split.own else _planned(config, slides)
    parts = _divided(slides, split)
    return Dataset(classes, parts, (*warnings, *_warnings(classes, parts)))


def _of_project(
    config: TrainConfig, report: Report, should_stop: ShouldStop
) -> tuple[list[Slide], Split | None, list[str]]:
    """Read the images of a project that somebody has annotated."""
    slides: list[Slide] = []
    skipped: list[str] = []
    with Project.open(config.data) as project:
        exported = project.export_annotations()
        settings = project.settings
        for number, (image, annotations) in enumerate(zip(project.images, exported, strict=True)):
            report(Progress("images", number, len(exported), image.id))
            check(should_stop)
            if image.state in ("untouched", "machine") and not len(annotations):
                skipped.append(image.id)
                continue
            path = project.path(image.id)
            group = splits.group_of(image, config.split.by)
            slides.append(
                Slide(annotations.image, path, image.page, image.sha256, group, annotations, annotations.pixel_size_um)
            )
    split = settings.split
    if split is not None and set(split.parts) != set(PARTS):
        split = None
    note = f"{len(skipped)} images without annotations are left out, among them {skipped[0]}" if skipped else ""
    if not slides:
        raise InputError(f"No image of {config.data} is annotated: outline the diatoms of some first.")
    return slides, split, [note] if note else []


def _of_annotations(
    config: TrainConfig, report: Report, should_stop: ShouldStop
) -> tuple[list[Slide], Split | None, list[str]]:
    """Read annotations in any known format."""
    if not config.data.exists():
        raise InputError(f"{config.data} does not exist: name a project's folder, or a file or folder of annotations.")
    folder = config.images
    if folder is None:
        folder = config.data if config.data.is_dir() else config.data.parent
        folder = folder / "images" if (folder / "images").is_dir() else folder
    pictures = Pictures(folder)
    found = with_sizes(detect(config.data).read(config.data, folder), pictures, config.data)
    slides: list[Slide] = []
    for number, part in enumerate(found):
        report(Progress("images", number, len(found), part.image))
        check(should_stop)
        path = pictures.path(part.image)
        assert path is not None
        page = re.search(r"#(\d+)$", part.image)
        image = page_of(path, int(page[1]) if page else 1)
        size = part.pixel_size_um or image.pixel_size_um
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        slides.append(Slide(part.image, path, int(page[1]) if page else 1, digest, "", part, size))
    if not slides:
        raise InputError(f"{config.data} names no image.")
    return _grouped(slides, config.group), None, []


def _grouped(slides: Sequence[Slide], pattern: str) -> list[Slide]:
    """Tell the slide of each image by its name, else by its folder where there are several, else each is its own."""
    if pattern:
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
                f"The pattern {pattern!r} finds no slide in the names of {len(wrong)} images, such as {wrong[0]}."
            )
        return named
    folders = {slide.path.parent for slide in slides}
    return [replace(slide, group=slide.path.parent.name if len(folders) > 1 else slide.name) for slide in slides]


def _classes(config: TrainConfig, slides: Sequence[Slide]) -> tuple[str, ...]:
    """Return what is to be learnt."""
    if config.one_class:
        return (config.one_class,)
    occurring = {
        part.detections.classes[k]
        for part in (slide.annotations for slide in slides)
        for k in set(part.detections.class_ids.tolist())
    }
    if not occurring:
        raise InputError(f"There is not one specimen in {config.data}: outline some diatoms first.")
    if config.classes:
        missing = [name for name in config.classes if name not in occurring]
        if missing:
            raise InputError(
                f"{config.data} has no specimen of {', '.join(missing)}; it has {', '.join(sorted(occurring))}."
            )
        return config.classes
    return tuple(name for name in class_names(slide.annotations for slide in slides) if name in occurring)


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
    named = replace(found, class_ids=ids.clip(0), classes=tuple(classes))
    return Annotations.of(
        named[kept],
        shapes=[annotations.shapes[k] for k in kept],
        outlines=[annotations.outlines[k] for k in kept],
        image=annotations.image,
        height=annotations.height,
        width=annotations.width,
        pixel_size_um=annotations.pixel_size_um,
    )


def _planned(config: TrainConfig, slides: Sequence[Slide]) -> Split:
    """Divide the groups as a project does."""
    groups = dict.fromkeys(slide.group for slide in slides)
    if len(groups) < len(PARTS):
        raise InputError(
            f"The images come from {len(groups)} slides, and training, validation and test need one each: annotate "
            "images of more slides, or name the slides by a pattern (group) if each name holds its slide."
        )
    tallies = []
    for number, slide in enumerate(slides):
        height, width = slide.size
        counts = Counter((slide.truth.classes[k], "valve") for k in slide.truth.class_ids.tolist())
        image = ProjectImage(
            id=f"{number}",
            path=slide.name,
            sha256=slide.sha256,
            size=1,
            height=height,
            width=width,
            slide=slide.group,
            sample=slide.group,
        )
        tallies.append(Tally(image, "done", dict(counts)))
    shares = splits.shares_of(config.split.shares)
    return splits.plan(tallies, config.split.by, shares, seed=config.split.seed).split


def _divided(slides: Sequence[Slide], split: Split) -> dict[Part, tuple[Slide, ...]]:
    """Return the images of each part."""
    parts = {part: tuple(s for s in slides if s.group in split.parts.get(part, ())) for part in PARTS}
    for part in ("train", "validation"):
        if not any(len(slide.truth) for slide in parts[part]):
            raise InputError(
                f"The {part} part has no specimen ({len(parts[part])} images): annotate more slides, or divide them "
                "otherwise (another seed, other shares)."
            )
    return parts


def _warnings(classes: Sequence[str], parts: Mapping[Part, Sequence[Slide]]) -> list[str]:
    """Return what speaks against the data."""
    lines: list[str] = []
    counts = {
        part: Counter(classes[k] for slide in parts[part] for k in slide.truth.class_ids.tolist()) for part in PARTS
    }
    few = [f"{name} {counts['train'][name]}" for name in classes if counts["train"][name] < FEW]
    if few:
        lines.append(f"few specimens to learn from ({FEW} are little, 100 are good): {', '.join(few)}")
    for part in PARTS[1:]:
        untaught = [name for name in classes if not counts["train"][name] and counts[part][name]]
        untold = [name for name in classes if counts["train"][name] and not counts[part][name]]
        if untaught:
            lines.append(f"in the {part} part, but not in training: {', '.join(untaught)}")
        if untold:
            lines.append(f"not in the {part} part, where nothing is told of them: {', '.join(untold)}")
    numbers = [counts["train"][name] for name in classes if counts["train"][name]]
    if len(numbers) > 1 and max(numbers) > IMBALANCE * min(numbers):
        lines.append(
            f"the rarest class has {min(numbers)} to learn from, the most frequent {max(numbers)}: expect it "
            "to be missed"
        )
    if not any(len(slide.truth) for slide in parts["test"]):
        lines.append("the test part has no specimen: the model will not be tested")
    whose: dict[str, set[Part]] = {}
    for part in PARTS:
        for slide in parts[part]:
            whose.setdefault(slide.sha256, set()).add(part)
            outside = _outside(slide)
            if outside:
                lines.append(f"{outside} specimens lie outside of {slide.name} and are left out")
    leaks = sum(len(places) > 1 for places in whose.values())
    if leaks:
        lines.append(f"{leaks} images are in two parts under two names: the test will look better than it is")
    return lines


def _outside(slide: Slide) -> int:
    """Return how many specimens have their middle outside of the image."""
    height, width = slide.size
    x, y = slide.truth.boxes[:, :2].T
    return int(((x < 0) | (y < 0) | (x > width) | (y > height)).sum())


def examples(dataset: Dataset, part: Part, config: TrainConfig, tile: int, folder: Path) -> list[Example]:
    """Return the images of a part as a training sees them.

    An image of known pixel size is shown at about the scale that makes its pixels ``config.pixel_size_um``, any other
    at all scales that it is looked at later. What cannot be read as it is, is written into ``folder`` as PNG. Of a
    specimen that a crop cuts, what is inside is asked for, unless that is less than 15 % of it or under 10 pixels long.

    Raises
    ------
    InputError, OutputError
        When an image cannot be read, or not be written.
    """
    return [_example(slide, config.pixel_size_um, tile, folder) for slide in dataset.parts[part]]


def _example(slide: Slide, model_um: float | None, tile: int, folder: Path) -> Example:
    """Return one image as a training sees it."""
    height, width = slide.size
    if model_um is not None and slide.pixel_size_um is not None:
        scale = slide.pixel_size_um / model_um
        scales = (scale / SPREAD, scale * SPREAD)
    else:
        scales = (min(plan_scales(height, width, tile, None, None)), 1.0)
    outlines: list[Outline] = []
    angles: list[float] = []
    ids: list[int] = []
    for k in range(len(slide.truth)):
        outline = outline_in(slide.annotations, k)
        if len(outline) >= 3 and (outline.max(axis=0) > 0).all() and (outline.min(axis=0) < (width, height)).all():
            outlines.append(outline)
            angles.append(float(slide.truth.boxes[k, 4]))
            ids.append(int(slide.truth.class_ids[k]))
    return Example(_readable(slide, folder), tuple(outlines), tuple(angles), tuple(ids), scales, group=slide.group)


def outline_in(annotations: Annotations, k: int) -> Outline:
    """Return the outline of a specimen: its largest polygon, its mask's, or its box."""
    drawn = annotations.outlines[k]
    if annotations.shapes[k] == "polygon":
        if drawn:
            rings = [polygon[0] for polygon in drawn]
            return np.asarray(max(rings, key=geometry.polygon_area), dtype=np.float32)
        masks = annotations.detections.masks
        if masks is not None and masks[k].area:
            return outline_of(masks[k])
    return np.asarray(geometry.corners(annotations.detections.boxes[k : k + 1])[0], dtype=np.float32)


def _readable(slide: Slide, folder: Path) -> Path:
    """Return a file of 8 bits and one page."""
    if slide.path.suffix.lower() in _PLAIN and slide.page == 1:
        with contextlib.suppress(OSError), Image.open(slide.path) as picture:
            if picture.mode in ("1", "L", "P", "RGB", "RGBA"):
                return slide.path
    path = folder / f"{slide.sha256[:16]}-{slide.page}.png"
    if not path.exists():
        image = slide.open()
        pixels = image.read(0, 0, image.width, image.height)
        image.release()
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.png")
        if not cv2.imwrite(str(partial), np.ascontiguousarray(pixels[..., ::-1])):
            raise OutputError(f"{path} cannot be written: is the disk full?")
        partial.replace(path)
    return path
