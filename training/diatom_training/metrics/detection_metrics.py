"""How good detections are against the truth: average precision by COCO's evaluator, counts, angles and lengths."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.metrics.coco_evaluator import OVERLAPS, evaluator
from diatom_training.metrics.mask_metrics import mask_overlaps
from diatom_training.metrics.threshold_sweep import TRIED, middle_of_best
from napari_diatom.analysis.pipeline import FLOOR
from napari_diatom.core import geometry
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError
from napari_diatom.models.card import USUAL_THRESHOLD

MATCH_IOU: Final = 0.5
"""Oriented intersection over union from which a detection is the specimen of the truth."""
MOST_DETECTIONS: Final = 300
"""Detections per image that average precision looks at, best first."""
ELONGATED: Final = 1.5
"""Length/width of the truth from which angles are compared."""


@dataclass(frozen=True)
class Metrics:
    """Figures over a set of images; NaN where there is nothing to tell.

    Attributes
    ----------
    images, specimens, found : int
        Images, specimens in the truth, detections at the threshold.
    ap50, ap50_95 : float
        Average precision at IoU 0.5 and the mean over 0.5 to 0.95, of masks or of boxes drawn as masks, over all scores
        given.
    precision, recall, f1 : float
        At the threshold and IoU 0.5.
    count_error : float
        Mean over the images of how far the count at the threshold is from the true one.
    relative_count_error : float
        The same over the mean true count.
    angle_error_deg : float
        Median over the matched elongated specimens, degrees modulo 180.
    length_error : float
        Median over the matched specimens, as a share of the true length.
    """

    images: int
    specimens: int
    found: int
    ap50: float
    ap50_95: float
    precision: float
    recall: float
    f1: float
    count_error: float
    relative_count_error: float
    angle_error_deg: float
    length_error: float

    def to_json(self) -> dict[str, float | None]:
        """Return plain data for :func:`json.dumps`; NaN becomes None."""
        return {name: None if value != value else value for name, value in asdict(self).items()}


def evaluate(
    truths: Sequence[Detections],
    predictions: Sequence[Detections],
    sizes: Sequence[tuple[int, int]],
    threshold: float,
    masks: bool = False,
) -> Metrics:
    """Compare detections with the truth, image by image, whatever their classes.

    Parameters
    ----------
    truths, predictions : sequence of Detections
        One each per image; predictions down to a low score, since average precision is about all of them.
    sizes : sequence of tuple of int
        Height and width of each image in pixels.
    threshold : float
        Score from which detections count, for all figures but average precision.
    masks : bool
        Compare masks, not boxes.

    Raises
    ------
    InputError
        When the sequences differ in length, masks are to be compared where there are none, or pycocotools is not
        installed.
    """
    if not len(truths) == len(predictions) == len(sizes):
        raise InputError(
            f"{len(truths)} truths, {len(predictions)} predictions and {len(sizes)} sizes do not go together."
        )
    ap50, ap50_95 = average_precision(truths, predictions, sizes, masks)
    angles: list[NDArray[np.float64]] = []
    lengths: list[NDArray[np.float64]] = []
    true_positives = 0
    kept = [predicted.above(threshold) for predicted in predictions]
    for truth, found in zip(truths, kept, strict=True):
        which, whose = match(truth, found, masks=masks)
        true_positives += len(which)
        angles.append(angle_errors_deg(truth[whose], found[which]))
        lengths.append(length_errors(truth[whose], found[which]))
    counts = np.array([len(truth) for truth in truths], dtype=np.float64)
    off = np.abs(counts - [len(found) for found in kept])
    specimens, found_in_all = int(counts.sum()), sum(map(len, kept))
    return Metrics(
        images=len(truths),
        specimens=specimens,
        found=found_in_all,
        ap50=ap50,
        ap50_95=ap50_95,
        precision=_share(true_positives, found_in_all),
        recall=_share(true_positives, specimens),
        f1=_share(2 * true_positives, specimens + found_in_all),
        count_error=_share(off.sum(), len(truths)),
        relative_count_error=_share(off.sum(), specimens),
        angle_error_deg=_median(angles),
        length_error=_median(lengths),
    )


def match(
    truth: Detections, found: Detections, iou: float = MATCH_IOU, masks: bool = False
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pair detections with the truth, best score first, each with the free specimen that it overlaps most.

    Boxes overlap, or ``masks`` do.

    Returns
    -------
    which, whose : ndarray of int, shape (M,)
        Indices into ``found`` and ``truth``.
    """
    table = mask_overlaps(found, truth) if masks else np.zeros((len(found), len(truth)))
    if table.size and not masks:
        rows, columns = np.indices(table.shape).reshape(2, -1)
        table[rows, columns] = geometry.box_ious(found.boxes[rows], truth.boxes[columns])
    pairs = []
    for k in np.argsort(-found.scores, kind="stable"):
        if len(truth) and table[k].max() >= iou:
            best = int(table[k].argmax())
            pairs.append((k, best))
            table[:, best] = 0
    which, whose = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    return which, whose


def best_threshold(
    truths: Sequence[Detections], predictions: Sequence[Detections], masks: bool = False
) -> tuple[float, float]:
    """Return the score with the best F1 at IoU 0.5 over all images, in hundredths, and that F1.

    Of scores with the best F1 the middle; none below :data:`~napari_diatom.analysis.pipeline.FLOOR`, under which
    nothing is looked at and so nothing is known. :data:`~napari_diatom.models.card.USUAL_THRESHOLD` and an F1 of 0
    where no detection is right at any.

    Since detections are matched best score first, those above a threshold are matched alike whatever lies below it.
    """
    scores = np.concatenate([np.empty(0, dtype=np.float32), *(found.scores for found in predictions)])
    hits = np.concatenate(
        [np.empty(0, dtype=bool), *(_hits(*pair, masks) for pair in zip(truths, predictions, strict=True))]
    )
    specimens = sum(map(len, truths))
    candidates = TRIED[TRIED >= FLOOR]
    kept = scores >= candidates[:, None].astype(np.float32)
    right = (kept & hits).sum(axis=1)
    if not right.any():
        return USUAL_THRESHOLD, 0.0
    f1 = 2 * right / (specimens + kept.sum(axis=1))
    best = middle_of_best(f1)
    return float(candidates[best]), float(f1[best])


def _hits(truth: Detections, found: Detections, masks: bool) -> NDArray[np.bool_]:
    """Return which detections are specimens of the truth, shape (N,)."""
    hits = np.zeros(len(found), dtype=bool)
    hits[match(truth, found, masks=masks)[0]] = True
    return hits


def angle_errors_deg(truth: Detections, found: Detections) -> NDArray[np.float64]:
    """Return the angles between matched boxes, in degrees up to 90, of those elongated in truth."""
    elongated = truth.boxes[:, 2] >= ELONGATED * truth.boxes[:, 3]
    turn = np.rad2deg(found.boxes[elongated, 4].astype(np.float64) - truth.boxes[elongated, 4])
    return np.asarray(np.abs(np.mod(turn + 90, 180) - 90))


def length_errors(truth: Detections, found: Detections) -> NDArray[np.float64]:
    """Return how far matched boxes' lengths are off, as a share of the true lengths."""
    true_lengths = truth.boxes[:, 2].astype(np.float64)
    return np.abs(found.boxes[:, 2] - true_lengths) / true_lengths


def average_precision(
    truths: Sequence[Detections],
    predictions: Sequence[Detections],
    sizes: Sequence[tuple[int, int]],
    masks: bool = False,
) -> tuple[float, float]:
    """Return AP at IoU 0.5, and the mean AP over IoU 0.5 to 0.95, of ``masks`` or of boxes drawn as masks.

    COCO's evaluator, whatever the classes, without limits of area, with :data:`MOST_DETECTIONS` detections per image.

    Raises
    ------
    InputError
        When pycocotools is not installed.
    """
    precisions = precision_at_overlaps(truths, predictions, sizes, masks)
    return precisions[0], float(np.mean(precisions))


def precision_at_overlaps(
    truths: Sequence[Detections],
    predictions: Sequence[Detections],
    sizes: Sequence[tuple[int, int]],
    masks: bool = False,
) -> tuple[float, ...]:
    """Return AP at each of :data:`~diatom_training.metrics.coco_evaluator.OVERLAPS`; see :func:`average_precision`."""
    compared = evaluator(truths, predictions, sizes, "masks" if masks else "oriented-boxes", False, MOST_DETECTIONS)
    # The evaluator reports to the terminal.
    with contextlib.redirect_stdout(io.StringIO()):
        compared.accumulate()
    precision = compared.eval["precision"]
    if not (precision > -1).any():
        return (float("nan"),) * len(OVERLAPS)
    return tuple(float(at.mean()) for at in precision)


def _share(part: float, whole: float) -> float:
    """Return a quotient, NaN where the divisor is 0."""
    return float(part) / whole if whole else float("nan")


def _median(parts: Sequence[NDArray[np.float64]]) -> float:
    """Return the median of all parts together, NaN of nothing."""
    values = np.concatenate([np.empty(0), *parts])
    return float(np.median(values)) if len(values) else float("nan")
