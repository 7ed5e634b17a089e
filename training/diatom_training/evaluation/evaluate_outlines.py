"""How good outlines are: masks of specimens in boxes that are off as detectors' are, against the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from diatom_training.data.crops import read_pixels
from diatom_training.data.examples import Example, example_truth
from diatom_training.learning.outline_crops import BoxErrors, detected_box, upright_box
from diatom_training.metrics.coco_evaluator import OVERLAPS
from diatom_training.metrics.detection_metrics import precision_at_overlaps
from napari_diatom.core import cropped_masks
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.mask_polygons import fill
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.engines.protocols import Outliner
from napari_diatom.images.slide_image import from_array
from napari_diatom.measurement.outline_refinement import refined_boxes


@dataclass(frozen=True)
class OutlineFigures:
    """Figures over a set of specimens.

    Attributes
    ----------
    specimens : int
        How many.
    mean_iou, median_iou, mean_dice : float
        Of masks with the truth.
    ap50, ap75 : float
        Average precision of the masks at IoU 0.5 and 0.75, all equally sure.
    flagged : float
        Share whose outline contradicts its box.
    length_error, box_length_error : float
        Median over the specimens, as a share of the true length: of the boxes refined by their outlines, and of the
        given ones.
    """

    specimens: int
    mean_iou: float
    median_iou: float
    mean_dice: float
    ap50: float
    ap75: float
    flagged: float
    length_error: float
    box_length_error: float

    def to_json(self) -> dict[str, float]:
        """Return plain data for :func:`json.dumps`, rounded."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def evaluate_outlines(
    engine: Outliner,
    examples: Sequence[Example],
    seed: int = 0,
    upright: bool = False,
    errors: BoxErrors | None = None,
    monitor: ProgressMonitor = UNWATCHED,
) -> OutlineFigures:
    """Outline the specimens of images from boxes that are off by chance, and compare with the truth.

    Parameters
    ----------
    engine : Outliner
        What outlines them.
    examples : sequence of Example
        Images with their truth.
    seed : int
        Of the errors of the boxes; the same seed gives the same boxes.
    upright : bool
        Give upright boxes in place of oriented ones.
    errors : BoxErrors, optional
        By how much boxes are off; as in training by default.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.

    Raises
    ------
    InputError
        When the images show no specimen, or one cannot be read.
    Stopped
        When a stop was asked for.
    """
    truths: list[Detections] = []
    found: list[Detections] = []
    sizes: list[tuple[int, int]] = []
    flagged, lengths, given_lengths = 0, [np.empty(0)], [np.empty(0)]
    ious: list[float] = []
    for number, example in enumerate(examples):
        monitor.check()
        pixels = read_pixels(example)
        rng = np.random.default_rng((seed, number))
        truth = _masked(example_truth(example), example)
        boxes = _given(truth, example, rng, upright, errors or BoxErrors())
        outlines = engine.outlines(from_array(pixels, example.image.name), boxes)
        refined = refined_boxes(boxes, outlines)
        flagged += int(np.count_nonzero(outlines.flags))
        ious += [cropped_masks.mask_iou(*pair) for pair in zip(outlines.masks, truth.masks or (), strict=True)]
        whole = truth.boxes[:, 2]
        lengths.append(np.abs(refined[:, 2] / whole - 1))
        given_lengths.append(np.abs(boxes[:, 2] / whole - 1))
        truths.append(truth)
        found.append(Detections.of(refined, masks=outlines.masks))
        sizes.append((pixels.shape[0], pixels.shape[1]))
    if not ious:
        raise InputError("The images show no specimen whose outline could be looked at.")
    overlaps = np.array(ious)
    precisions = dict(zip(OVERLAPS, precision_at_overlaps(truths, found, sizes, masks=True), strict=True))
    return OutlineFigures(
        specimens=len(ious),
        mean_iou=float(overlaps.mean()),
        median_iou=float(np.median(overlaps)),
        mean_dice=float((2 * overlaps / (1 + overlaps)).mean()),
        ap50=precisions[OVERLAPS[0]],
        ap75=precisions[OVERLAPS[5]],
        flagged=flagged / len(ious),
        length_error=float(np.median(np.concatenate(lengths))),
        box_length_error=float(np.median(np.concatenate(given_lengths))),
    )


def _masked(truth: Detections, example: Example) -> Detections:
    """Return the truth of an image with the masks of its outlines."""
    masks = [fill(((outline.astype(np.float64),),)) for outline in example.outlines]
    return Detections.of(truth.boxes, truth.class_ids, classes=truth.classes, masks=masks)


def _given(
    truth: Detections, example: Example, rng: np.random.Generator, upright: bool, errors: BoxErrors
) -> NDArray[np.float64]:
    """Return boxes of the truth, shape (N, 5), that are off."""
    own = [upright_box(outline) for outline in example.outlines] if upright else list(truth.boxes.astype(np.float64))
    used = errors.upright() if upright else errors
    return np.array([detected_box(box, rng, used) for box in own], dtype=np.float64).reshape(-1, 5)
