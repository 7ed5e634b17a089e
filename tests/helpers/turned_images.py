"""Images of every orientation, as cameras and scanners store them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image

ORIENTATIONS = range(1, 9)
TRANSPOSED = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM}
TRANSPOSED |= {5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE}
TRANSPOSED |= {8: Image.Transpose.ROTATE_270}
"""How Pillow makes the stored image of an upright one: the inverse of what the orientation asks for."""


def stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """Return the pixels that a file of this orientation holds."""
    if orientation == 1:
        return upright
    planes = upright[..., None] if upright.ndim == 2 else upright
    turned = [
        np.asarray(Image.fromarray(planes[..., k].astype(np.int32)).transpose(TRANSPOSED[orientation]))
        for k in range(planes.shape[2])
    ]
    whole = np.stack(turned, axis=-1).astype(upright.dtype)
    return np.ascontiguousarray(whole[..., 0] if upright.ndim == 2 else whole)


def exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def png(path: Path, pixels: np.ndarray, orientation: int, last: bool = False) -> None:
    """Write a PNG of any depth with an EXIF chunk, which may stand before the pixels or behind them."""
    done, coded = cv2.imencode(".png", pixels[..., ::-1] if pixels.ndim == 3 else pixels)
    assert done
    raw = coded.tobytes()
    body = exif_of(orientation).tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(body)) + b"eXIf" + body + struct.pack(">I", zlib.crc32(b"eXIf" + body))
    at = len(raw) - 12 if last else 33
    path.write_bytes(raw[:at] + chunk + raw[at:])


def tiff(path: Path, pixels: np.ndarray, orientation: int, **how) -> None:
    tifffile.imwrite(path, pixels, extratags=[(274, "H", 1, orientation, True)], metadata=None, **how)


def pyramid(path: Path, pixels: np.ndarray, orientation: int) -> None:
    """Write a tiled TIFF with reduced copies, whose own tags say nothing of the orientation."""
    with tifffile.TiffWriter(path) as file:
        tag = [(274, "H", 1, orientation, True)]
        file.write(pixels, subifds=2, tile=(64, 64), extratags=tag, metadata=None)
        file.write(np.ascontiguousarray(pixels[::2, ::2]), subfiletype=1, tile=(64, 64), metadata=None)
        file.write(np.ascontiguousarray(pixels[::4, ::4]), subfiletype=1, tile=(64, 64), metadata=None)


WRITERS = {
    "a.jpg": lambda path, pixels, o: Image.fromarray(pixels).save(path, exif=exif_of(o), quality=100, subsampling=0),
    "plain.png": lambda path, pixels, o: Image.fromarray(pixels).save(path, exif=exif_of(o)),
    "behind.png": lambda path, pixels, o: png(path, pixels, o, last=True),
    "deep_rgb.png": lambda path, pixels, o: png(path, pixels.astype(np.uint16) * 257, o),
    "deep_grey.png": lambda path, pixels, o: png(path, pixels[..., 0].astype(np.uint16) * 257, o),
    "raw.tif": lambda path, pixels, o: tiff(path, pixels, o),
    "strips.tif": lambda path, pixels, o: tiff(path, pixels, o, compression="zlib", rowsperstrip=7),
    "tiles.tif": lambda path, pixels, o: tiff(path, pixels, o, compression="zlib", tile=(64, 48)),
    "deeper.tif": lambda path, pixels, o: tiff(path, pixels.astype(np.uint16) * 257, o),
    "planar.tif": lambda path, pixels, o: tiff(
        path, np.moveaxis(pixels, 2, 0), o, planarconfig="separate", photometric="rgb"
    ),
    "pyramid.tif": pyramid,
}
