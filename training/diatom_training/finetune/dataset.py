"""The annotated slides that a training learns from: read from a project or any annotation format, and divided."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
from PIL import Image

from diatom_training.data.annotated_slides import PARTS, AnnotatedSlides, Part, Slide, outline_in, read_slides
from diatom_training.data.examples import Example, Outline
from diatom_training.finetune import data_split
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.data_split import DataSplit
from diatom_training.finetune.dataset_warnings import BOX, OUTLINED, box_warnings, data_warnings, left_out_warnings
from diatom_training.finetune.named_parts import named_images
from napari_diatom.analysis.pipeline import plan_scales
from napari_diatom.core.annotations import class_names
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.core.text import either, many
from napari_diatom.models.card import OUTLINING_TASK, Task
from napari_diatom.project import splits
from napari_diatom.project.settings import ProjectImage
from napari_diatom.project.summary import Tally

SPREAD: Final = 1.2
"""By what factor the scale of an image of known pixel size varies, both ways."""
_PLAIN: Final = (".jpg", ".jpeg", ".png", ".bmp")
"""Files that a training reads as they are, where they are of one page and 8 bits."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Annotated images in three parts.

    Attributes
    ----------
    classes : tuple of str
        What the network should learn.
    parts : mapping of str to tuple of Slide
        Of ``train``, ``validation`` and ``test``.
    warnings : tuple of str
        A line each: warnings about training on it.
    """

    classes: tuple[str, ...]
    parts: Mapping[Part, tuple[Slide, ...]]
    warnings: tuple[str, ...]

    def count(self, part: Part) -> Counter[str]:
        """Return the number of specimens of each class in a part."""
        return Counter(self.classes[k] for slide in self.parts[part] for k in slide.truth.class_ids.tolist())

    def to_json(self) -> dict[str, object]:
        """Return the split, as :meth:`DataSplit.read` takes it, for :func:`json.dumps`."""
        return data_split.to_mapping(self.classes, self.parts)


def read(
    config: TrainConfig,
    monitor: ProgressMonitor = UNWATCHED,
    begun: DataSplit | None = None,
) -> Dataset:
    """Read and divide the data of a training, as it has divided them before where it is going on.

    A split that the data bring along goes first, after that of the configuration; where it has no validation part, that
    is taken out of train.

    Raises
    ------
    InputError
        When the data cannot be read, hold none of the classes, leave a part empty, or are too little for the task: one
        class to name, boxes where outlines are needed.
    """
    if begun is not None:
        config = config.replace(classes=() if config.one_class else begun.classes, without=())
    there, classes, slides = _read(config, monitor)
    changes: list[str] = []
    if begun is not None:
        parts = begun.of(slides)
        changes = begun.changes(parts)
    elif config.split.parts:
        home = named_images(config.split.parts, {slide.name: slide.group for slide in slides})
        parts = {part: tuple(slide for slide in slides if home.get(slide.name) == part) for part in PARTS}
    elif config.split.own and {"train"} < set(there.parts) <= set(PARTS):
        parts = {part: tuple(slide for slide in slides if slide.part == part) for part in PARTS}
        if "validation" not in there.parts:
            parts |= _by_group(parts["train"], _learning(config, parts["train"])) | {"test": parts["test"]}
    else:
        parts = _by_group(slides, _planned(config, slides))
    check_parts(parts, classes, config.task)
    warnings = (
        *there.warnings,
        *changes,
        *left_out_warnings(slides, parts),
        *box_warnings(config, there.slides),
        *data_warnings(config, classes, parts),
    )
    return Dataset(classes, parts, warnings)


def folds(config: TrainConfig, number: int, monitor: ProgressMonitor = UNWATCHED) -> list[dict[Part, tuple[str, ...]]]:
    """Divide the data for a cross-validation: each fold is the test part once, validation is taken out of the others.

    The folds of a project's own split are taken where it has as many.

    Raises
    ------
    InputError
        As :func:`read`, and when there are too few slides for so many folds.
    """
    there, classes, slides = _read(config, monitor)
    by: splits.By = "sample" if config.split.by == "sample" else "slide"
    seed = config.split.seed
    if config.split.own and len(there.parts) == number and not set(there.parts) & set(PARTS):
        tests = [{slide.group for slide in slides if slide.part == part} for part in there.parts]
    else:
        planned = splits.plan(tallies(slides), by, folds=number, seed=seed).split
        tests = [set(groups) for groups in planned.parts.values()]
    divided: list[dict[Part, tuple[str, ...]]] = []
    for k, test in enumerate(tests, start=1):
        rest = [slide for slide in slides if slide.group not in test]
        groups = {slide.group for slide in rest}
        if len(groups) < 2:
            raise InputError(
                f"Outside fold {k} of {number} there {either(len(groups), 'is', 'are')} only "
                f"{many(len(groups), 'slide')}, and training and validation need one "
                "each: annotate images of more slides."
            )
        named: dict[Part, tuple[str, ...]] = {**_learning(config, rest), "test": tuple(sorted(test))}
        parts = _by_group(slides, named)
        try:
            check_parts(parts, classes, config.task)
        except InputError as error:
            raise InputError(f"Fold {k} of {number}: {error}") from None
        if not any(len(slide.truth) for slide in parts["test"]):
            raise InputError(f"Fold {k} of {number} has no specimen to test on: use fewer folds, or another seed.")
        divided.append(named)
    return divided


def _read(config: TrainConfig, monitor: ProgressMonitor) -> tuple[AnnotatedSlides, tuple[str, ...], list[Slide]]:
    """Return the data, the classes to learn, and the slides with the specimens of those alone."""
    there = read_slides(config.data, config.images, config.group, config.split.by, monitor)
    classes = _classes(config, there.slides)
    if config.task == "classes" and len(classes) < 2:
        raise InputError(
            f"There is only one class to learn, {classes[0]}, and a model that names specimens needs two: "
            f"{'leave one_class out' if config.one_class else 'name specimens of more taxa'}, or choose another task."
        )
    slides = [slide.of_classes(classes, config.one_class) for slide in there.slides]
    if config.task == OUTLINING_TASK:
        slides = _outlined(config, slides)
    return there, classes, slides


def _outlined(config: TrainConfig, slides: Sequence[Slide]) -> list[Slide]:
    """Return slides without the specimens that have no outlines: a network that learns boxes draws boxes."""
    outlined = [slide.without_boxes() for slide in slides]
    if not any(len(slide.truth) for slide in outlined):
        raise InputError(
            f"{config.data} has only boxes, and models for outlines need outlines: outline some specimens, or train on "
            "boxes (task: oriented-boxes)."
        )
    return outlined


def _classes(config: TrainConfig, slides: Sequence[Slide]) -> tuple[str, ...]:
    """Return what the network should learn."""
    if config.one_class:
        return (config.one_class,)
    occurring = {
        part.detections.classes[k]
        for part in (slide.annotations for slide in slides)
        for k in set(part.detections.class_ids.tolist())
    }
    if not occurring:
        raise InputError(f"There are no specimens in {config.data}: outline some diatoms first.")
    if config.classes:
        missing = [name for name in config.classes if name not in occurring]
        if missing:
            raise InputError(
                f"{config.data} has no specimens of {', '.join(missing)}; it has {', '.join(sorted(occurring))}."
            )
        return config.classes
    unknown = [name for name in config.without if name not in occurring]
    if unknown:
        raise InputError(
            f"{config.data} has no {', '.join(unknown)} to leave out; it has {', '.join(sorted(occurring))}."
        )
    occurring -= set(config.without)
    if not occurring:
        raise InputError(f"All classes of {config.data} are left out.")
    return tuple(name for name in class_names(slide.annotations for slide in slides) if name in occurring)


def _planned(config: TrainConfig, slides: Sequence[Slide]) -> Mapping[str, tuple[str, ...]]:
    """Divide the groups as a project does."""
    groups = dict.fromkeys(slide.group for slide in slides)
    if len(groups) < len(PARTS):
        raise InputError(
            f"The images come from {many(len(groups), 'slide')}, and training, validation and test need one "
            "each: annotate images of more slides, name the slides by a pattern (Slide name, or group in a file of "
            "settings) if each image name contains its slide, or, if no two images show the same specimens, choose "
            "Each image is a slide (split: {by: image})."
        )
    shares = splits.shares_of(config.split.shares)
    return splits.plan(tallies(slides), shares=shares, seed=config.split.seed).split.parts


def _learning(config: TrainConfig, slides: Sequence[Slide]) -> dict[Part, tuple[str, ...]]:
    """Divide the groups into training and validation alone, by the shares that these have."""
    groups = {slide.group for slide in slides}
    if len(groups) < 2:
        raise InputError(
            f"There are images of {many(len(groups), 'slide')} to learn from, and training and validation "
            "need one each: "
            "annotate images of more slides, or define a validation part."
        )
    learning, validating, _ = splits.shares_of(config.split.shares)
    share = min(max(round(100 * validating / (learning + validating)), 1), 99)
    planned = splits.plan(tallies(slides), shares=(100 - share, share), seed=config.split.seed).split.parts
    return {"train": planned["train"], "validation": planned["test"]}


def tallies(slides: Sequence[Slide]) -> list[Tally]:
    """Return what each image has, as a project tells it."""
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
    return tallies


def _by_group(slides: Sequence[Slide], groups: Mapping[Any, Sequence[str]]) -> dict[Part, tuple[Slide, ...]]:
    """Return the images of each part, given its slides or samples."""
    return {part: tuple(slide for slide in slides if slide.group in groups.get(part, ())) for part in PARTS}


def check_parts(parts: Mapping[Part, Sequence[Slide]], classes: Sequence[str], task: Task) -> None:
    """Refuse parts that cannot be used for training.

    Raises
    ------
    InputError
        When a part has no specimens, or a class has none in training, or boxes where outlines are needed.
    """
    for part in ("train", "validation"):
        if not any(len(slide.truth) for slide in parts[part]):
            raise InputError(
                f"The {part} part has no specimens ({many(len(parts[part]), 'image')}): annotate more "
                "slides, or change the split "
                "(another seed or other shares)."
            )
    counts = Counter(classes[k] for slide in parts["train"] for k in slide.truth.class_ids.tolist())
    untaught = [name for name in classes if not counts[name]]
    if untaught:
        raise InputError(
            f"There are no training specimens of {', '.join(untaught)}: all are on validation or test slides.  "
            "Annotate more slides, change the split (another seed), or leave these classes out (without)."
        )
    if task in OUTLINED:
        bare = [slide.name for part in PARTS for slide in parts[part] if set(slide.annotations.shapes) == {BOX}]
        if bare:
            raise InputError(
                f"{many(len(bare), 'image')} {either(len(bare), 'has', 'have')} only boxes, such as "
                f"{bare[0]}, and {OUTLINED[task]} need "
                "outlines: outline their specimens, leave these images out, or train on boxes (task: oriented-boxes)."
            )


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
    own = None
    if model_um is not None and slide.pixel_size_um is not None:
        own = slide.pixel_size_um / model_um
        scales = (own / SPREAD, own * SPREAD)
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
    return Example(
        _readable(slide, folder),
        tuple(outlines),
        tuple(angles),
        tuple(ids),
        scales,
        group=slide.group,
        own_scale=own,
    )


def _readable(slide: Slide, folder: Path) -> Path:
    """Return a file of 8 bits and one page."""
    image = slide.open()
    if slide.path.suffix.lower() in _PLAIN and slide.page == 1 and image.levels[0].is_8_bit:
        with contextlib.suppress(OSError), Image.open(slide.path) as picture:
            if picture.mode in ("1", "L", "P", "RGB", "RGBA"):
                return slide.path
    path = folder / f"{slide.sha256[:16]}-{slide.page}.png"
    if not path.exists():
        pixels = image.read(0, 0, image.width, image.height)
        image.release()
        done, data = cv2.imencode(".png", pixels[..., ::-1])
        if not done:
            raise OutputError(f"{path} cannot be written: its pixels cannot be encoded.")
        write_atomically(path, data.tobytes())
    return path
