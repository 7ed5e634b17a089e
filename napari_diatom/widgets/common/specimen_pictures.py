"""Pictures of specimens for the gallery: small ones in which needles can be seen, and close-ups."""

from __future__ import annotations

from base64 import b64encode
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QBuffer, QIODevice
from qtpy.QtGui import QPixmap

from napari_diatom.images.slide_image import SlideImage
from napari_diatom.images.specimen_crops import upright_crop, upright_ends
from napari_diatom.project.image_identity import open_image_page
from napari_diatom.project.settings import ProjectImage

SIDE: Final = 104
"""Side of a small picture, in pixels of the screen."""
CLOSE_UP: Final = 420
"""Length of a close-up."""
_MOST_SLENDER: Final = 6.0
"""Length over width of the specimens that are shown whole in a small picture. Of longer ones, both ends are shown."""
_LEAST_SIDE: Final = 60
_LEAST_WIDTH: Final = 16
"""Of a picture at a given scale."""
_AROUND: Final = 1.3
"""Width of such a picture over that of the specimen."""
_MAX_OPEN: Final = 100_000_000
"""Pixels of decoded images that stay in memory. The last image stays in any case."""


class GallerySlides:
    """The images that pictures are cut from. Only the reading thread uses them."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[Path, ProjectImage], SlideImage] = OrderedDict()

    def small(self, path: Path, image: ProjectImage, box: Sequence[float]) -> NDArray[np.uint8]:
        """Return a picture, shape (SIDE, SIDE, 3), of a specimen or of the ends of a needle."""
        if box[2] > _MOST_SLENDER * box[3]:
            return upright_ends(self._opened(path, image), box, SIDE, _MOST_SLENDER)
        return upright_crop(self._opened(path, image), box, SIDE)

    def close_up(self, path: Path, image: ProjectImage, box: Sequence[float]) -> NDArray[np.uint8]:
        """Return a large picture of a whole specimen, shape (CLOSE_UP, width, 3)."""
        picture = upright_crop(self._opened(path, image), box, CLOSE_UP)
        width = min(max(round(CLOSE_UP * box[3] / box[2]), _LEAST_SIDE), CLOSE_UP)
        begin = (CLOSE_UP - width) // 2
        return np.ascontiguousarray(picture[:, begin : begin + width])

    def scaled(
        self, path: Path, image: ProjectImage, box: Sequence[float], span: float, height: int
    ) -> NDArray[np.uint8]:
        """Return a narrow picture, shape (height, width, 3), as high as ``span`` pixels of the image."""
        picture = upright_crop(self._opened(path, image), box, height, span / box[2])
        width = scaled_width(box, span, height)
        begin = (height - width) // 2
        return np.ascontiguousarray(picture[:, begin : begin + width])

    def _opened(self, path: Path, image: ProjectImage) -> SlideImage:
        key = path, image
        if key not in self._open:
            self._open[key] = open_image_page(path, image.page, image.division)
        self._open.move_to_end(key)
        while len(self._open) > 1 and sum(image.height * image.width for image in self._open.values()) > _MAX_OPEN:
            self._open.popitem(last=False)[1].release()
        return self._open[key]


def scaled_width(box: Sequence[float], span: float, height: int) -> int:
    """Return the width of a picture of :meth:`GallerySlides.scaled`."""
    return min(max(round(height * _AROUND * box[3] / span), _LEAST_WIDTH), height)


def as_html(picture: QPixmap) -> str:
    """Return a picture as part of a tooltip."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    picture.save(buffer, "PNG")
    return f'<img src="data:image/png;base64,{b64encode(buffer.data().data()).decode()}"><br>'
