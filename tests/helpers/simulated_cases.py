"""Cases with truth and detections drawn by chance, as a model might have found them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from diatom_training.metrics.mask_metrics import confusion, draw_class_map
from diatom_training.metrics.test_cases import Case
from helpers.shapes import mask_of, placed, rectangle
from napari_diatom.core.detections import Detections

HEIGHT, WIDTH = 240, 320
CLASSES = ("Navicula", "Nitzschia", "Cyclotella")


def drawn(rng: np.random.Generator, number: int, classes: tuple[str, ...] = CLASSES) -> Detections:
    """Return oriented specimens on a grid, so that hardly any two meet."""
    places = rng.permutation(12)[:number]
    centres = np.column_stack([40 + 80 * (places % 4), 40 + 80 * (places // 4)]) + rng.uniform(-8, 8, (number, 2))
    lengths = rng.uniform(20, 60, number)
    boxes = np.column_stack([centres, lengths, lengths * rng.uniform(0.2, 0.9, number), rng.uniform(-1.5, 1.5, number)])
    return with_masks(boxes, rng.integers(0, len(classes), number), np.ones(number), classes)


def with_masks(boxes: NDArray[np.float64], ids: NDArray, scores: NDArray, classes: tuple[str, ...]) -> Detections:
    boxes = boxes.reshape(-1, 5)
    masks = [mask_of(placed(rectangle(b[2], b[3]), b[4], b[0], b[1])).within(0, 0, WIDTH, HEIGHT) for b in boxes]
    return Detections.of(boxes, ids, scores, classes, masks)


def found_of(rng: np.random.Generator, truth: Detections, skill: float = 0.8) -> Detections:
    """Return most of the truth, moved a little and now and then under another name, and a few false ones."""
    seen = truth[np.flatnonzero(rng.random(len(truth)) < skill)]
    boxes = seen.boxes.astype(np.float64)
    boxes[:, :2] += rng.normal(0, 1.5, (len(seen), 2))
    boxes[:, 2:4] *= rng.uniform(0.85, 1.15, (len(seen), 2))
    ids = np.where(rng.random(len(seen)) < skill, seen.class_ids, rng.integers(0, len(truth.classes), len(seen)))
    false = drawn(rng, int(rng.integers(0, 4)), truth.classes)
    every = np.concatenate([boxes, false.boxes])
    # Hundredths, so that several detections have the same score.
    scores = np.round(np.concatenate([rng.uniform(0.3, 1, len(seen)), rng.uniform(0.1, 0.8, len(false))]), 2)
    return with_masks(every, np.concatenate([ids, false.class_ids]), scores, truth.classes)


def cases(
    seed: int = 0,
    images: int = 8,
    slides: int = 4,
    skill: float = 0.8,
    classes: tuple[str, ...] = CLASSES,
    pixel_size_um: float | None = 0.2,
    tables: bool = False,
) -> list[Case]:
    """Return cases; the truth depends on the seed alone, what is found on the skill too."""
    made = []
    for k in range(images):
        truth = drawn(np.random.default_rng((seed, k)), 1 + (5 * k + seed) % 9, classes)
        found = found_of(np.random.default_rng((seed, k, int(100 * skill))), truth, skill)
        table = None
        if tables:
            drawn_maps = [draw_class_map(part, HEIGHT, WIDTH) for part in (truth, found)]
            table = confusion(*drawn_maps, len(classes))
        made.append(Case(f"field-{k}", f"slide-{k % slides}", truth, found, HEIGHT, WIDTH, pixel_size_um, table))
    return made
