"""How large a pixel is, as image files tell it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from napari_diatom.core.errors import InputError
from napari_diatom.core.given_values import given_number
from napari_diatom.core.text_files import parse_xml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

SMALLEST_UM: Final = 0.001
LARGEST_UM: Final = 100.0
"""What a person may give; ..."""
LEAST_USUAL_UM: Final = 0.005
MOST_USUAL_UM: Final = 20.0
"""... and what light microscopes have. Other values are not a pixel size, and a person is asked about them."""

_TO_UM: Final = {
    **{"Ym": 1e30, "Zm": 1e27, "Em": 1e24, "Pm": 1e21, "Tm": 1e18, "Gm": 1e15, "Mm": 1e12, "km": 1e9, "hm": 1e8},
    **{"dam": 1e7, "m": 1e6, "dm": 1e5, "cm": 1e4, "mm": 1e3, "µm": 1.0, "nm": 1e-3, "pm": 1e-6, "fm": 1e-9},
    **{"am": 1e-12, "zm": 1e-15, "ym": 1e-18, "Å": 1e-4, "thou": 25.4, "li": 25400 / 12, "in": 25400.0},
    **{"ft": 304800.0, "yd": 914400.0, "mi": 1.609344e9, "ua": 1.495978707e17, "ly": 9.4607304725808e21},
    **{"pc": 3.0856775814913674e22, "pt": 25400 / 72},
}
"""The units of length of OME, in µm."""
_SPELT: Final = {
    **dict.fromkeys(("μm", "um", "micron", "microns", "micrometer", "micrometers", "micrometre", "micrometres"), "µm"),
    **dict.fromkeys(("nanometer", "nanometers", "nanometre", "nanometres"), "nm"),
    **dict.fromkeys(("millimeter", "millimeters", "millimetre", "millimetres"), "mm"),
    **dict.fromkeys(("centimeter", "centimeters", "centimetre", "centimetres"), "cm"),
    **dict.fromkeys(("meter", "meters", "metre", "metres"), "m"),
    **dict.fromkeys(("inch", "inches", '"'), "in"),
    **dict.fromkeys(("å", "angstrom", "angstroms"), "Å"),
}
"""Other spellings, in lower case."""
_NO_LENGTHS: Final = frozenset({"pixel", "pixels", "px", "reference frame"})
"""Units of what was never calibrated."""
_OF_MICROSCOPES: Final = frozenset({"µm", "nm", "Å", "pm"})
"""Units in which nobody says how an image is printed."""
_TIFF_UNITS: Final = {2: "in", 3: "cm", 4: "mm", 5: "µm"}
"""TIFF's ResolutionUnit: inch and centimetre; millimetre and micrometre are a later custom."""

_PRINT_DPI: Final = frozenset(
    {72, 75, 96, 100, 120, 150, 180, 200, 240, 254, 300, 350, 360, 400, 600, 720, 1200, 1440, 2400, 4800}
)
"""What cameras, scanners and image editors write when they know nothing of a microscope."""

_SQUARE_TOLERANCE: Final = 0.01
_LONGEST_QUOTE: Final = 40
_UNKNOWN: Final = "so the pixel size counts as unknown and lengths stay in pixels."


@dataclass(frozen=True)
class PixelSize:
    """The pixel size that a file states.

    Attributes
    ----------
    um : float or None
        Micrometres per pixel, None where it is unknown.
    source : str
        ``"ome"``, ``"tiff"`` or whatever else has stated it; ``"unknown"`` if nothing has.
    notices : tuple of str
        What the user should know about it, in sentences.
    """

    um: float | None = None
    source: str = "unknown"
    notices: tuple[str, ...] = ()

    @classmethod
    def unknown(cls, why: str) -> Self:
        """Return that it is unknown, because of what the file states: ``why`` is the start of a sentence."""
        return cls(notices=(f"{why}, {_UNKNOWN}",))


NOT_STATED: Final = PixelSize()


def validate_pixel_size(pixel_size_um: float, source: str) -> float:
    """Return a pixel size that a person may give.

    Raises
    ------
    InputError
        When it is not a number from 0.001 to 100 µm; ``source`` says where it came from.
    """
    um = given_number(pixel_size_um, f"{source}: the pixel size")
    if not SMALLEST_UM <= um <= LARGEST_UM:
        raise InputError(
            f"{source}: a pixel size of {um:g} µm cannot be right; give a value from {SMALLEST_UM:g} to "
            f"{LARGEST_UM:g} µm per pixel."
        )
    return um


def is_usual(pixel_size_um: float) -> bool:
    """Return whether light microscopes have such pixels."""
    return LEAST_USUAL_UM <= pixel_size_um <= MOST_USUAL_UM


def unusual(pixel_size_um: float) -> str:
    """Return a sentence of warning about a pixel size that a person gives; empty where it is a usual one."""
    if is_usual(pixel_size_um):
        return ""
    return (
        f"A pixel size of {pixel_size_um:g} µm is unusual: microscope images have {LEAST_USUAL_UM:g} to "
        f"{MOST_USUAL_UM:g} µm per pixel."
    )


def stated(along_x: float, along_y: float, source: str, of_print: bool = False, who: str = "The file") -> PixelSize:
    """Return what a file states as far as a microscope can have it.

    Parameters
    ----------
    along_x, along_y : float
        Width and height of a pixel in µm, above 0.
    source : str
        Where it is stated: ``"ome"``, ``"tiff"``, ``"layer"``.
    of_print : bool
        Whether it may be the resolution of printing.
    who : str
        Who states it, as the start of a sentence.
    """
    if not math.isclose(along_x, along_y, rel_tol=_SQUARE_TOLERANCE):
        return PixelSize.unknown(f"{who} states pixels of {along_x:.4g} x {along_y:.4g} µm, which are not square")
    dpi = next((dpi for dpi in _PRINT_DPI if of_print and math.isclose(25400 / along_x, dpi, rel_tol=0.005)), None)
    if dpi is not None:
        return PixelSize.unknown(f"{who} states {dpi} dpi, which is a print resolution and not a pixel size")
    if not is_usual(along_x):
        return PixelSize.unknown(
            f"{who} states a pixel size of {along_x:.4g} µm, but microscope images have {LEAST_USUAL_UM:g} to "
            f"{MOST_USUAL_UM:g} µm per pixel"
        )
    return PixelSize(along_x, source)


def in_unit(sides: tuple[float, float], units: tuple[str, str], source: str) -> PixelSize:
    """Return what a file states in units of length.

    Parameters
    ----------
    sides : tuple of float
        Width and height of a pixel.
    units : tuple of str
        Unit of each, as OME spells it or in words.
    source : str
        Where it is stated.
    """
    spelt = [_spelt(unit.strip()) for unit in units]
    if any(unit in _NO_LENGTHS for unit in spelt):
        return NOT_STATED
    if not all(unit in _TO_UM and math.isfinite(side) and side > 0 for side, unit in zip(sides, spelt, strict=True)):
        return PixelSize.unknown(f"The file states a pixel size of {_quoted(f'{sides[0]:g} {units[0]}')}")
    along_x, along_y = (side * _TO_UM[unit] for side, unit in zip(sides, spelt, strict=True))
    return stated(along_x, along_y, source)


def from_ome(xml: str) -> list[PixelSize]:
    """Return the pixel size of each image in OME-XML; one alone, unknown, where the XML cannot be read."""
    try:
        root = parse_xml(xml, "OME-XML", "XML")
    except InputError:
        return [PixelSize.unknown("The file's OME-XML is damaged")]
    return [_of_pixels(element) for element in root.iter() if re.split("[}:]", element.tag)[-1] == "Pixels"]


def _of_pixels(element: Element) -> PixelSize:
    """Return the pixel size in a ``Pixels`` element of OME."""
    sides: list[float | None] = []
    for axis in "XY":
        text = element.get(f"PhysicalSize{axis}")
        unit = element.get(f"PhysicalSize{axis}Unit", "µm").strip()
        if unit in _NO_LENGTHS:
            return NOT_STATED
        if text is None:
            sides.append(None)
            continue
        value, factor = _number(text), _TO_UM.get(_spelt(unit))
        if value is None or factor is None:
            return PixelSize.unknown(f"The file states a pixel size of {_quoted(f'{text} {unit}')}")
        sides.append(value * factor)
    return _of_sides(sides[0], sides[1], "ome")


def _of_sides(along_x: float | None, along_y: float | None, source: str, of_print: bool = False) -> PixelSize:
    """Return the pixel size of what may be one side alone."""
    if along_x is None and along_y is None:
        return NOT_STATED
    if along_x is not None and along_y is not None:
        return stated(along_x, along_y, source, of_print)
    side = along_x or along_y or 0.0
    size = stated(side, side, source, of_print)
    if size.um is None:
        return size
    known, other = ("width", "height") if along_y is None else ("height", "width")
    notice = f"The file states the {known} of a pixel alone, {side:.4g} µm; its {other} is assumed to be the same."
    return PixelSize(size.um, source, (notice,))


def from_tiff_tags(x_resolution: Any, y_resolution: Any, unit: int, imagej: dict[str, Any] | None) -> PixelSize:
    """Return the pixel size of TIFF resolution tags, unknown where they tell nothing about a microscope.

    Parameters
    ----------
    x_resolution, y_resolution : tuple of int, or None
        Pixels per unit as fractions.
    unit : int
        ResolutionUnit tag.
    imagej : dict or None
        ImageJ's metadata, whose ``unit`` (and ``yunit``) go before the tag.
    """
    along_x, along_y = _fraction(x_resolution), _fraction(y_resolution)
    if along_x is None and along_y is None:
        return NOT_STATED
    named = _imagej_unit(imagej, "unit")
    units = (named, _imagej_unit(imagej, "yunit") or named) if named else (_TIFF_UNITS.get(unit, ""),) * 2
    if any(name in _NO_LENGTHS or not name for name in units):
        return NOT_STATED
    if any(name not in _TO_UM for name in units):
        other = next(name for name in units if name not in _TO_UM)
        return PixelSize.unknown(f"The file states pixels per {_quoted(other)}, which is not a unit of length")
    sides = [None if n is None else _TO_UM[name] / n for n, name in zip((along_x, along_y), units, strict=True)]
    return _of_sides(sides[0], sides[1], "tiff", of_print=not _OF_MICROSCOPES.issuperset(units))


def _imagej_unit(imagej: dict[str, Any] | None, key: str) -> str:
    """Return a unit of ImageJ's as OME spells it, empty where there is none."""
    text = str((imagej or {}).get(key, "")).replace("\\u00B5", "µ").replace("\\u00b5", "µ")
    return _spelt(text.strip().strip("\0"))


def _spelt(unit: str) -> str:
    """Return a unit as OME spells it, as far as it is known."""
    if unit in _TO_UM:
        return unit
    lower = unit.lower()
    return lower if lower in _NO_LENGTHS else _SPELT.get(lower, unit)


def _number(text: str) -> float | None:
    """Return a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def _fraction(value: Any) -> float | None:
    """Return a TIFF rational as a finite number above 0."""
    try:
        top, bottom = value
        number = float(top) / float(bottom)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _quoted(text: str) -> str:
    """Return what a file says, as far as it fits on a line."""
    return repr(text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 3] + "...")
