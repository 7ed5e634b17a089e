"""How large a pixel is, as image files tell it."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from typing import Any, Final

from napari_diatom.errors import InputError

SMALLEST_UM: Final = 0.001
LARGEST_UM: Final = 100.0

_OME_UNITS_UM: Final = {
    "pm": 1e-6,
    "nm": 1e-3,
    "Å": 1e-4,
    "µm": 1.0,
    "μm": 1.0,
    "um": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
    "in": 25400.0,
    "inch": 25400.0,
}
_TIFF_UNITS_UM: Final = {2: 25400.0, 3: 1e4, 4: 1e3, 5: 1.0}
"""TIFF's ResolutionUnit: inch and centimetre; millimetre and micrometre are a later custom."""

_PRINT_DPI: Final = (72, 75, 96, 100, 120, 150, 180, 200, 240, 254, 300, 350, 360, 400, 600, 720, 1200)
"""What cameras and image editors write when they know nothing of a microscope."""


def checked(pixel_size_um: float, source: str) -> float:
    """Return a pixel size that a microscope can have.

    Raises
    ------
    InputError
        When it is not a number from 0.001 to 100 µm; ``source`` says where it came from.
    """
    if not math.isfinite(pixel_size_um) or not SMALLEST_UM <= pixel_size_um <= LARGEST_UM:
        raise InputError(
            f"{source}: a pixel size of {pixel_size_um:g} µm cannot be right; "
            f"give one from {SMALLEST_UM:g} to {LARGEST_UM:g} µm per pixel."
        )
    return float(pixel_size_um)


def from_ome(xml: str) -> list[float | None]:
    """Return the pixel size in µm of each image in OME-XML, None where it has none or its pixels are not square."""
    try:
        root = ET.fromstring(xml)
    except ET.ParseError:
        return []
    sizes: list[float | None] = []
    for element in root.iter():
        if element.tag.rpartition("}")[2] != "Pixels":
            continue
        along_x, along_y = (_ome_length(element, axis) for axis in "XY")
        square = along_x is not None and (along_y is None or math.isclose(along_x, along_y, rel_tol=0.01))
        sizes.append(along_x if square else None)
    return sizes


def _ome_length(element: ET.Element, axis: str) -> float | None:
    """Return PhysicalSizeX or -Y in µm."""
    unit = _OME_UNITS_UM.get(element.get(f"PhysicalSize{axis}Unit", "µm"))
    try:
        value = float(element.get(f"PhysicalSize{axis}", ""))
    except ValueError:
        return None
    return None if unit is None else value * unit


def from_tiff_tags(x_resolution: Any, y_resolution: Any, unit: int, imagej: dict[str, Any] | None) -> float | None:
    """Return the pixel size in µm of TIFF resolution tags, None where they tell nothing about a microscope.

    Parameters
    ----------
    x_resolution, y_resolution : tuple of int, or None
        Pixels per unit as fractions.
    unit : int
        ResolutionUnit tag.
    imagej : dict or None
        ImageJ's metadata, whose ``unit`` goes before the tag.
    """
    along_x, along_y = _fraction(x_resolution), _fraction(y_resolution)
    if along_x is None or (along_y is not None and not math.isclose(along_x, along_y, rel_tol=0.01)):
        return None
    named = str((imagej or {}).get("unit", "")).replace("\\u00B5", "µ")
    factor = _OME_UNITS_UM.get(named) or _TIFF_UNITS_UM.get(unit)
    if factor is None:
        return None
    size = factor / along_x
    if named not in _OME_UNITS_UM and any(math.isclose(25400 / size, dpi, rel_tol=0.005) for dpi in _PRINT_DPI):
        return None
    return size if SMALLEST_UM <= size <= LARGEST_UM else None


def _fraction(value: Any) -> float | None:
    """Return a TIFF rational as a number above 0."""
    try:
        top, bottom = value
        number = float(top) / float(bottom)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if number > 0 else None
