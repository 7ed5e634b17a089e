"""Sixteen variations of a training's own specimens, with their outlines or boxes, as one picture."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from diatom_training.data.crops import Crop
from diatom_training.data.drawing import TRUTH, draw_ring
from diatom_training.data.examples import Example
from diatom_training.finetune import dataset, initial_weights
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.presets import IMAGENET, SCRATCH
from diatom_training.learning.augment import augmented_crop
from diatom_training.learning.augment_options import AugmentOptions
from diatom_training.learning.classifier_crops import SlideSpecimen, specimens_of, varied_cutout
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.outline_crops import SHORTEST, varied_frame
from napari_diatom.core import geometry
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.engines.classifier_net import side_of

ROWS: Final = 4
"""Specimens that are shown, one a row."""
COLUMNS: Final = 4
"""Variations of each."""
SUFFIXES: Final = (".png", ".jpg")
"""Files that a picture can be written to."""
_LARGEST: Final = 320
"""Longest side of one of them in the picture, in pixels."""
_GAP: Final = 4
_HEAD: Final = 24
_BESIDE: Final = 12
"""Pixels between the variations and what they are made of."""


@dataclass(frozen=True, eq=False)
class _Shown:
    """What a network sees, shape (H, W, 3), and the rings of the specimens in it, shape (K, 2) each."""

    pixels: NDArray[np.uint8]
    rings: Sequence[NDArray[np.float64]]


def augmentation_sheet(config: TrainConfig, monitor: ProgressMonitor = UNWATCHED) -> NDArray[np.uint8]:
    """Return sixteen variations of specimens of the training part, as a training sees them.

    Parameters
    ----------
    config : TrainConfig
        The settings; nothing is trained and nothing is written.
    monitor : ProgressMonitor
        Is asked for stops.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
        RGB: four specimens, a row each. The first column shows the specimen as it is, the others its variations, with
        what the network is asked for in blue: outlines, upright boxes or rotated ones.

    Raises
    ------
    InputError, ModelError, OutputError
        As the training would.
    """
    data = dataset.read(config, monitor)
    # A backbone of ImageNet is no part of what is shown, and not downloaded for it.
    without = config.start == IMAGENET or config.start.endswith(".pth")
    start = initial_weights.resolve(config.model_copy(update={"start": SCRATCH}) if without else config)
    options = config.options(start.architecture, data.classes)
    with tempfile.TemporaryDirectory() as folder:
        examples = dataset.examples(data, "train", config, start.tile_size, Path(folder))
        return sheet_of_examples(examples, options, monitor)


def sheet_of_examples(
    examples: Sequence[Example], options: LearningOptions, monitor: ProgressMonitor = UNWATCHED
) -> NDArray[np.uint8]:
    """Return what :func:`augmentation_sheet` gives, of examples.

    Raises
    ------
    InputError
        When there is no specimen to show, or an image cannot be read.
    """
    unvaried = AugmentOptions.model_validate("none")
    rows = []
    for row, (specimen, index) in enumerate(_chosen(examples, options)):
        cells = []
        for column in range(1 + COLUMNS):
            monitor.check()
            rng = np.random.default_rng((options.seed, row, column))
            cells.append(_cell(_shown(specimen, index, options, options.augment if column else unvaried, rng)))
        gap = np.full((len(cells[0]), _GAP, 3), 255, np.uint8)
        beside = np.full((len(cells[0]), _BESIDE, 3), 255, np.uint8)
        parts = [cells[0], beside, *(part for cell in cells[1:] for part in (cell, gap))][:-1]
        rows += [np.hstack(parts), np.full((_GAP, sum(part.shape[1] for part in parts), 3), 255, np.uint8)]
    sheet = np.vstack(rows[:-1])
    head = np.full((_HEAD, sheet.shape[1], 3), 255, np.uint8)
    for text, left in (("as it is", 4), ("varied", cells[0].shape[1] + _BESIDE + 4)):
        cv2.putText(head, text, (left, _HEAD - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([head, sheet])


def check_new_picture(path: Path, suffixes: Sequence[str] = SUFFIXES) -> None:
    """Refuse a file for a picture.

    Raises
    ------
    InputError
        When it is there already, or has none of the suffixes.
    """
    if path.suffix.lower() not in suffixes:
        kinds = " nor a ".join(f"{suffix} file" for suffix in suffixes)
        raise InputError(f"{path} is {'not a' if len(suffixes) == 1 else 'neither a'} {kinds}.")
    if path.exists():
        raise InputError(f"{path} is there already: name another file.")


def write_picture(picture: NDArray[np.uint8], path: Path) -> None:
    """Write an RGB picture, shape (H, W, 3), as its file name says.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    done, data = cv2.imencode(path.suffix.lower(), picture[..., ::-1])
    if not done:
        raise OutputError(f"{path} cannot be written: its pixels cannot be encoded.")
    write_atomically(path, data.tobytes())


def _chosen(examples: Sequence[Example], options: LearningOptions) -> list[tuple[SlideSpecimen, int]]:
    """Return the specimens of the rows with their numbers in their slides, of as many classes and slides as may be."""
    there = [(specimen, index) for example in examples for index, specimen in enumerate(specimens_of([example]))]
    if options.task == "outlines":
        there = [(specimen, index) for specimen, index in there if specimen.box[2] >= SHORTEST]
    if not there:
        raise InputError("There is no specimen to show variations of.")
    order = np.random.default_rng(options.seed).permutation(len(there)).tolist()
    taken: Counter[object] = Counter()
    chosen = []
    for _ in range(ROWS):
        best = min((there[k] for k in order), key=lambda one: sum(taken[key] for key in _keys(one)))
        taken.update(_keys(best))
        chosen.append(best)
    return chosen


def _keys(one: tuple[SlideSpecimen, int]) -> tuple[object, ...]:
    """Return what the rows of a picture should not share: class, slide, and the specimen itself."""
    specimen, index = one
    return specimen.class_id, specimen.example, (specimen.example, index)


def _shown(
    specimen: SlideSpecimen, index: int, options: LearningOptions, augment: AugmentOptions, rng: np.random.Generator
) -> _Shown:
    """Return what the network is shown of a specimen, and what it is to answer."""
    if options.task == "classes":
        cutout = varied_cutout(specimen, side_of(options.architecture), rng, augment)
        pixels = cutout.masked() if options.masked else cutout.pixels
        return _Shown(pixels, _rings(cutout.distance == 0))
    if options.task == "outlines":
        frame = varied_frame(specimen, rng, augment)
        return _Shown(frame.pixels, _rings(frame.mask > 0))
    crop = augmented_crop(specimen.example, options.size, rng, augment, index)
    return _Shown(crop.pixels, _asked_for(crop, options.task))


def _asked_for(crop: Crop, task: str) -> list[NDArray[np.float64]]:
    """Return what a network of a task is asked for in a crop, as rings of shape (K, 2)."""
    if task == "oriented-boxes":
        return list(geometry.corners(crop.oriented))
    if task == "boxes":
        return [np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]) for x0, y0, x1, y1 in crop.upright.tolist()]
    return [*crop.polygons, *(ring for ring, _ in crop.remnants)] if task == "semantic" else list(crop.polygons)


def _rings(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Return the rings round a mask's parts, through the centres of their outermost pixels, shape (K, 2) each."""
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return [ring.reshape(-1, 2).astype(np.float64) + 0.5 for ring in found]


def _cell(shown: _Shown) -> NDArray[np.uint8]:
    """Return a picture of at most the largest side, with its rings."""
    height, width = shown.pixels.shape[:2]
    scale = min(_LARGEST / max(height, width), 1.0)
    size = round(width * scale), round(height * scale)
    picture = np.asarray(cv2.resize(shown.pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    for ring in shown.rings:
        draw_ring(picture, ring * scale, TRUTH)
    return picture
