"""Fields with a needle and a square, a training on them of seconds, and whether two came to the same."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from diatom_training.data.examples import Example
from diatom_training.learning.fitting import Trained
from diatom_training.learning.options import LearningOptions
from napari_diatom.core import geometry

MAPS = LearningOptions(
    architecture="deeplabv3plus/tu-test_efficientnet/16",
    size=64,
    batch=2,
    crops=6,
    epochs=3,
    validation_crops=2,
    warmup=2,
    workers=0,
)


def draw(path: Path, angle: float) -> Example:
    image = np.full((120, 140, 3), 160, np.uint8)
    corners = geometry.corners([[70, 60, 90, 12, angle], [30, 90, 30, 29, 0.0]]).astype(np.float32)
    cv2.fillPoly(image, list(np.rint(corners).astype(np.int32)), (40, 60, 80))
    cv2.imwrite(str(path), image)
    return Example(path, tuple(corners), (angle, 0.0), (0, 0), (0.5, 1.0))


def same(one: Trained, other: Trained) -> None:
    assert one.history == other.history
    assert (one.mean, one.std) == (other.mean, other.std)
    theirs = other.network.state_dict()
    for name, value in one.network.state_dict().items():
        assert torch.equal(value, theirs[name]), name
