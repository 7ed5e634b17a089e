"""Images that a camera stored turned: what the orientation of EXIF and TIFF means.

An image is counted upright, as its orientation says, whatever the format. Most viewers, napari among them, show the
stored pixels: :func:`to_stored` takes what was found in the upright image there.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

AS_STORED: Final = 1
"""The orientation of what is stored upright."""
TAG: Final = 274
"""Of the orientation, in EXIF and TIFF."""

_STEPS: Final = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
"""By orientation, whether axes are swapped, and whether rows and then columns are reversed to make it upright."""
_TURNS: Final = {
    2: "mirrored left to right",
    3: "turned by 180°",
    4: "mirrored top to bottom",
    5: "mirrored about its diagonal",
    6: "turned by 90° clockwise",
    7: "mirrored about its other diagonal",
    8: "turned by 90° counterclockwise",
}


class Windows(Protocol):
    """Where stored pixels come from, window by window."""

    height: int
    width: int
    is_8_bit: bool

    def window(self, x0: int, y0: int, x1: int, y1: int) -> NDArray[Any]:
        """Return values of shape (h, w, channels)."""
        ...

    def release(self) -> None:
        """Forget what can be read again."""
        ...


def valid(value: Any) -> int:
    """Return what a file states as its orientation, :data:`AS_STORED` where that means nothing."""
    return int(value) if isinstance(value, int) and value in _STEPS else AS_STORED


def swaps_sides(orientation: int) -> bool:
    """Return whether the upright image has the stored one's height as its width."""
    return _STEPS[orientation][0]


def describe_turn(orientation: int) -> str:
    """Return the turn that makes the stored image upright, as the end of a sentence; empty for none."""
    return _TURNS.get(orientation, "")


def upright(array: Any, orientation: int) -> Any:
    """Return a stored array, whose first axes are y and x, upright: a view of the same kind, nothing is computed."""
    swapped, rows, columns = _STEPS[orientation]
    turned = array.swapaxes(0, 1) if swapped else array
    turned = turned[::-1] if rows else turned
    return turned[:, ::-1] if columns else turned


def to_stored(orientation: int, height: int, width: int) -> NDArray[np.float64]:
    """Return the matrix from the upright image to the stored one, shape (3, 3).

    It acts on (y, x, 1) with pixels' centres at whole numbers, as napari has them.

    Parameters
    ----------
    orientation : int
        1 to 8.
    height, width : int
        Of the upright image, in pixels.
    """
    swapped, rows, columns = _STEPS[orientation]
    matrix = np.eye(3)
    if rows:
        matrix[0] = (-1, 0, height - 1)
    if columns:
        matrix[1] = (0, -1, width - 1)
    return matrix[[1, 0, 2]] if swapped else matrix


class Upright:
    """Stored pixels, turned upright window by window.

    Parameters
    ----------
    stored : Windows
        The stored pixels.
    orientation : int
        1 to 8.
    """

    def __init__(self, stored: Windows, orientation: int) -> None:
        self._stored = stored
        self._orientation = orientation
        self.height, self.width = stored.height, stored.width
        if swaps_sides(orientation):
            self.height, self.width = self.width, self.height
        self.is_8_bit = stored.is_8_bit

    def window(self, x0: int, y0: int, x1: int, y1: int) -> NDArray[Any]:
        """Return the values of a window of the upright image. Raises as the stored pixels do."""
        swapped, rows, columns = _STEPS[self._orientation]
        if rows:
            y0, y1 = self.height - y1, self.height - y0
        if columns:
            x0, x1 = self.width - x1, self.width - x0
        if swapped:
            x0, y0, x1, y1 = y0, x0, y1, x1
        values: NDArray[Any] = upright(self._stored.window(x0, y0, x1, y1), self._orientation)
        return values

    def release(self) -> None:
        """Forget what can be read again."""
        self._stored.release()


def of_picture(picture: Image.Image, path: Path) -> int:
    """Return the orientation of a JPEG, PNG or other picture that Pillow has opened, without decoding its pixels."""
    from PIL import Image

    try:
        # A PNG's own method decodes all pixels, to come to what may stand behind them.
        exif = Image.Image.getexif(picture)
        if TAG not in exif and picture.format == "PNG":
            exif = Image.Exif()
            exif.load(b"Exif\0\0" + _png_exif(path))
        return valid(exif.get(TAG))
    except Exception:  # damaged EXIF leads Pillow to errors of many kinds; it says nothing then
        return AS_STORED


def _png_exif(path: Path) -> bytes:
    """Return the EXIF chunk of a PNG, wherever it stands; empty where there is none."""
    with path.open("rb") as stream:
        stream.seek(8)
        while len(head := stream.read(8)) == 8:
            length, kind = int.from_bytes(head[:4], "big"), head[4:]
            if kind == b"eXIf":
                return stream.read(min(length, 1 << 16))
            if kind == b"IEND":
                break
            stream.seek(length + 4, 1)
    return b""
