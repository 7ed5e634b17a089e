"""What the lessons show: specimens and fields of the sample slides, and small pictures of rendered specimens."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from diatom_training.data.examples import Example
from diatom_training.synthesis import FieldOptions, render_field
from napari_diatom.core import geometry
from napari_diatom.images.slide_image import from_array, open_images
from napari_diatom.images.specimen_crops import upright_cutout

SAMPLES: Final = Path(__file__).parents[2] / "sample_data"
RIVER: Final = "river_bright_field_40x.jpg"
LAKE: Final = "lake_dic_63x.ome.tif"
NEEDLES: Final = "bay_needles_phase_20x.png"
CHAINS: Final = "coast_needle_chains_phase_40x.jpg"
CROWD: Final = "stream_crowded_20x.jpg"


@dataclass(frozen=True, eq=False)
class Specimens:
    """Small pictures of specimens, upright.

    Attributes
    ----------
    pictures : ndarray of uint8, shape (N, side, side, 3)
        RGB.
    lengths : ndarray, shape (N,)
        Of the specimens in pixels of the slide.
    is_needle : ndarray of bool, shape (N,)
        Whether a specimen is at least four times as long as wide.
    slides : ndarray of int, shape (N,)
        The slide that each was cut from.
    """

    pictures: NDArray[np.uint8]
    lengths: NDArray[np.float64]
    is_needle: NDArray[np.bool_]
    slides: NDArray[np.int64]


@cache
def slide(name: str) -> NDArray[np.uint8]:
    """Return a sample slide as RGB, shape (H, W, 3)."""
    image = open_images(SAMPLES / "slides" / name)[0]
    return np.asarray(image.read(0, 0, image.width, image.height))


def rings(name: str) -> list[NDArray[np.float32]]:
    """Return the outlines on a sample slide, each of shape (K, 2)."""
    truth = json.loads((SAMPLES / "truth" / f"{name.rpartition('.')[0]}.geojson").read_text(encoding="utf-8"))
    return [np.array(one["geometry"]["coordinates"][0][:-1], dtype=np.float32) for one in truth["features"]]


def grey(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the brightness of RGB pixels, 0 to 1."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.float32) / 255


def valve(name: str = RIVER, side: int = 128, number: int = 0) -> NDArray[np.uint8]:
    """Return the specimen of a sample slide that is the largest but ``number``, upright, as RGB of that side."""
    boxes = [geometry.min_area_box(ring) for ring in rings(name)]
    chosen = sorted(boxes, key=lambda box: -box[2] * box[3])[number]
    return upright_cutout(from_array(slide(name), name), chosen, side).pixels


def one_class(example: Example) -> Example:
    """Return an example whose specimens are all of the first class."""
    return replace(example, class_ids=(0,) * len(example.class_ids))


def rendered_specimens(slides: int, seed: int = 0, side: int = 32) -> Specimens:
    """Return the whole specimens of rendered slides; each slide has a light, and mostly one kind, of its own."""
    found: list[tuple[Any, ...]] = []
    for number in range(slides):
        rng = np.random.default_rng((seed, number))
        needles = number % 2 == 0
        field = render_field(
            FieldOptions(
                384,
                384,
                specimens=(8, 12),
                length_px=(36.0, 120.0),
                needle_share=0.85 if needles else 0.15,
                debris=0.3,
                background=tuple(rng.uniform(0.45, 0.85, 3)),
            ),
            seed=int(rng.integers(2**31)),
        )
        image = from_array(field.image, f"slide {number}")
        for box, cut in zip(field.truth.boxes, field.truth.cut, strict=True):
            if not cut:
                whole = box.astype(np.float64)
                found.append((upright_cutout(image, whole, side).pixels, whole[2], whole[2] >= 4 * whole[3], number))
    pictures, lengths, kinds, where = zip(*found, strict=True)
    return Specimens(np.array(pictures), np.array(lengths), np.array(kinds), np.array(where))
