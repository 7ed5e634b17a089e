"""The label of a burned-in scale bar, such as ``20 µm``, read by templates of digits and units in several fonts.

What the templates cannot read, RapidOCR does where it is installed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.errors import InputError
from napari_diatom.images.glyph_templates import Glyph, best_texts
from napari_diatom.images.label_ocr import words_on

UNITS: Final = {"µm": 1.0, "um": 1.0, "nm": 1e-3, "mm": 1e3}
"""Units of labels, in µm."""

_TYPED: Final = re.compile(r"\s*(\d{1,6}(?:[.,]\d{1,3})?)\s*(µm|μm|um|microns?|nm|mm)\s*", re.IGNORECASE)
_LEAST_GLYPH_PX: Final = 5
_TALLEST: Final = 0.1
"""Of the image's height that a letter has at most."""
_AWAY: Final = 0.14
"""Of the image's height above and below the bar that the label lies in at most."""
_BESIDE: Final = 0.35
"""Of the bar's length that the label reaches beyond its ends at most, besides 90 px."""
_GAP: Final = 1.3
"""Heights of its letters between the parts of one label at most."""
_BEFORE: Final = 0.7
"""Heights of a letter before it in which no other may stand where a label begins."""
_DOT: Final = 0.35
"""Size of a decimal point over the height of a digit at most."""
_THRESHOLDS: Final = (0.5, 0.32)
"""Shares of ink above which a pixel belongs to a letter, tried in turn."""
_LEAST_LIKENESS: Final = 0.72
"""Mean likeness of the letters below which a label is not read."""


@dataclass(frozen=True)
class ScaleLabel:
    """What is written beside a scale bar.

    Attributes
    ----------
    text : str
        As read or given, with its unit.
    length_um : float
        The length in µm.
    likeness : float
        How like the letters are to the templates, or the score of RapidOCR, 0 to 1; 1 where a person gave the label.
    """

    text: str
    length_um: float
    likeness: float = 1.0


def parse_label(text: str) -> ScaleLabel:
    """Return a label that a person gives.

    Raises
    ------
    InputError
        When it is not a length with a unit.
    """
    found = _TYPED.fullmatch(text)
    length = 0.0 if found is None else float(found[1].replace(",", "."))
    if found is None or length == 0:
        raise InputError(f"{text!r} is not the length of a scale bar: write a number and µm, um, nm or mm, as in 20um.")
    unit = found[2].lower().replace("μ", "µ")
    unit = "µm" if unit.startswith(("um", "mic")) else unit
    return ScaleLabel(f"{found[1]} {unit}", length * UNITS[unit])


def read_label(pixels: NDArray[np.uint8], place: tuple[float, float, float, float]) -> ScaleLabel | None:
    """Read the label above or below a bar.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (H, W, 3)
        The whole image.
    place : tuple of float, length 4
        Left, top, right and bottom edge of the bar.

    Returns
    -------
    ScaleLabel or None
        None where nothing can be read.
    """
    left, top, right, bottom = (round(value) for value in place)
    height, width = pixels.shape[:2]
    beside = round(_BESIDE * (right - left)) + 90
    away = max(round(_AWAY * height), 40)
    x0, x1 = max(left - beside, 0), min(right + beside, width)
    y0, y1 = max(top - away, 0), min(bottom + away, height)
    colour = np.median(pixels[top:bottom, left + 2 : right - 2].reshape(-1, 3), axis=0).astype(np.float32)
    unlike = np.abs(pixels[y0:y1, x0:x1].astype(np.float32) - colour).max(axis=2)
    contrast = max(float(np.median(unlike)), 40.0)
    ink = np.clip(1 - unlike / contrast, 0, 1)
    # The bar itself and its ticks are no letters.
    bar = (left - x0, top - y0, right - x0, bottom - y0)
    # Fine letters fall apart at a high threshold, and neighbours touch at a low one.
    glyphs = [_glyphs(ink, threshold, bar, height) for threshold in _THRESHOLDS]
    readings = [reading for found in glyphs for line in _lines(found) for reading in _readings(line)]
    best = max(readings, key=lambda reading: reading.likeness, default=None)
    if best is not None and best.likeness >= _LEAST_LIKENESS:
        return best
    return label_of_words(words_on(pixels[y0:y1, x0:x1]))


def label_of_words(words: Sequence[tuple[str, float]]) -> ScaleLabel | None:
    """Return the label among the words of a picture; None where there is none, or several that differ.

    Parameters
    ----------
    words : sequence of (str, float)
        From left to right and top to bottom, with scores from 0 to 1. Number and unit may be two of them.
    """
    pairs = [(f"{first} {second}", min(score, other)) for (first, score), (second, other) in pairwise(words)]
    found = {}
    for word, score in [*words, *pairs]:
        with suppress(InputError):
            label = replace(parse_label(word), likeness=score)
            found[label.length_um] = label
    return next(iter(found.values())) if len(found) == 1 else None


def _glyphs(
    ink: NDArray[np.float32], threshold: float, bar: tuple[int, int, int, int], image_height: int
) -> list[Glyph]:
    """Return the connected parts of ink that may be letters."""
    import cv2

    mask = (ink > threshold).astype(np.uint8)
    _, labels, found, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    glyphs = []
    for k, (x, y, w, h, area) in enumerate(found.tolist()):
        on_bar = x < bar[2] and x + w > bar[0] and y <= bar[3] and y + h >= bar[1]
        if k == 0 or on_bar or area < 2 or h > _TALLEST * image_height or w > 3.2 * max(h, 8):
            continue
        own = np.where(labels[y : y + h, x : x + w] == k, ink[y : y + h, x : x + w], 0.0)
        glyphs.append(Glyph(x, y, w, h, np.asarray(own, dtype=np.float32)))
    # The dot in a zero is no letter of its own.
    return [glyph for glyph in glyphs if not any(_within(glyph, other) for other in glyphs)]


def _within(glyph: Glyph, other: Glyph) -> bool:
    """Return whether a part lies inside the bounds of a larger one."""
    x, y = glyph.x - other.x, glyph.y - other.y
    return x > 0 and y > 0 and x + glyph.w < other.w and y + glyph.h < other.h


def _lines(glyphs: Sequence[Glyph]) -> Iterator[list[Glyph]]:
    """Yield runs of letters that stand beside each other, decimal points among them."""
    tall = [glyph for glyph in glyphs if glyph.h >= _LEAST_GLYPH_PX]
    for first in tall:
        line = [
            other
            for other in glyphs
            if other.y < first.y + first.h * 1.5 and other.y + other.h > first.y + 0.5 * first.h
            and other.y >= first.y - 0.3 * first.h and other.h <= 1.6 * first.h
        ]  # fmt: skip
        line.sort(key=lambda glyph: glyph.x)
        before = [glyph for glyph in line[: line.index(first)] if first.x - glyph.x - glyph.w < _BEFORE * first.h]
        if any(glyph.h > 0.6 * first.h or _is_dot(glyph, first.y + first.h, first.h) for glyph in before):
            # Not the first letter: what is read from here on lacks a part.
            continue
        run = [first]
        for glyph in line[line.index(first) + 1 :]:
            if glyph.x - (run[-1].x + run[-1].w) > _GAP * first.h or len(run) > 9:
                break
            run.append(glyph)
        if len(run) >= 2:
            yield run


def _readings(line: Sequence[Glyph]) -> Iterator[ScaleLabel]:
    """Yield what a line may say, beginning with its first letter."""
    # A label begins with a digit, whose height and foot all others are held against.
    foot, size = line[0].y + line[0].h, line[0].h
    known = [_texts(glyph, foot, size) for glyph in line]
    for end in range(2, len(line) + 1):
        for of_unit in (1, 2):
            if end - of_unit < 1:
                continue
            unit, unit_likeness = _unit(known[end - of_unit : end])
            number, likeness = _number(known[: end - of_unit])
            if not unit or not number:
                continue
            value = float(number.replace(",", "."))
            if value <= 0:
                continue
            count = end - of_unit
            total = (likeness * count + unit_likeness * of_unit) / (count + of_unit)
            # What goes on after the unit is another text.
            more = known[end : end + 1]
            total -= 0.1 if more and line[end].h > 0.5 * size else 0.0
            written = "µm" if unit == "um" else unit
            yield ScaleLabel(f"{number} {written}", value * UNITS[unit], float(np.clip(total, 0, 1)))


def _texts(glyph: Glyph, foot: int, size: int) -> dict[str, float]:
    """Return what a letter may be, with its likeness."""
    if _is_dot(glyph, foot, size):
        return {".": 0.9}
    return best_texts(glyph, (foot - glyph.y - glyph.h) / size, glyph.h / size)


def _is_dot(glyph: Glyph, foot: int, size: int) -> bool:
    """Return whether a letter is a decimal point, on the foot of a line."""
    return max(glyph.h, glyph.w) <= max(_DOT * size, 3) and abs(glyph.y + glyph.h - foot) < _DOT * size


def _unit(known: Sequence[dict[str, float]]) -> tuple[str, float]:
    """Return the likeliest unit of one part, whose letters touch, or of two."""
    if len(known) == 1:
        options = {unit: known[0].get(unit, 0.0) for unit in UNITS}
    else:
        options = {unit: (known[0].get(unit[0], 0.0) + known[1].get("m", 0.0)) / 2 for unit in UNITS}
    best = max(options, key=lambda unit: options[unit])
    return (best, options[best]) if options[best] > 0.4 else ("", 0.0)


def _number(known: Sequence[dict[str, float]]) -> tuple[str, float]:
    """Return the likeliest number, and the mean likeness of its parts."""
    text, sum_ = "", 0.0
    for options in known:
        chosen = {part: value for part, value in options.items() if part.isdigit() or part == "."}
        if not chosen:
            return "", 0.0
        best = max(chosen, key=lambda part: chosen[part])
        text, sum_ = text + best, sum_ + chosen[best]
    if not re.fullmatch(r"\d+(\.\d+)?", text) or (len(text) > 1 and text[0] == "0" and text[1] != "."):
        return "", 0.0
    return text, sum_ / len(known) if math.isfinite(sum_) else 0.0
