"""Where the pictures of a plate stand on its page, all at one scale."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from napari_diatom.core.errors import InputError
from napari_diatom.core.text import many, quoted

PAGES_MM: Final = {"a4": (210.0, 297.0), "letter": (215.9, 279.4)}
"""Width and height of pages in millimetres."""
LABEL_MM: Final = 4.5
"""Height of the number below a picture."""
AROUND_MM: Final = 0.9
"""What is shown round a specimen, on paper."""

_ROUND: Final = (1.0, 1.2, 1.5, 1.8, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
_LARGEST: Final = 2000.0
"""Magnification that is chosen at most. A light microscope shows nothing more beyond it."""
_GAP_MM: Final = 2.5
_WIDEST_GAP_MM: Final = 9.0
_LEAST_WIDTH_MM: Final = 4.0
_MARGIN_MM: Final = 15.0
_LARGEST_MARGIN: Final = 0.06
"""Of a page's shorter side."""
_BAR_STRIP_MM: Final = 9.0
_BAR_UM: Final = 10.0
_BAR_MM: Final = (4.0, 30.0)
"""Lengths of a scale bar within which it is 10 µm."""
_USUAL_BAR_MM: Final = 12.0
"""About how long it is elsewhere."""
_SIDES_MM: Final = (40.0, 1200.0)


@dataclass(frozen=True)
class PlateCell:
    """Where a picture stands: left, top, width and height in millimetres, from the page's upper left corner."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class PlateLayout:
    """A page of pictures.

    Attributes
    ----------
    width, height : float
        The page in millimetres.
    magnification : float
        Length on paper over length of the specimen.
    cells : tuple of PlateCell
        The pictures, in their order.
    bar_um : float
        Length that the scale bar stands for.
    bar : PlateCell
        The scale bar; its height is the thickness of the line.
    """

    width: float
    height: float
    magnification: float
    cells: tuple[PlateCell, ...]
    bar_um: float
    bar: PlateCell

    def without_foot(self) -> PlateLayout:
        """Return the same on a page that ends below the scale bar."""
        return replace(self, height=self.bar.top + self.bar.height + _margin((self.width, self.height)))


@dataclass(frozen=True)
class _Row:
    """Columns of pictures side by side, each a list of their places; height and width are in millimetres."""

    columns: list[list[int]]
    height: float
    width: float


def page_size(page: str) -> tuple[float, float]:
    """Return width and height of a page in millimetres: ``a4``, ``letter``, or such as ``170x230``.

    Raises
    ------
    InputError
        When it is none of these, or no page that can be printed.
    """
    if not isinstance(page, str):
        raise InputError(f"The page is {quoted(page)}; give a4, letter, or text such as 170x230.")
    if page.lower() in PAGES_MM:
        return PAGES_MM[page.lower()]
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*x\s*(\d+(?:\.\d+)?)\s*(?:mm)?", page.strip())
    if match is None:
        raise InputError(f"The page is {quoted(page)}; give a4, letter, or width x height in mm, such as 170x230.")
    width, height = float(match[1]), float(match[2])
    if not all(_SIDES_MM[0] <= side <= _SIDES_MM[1] for side in (width, height)):
        raise InputError(f"A page of {page} mm: each side is to be {_SIDES_MM[0]:g} to {_SIDES_MM[1]:g} mm.")
    return width, height


def lay_out(
    sizes_um: Sequence[tuple[float, float]], page: tuple[float, float], magnification: float | None = None
) -> PlateLayout:
    """Return where pictures stand, in rows from the upper left; small ones stand below each other in a row.

    Parameters
    ----------
    sizes_um : sequence of tuple of float
        Length and width of each specimen in micrometres; lengths stand upright.
    page : tuple of float
        Width and height in millimetres.
    magnification : float, optional
        Length on paper over length of the specimen. By default the largest round one at which all fit, up to 2000.

    Raises
    ------
    InputError
        When the specimens do not fit on the page.
    """
    if magnification is not None:
        rows = _rows(sizes_um, page, magnification)
        if rows is not None:
            return _placed(sizes_um, page, magnification, rows)
    for fitting in _round_magnifications():
        rows = _rows(sizes_um, page, fitting)
        if rows is None:
            continue
        if magnification is None:
            return _placed(sizes_um, page, fitting, rows)
        raise InputError(
            f"{many(len(sizes_um), 'specimen')} at {magnification:g} times do not fit on a page of {page[0]:g} x "
            f"{page[1]:g} mm; they do at {fitting:g} times. Take fewer of each taxon, or a larger page."
        )
    raise InputError(
        f"{many(len(sizes_um), 'specimen')} do not fit on a page of {page[0]:g} x {page[1]:g} mm at any scale: "
        "take fewer of each taxon, or a larger page."
    )


def _round_magnifications() -> list[float]:
    """Return round magnifications from the largest to 10."""
    found = [digit * 10.0**power for power in (1, 2, 3) for digit in _ROUND]
    return sorted((value for value in found if value <= _LARGEST), reverse=True)


def _margin(page: tuple[float, float]) -> float:
    return min(_MARGIN_MM, _LARGEST_MARGIN * min(page))


def _picture_mm(size_um: tuple[float, float], magnification: float) -> tuple[float, float]:
    """Return width and height of a picture on paper."""
    length, width = (side * magnification / 1000 + 2 * AROUND_MM for side in size_um)
    return max(width, _LEAST_WIDTH_MM), length


def _rows(
    sizes_um: Sequence[tuple[float, float]], page: tuple[float, float], magnification: float
) -> list[_Row] | None:
    """Return the rows of pictures, None where the page is too small."""
    margin = _margin(page)
    room_x, room_y = page[0] - 2 * margin, page[1] - 2 * margin - _BAR_STRIP_MM
    mm = [_picture_mm(size, magnification) for size in sizes_um]
    if any(width > room_x or height + LABEL_MM > room_y for width, height in mm):
        return None
    rows: list[_Row] = []
    start = 0
    while start < len(mm):
        row = _one_row(mm, start, room_x)
        rows.append(row)
        start += sum(map(len, row.columns))
    needed = sum(row.height for row in rows) + _GAP_MM * (len(rows) - 1)
    return rows if needed <= room_y else None


def _one_row(mm: Sequence[tuple[float, float]], start: int, room_x: float) -> _Row:
    """Return a row that begins with a picture and has as many of those that follow as there is room for."""
    columns: list[list[int]] = []
    row_height = row_width = column_height = column_width = 0.0
    for k in range(start, len(mm)):
        width, height = mm[k][0], mm[k][1] + LABEL_MM
        wider = max(column_width, width)
        if columns and column_height + _GAP_MM + height <= row_height and row_width - column_width + wider <= room_x:
            columns[-1].append(k)
            row_width += wider - column_width
            column_height, column_width = column_height + _GAP_MM + height, wider
            continue
        gap = _GAP_MM if columns else 0.0
        if columns and row_width + gap + width > room_x:
            break
        columns.append([k])
        row_width += gap + width
        row_height = max(row_height, height)
        column_height, column_width = height, width
    return _Row(columns, row_height, row_width)


def _placed(
    sizes_um: Sequence[tuple[float, float]], page: tuple[float, float], magnification: float, rows: Sequence[_Row]
) -> PlateLayout:
    """Return the pictures of rows on the page, with what room is left shared out between them."""
    margin = _margin(page)
    mm = [_picture_mm(size, magnification) for size in sizes_um]
    left_over = page[1] - 2 * margin - _BAR_STRIP_MM - sum(row.height for row in rows)
    gap_y = min(left_over / max(len(rows) - 1, 1), _WIDEST_GAP_MM)
    cells: dict[int, PlateCell] = {}
    top = margin
    for row in rows:
        spare = page[0] - 2 * margin - row.width + _GAP_MM * (len(row.columns) - 1)
        gap_x = min(spare / max(len(row.columns) - 1, 1), _WIDEST_GAP_MM)
        left = margin + (spare - gap_x * (len(row.columns) - 1)) / 2
        for column in row.columns:
            width = max(mm[k][0] for k in column)
            spare_y = row.height - sum(mm[k][1] + LABEL_MM for k in column)
            between = min(spare_y / max(len(column) - 1, 1), _WIDEST_GAP_MM)
            y = top + (spare_y - between * (len(column) - 1)) / 2
            for k in column:
                cells[k] = PlateCell(left + (width - mm[k][0]) / 2, y, *mm[k])
                y += mm[k][1] + LABEL_MM + between
            left += width + gap_x
        top += row.height + gap_y
    bar_um = _bar_length(magnification)
    length = bar_um * magnification / 1000
    right = max((cell.left + cell.width for cell in cells.values()), default=0.0)
    bar = PlateCell(max(right - length, margin), top - gap_y + _BAR_STRIP_MM - 1.2, length, 0.6)
    return PlateLayout(*page, magnification, tuple(cells[k] for k in range(len(mm))), bar_um, bar)


def _bar_length(magnification: float) -> float:
    """Return what the scale bar stands for in micrometres: 10, or another round length where that does not fit."""
    on_paper = magnification / 1000
    if _BAR_MM[0] <= _BAR_UM * on_paper <= _BAR_MM[1]:
        return _BAR_UM
    lengths = [digit * 10.0**power for power in range(-1, 4) for digit in (1, 2, 5)]
    return min(lengths, key=lambda length: abs(math.log(length * on_paper / _USUAL_BAR_MM)))
