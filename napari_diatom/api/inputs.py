"""What the functions take: paths, images of any kind, and models by their names."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from napari_diatom.core.errors import InputError
from napari_diatom.images import slide_image
from napari_diatom.images.array_axes import image_from_array
from napari_diatom.images.slide_image import SlideImage
from napari_diatom.models.library import ModelFolder

AnyPath = str | PathLike[str]
"""A file or folder."""


def one_image(image: Any, pixel_size_um: float | None, axes: str | None, z: str, name: str) -> SlideImage:
    """Return the one image of a file, an opened image, or an array."""
    if isinstance(image, SlideImage):
        return image
    if not isinstance(image, str | PathLike):
        return image_from_array(image, name, None, axes, z)
    pages = slide_image.open_images(Path(image), pixel_size_um, z)
    if len(pages) > 1:
        raise InputError(
            f"{image} holds {len(pages)} images: open it with open_images, and hand over the images one by one."
        )
    return pages[0]


def model_folder(name_or_path: AnyPath) -> ModelFolder:
    """Return a model by its name or path, or the model of a training run."""
    from diatom_training.finetune.run_folder import find_model

    return find_model(str(name_or_path))
