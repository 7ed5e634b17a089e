"""How good class maps and masks are against the truth."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class MapMetrics:
    """Figures of class maps over a set of images; NaN where there is nothing to tell.

    Attributes
    ----------
    miou : float
        Mean intersection over union of all classes that occur, the background among them.
    iou, dice : float
        Intersection over union, and Dice's coefficient 2 |A & B| / (|A| + |B|), of what is no background.
    pixel_accuracy : float
        Share of the pixels with the right class.
    class_iou : tuple of float
        Intersection over union of the background and of each class.
    """

    miou: float
    iou: float
    dice: float
    pixel_accuracy: float
    class_iou: tuple[float, ...]

    def to_json(self) -> dict[str, object]:
        """Return plain data for :func:`json.dumps`; NaN becomes None."""
        data = asdict(self) | {"class_iou": [None if v != v else v for v in self.class_iou]}
        return {name: None if value != value else value for name, value in data.items()}


def confusion(truth: NDArray[np.integer], found: NDArray[np.integer], n_classes: int) -> NDArray[np.int64]:
    """Return the count of pixels by true class (rows) and found class (columns), shape (1 + n_classes, 1 + n_classes).

    Raises
    ------
    ValueError
        When the two differ in shape.
    """
    if truth.shape != found.shape:
        raise ValueError(f"Maps of shapes {truth.shape} and {found.shape} cannot be compared.")
    side = 1 + n_classes
    codes = truth.astype(np.int64).ravel() * side + found.astype(np.int64).ravel()
    return np.bincount(codes, minlength=side * side).reshape(side, side)


def map_metrics(table: NDArray[np.int64]) -> MapMetrics:
    """Return the figures of a table of :func:`confusion`, which adds up over images."""
    right, truth, found = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    union = truth + found - right
    ious = [_share(int(a), int(b)) for a, b in zip(right, union, strict=True)]
    present = [value for value in ious if value == value]
    both = int(table[1:, 1:].sum())
    true, guessed = int(truth[1:].sum()), int(found[1:].sum())
    return MapMetrics(
        miou=float(np.mean(present)) if present else float("nan"),
        iou=_share(both, true + guessed - both),
        dice=_share(2 * both, true + guessed),
        pixel_accuracy=_share(int(right.sum()), int(table.sum())),
        class_iou=tuple(ious),
    )


def _share(part: float, whole: float) -> float:
    return float(part) / whole if whole else float("nan")
