"""ND2 files of NIS-Elements, by nd2: each position at each time is a field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.errors import InputError
from napari_diatom.images.decoding_errors import check_need
from napari_diatom.images.image_fields import FieldFacts, ImageField, image_fields_of
from napari_diatom.images.microscopes.library_file import LibraryFile
from napari_diatom.images.pixel_size import NOT_STATED, PixelSize, stated
from napari_diatom.images.planes import Pixels
from napari_diatom.images.tiff_scenes import odds

_COLOURS: Final = 3


@dataclass(frozen=True)
class _Frame:
    """A frame of the file: its number, and the channel that is meant; None for all colours."""

    number: int
    channel: int | None


def open_nd2(path: Path, z: str, largest_bytes: int) -> list[ImageField]:
    """Return the images of an ND2 file; see :func:`napari_diatom.images.tiff_reader.open_tiff`."""
    from nd2 import ND2File

    handle = LibraryFile(path, lambda: ND2File(str(path)))
    try:
        with handle.reading() as file:
            facts = file.attributes
            height, width = int(facts.heightPx), int(facts.widthPx or 0)
            samples, dtype = int(file.components_per_channel), np.dtype(file.dtype)
            channels = int(facts.componentCount) if samples != _COLOURS else int(facts.channelCount or 1)
            loops: Sequence[dict[str, int]] = [dict(loop) for loop in file.loop_indices] or [{}]
            held = int(facts.sequenceCount or len(loops))
            is_packed = facts.compressionType == "lossless"
            size = _pixel_size(file)
    finally:
        handle.close()
    if min(height, width, held) < 1:
        raise InputError(f"{path} has no pixels: it is {width} x {height} px.")
    if dtype.kind not in "buif":
        raise InputError(f"{path} holds pixels of a kind that is not supported.")
    if is_packed:
        need = height * width * channels * samples * dtype.itemsize
        check_need(f"{path} has a compressed frame that", need, largest_bytes, "save it uncompressed")
    # A run that was stopped lists frames that were never taken.
    notices = odds(len(loops), min(held, len(loops)), 0)
    shape = height, width, channels, samples
    places: dict[tuple[tuple[str, int], ...], dict[int, int]] = {}
    for number, loop in enumerate(loops[:held]):
        other = tuple(sorted((axis, at) for axis, at in loop.items() if axis not in "ZC"))
        places.setdefault(other, {})[loop.get("Z", 0)] = number

    def opened(frame: _Frame) -> list[Pixels]:
        return [Nd2Pixels(handle, frame, shape, dtype)]

    fields = []
    for _, planes in sorted(places.items()):
        colours: Sequence[int | None] = [None] if samples == _COLOURS else range(channels)
        stack = [[_Frame(number, channel) for channel in colours] for _, number in sorted(planes.items())]
        fields += image_fields_of(path, stack, z, opened, FieldFacts(size, notices))
    return fields


def _pixel_size(file: Any) -> PixelSize:
    """Return the pixel size that the metadata state; NIS-Elements says whether it was calibrated."""
    try:
        channels = file.metadata.channels or ()
    except Exception:  # the library stumbles over descriptions that lack entries, which its pixels do not need
        return PixelSize.unknown("The file's metadata cannot be read")
    if not channels:
        return NOT_STATED
    volume = channels[0].volume
    along_x, along_y, *_ = (float(side) for side in volume.axesCalibration)
    if not all(volume.axesCalibrated[:2]) or not (0 < along_x < 1e12 and 0 < along_y < 1e12):
        return NOT_STATED
    return stated(along_x, along_y, "nd2")


class Nd2Pixels:
    """The pixels of a channel of a frame. An uncompressed frame is mapped, and a window of it read.

    Parameters
    ----------
    handle : LibraryFile
        The file.
    frame : _Frame
        Which frame and channel.
    shape : tuple of int
        Height, width, channels and samples of a frame.
    dtype : dtype
        Of the values.
    """

    def __init__(
        self, handle: LibraryFile[Any], frame: _Frame, shape: tuple[int, int, int, int], dtype: np.dtype[Any]
    ) -> None:
        self._handle = handle
        self._frame = frame
        self._shape = shape
        self.height, self.width = shape[:2]
        self.is_8_bit = dtype in (np.uint8, np.bool_)

    def window(self, x0: int, y0: int, x1: int, y1: int) -> NDArray[Any]:
        """Return the values of a window. Raises InputError when the file has gone, or is damaged there."""
        height, width, channels, samples = self._shape
        with self._handle.reading() as file:
            frame = file.read_frame(self._frame.number)
            full = channels, height, width, samples
            # The library leaves out axes of length 1.
            if frame.shape != tuple(length for length in full if length != 1):
                raise InputError(f"{self._handle.path} is damaged: its frames are not of the size that it states.")
            whole = np.expand_dims(frame, [axis for axis, length in enumerate(full) if length == 1])
            values = np.array(whole[self._frame.channel or 0, y0:y1, x0:x1])
        # Colours are stored as blue, green, red.
        return values[..., ::-1] if samples == _COLOURS else values

    def release(self) -> None:
        """Close the file; it is opened again when it is read again."""
        self._handle.close()
