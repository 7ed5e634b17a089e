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
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from diatom_training.data.crop_geometry import CropGeometry
from diatom_training.data.crops import Crop, random_crop
from diatom_training.data.examples import Example
from diatom_training.learning.augment_options import AugmentOptions

_JITTERED: Final = 0.8
"""Share of crops whose colours are changed, if any of them may be."""
_LEAST_BLUR: Final = 0.4
"""Smallest standard deviation of a blur in pixels."""
_LEAST_NOISE: Final = 0.004
"""Smallest standard deviation of a noise, as a share of the range from black to white."""


def augmented_crop(
    example: Example,
    size: int,
    rng: np.random.Generator,
    options: AugmentOptions,
    target: int | None = None,
    middle: NDArray[np.float64] | None = None,
) -> Crop:
    """Return a random crop, varied as the options say; ``rng`` is the only source of chance.

    With ``target``, the index of a specimen, the crop is placed at it; with ``middle``, at that point of the image.
    """
    crop = random_crop(example, size, rng, options.geometry(), target, middle)
    return replace(crop, pixels=recoloured(crop.pixels, rng, options))


def unvaried(options: AugmentOptions) -> CropGeometry:
    """Return how crops lie that a model is validated on: unturned, at the places and scales that it learns."""
    still = {"flip_horizontal": 0.0, "flip_vertical": 0.0, "quarter_turns": 0.0, "rotation": 0.0, "shear_deg": 0.0}
    return replace(options.geometry(), **still)


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
                # With ranges of no width it would still round colours anew.
                p=_JITTERED if options.brightness + options.contrast + options.saturation + options.hue else 0.0,
            ),
            A.ToGray(p=options.grey),
            A.InvertImg(p=options.invert),
            A.GaussianBlur(sigma_range=(_LEAST_BLUR, options.blur_px), p=options.blur),
            A.Defocus(radius_range=(1, 3), p=options.defocus),
            A.GaussNoise(std_range=(_LEAST_NOISE, options.noise_std), per_channel=True, p=options.noise),
            A.ImageCompression(quality_range=(50, 95), p=options.jpeg),
        ],
        telemetry=False,
    )
