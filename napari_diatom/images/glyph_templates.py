"""What digits and units look like in several fonts, and which of them a letter is like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

TEXTS: Final = (*"0123456789", *"µunm", "µm", "um", "nm", "mm", "10", "20", "50", "00")
"""What is recognised; letters that touch are one."""
_GRID: Final = (24, 18)
_SIZES: Final = (13, 22, 40)
"""Heights of the templates in pixels: small letters are softer."""
_TTF: Final = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf", "STIXGeneral.ttf")
"""Those that come with matplotlib."""
_ASPECT, _HEIGHT, _FOOT = 0.45, 0.8, 0.8
"""What differences of the logarithm of width over height, of height and of foot, in heights of a digit, cost."""


@dataclass(frozen=True, eq=False)
class Glyph:
    """A connected part of a text.

    Attributes
    ----------
    x, y, w, h : int
        Its bounds.
    ink : ndarray of float32, shape (h, w)
        How much of each pixel is ink.
    """

    x: int
    y: int
    w: int
    h: int
    ink: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Templates:
    """All of them: texts, their pictures as unit vectors, and their proportions."""

    texts: tuple[str, ...]
    pictures: NDArray[np.float32]
    proportions: NDArray[np.float64]


def best_texts(glyph: Glyph, foot: float, height: float) -> dict[str, float]:
    """Return how like a letter is to each of :data:`TEXTS`, at most 1.

    Parameters
    ----------
    glyph : Glyph
        The letter.
    foot, height : float
        How far it ends above the foot of the line's first digit, and how high it is, in heights of that digit.
    """
    known = _templates()
    alike = known.pictures @ _picture(glyph.ink)
    own = np.array([np.log(glyph.w / glyph.h), height, foot])
    away = np.abs(known.proportions - own) @ np.array([_ASPECT, _HEIGHT, _FOOT])
    found: dict[str, float] = {}
    for text, value in zip(known.texts, (alike - away).tolist(), strict=True):
        if value > found.get(text, 0.0):
            found[text] = value
    return found


def _picture(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a letter stretched to the common grid, its mean taken off, as a unit vector."""
    import cv2

    small = cv2.resize(ink, _GRID[::-1], interpolation=cv2.INTER_AREA if ink.shape[0] > _GRID[0] else cv2.INTER_LINEAR)
    flat = np.asarray(small, dtype=np.float32).ravel()
    flat = flat - flat.mean()
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1e-6), dtype=np.float32)


@cache
def _templates() -> _Templates:
    """Draw all templates, once."""
    texts, pictures, proportions = [], [], []
    for drawn in (*_hershey(), *_truetype()):
        zero = _bounds(drawn["0"])
        size, foot = zero[3] - zero[1], zero[3]
        for text, canvas in drawn.items():
            x0, y0, x1, y1 = _bounds(canvas)
            texts.append(text)
            pictures.append(_picture(canvas[y0:y1, x0:x1]))
            proportions.append((np.log((x1 - x0) / (y1 - y0)), (y1 - y0) / size, (foot - y1) / size))
    return _Templates(tuple(texts), np.array(pictures), np.array(proportions))


def _bounds(canvas: NDArray[np.float32]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero((canvas > 0.5).any(axis=1)), np.flatnonzero((canvas > 0.5).any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _hershey() -> Iterator[dict[str, NDArray[np.float32]]]:
    """Yield the texts in OpenCV's fonts, which have no µ."""
    import cv2

    fonts = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_PLAIN)
    for font in fonts:
        for size in _SIZES:
            scale = size / cv2.getTextSize("0", font, 1.0, 1)[0][1]
            for weight in {1, max(1, round(size / 12)), max(1, round(size / 7))}:
                yield {text: _written(text, font, scale, weight, size) for text in TEXTS if "µ" not in text}


def _written(text: str, font: int, scale: float, weight: int, size: int) -> NDArray[np.float32]:
    import cv2

    canvas = np.zeros((3 * size + 20, 5 * size + 20), np.uint8)
    cv2.putText(canvas, text, (size // 2 + 5, 2 * size), font, scale, 255, weight, cv2.LINE_AA)
    return np.asarray(canvas / np.float32(255), dtype=np.float32)


def _truetype() -> Iterator[dict[str, NDArray[np.float32]]]:
    """Yield the texts in Pillow's own font and in those of matplotlib that are there."""
    from PIL import Image, ImageDraw, ImageFont

    folder = _font_folder()
    for size in _SIZES:
        points = round(size / 0.72)
        # Pillow's own font has no µ.
        fonts = [(ImageFont.load_default(points), "µ")]
        fonts += [(ImageFont.truetype(str(folder / name), points), "") for name in _TTF if (folder / name).is_file()]
        for font, lacking in fonts:
            drawn: dict[str, NDArray[np.float32]] = {}
            for text in (text for text in TEXTS if not lacking or lacking not in text):
                picture = Image.new("L", (5 * size + 20, 3 * size + 20))
                ImageDraw.Draw(picture).text((size // 2 + 5, 2 * size), text, fill=255, font=font, anchor="ls")
                drawn[text] = np.asarray(np.asarray(picture) / np.float32(255), dtype=np.float32)
            yield drawn


def _font_folder() -> Path:
    """Return where matplotlib keeps its fonts."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"
