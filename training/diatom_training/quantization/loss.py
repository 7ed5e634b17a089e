"""What a model loses in 8 bits: average precision, and where the corners of its boxes lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from diatom_training.data.examples import Example, example_truth
from diatom_training.evaluation.evaluate import as_shape
from diatom_training.metrics.detection_metrics import evaluate, match
from napari_diatom import engines
from napari_diatom.analysis.pipeline import FLOOR, AnalysisOptions, analyse
from napari_diatom.core import geometry
from napari_diatom.core.detections import Detections
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.engines.protocols import AnyEngine, Outliner
from napari_diatom.images.slide_image import open_images
from napari_diatom.measurement.morphometry import oriented_box
from napari_diatom.models.card import OUTLINING_TASK
from napari_diatom.models.library import ModelFolder


@dataclass(frozen=True)
class QuantizationLoss:
    """What was measured on images with known specimens.

    Attributes
    ----------
    ap50 : float
        In single precision.
    ap50_loss : float
        By which it is lower in 8 bits.
    box_shift_px : float
        Mean distance between the same corner of a box in both.
    specimens : int
        In the images.
    """

    ap50: float
    ap50_loss: float
    box_shift_px: float
    specimens: int


def measure_loss(
    model: ModelFolder, examples: Sequence[Example], device: str = "cpu", monitor: ProgressMonitor = UNWATCHED
) -> QuantizationLoss:
    """Compare a model's graph in 8 bits, which its card may not tell of yet to be proven, with single precision.

    Parameters
    ----------
    model : ModelFolder
        With a graph in 8 bits.
    examples : sequence of Example
        Images with all their specimens, neither of which the graph was calibrated with.
    device : str
        Of a CPU.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"images"``.
    """
    truths = [_comparable(example_truth(example), model) for example in examples]
    found: dict[str, list[Detections]] = {}
    sizes = [(image.height, image.width) for example in examples for image in open_images(example.image)]
    steps = 2 * len(examples)
    for precision in ("single", "int8"):
        boxes = found.setdefault(precision, [])
        engine = load_in(model, precision, device)
        for example, truth in zip(examples, truths, strict=True):
            monitor.report(Progress("images", len(boxes) + (len(examples) if precision == "int8" else 0), steps))
            monitor.check()
            boxes.append(_comparable(seen_in(example, truth, engine), model))
    threshold = model.card.threshold()
    single, whole = (evaluate(truths, found[precision], sizes, threshold).ap50 for precision in ("single", "int8"))
    shifts = [
        corner_shifts(one.above(threshold), other) for one, other in zip(found["single"], found["int8"], strict=True)
    ]
    moved = np.concatenate([np.empty(0), *shifts])
    return QuantizationLoss(
        ap50=single,
        ap50_loss=single - whole,
        box_shift_px=float(moved.mean()) if len(moved) else 0.0,
        specimens=sum(map(len, truths)),
    )


def load_in(model: ModelFolder, precision: str, device: str = "cpu") -> AnyEngine | Outliner:
    """Load a model that finds or outlines specimens, in a precision."""
    load = engines.load_outliner if model.card.task == OUTLINING_TASK else engines.load
    return load(model, device, precision=precision)


def seen_in(example: Example, truth: Detections, engine: AnyEngine | Outliner) -> Detections:
    """Return the boxes of what a network finds in an image, or of the outlines that it gives to the true boxes."""
    [image] = open_images(example.image)
    if isinstance(engine, Outliner):
        outlined = engine.outlines(image, truth.boxes)
        boxes = [
            oriented_box(mask) if mask.area else box for mask, box in zip(outlined.masks, truth.boxes, strict=True)
        ]
        return replace(truth, boxes=geometry.canonical(np.reshape(boxes, (-1, 5))).astype(np.float32))
    card = engine.card
    seen_at = None if card.pixel_size_um is None else (example.own_scale or 1.0) * card.pixel_size_um
    return analyse(image, engine, AnalysisOptions(pixel_size_um=seen_at, threshold=FLOOR)).detections


def corner_shifts(one: Detections, other: Detections) -> NDArray[np.float64]:
    """Return by how many pixels the corners of each box of ``one`` differ from those of the same box of ``other``.

    The mean over the four corners, for boxes that overlap by half; an oriented box may begin with any corner.
    """
    whose, which = match(other, one)
    first, second = geometry.corners(one.boxes[whose]), geometry.corners(other.boxes[which])
    turned = [np.linalg.norm(first - np.roll(second, turn, axis=1), axis=2).mean(axis=1) for turn in range(4)]
    return np.asarray(np.min(turned, axis=0))


def _comparable(found: Detections, model: ModelFolder) -> Detections:
    """Return boxes of the kind that the model gives."""
    return as_shape("boxes" if model.card.task == "boxes" else "oriented-boxes", found)
