"""What is known of forty made-up runs besides their curves: task, length, size, baseline and compared figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Curve = NDArray[np.float64]

KINDS = (
    "nothing learnt",
    "not finished",
    "overfitting",
    "poor at rest",
    "parts differ",
    "validation below training",
    "unstable",
    "good fit",
)


@dataclass(frozen=True)
class Case:
    """What is known of a run besides its curves.

    `segments` are the epochs planned for each segment, `line` is the loss of the best constant answer. The task's
    figure goes from `figures[0]` to `figures[1]`. `compared` are the stated figures: of a constant answer, of the
    start, of what is usual; None where nothing is stated. `shake` is the relative noise of both losses. `patience`
    is that of early stopping by the validation loss, in epochs.
    """

    task: str
    segments: tuple[int, ...]
    images: int
    line: float
    figures: tuple[float, float]
    compared: tuple[float | None, float | None, float | None]
    shake: tuple[float, float]
    patience: int | None = None
    cause: str = ""

    @property
    def epochs(self) -> Curve:
        """Return the planned epochs, counted from 0."""
        return np.arange(sum(self.segments), dtype=float)


# Classes: cross-entropy, line = entropy of the classes' shares. Maps: Dice-like, 0 to 1. Boxes: sum of YOLO's terms.
# Outlines: focal, small. One part of each kind is small, one is large; one is short, one is long.
CASES: dict[str, tuple[Case, ...]] = {
    "nothing learnt": (
        Case("classes", (30,), 60, 1.93, (0.11, 0.13), (0.11, None, 0.85), (0.018, 0.02)),
        Case("maps", (12,), 25, 0.86, (0.10, 0.13), (0.12, None, 0.80), (0.02, 0.022)),
        Case("boxes", (60,), 400, 4.60, (0.0, 0.02), (0.0, 0.0, 0.80), (0.016, 0.018)),
        Case("outlines", (20, 20), 40, 0.054, (0.0, 0.03), (0.0, None, 0.75), (0.03, 0.035)),
        Case("classes", (100,), 6000, 2.71, (0.04, 0.06), (0.04, None, 0.80), (0.009, 0.01)),
    ),
    "not finished": (
        Case("classes", (8,), 900, 2.20, (0.15, 0.62), (0.10, None, 0.85), (0.012, 0.015)),
        Case("maps", (40,), 80, 0.85, (0.12, 0.56), (0.10, None, 0.80), (0.015, 0.02)),
        Case("boxes", (120,), 3000, 4.90, (0.02, 0.66), (0.0, None, 0.82), (0.006, 0.008)),
        Case("outlines", (20,), 300, 0.060, (0.0, 0.55), (0.0, None, 0.75), (0.02, 0.025)),
        Case("classes", (15, 10), 50, 1.40, (0.25, 0.68), (0.25, None, 0.85), (0.02, 0.028)),
    ),
    "overfitting": (
        Case("classes", (60,), 70, 1.80, (0.14, 0.74), (0.12, None, 0.85), (0.02, 0.022)),
        Case("classes", (24,), 30, 2.30, (0.10, 0.66), (0.10, 0.12, 0.85), (0.03, 0.03)),
        Case("boxes", (120,), 1500, 4.70, (0.05, 0.75), (0.0, None, 0.80), (0.008, 0.01)),
        Case("maps", (100,), 60, 0.82, (0.15, 0.68), (0.12, None, 0.80), (0.012, 0.011), patience=15),
        Case("outlines", (25, 15), 45, 0.050, (0.0, 0.66), (0.0, None, 0.75), (0.03, 0.03)),
    ),
    "poor at rest": (
        Case("classes", (50,), 120, 2.10, (0.11, 0.36), (0.11, None, 0.85), (0.015, 0.02)),
        Case("maps", (25,), 40, 0.90, (0.10, 0.40), (0.10, None, 0.82), (0.01, 0.014)),
        Case("boxes", (150,), 2000, 5.00, (0.0, 0.30), (0.0, None, 0.80), (0.008, 0.01), patience=30),
        Case("outlines", (20, 20), 90, 0.070, (0.33, 0.45), (0.0, 0.66, None), (0.02, 0.022)),
        Case("classes", (18,), 4000, 0.80, (0.50, 0.57), (0.55, None, None), (0.006, 0.008)),
    ),
    "parts differ": (
        Case("classes", (40,), 200, 2.08, (0.15, 0.64), (0.12, None, 0.85), (0.02, 0.022)),
        Case("maps", (24,), 50, 0.84, (0.14, 0.55), (0.10, None, 0.80), (0.015, 0.018)),
        Case("boxes", (100,), 2500, 4.50, (0.02, 0.58), (0.0, None, 0.80), (0.008, 0.012)),
        Case("outlines", (10,), 70, 0.056, (0.05, 0.50), (0.0, None, 0.75), (0.025, 0.03)),
        Case("classes", (25, 20), 500, 1.50, (0.25, 0.72), (0.20, 0.20, 0.88), (0.015, 0.018)),
    ),
    "validation below training": (
        Case("classes", (60,), 800, 2.10, (0.2, 0.90), (0.12, None, 0.85), (0.015, 0.018), cause="dropout"),
        Case("maps", (30,), 35, 0.82, (0.2, 0.88), (0.10, None, 0.80), (0.012, 0.04), cause="small validation part"),
        Case("boxes", (90,), 1800, 4.80, (0.05, 0.84), (0.0, None, 0.80), (0.008, 0.012), cause="averages, augmented"),
        Case("outlines", (20,), 150, 0.060, (0.1, 0.82), (0.0, None, 0.75), (0.02, 0.025), cause="wrong labels"),
        Case("classes", (25, 20), 5000, 1.60, (0.25, 0.91), (0.20, None, 0.88), (0.007, 0.009), cause="easier part"),
    ),
    "unstable": (
        Case("classes", (40,), 150, 1.90, (0.12, 0.70), (0.12, None, 0.85), (0.02, 0.05)),
        Case("maps", (30,), 60, 0.15, (0.1, 0.72), (0.10, None, 0.80), (0.015, 0.02)),
        Case("boxes", (80,), 1200, 4.70, (0.02, 0.72), (0.0, None, 0.80), (0.012, 0.02)),
        Case("outlines", (12,), 40, 0.055, (0.0, 0.55), (0.0, None, 0.75), (0.02, 0.03)),
        Case("classes", (60, 40), 3000, 2.50, (0.1, 0.74), (0.08, None, 0.85), (0.01, 0.015)),
    ),
    "good fit": (
        Case("classes", (50,), 900, 2.05, (0.15, 0.91), (0.11, None, 0.85), (0.015, 0.018)),
        Case("maps", (20,), 80, 0.84, (0.2, 0.84), (0.10, None, 0.80), (0.012, 0.015)),
        Case("boxes", (120,), 3000, 4.80, (0.02, 0.84), (0.0, None, 0.80), (0.006, 0.009)),
        Case("outlines", (22, 18), 300, 0.058, (0.05, 0.80), (0.0, 0.62, 0.75), (0.018, 0.02)),
        Case("classes", (80,), 60, 1.70, (0.2, 0.88), (0.20, None, 0.85), (0.022, 0.045), patience=20),
    ),
}
