"""What the functions take: paths, images of any kind, and models by their names."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from napari_diatom.core.errors import InputError
from napari_diatom.core.given_values import given_path
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.core.text import quoted
from napari_diatom.images import slide_image
from napari_diatom.images.array_axes import image_from_array
from napari_diatom.images.slide_image import SlideImage
from napari_diatom.models.library import ModelFolder

AnyPath = str | PathLike[str]
"""A file or folder."""


def optional_path(value: AnyPath | None, what: str) -> Path | None:
    """Return the path of a file or folder, None without one; raises InputError as `given_path`."""
    return None if value is None else given_path(value, what)


def progress_monitor(report: Any) -> ProgressMonitor:
    """Return what passes progress on to a function; raises InputError where it is not one."""
    if not callable(report):
        raise InputError(f"report is {quoted(report)}; give a function that takes a Progress.")
    return ProgressMonitor(report)


def one_image(image: Any, pixel_size_um: float | None, axes: str | None, z: str, name: str) -> SlideImage:
    """Return the one image of a file, an opened image, or an array."""
    if isinstance(image, SlideImage):
        return image
    if not isinstance(image, str | PathLike):
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"name is {quoted(name)}; give a name for the image.")
        return image_from_array(image, name, None, axes, z)
    pages = slide_image.open_images(given_path(image, "image"), pixel_size_um, z)
    if len(pages) > 1:
        raise InputError(
            f"{image} holds {len(pages)} images: open it with open_images, and give predict one image at a time."
        )
    return pages[0]


def model_folder(name_or_path: AnyPath) -> ModelFolder:
    """Return a model by its name or path, or the model of a training run."""
    from diatom_training.finetune.run_folder import find_model

    if not isinstance(name_or_path, str | PathLike):
        raise InputError(
            f"The model is of type {type(name_or_path).__name__}; give the name of a model, or the path of its folder."
        )
    return find_model(str(given_path(name_or_path, "The name of the model")))
