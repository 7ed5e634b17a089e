"""Pictures that have to be decoded in one piece: JPEG, PNG, BMP and similar.

The memory for a picture is known from its header, before anything is decoded.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.errors import InputError
from napari_diatom.images import decoded_size
from napari_diatom.images.decoding_errors import check_need, decoding
from napari_diatom.images.orientation import of_picture

if TYPE_CHECKING:
    from PIL import Image

FORMATS: Final = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "JPEG2000", "PPM")
"""Formats of Pillow that are read. Others it hands to programs of the system, such as Ghostscript."""

_AT_ONCE: Final = ("JPEG", "PNG", "BMP", "GIF", "PPM")
"""Formats that Pillow looks for by itself when it opens a file."""
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_MOST_CHUNKS: Final = 200_000
"""Of a PNG file; writers put 8 kB or more of pixels into each."""
_MODE_BYTES: Final = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
"""Bytes of a pixel in Pillow's memory, ..."""
_USUAL_BYTES: Final = 4
"""... and of all other modes."""
_DEEP_BYTES: Final = 8
_COEFFICIENT_BYTES: Final = 2
_OPENJPEG_BYTES: Final = 4
_BLOCK: Final = 1 << 20


class RasterPixels:
    """Pixels of a picture as they are stored, decoded in one piece when they are first read.

    Parameters
    ----------
    path : Path
        The file.
    head : bytes
        Its first bytes.
    largest_bytes : int
        Memory that decoding it may need.

    Attributes
    ----------
    height, width : int
        In pixels.
    is_8_bit : bool
        Whether the values are meant to be shown as they are.
    orientation : int
        As EXIF states it.

    Raises
    ------
    InputError
        When the file is not a picture, is damaged, or needs more memory.
    """

    def __init__(self, path: Path, head: bytes, largest_bytes: int) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._picture: Image.Image | NDArray[Any] | None = None
        # Pillow cuts the 16-bit channels of such a PNG down to 8 bits.
        self._is_deep_rgb = head[:8] == _PNG and len(head) > 25 and head[24] == 16 and head[25] in (2, 6)
        with self._guarded(), _large_pictures():
            if head[:8] == _PNG:
                self._check_png(head, largest_bytes)
            elif (webp := decoded_size.webp(head)) is not None:
                # Pillow makes room for all of it when it opens the file.
                self._check_need(webp.width, webp.height, _USUAL_BYTES, largest_bytes)
            with self._opened() as picture:
                self.width, self.height = picture.size
                if self.width < 1 or self.height < 1:
                    raise InputError(f"{path} has no pixels: it is {self.width} x {self.height} px.")
                self._check_need(self.width, self.height, self._pixel_bytes(picture), largest_bytes)
                self._check_scans(picture)
                self.orientation = of_picture(picture, path)
                self.is_8_bit = not (self._is_deep_rgb or picture.mode.startswith("I") or picture.mode == "F")

    def window(self, x0: int, y0: int, x1: int, y1: int) -> NDArray[Any]:
        """Return the values of a window, shape (h, w, 1 or 3). Raises InputError when the file is damaged."""
        with self._lock, self._guarded():
            if self._picture is None:
                with _large_pictures():
                    self._picture = self._decoded()
            if isinstance(self._picture, np.ndarray):
                return self._picture[y0:y1, x0:x1]
            # Only the window becomes an array: the picture is not held twice.
            part = self._picture.crop((x0, y0, x1, y1))
            if part.mode in ("1", "LA", "La"):
                part = part.convert("L")
            elif part.mode not in ("L", "RGB", "F") and not part.mode.startswith("I"):
                part = part.convert("RGB")
            values = np.asarray(part)
            return values[..., None] if values.ndim == 2 else values

    def release(self) -> None:
        """Forget the decoded picture; it is decoded again when it is read again."""
        with self._lock:
            self._picture = None

    def _decoded(self) -> Image.Image | NDArray[Any]:
        """Return the whole picture."""
        if self._is_deep_rgb:
            import cv2

            deep = cv2.imdecode(np.fromfile(self._path, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
            if deep is None or deep.ndim != 3 or deep.shape[:2] != (self.height, self.width):
                raise InputError(f"{self._path} is damaged: its pixels cannot be decoded.")
            return np.asarray(deep[..., 2::-1])
        with self._opened() as picture:
            picture.load()
            if picture.size != (self.width, self.height):
                raise InputError(f"{self._path} is damaged: the number of its pixels is not that of its header.")
            return picture.copy() if picture.readonly else picture

    def _opened(self) -> Image.Image:
        """Return the picture, opened; it is not decoded yet."""
        from PIL import Image, Jpeg2KImagePlugin, WebPImagePlugin  # noqa: F401 - the last two make themselves known

        return Image.open(self._path, formats=[name for name in FORMATS if name in Image.OPEN or name in _AT_ONCE])

    def _pixel_bytes(self, picture: Image.Image) -> int:
        """Return what decoding takes for each pixel."""
        if self._is_deep_rgb:
            return _DEEP_BYTES
        held = _MODE_BYTES.get(picture.mode, _USUAL_BYTES)
        samples = len(picture.getbands())
        if picture.format == "JPEG2000":
            return held + _OPENJPEG_BYTES * samples
        if picture.info.get("progressive"):
            return held + _COEFFICIENT_BYTES * samples
        return held

    def _check_need(self, width: int, height: int, pixel_bytes: int, largest_bytes: int) -> None:
        """Raise InputError where the picture would need more memory than is allowed."""
        what = f"{self._path} has {width:,} x {height:,} pixels and"
        check_need(what, width * height * pixel_bytes, largest_bytes, "save it as a tiled TIFF")

    def _check_scans(self, picture: Image.Image) -> None:
        """Raise InputError where a progressive JPEG goes over its pixels without end."""
        if not picture.info.get("progressive"):
            return
        scans, before = 0, b""
        with self._path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                scans += (before + block).count(b"\xff\xda")
                before = block[-1:]
        if decoded_size.Stream(self.height, self.width, scans=scans).takes_long:
            raise InputError(f"{self._path} is damaged: its pixels would be decoded {scans:,} times.")

    def _check_png(self, head: bytes, largest_bytes: int) -> None:
        """Raise InputError where a PNG has more chunks than anybody writes, or is far too large."""
        if len(head) > 25:
            width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
            self._check_need(width, height, 1, largest_bytes)
        with self._path.open("rb") as stream:
            stream.seek(len(_PNG))
            for _ in range(_MOST_CHUNKS):
                if _is_last_chunk(stream):
                    return
        raise InputError(f"{self._path} is damaged: it has more than {_MOST_CHUNKS:,} chunks.")

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Turn Pillow's errors into ours."""
        from PIL import UnidentifiedImageError

        with decoding(self._path, "is a damaged image"):
            try:
                yield
            except UnidentifiedImageError:
                raise InputError(f"{self._path} is not an image that can be read (TIFF, JPEG, PNG or BMP).") from None


def _is_last_chunk(stream: BinaryIO) -> bool:
    """Pass over a chunk of a PNG; return whether it is the last one."""
    head = stream.read(8)
    if len(head) < 8 or head[4:] == b"IEND":
        return True
    stream.seek(int.from_bytes(head[:4], "big") + 4, 1)
    return False


_pillow_limit = threading.Lock()


@contextmanager
def _large_pictures() -> Iterator[None]:
    """Let Pillow open pictures of any size, since the size is checked here; others of its users keep their limit."""
    from PIL import Image

    with _pillow_limit:
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before
