"""Annotations of random specimens, and files of them in every format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.formats.registry import Format, Layout
from napari_diatom.measurement.morphometry import oriented_box

HEIGHT, WIDTH = 300, 400
CLASSES = ("Navicula radiosa", "Nitzschia", "Übrige <&>")


def boxes(count: int = 20, seed: int = 0, image: str = "boxes.png") -> Annotations:
    """Return boxes with all that may be known of them."""
    rng = np.random.default_rng(seed)
    table = np.column_stack(
        [
            rng.uniform((0, 0), (WIDTH, HEIGHT), (count, 2)),
            rng.uniform(20, 90, count),
            rng.uniform(2, 18, count),
            rng.uniform(-9, 9, count),
        ]
    )
    found = Detections.of(
        table,
        rng.integers(0, 3, count),
        rng.random(count).astype(np.float32),
        CLASSES,
        cut=rng.integers(0, 4, count),
        status=rng.integers(0, 6, count),
    )
    origins = ["person" if i % 2 else "diatom-obb 1.0" for i in range(count)]
    return Annotations.of(found, origins, np.arange(count) % 3 == 0, image=image, height=HEIGHT, width=WIDTH)


def masks(image: str = "masks.png") -> Annotations:
    """Return a mask with a hole, one of two parts, a solid one, and a box among them."""
    ring = np.ones((20, 30), dtype=bool)
    ring[5:9, 10:20] = False
    ring[12:15, 4:9] = False
    parts = np.zeros((12, 30), dtype=bool)
    parts[:, :10] = True
    parts[3:8, 15:] = True
    parts[5:6, 18:20] = False
    y, x = np.mgrid[:40, :90]
    solid = ((x - 45) / 44) ** 2 + ((y - 20) / 19) ** 2 < 1
    drawn = [CroppedMask(ring, 40, 30), CroppedMask(parts, 60, 120), CroppedMask(solid, 200, 90)]
    box = [300.5, 200.25, 80, 12, 0.4]
    from napari_diatom.core.geometry import corners
    from napari_diatom.core.mask_polygons import fill

    found = Detections.of(
        [*(oriented_box(mask) for mask in drawn), box],
        [0, 1, 2, 0],
        classes=CLASSES,
        masks=[*drawn, fill(((corners(box)[0],),))],
    )
    shapes = ["polygon"] * 3 + ["rectangle"]
    return Annotations.of(found, shapes=shapes, image=image, height=HEIGHT, width=WIDTH)


def write_images(folder: Path, *parts: Annotations) -> Path:
    """Write an empty image for each of them and return the folder."""
    folder.mkdir(exist_ok=True)
    for part in parts:
        Image.new("L", (WIDTH, HEIGHT)).save(folder / part.image)
    return folder


def target(folder: Path, format_: Format) -> Path:
    """Return where many images go in a format."""
    return folder / (f"all{format_.suffixes[0]}" if format_.layout is Layout.ONE_FILE else format_.name)


def pixels_of(mask: CroppedMask) -> set[tuple[int, int]]:
    """Return the columns and rows inside."""
    return {(int(x) + mask.x0, int(y) + mask.y0) for y, x in np.argwhere(mask.pixels)}
