"""The file of an image layer, and which image of the file it shows; without napari.

napari knows the files that it has opened itself. The plugin's docks open images, too: upright, in RGB, and one image of
a file of several. Such a layer has the same facts in its metadata.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from napari_diatom.images.orientation import AS_STORED
from napari_diatom.images.planes import BEST
from napari_diatom.images.slide_image import SlideImage

FILE_KEY: Final = "napari_diatom_file"
"""Entry of the metadata of image layers that the plugin's docks open; see :class:`LayerFile`."""


@dataclass(frozen=True)
class LayerFile:
    """The file of an image layer.

    Attributes
    ----------
    path : str
        Whole path of the file.
    page : int or None
        Number of the image in a file of several, from 1; None where the file has only one, or the layer shows them all.
    z : str
        How the images of the file are counted, as for :func:`napari_diatom.images.slide_image.open_images`.
    name : str
        What the image is called in tables; empty where its file and the number say it.
    orientation : int or None
        How the file stores the image, where the layer shows it upright; None where the layer shows what is stored, or
        that is unknown.
    """

    path: str
    page: int | None = None
    z: str = BEST
    name: str = ""
    orientation: int | None = None

    @classmethod
    def of_opened(cls, image: SlideImage, name: str, page: int | None, z: str) -> LayerFile:
        """Return the file of an image whose layer shows what :class:`SlideImage` gives."""
        assert image.path is not None, "an image of a file"
        return cls(os.path.abspath(image.path), page, z if page else BEST, name, image.orientation or AS_STORED)

    @property
    def image(self) -> tuple[str, int | None, str]:
        """What tells the image from all others."""
        return self.path, self.page, self.z

    def to_metadata(self) -> dict[str, Any]:
        """Return the metadata of the layer."""
        return {FILE_KEY: asdict(self)}


def layer_file(layer: Any) -> LayerFile | None:
    """Return the file of an image layer, None if it was not opened from a file."""
    entry = layer.metadata.get(FILE_KEY)
    if isinstance(entry, Mapping):
        return LayerFile(**entry)
    path = layer.source.path
    return None if path is None else LayerFile(os.path.abspath(path))


def layer_path(layer: Any) -> Path | None:
    """Return the absolute path of the file of a layer, None if it was not opened from a file."""
    file = layer_file(layer)
    return None if file is None else Path(file.path)
