"""Opens slides and files of microscopes in napari: a large one as a pyramid that is read tile by tile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_diatom.images.planes import BEST
from napari_diatom.images.slide_image import SlideImage, open_images
from napari_diatom.napari_layers.layer_file import LayerFile
from napari_diatom.napari_layers.reader_writer import LayerData
from napari_diatom.widgets.common.image_pyramid import layer_data


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return the reader of files whose names the manifest lists."""
    return read_images


def read_images(path: str | Sequence[str]) -> list[LayerData]:
    """Read files as Image layers, one for each image of a file, upright and in RGB.

    Raises
    ------
    InputError
        When a file cannot be read, or what reads it is not installed.
    """
    layers = []
    for name in [path] if isinstance(path, str) else path:
        images = open_images(Path(name))
        layers += [_layer(image, number if len(images) > 1 else None) for number, image in enumerate(images, start=1)]
    return layers


def _layer(image: SlideImage, page: int | None) -> LayerData:
    """Return the layer of an image; ``page`` is its number in a file of several."""
    data, multiscale = layer_data(image)
    shown: dict[str, Any] = {
        "name": image.name,
        "rgb": True,
        "multiscale": multiscale,
        "metadata": LayerFile.of_opened(image, image.name, page, BEST).to_metadata(),
    }
    if (um := image.pixel_size_um) is not None:
        shown |= {"scale": (um, um), "units": ("um", "um")}
    return data, shown, "image"
