"""What goes between a process and its child: messages through a pipe, and maps, too large for it, through files.

Messages are pickles behind their length, between two processes of one user.
"""

from __future__ import annotations

import pickle
import struct
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np

from napari_diatom.core.errors import OutputError
from napari_diatom.tiling.map_blending import scratch

if TYPE_CHECKING:
    from napari_diatom.analysis.pipeline import Analysis


_HEADER: Final = struct.Struct("<Q")
_MAPS: Final = ("class_map", "probability")


def leave_maps(analysis: Analysis, folder: Path) -> Analysis:
    """Leave the maps of an analysis in a folder, and return the rest of it, which is small enough for a pipe."""
    for name in _MAPS:
        values = getattr(analysis, name)
        if values is not None:
            file = folder / f"{name}.npy"
            try:
                np.save(file, values)
            except OSError as error:
                raise OutputError(
                    f"The {name.replace('_', ' ')} cannot be handed over through {folder}: {error}"
                ) from error
    return replace(analysis, class_map=None, probability=None)


def fetched_maps(analysis: Analysis, folder: Path) -> Analysis:
    """Return an analysis with the maps that :func:`leave_maps` put into a folder."""
    found: dict[str, Any] = {}
    for name in _MAPS:
        file = folder / f"{name}.npy"
        if file.exists():
            mapped = np.load(file, mmap_mode="r")
            found[name] = scratch(mapped.shape, mapped.dtype)
            found[name][...] = mapped
    return replace(analysis, **found)


def write_message(stream: IO[bytes], message: Any) -> None:
    """Send one message."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(_HEADER.pack(len(data)) + data)
    stream.flush()


def read_message(stream: IO[bytes]) -> Any:
    """Wait for one message; EOFError when the other side is gone."""
    header = stream.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise EOFError
    return pickle.loads(stream.read(_HEADER.unpack(header)[0]))
