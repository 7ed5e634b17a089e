"""How training crops are varied: geometry on the polygons themselves, pixels by AlbumentationsX.

The geometric part turns, mirrors, scales, shears and moves the image and the outlines by one matrix before anything is
drawn (:func:`~diatom_training.data.crops.random_crop`), so image, masks, upright and oriented boxes cannot come apart,
and no mask is ever resampled. The rest changes the pixels only.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from diatom_training.data.crops import Crop, random_crop
from diatom_training.data.examples import Example
from diatom_training.learning.options import AugmentOptions


def augmented_crop(example: Example, size: int, rng: np.random.Generator, options: AugmentOptions) -> Crop:
    """Return a random crop, varied as the options say; ``rng`` is the only source of chance."""
    turn = rng.random() < options.turn_share
    crop = random_crop(example, size, rng, turn=turn, shear=options.shear_deg, aimed=options.aimed)
    return replace(crop, pixels=recoloured(crop.pixels, rng, options))


def recoloured(pixels: NDArray[np.uint8], rng: np.random.Generator, options: AugmentOptions) -> NDArray[np.uint8]:
    """Return pixels, shape (H, W, 3), with other colours, sharpness, noise and compression."""
    pipeline = _pipeline(options)
    seed = int(rng.integers(2**31))
    # Generators and not a seed alone: to a seed, AlbumentationsX adds that of the worker process it runs in.
    pipeline.set_random_state(np.random.default_rng(seed), random.Random(seed))
    return np.asarray(cast(Callable[..., dict[str, Any]], pipeline)(image=pixels)["image"], dtype=np.uint8)


@lru_cache(maxsize=8)
def _pipeline(options: AugmentOptions) -> Any:
    """Return AlbumentationsX's pipeline, its usage reports off."""
    os.environ["ALBUMENTATIONS_NO_TELEMETRY"] = "1"
    import albumentations as A

    return A.Compose(
        [
            A.ColorJitter(
                brightness_range=(1 - options.brightness, 1 + options.brightness),
                contrast_range=(1 - options.contrast, 1 + options.contrast),
                saturation_range=(1 - options.saturation, 1 + options.saturation),
                hue_range=(-options.hue, options.hue),
                p=0.8,
            ),
            A.ToGray(p=options.grey),
            A.InvertImg(p=options.invert),
            A.GaussianBlur(sigma_range=(0.4, 1.4), p=options.blur),
            A.Defocus(radius_range=(1, 3), p=options.defocus),
            A.GaussNoise(std_range=(0.004, 0.03), per_channel=True, p=options.noise),
            A.ImageCompression(quality_range=(50, 95), p=options.jpeg),
        ],
        telemetry=False,
    )
