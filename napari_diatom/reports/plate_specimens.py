"""Which specimens a plate shows: typical ones of each taxon, or those that a person names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.detections import STATUSES
from napari_diatom.core.errors import InputError
from napari_diatom.core.text import either, first_few, many, quoted
from napari_diatom.core.text_files import read_text
from napari_diatom.samples.tallied_specimens import TalliedSpecimens

PlateOrder = Literal["name", "abundance"]
"""How the taxa of a plate are ordered: by name, or the commonest first."""
PLATE_ORDERS: Final[tuple[PlateOrder, ...]] = get_args(PlateOrder)

_EDGE_PX: Final = 2.0
"""Pixels from an edge within which a typical specimen does not come."""
_SHOWN: Final = 5
"""Names in a message, at most."""


@dataclass(frozen=True)
class PlateSpecimen:
    """A specimen of a plate.

    Attributes
    ----------
    key : str
        As ``tally_specimens.csv`` calls it.
    taxon : str
        Its name.
    image, sample : str
        Where it was found.
    box : tuple of float, length 5
        Its oriented box in pixels of the image.
    pixel_size_um : float
        Micrometres per pixel of the image.
    """

    key: str
    taxon: str
    image: str
    sample: str
    box: tuple[float, float, float, float, float]
    pixel_size_um: float

    @property
    def size_um(self) -> tuple[float, float]:
        """Length and width of its box in micrometres."""
        return self.box[2] * self.pixel_size_um, self.box[3] * self.pixel_size_um


@dataclass(frozen=True)
class SpecimenChoice:
    """Of which specimens a plate shows some.

    Attributes
    ----------
    taxa : tuple of str
        Taxa; all where there are none.
    samples : tuple of str
        Samples; all where there are none.
    most : int
        Specimens of a taxon, at most.
    keys : tuple of str
        These specimens and no others, whatever else is asked for; none for typical ones.
    order : {"name", "abundance"}
        How the taxa are ordered.
    """

    taxa: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    most: int = 3
    keys: tuple[str, ...] = ()
    order: PlateOrder = "name"


def read_keys(path: Path) -> tuple[str, ...]:
    """Return the specimens of a text file, one a line, as ``tally_specimens.csv`` calls them.

    Raises
    ------
    InputError
        When it cannot be read, names none, or one twice.
    """
    keys = tuple(line.strip() for line in read_text(path, "a list of specimens").splitlines() if line.strip())
    if not keys:
        raise InputError(f"{path} names no specimens: write one on each line, such as R1_field3.jpg/12.")
    if twice := [key for key, number in Counter(keys).items() if number > 1]:
        raise InputError(f"{path} names {first_few(twice, _SHOWN)} twice.")
    return keys


def choose_specimens(
    found: TalliedSpecimens, asked: NDArray[np.bool_], choice: SpecimenChoice, images: Sequence[str]
) -> tuple[list[PlateSpecimen], list[str]]:
    """Return the specimens of a plate in the order in which they are numbered, and remarks on those left out.

    Typical specimens are whole, neither cut by an edge nor broken. With k of them wanted, their lengths are the middles
    of k parts of equal number: the median for one, the quartiles for two. They stand from the longest to the shortest.

    Parameters
    ----------
    found : TalliedSpecimens
        All specimens.
    asked : ndarray of bool, shape (N,)
        Which of them there is a choice of; :func:`asked_specimens` tells.
    choice : SpecimenChoice
        How many, and in which order.
    images : sequence of str
        Names of the images that can be opened.

    Raises
    ------
    InputError
        When none can be shown.
    """
    if not asked.any():
        raise InputError("No specimen fits the choice: ask for other taxa or samples.")
    openable = set(images)
    is_openable = np.array([field.name in openable for field in found.fields], dtype=np.bool_)[found.field]
    is_scaled = np.array([field.pixel_size_um is not None for field in found.fields], dtype=np.bool_)[found.field]
    remarks = _left_out(found, asked, is_scaled, "are of images without a pixel size and are left out")
    remarks += _left_out(found, asked & is_scaled, is_openable, "are of images that were not found and are left out")
    shown = asked & is_openable & is_scaled
    if not shown.any():
        raise InputError(_nothing_shown(found, asked, is_scaled))
    if not choice.keys:
        is_whole = (found.edges == 0) & (found.status != STATUSES.index("broken")) & _is_inside(found)
        # Of a taxon of which there are fragments alone, these are shown.
        has_whole = np.bincount(found.taxon[shown & is_whole], minlength=len(found.taxa)) > 0
        shown &= is_whole | ~has_whole[found.taxon]
    places = [k for taxon in _ordered_taxa(found, asked, choice.order) for k in _of_taxon(found, shown, taxon, choice)]
    return [_plated(found, k) for k in places], remarks


def asked_specimens(found: TalliedSpecimens, choice: SpecimenChoice) -> NDArray[np.bool_]:
    """Return which specimens a choice is of, shape (N,).

    Raises
    ------
    InputError
        When there is no such taxon, sample or specimen.
    """
    if choice.keys:
        known = set(found.keys)
        if unknown := [key for key in choice.keys if key not in known]:
            raise InputError(
                f"There {either(len(unknown), 'is no specimen', 'are no specimens')} {first_few(unknown, _SHOWN)}: "
                "name them as tally_specimens.csv does."
            )
        wanted = set(choice.keys)
        return np.array([key in wanted for key in found.keys], dtype=np.bool_)
    asked = np.ones(len(found), dtype=np.bool_)
    samples = [field.sample for field in found.fields]
    for given, names, kind in ((choice.taxa, found.taxa, "taxon"), (choice.samples, samples, "sample")):
        for name in given:
            _check_name(name, names, kind)
    if choice.taxa:
        asked &= np.array([taxon in choice.taxa for taxon in found.taxa], dtype=np.bool_)[found.taxon]
    if choice.samples:
        asked &= np.array([sample in choice.samples for sample in samples], dtype=np.bool_)[found.field]
    return asked


def _is_inside(found: TalliedSpecimens) -> NDArray[np.bool_]:
    """Return which boxes keep clear of the edges, shape (N,): one that just ends there is of a part."""
    sizes = np.array([(field.width_px, field.height_px) for field in found.fields], dtype=np.float64).reshape(-1, 2)
    bounds = geometry.bounds(found.boxes)
    inside = (bounds[:, :2] >= _EDGE_PX) & (bounds[:, 2:] <= sizes[found.field] - _EDGE_PX)
    return np.asarray(inside.all(axis=1), dtype=np.bool_)


def _check_name(name: str, names: Sequence[str], kind: str) -> None:
    """Refuse a name that there is not, with those that are alike."""
    if name in names:
        return
    known = list(dict.fromkeys(names))
    close = get_close_matches(name, known, n=3)
    hint = f"Did you mean {' or '.join(close)}?" if close else f"There are {first_few(known, _SHOWN) or 'none'}."
    raise InputError(f"There is no {kind} {quoted(name)}. {hint}")


def _left_out(found: TalliedSpecimens, asked: NDArray[np.bool_], fits: NDArray[np.bool_], why: str) -> list[str]:
    """Return a remark on the specimens that were asked for and cannot be shown."""
    lost = np.flatnonzero(asked & ~fits)
    if not len(lost):
        return []
    images = dict.fromkeys(found.fields[k].name for k in found.field[lost].tolist())
    where = first_few(list(images), _SHOWN)
    return [f"{many(len(lost), 'specimen')} {why} ({where})".replace("specimen are", "specimen is", 1)]


def _nothing_shown(found: TalliedSpecimens, asked: NDArray[np.bool_], is_scaled: NDArray[np.bool_]) -> str:
    """Return why no specimen can be shown, and what to do."""
    images = dict.fromkeys(found.fields[k].name for k in found.field[asked].tolist())
    if not (asked & is_scaled).any():
        return (
            f"The pixel size of {first_few(list(images), _SHOWN)} is not known, so there is no scale: "
            "set it in the project, or count with --pixel-size."
        )
    files = f"The files of {first_few(list(images), _SHOWN)} were not found"
    return f"{files}: run plate with --images and the folder that they are in now."


def _ordered_taxa(found: TalliedSpecimens, asked: NDArray[np.bool_], order: PlateOrder) -> list[int]:
    """Return the places of taxa; they are sorted by name."""
    if order == "name":
        return list(range(len(found.taxa)))
    numbers = np.bincount(found.taxon[asked], minlength=len(found.taxa))
    ordered: list[int] = np.argsort(-numbers, kind="stable").tolist()
    return ordered


def _of_taxon(found: TalliedSpecimens, shown: NDArray[np.bool_], taxon: int, choice: SpecimenChoice) -> list[int]:
    """Return the places of the specimens of a taxon that are shown, in their order."""
    places = np.flatnonzero(shown & (found.taxon == taxon))
    if choice.keys:
        rank = {key: number for number, key in enumerate(choice.keys)}
        return sorted(places.tolist(), key=lambda k: rank[found.keys[k]])
    scales = np.array([field.pixel_size_um or 0.0 for field in found.fields])
    lengths = found.boxes[places, 2] * scales[found.field[places]]
    longest_first = places[np.argsort(-lengths, kind="stable")]
    number = min(choice.most, len(places))
    middles = (np.arange(number) + 0.5) / max(number, 1) * len(places)
    chosen: list[int] = longest_first[middles.astype(np.intp)].tolist()
    return chosen


def _plated(found: TalliedSpecimens, place: int) -> PlateSpecimen:
    field = found.fields[found.field[place]]
    x, y, length, width, angle = found.boxes[place].tolist()
    return PlateSpecimen(
        found.keys[place],
        found.taxa[found.taxon[place]],
        field.name,
        field.sample,
        (x, y, length, width, angle),
        field.pixel_size_um or 0.0,
    )
