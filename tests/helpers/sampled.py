"""Fields of samples with specimens whose counts are known, as tables in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence

from napari_diatom.samples.tallied_specimens import CountedField, FoundSpecimen, TalliedSpecimens

WIDTH, HEIGHT = 1000, 800
MIDDLE = (500.0, 400.0)

Given = tuple[str, str, tuple[float, float]]
"""Taxon, status, and where the centre is."""


def specimen(field: str, number: int, given: Given, pixel_size_um: float = 0.1) -> FoundSpecimen:
    """Return a specimen of 100 x 20 px that lies level."""
    taxon, status, (x, y) = given
    is_cut = not (50 < x < WIDTH - 50 and 10 < y < HEIGHT - 10)
    size = (100 * pixel_size_um, 20 * pixel_size_um)
    return FoundSpecimen(f"{field}/{number}", taxon, status, (x, y, 100.0, 20.0, 0.0), is_cut, size, "person")


def table(fields: dict[str, tuple[str, Sequence[Given]]], pixel_size_um: float | None = 0.1) -> TalliedSpecimens:
    """Return the specimens of fields, each with its sample."""
    scale = math.nan if pixel_size_um is None else pixel_size_um
    return TalliedSpecimens.of(
        [CountedField(name, sample, WIDTH, HEIGHT, pixel_size_um) for name, (sample, _) in fields.items()],
        [[specimen(name, k, one, scale) for k, one in enumerate(found, 1)] for name, (_, found) in fields.items()],
    )


def of(taxon: str, number: int, status: str = "valve") -> list[Given]:
    """Return so many specimens that are whole."""
    return [(taxon, status, MIDDLE)] * number
