"""The specimens of many fields as columns, whoever found them: what a tally counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.cut_edges import cut_edges, edges_of_boxes
from napari_diatom.core.detections import STATUSES


@dataclass(frozen=True)
class CountedField:
    """An image of specimens.

    Attributes
    ----------
    name : str
        As results have it.
    sample : str
        The sample it belongs to.
    width_px, height_px : int
        Its size.
    pixel_size_um : float or None
        Micrometres per pixel, where known.
    sha256 : str
        Hash of its file, empty where unknown.
    """

    name: str
    sample: str
    width_px: int
    height_px: int
    pixel_size_um: float | None = None
    sha256: str = ""

    @property
    def area_mm2(self) -> float | None:
        """Its area, None where the pixel size is not known."""
        if self.pixel_size_um is None:
            return None
        return self.width_px * self.height_px * self.pixel_size_um**2 / 1e6


@dataclass(frozen=True)
class FoundSpecimen:
    """One specimen of a field.

    Attributes
    ----------
    key : str
        What tells it from all others: image and number, or image and id in a project.
    taxon : str
        What it is called.
    status : str
        One of :data:`~napari_diatom.core.detections.STATUSES`.
    box : tuple of float, length 5
        ``cx, cy, length, width`` in pixels and the angle in radians.
    is_cut : bool or None
        Whether the edge of the image cuts it; None where ``reach`` or its box says it.
    size_um : tuple of float, length 2
        Length and width, NaN where unknown.
    by : str
        The person or model that it is from.
    named_by : str
        The person or model that named it.
    is_named_by_person : bool
        Whether a person named it, or has looked at its name.
    striae_10um : float
        Striae in 10 µm, NaN where unknown.
    reach : tuple of float, length 5, or None
        Upright box round its outline, where that is known.
    first_choice : str
        The taxon that a model found most probable, where it was not sure enough to call it that; empty elsewhere.
    """

    key: str
    taxon: str
    status: str
    box: tuple[float, float, float, float, float]
    is_cut: bool | None
    size_um: tuple[float, float]
    by: str
    named_by: str = ""
    is_named_by_person: bool = False
    striae_10um: float = math.nan
    reach: tuple[float, float, float, float, float] | None = None
    first_choice: str = ""


@dataclass(frozen=True, eq=False)
class TalliedSpecimens:
    """N specimens of F fields.

    Attributes
    ----------
    fields : tuple of CountedField
        All fields, those without specimens too.
    taxa : tuple of str
        All names, sorted.
    keys : tuple of str, length N
        See :class:`FoundSpecimen`.
    field : ndarray of intp, shape (N,)
        Place in ``fields``.
    taxon : ndarray of intp, shape (N,)
        Place in ``taxa``.
    status : ndarray of intp, shape (N,)
        Place in :data:`~napari_diatom.core.detections.STATUSES`.
    edges : ndarray of uint8, shape (N,)
        Edges that cut it, as :mod:`napari_diatom.core.cut_edges` has them.
    sizes_um : ndarray of float64, shape (N, 2)
        Length and width, NaN where unknown.
    by : tuple of str, length N
        The person or model that each is from.
    boxes : ndarray of float64, shape (N, 5)
        Their oriented boxes in pixels, as :class:`FoundSpecimen` has them.
    namers : tuple of str
        The persons and models that named some.
    namer : ndarray of intp, shape (N,)
        Place in ``namers``.
    by_person : ndarray of bool, shape (N,)
        Which a person named, or has looked at the name of.
    striae_10um : ndarray of float64, shape (N,)
        Striae in 10 µm, NaN where unknown.
    first_choices : tuple of str, length N
        As :class:`FoundSpecimen` has them.
    """

    fields: tuple[CountedField, ...]
    taxa: tuple[str, ...]
    keys: tuple[str, ...]
    field: NDArray[np.intp]
    taxon: NDArray[np.intp]
    status: NDArray[np.intp]
    edges: NDArray[np.uint8]
    sizes_um: NDArray[np.float64]
    by: tuple[str, ...]
    boxes: NDArray[np.float64]
    namers: tuple[str, ...]
    namer: NDArray[np.intp]
    by_person: NDArray[np.bool_]
    striae_10um: NDArray[np.float64]
    first_choices: tuple[str, ...]

    @classmethod
    def of(cls, fields: Sequence[CountedField], found: Sequence[Sequence[FoundSpecimen]]) -> Self:
        """Return the specimens of fields, those of each field in their order."""
        listed = [item for items in found for item in items]
        place = np.repeat(np.arange(len(fields)), [len(items) for items in found])
        taxa = tuple(sorted({item.taxon for item in listed}))
        number = {name: k for k, name in enumerate(taxa)}
        namers = tuple(sorted({item.named_by for item in listed}))
        namer = {name: k for k, name in enumerate(namers)}
        sizes = np.array([(each.width_px, each.height_px) for each in fields], dtype=np.float64).reshape(-1, 2)
        boxes = np.array([item.box for item in listed], dtype=np.float64).reshape(-1, 5)
        return cls(
            tuple(fields),
            taxa,
            tuple(item.key for item in listed),
            place,
            np.array([number[item.taxon] for item in listed], dtype=np.intp),
            np.array([STATUSES.index(item.status) for item in listed], dtype=np.intp),
            _edges(listed, boxes, sizes[place]),
            np.array([item.size_um for item in listed], dtype=np.float64).reshape(-1, 2),
            tuple(item.by for item in listed),
            boxes,
            namers,
            np.array([namer[item.named_by] for item in listed], dtype=np.intp),
            np.array([item.is_named_by_person for item in listed], dtype=np.bool_),
            np.array([item.striae_10um for item in listed], dtype=np.float64),
            tuple(item.first_choice for item in listed),
        )

    def called(self, names: Mapping[str, str]) -> Self:
        """Return the specimens with other names of taxa, by the present ones; several may become one."""
        new = [names.get(name, name) for name in self.taxa]
        taxa = tuple(sorted(set(new)))
        places = np.array([taxa.index(name) for name in new], dtype=np.intp)
        return replace(self, taxa=taxa, taxon=places[self.taxon] if len(new) else self.taxon)

    def __len__(self) -> int:
        return len(self.keys)


def _edges(
    items: Sequence[FoundSpecimen], boxes: NDArray[np.float64], sizes_px: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Return which edges cut specimens, as flags, shape (N,): what is said of them, else what their boxes reach."""
    reaches = np.array([item.box if item.reach is None else item.reach for item in items], np.float64).reshape(-1, 5)
    said = np.array([item.is_cut is not None for item in items], dtype=np.bool_)
    is_cut = np.array([bool(item.is_cut) for item in items], dtype=np.bool_)
    return np.where(said, cut_edges(boxes, sizes_px, is_cut), edges_of_boxes(reaches, sizes_px)).astype(np.uint8)
