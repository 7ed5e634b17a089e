"""Drawn slides, atlas images and cut-outs to compose fields of."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from diatom_training.composing.material import Background, CutOut, CutoutSpecimen, Material
from diatom_training.data.examples import Example
from helpers.shapes import Points, ellipse, mask_of, placed

LIGHT = 200
DARK = 90


def painted(image: NDArray[np.uint8], outline: Points, grey: int) -> None:
    """Paint the pixels whose centres an outline encloses."""
    mask = mask_of(outline).within(0, 0, image.shape[1], image.shape[0])
    h, w = mask.pixels.shape
    image[mask.y0 : mask.y0 + h, mask.x0 : mask.x0 + w][mask.pixels] = grey


def slide(path: Path, outlines: list[Points], specks: list[Points], group: str = "", noise: float = 1.5) -> Example:
    """Write a slide with dark valves and darker specks, and return it with the valves' outlines."""
    height, width = 360, 480
    image = np.full((height, width, 3), LIGHT, np.uint8)
    for outline in outlines:
        painted(image, outline, DARK)
    for speck in specks:
        painted(image, speck, 60)
    rng = np.random.default_rng(len(path.name))
    # Light that falls off to one side, and grain.
    values = image * np.linspace(1.0, 0.9, width)[None, :, None] + rng.normal(0, noise, image.shape)
    cv2.imwrite(str(path), np.clip(np.rint(values), 0, 255).astype(np.uint8))
    return Example(
        path,
        tuple(outline.astype(np.float32) for outline in outlines),
        (0.4,) * len(outlines),
        (0,) * len(outlines),
        group=group,
    )


def two_slides(folder: Path) -> list[Example]:
    """Return slides of the groups A and B with two valves each and some debris."""
    valves = [placed(ellipse(120, 40), 0.4, 110, 100), placed(ellipse(120, 40), 0.4, 350, 240)]
    specks = [placed(ellipse(18, 16), 0, 300, 60), placed(ellipse(24, 12), 1, 120, 300)]
    return [slide(folder / f"{name}.png", valves, specks, name) for name in ("A", "B")]


def cut_out(outline: Points, grey: int = DARK, class_name: str = "diatom", group: str = "A") -> CutOut:
    """Return an even grey cut-out, with a halo of six pixels, of an outline whose axis runs along x."""
    low = np.floor(outline.min(axis=0)) - 14
    points = outline - low
    width, height = (np.ceil(points.max(axis=0)) + 14).astype(int)
    pixels = np.full((height, width, 3), LIGHT, np.uint8)
    painted(pixels, points, grey)
    pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), 0.8), dtype=np.uint8)
    inside = np.zeros((height, width), np.uint8)
    mask = mask_of(points)
    inside[mask.y0 : mask.y0 + mask.pixels.shape[0], mask.x0 : mask.x0 + mask.pixels.shape[1]] = mask.pixels
    distance = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    opacity = np.rint(255 * np.clip(1 - (distance - 1) / 6, 0, 1)).astype(np.uint8)
    shape = points.astype(np.float32)
    specimens = (CutoutSpecimen(shape, 0.0, class_name),) if class_name else ()
    return CutOut(pixels, opacity, (LIGHT,) * 3, shape, specimens, None, f"{group}.png", group)


def even_material(debris: bool = False, light: int = LIGHT) -> Material:
    """Return ellipses and rods to compose on an even background without grain."""
    return Material(
        classes=("ellipse", "rod"),
        specimens=(
            cut_out(ellipse(80, 24), class_name="ellipse"),
            cut_out(ellipse(120, 14), class_name="rod", group="B"),
        ),
        debris=(cut_out(ellipse(20, 16), 40, class_name=""),) if debris else (),
        backgrounds=(Background(np.full((300, 300, 3), light, np.uint8), None, "A.png", "A"),),
    )


def atlas_image(path: Path, bar: bool = True, valve: bool = True, grey: int = 0) -> Points:
    """Write an atlas image, 320 x 240, of one valve with a scale bar and its label; return the valve's outline."""
    image = np.full((240, 320, 3), 205, np.uint8)
    outline = placed(ellipse(180, 60), 0.3, 150, 105)
    if valve:
        painted(image, outline, 120)
        painted(image, placed(ellipse(160, 44), 0.3, 150, 105), 190)
    if bar:
        image[222:227, 220:300] = grey
        cv2.putText(image, "10 um", (230, 216), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (grey,) * 3, 1, cv2.LINE_AA)
    noise = np.random.default_rng(1).normal(0, 1.0, image.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.clip(np.rint(cv2.GaussianBlur(image, (0, 0), 0.7) + noise), 0, 255).astype(np.uint8))
    return outline
