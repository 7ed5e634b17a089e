"""Make the pictures of augmentation in the documentation: sixteen variations of a sample slide for each preset.

Run with ``python docs/augmentation_pictures.py``; the pictures go to ``docs/images``.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from diatom_training.data.examples import Example
from diatom_training.finetune.augmentation_preview import sheet_of_examples
from diatom_training.learning.augment_options import AUGMENTATIONS, AugmentOptions
from diatom_training.learning.options import LearningOptions
from napari_diatom.core import geometry
from napari_diatom.images.slide_image import open_images

ROOT: Final = Path(__file__).parents[1]
SLIDES: Final = {"dic": "lake_dic_63x.ome.tif"}
"""The slide of a preset, where it is not the usual one."""
USUAL_SLIDE: Final = "river_bright_field_40x.jpg"
WIDTH: Final = 820
"""Of a picture, in pixels."""
QUALITY: Final = 80


def example_of(slide: str, folder: Path) -> Example:
    """Return a sample slide with its specimens."""
    image = open_images(ROOT / "sample_data" / "slides" / slide)[0]
    path = folder / f"{slide}.png"
    cv2.imwrite(str(path), image.read(0, 0, image.width, image.height)[..., ::-1])
    truth = json.loads((ROOT / "sample_data" / "truth" / f"{slide.rpartition('.')[0]}.geojson").read_text())
    rings = [np.array(one["geometry"]["coordinates"][0][:-1], dtype=np.float32) for one in truth["features"]]
    angles = tuple(float(geometry.min_area_box(ring)[4]) for ring in rings)
    return Example(path, tuple(rings), angles, (0,) * len(rings), (0.5, 1.0))


def main() -> None:
    """Write the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        for preset in AUGMENTATIONS:
            example = example_of(SLIDES.get(preset, USUAL_SLIDE), Path(folder))
            options = LearningOptions(size=384, seed=1, augment=AugmentOptions.model_validate(preset))
            sheet = sheet_of_examples([example], options)
            height = round(sheet.shape[0] * WIDTH / sheet.shape[1])
            small = cv2.resize(sheet, (WIDTH, height), interpolation=cv2.INTER_AREA)
            path = ROOT / "docs" / "images" / f"augmentation-{preset}.jpg"
            cv2.imwrite(str(path), small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
            print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
