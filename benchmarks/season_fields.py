"""A season for ``season.py``: rendered samples of fields with their truth, the tables that belong to them, and slides.

Each sample has a community of shape groups of its own, and one light and camera for all its fields, as a slide has. The
slides are for a model: on some it learns the names of the groups, on the others it is tested. All groups are about as
common on them. What was rendered is kept, and rendered only once.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from fields import in_turn
from numpy.typing import NDArray
from PIL import Image

from diatom_training.synthesis import CLASSIC_FAMILIES, FieldOptions, draw_options, render_field
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import STATUSES, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.formats.geojson import codec as geojson

PIXEL_SIZE_UM: Final = 0.1
FIELDS, SLIDES, TRUTH = "fields", "slides", "truth"
"""Folders of the pictures of samples and of slides, and of the annotations beside them."""
TAXA, SAMPLES, RECORD = "taxa.csv", "samples.csv", "season.json"
PARTS: Final = ("learn", "test")
"""What the slides are for."""
GROUPS: Final = CLASSIC_FAMILIES
_SPECIMENS: Final = (11, 17)
"""Of a field: forty of them have the 400 of a count in most samples, and not in all."""
_LENGTHS: Final = (0.05, 0.3)
"""Of the specimens, as shares of the longer side of a field."""
_PLACES: Final = 40
"""Into which a community is divided: a share is the nearest number of fortieths."""
_EDGES: Final = ("left", "top", "right", "bottom")


@dataclass(frozen=True)
class SeasonPlan:
    """What is rendered; the same plan gives the same fields.

    Attributes
    ----------
    samples, fields : int
        Samples, and fields of each.
    slides, slide_fields : int
        Slides to learn from, as many to test on, and fields of each.
    height, width : int
        Of a field, in pixels.
    seed : int
        Of all that chance decides.
    """

    samples: int = 12
    fields: int = 40
    slides: int = 8
    slide_fields: int = 6
    height: int = 960
    width: int = 1280
    seed: int = 2026


@dataclass(frozen=True)
class TrueSpecimen:
    """A specimen as it was rendered.

    Attributes
    ----------
    sample, image : str
        Where it is.
    group, status : str
        What it is.
    edges : frozenset of str
        Edges of the field that its box reaches: ``left``, ``top``, ``right``, ``bottom``.
    """

    sample: str
    image: str
    group: str
    status: str
    edges: frozenset[str]


@dataclass(frozen=True)
class Season:
    """A rendered season.

    Attributes
    ----------
    folder : Path
        Where it is.
    plan : SeasonPlan
        What was rendered.
    images : mapping of str to str
        Names of the fields of samples, by the hash of their pixels.
    specimens : tuple of TrueSpecimen
        Of all samples.
    """

    folder: Path
    plan: SeasonPlan
    images: Mapping[str, str]
    specimens: tuple[TrueSpecimen, ...]

    @property
    def samples(self) -> list[str]:
        """Codes of the samples."""
        return [_sample(number) for number in range(self.plan.samples)]

    def truth(self, image: str) -> Detections:
        """Return the specimens of a field as oriented boxes with their groups and statuses."""
        return geojson.read(self.folder / TRUTH / image.split("_")[0] / f"{image}{geojson.SUFFIX}").detections


def make_season(folder: Path, plan: SeasonPlan, processes: int = 0) -> Season:
    """Render a season into a folder, or return the one that is there.

    Parameters
    ----------
    folder : Path
        New, or with a season of the same plan.
    plan : SeasonPlan
        What is rendered.
    processes : int
        To render with; 0 for as many as there are processors.

    Raises
    ------
    InputError
        When the folder has a season of another plan.
    """
    if not (folder / RECORD).is_file():
        _render_all(folder, plan, processes or os.cpu_count() or 1)
    season = open_season(folder)
    if season.plan != plan:
        raise InputError(f"{folder} has a season of another plan, {season.plan}: name another folder.")
    return season


def open_season(folder: Path) -> Season:
    """Return the season that a folder has; raises InputError where it has none."""
    record = folder / RECORD
    if not record.is_file():
        raise InputError(f"{folder} has no season: benchmarks/season.py renders one.")
    data = json.loads(record.read_text(encoding="utf-8"))
    specimens = [TrueSpecimen(*row[:4], frozenset(row[4])) for row in data["specimens"]]
    return Season(folder, SeasonPlan(**data["plan"]), data["images"], tuple(specimens))


def pixel_hash(pixels: NDArray[np.uint8]) -> str:
    """Return the hash of a picture, shape (height, width, 3)."""
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


@dataclass(frozen=True)
class _Place:
    """Where a field belongs: its folder below the season, its sample or slide, its name, and what chance it is of."""

    part: str
    unit: str
    name: str
    chance: tuple[int, int, int]


def _places(plan: SeasonPlan) -> list[_Place]:
    """Return all fields of a plan."""
    places = [
        _Place(FIELDS, _sample(unit), f"{_sample(unit)}_f{field + 1:02d}", (0, unit, field))
        for unit in range(plan.samples)
        for field in range(plan.fields)
    ]
    for kind, part in enumerate(PARTS, 1):
        for unit in range(plan.slides):
            slide = f"{part}{unit + 1}"
            names = [(f"{slide}_f{field + 1:02d}", (kind, unit, field)) for field in range(plan.slide_fields)]
            places += [_Place(f"{SLIDES}/{part}", slide, name, chance) for name, chance in names]
    return places


def _sample(number: int) -> str:
    return f"S{number + 1:02d}"


def _render_all(folder: Path, plan: SeasonPlan, processes: int) -> None:
    """Write all fields, their truth, and what the season is, in the end."""
    places = _places(plan)
    images: dict[str, str] = {}
    specimens: list[tuple[Any, ...]] = []
    drawn = in_turn(partial(_rendered, plan, places), len(places), processes)
    for place, (pixels, truth) in zip(places, drawn, strict=True):
        if place.part == FIELDS:
            picture = folder / FIELDS / place.unit / f"{place.name}.png"
            notes = folder / TRUTH / place.unit / f"{place.name}{geojson.SUFFIX}"
        else:
            picture = folder / place.part / f"{place.name}.png"
            notes = picture.with_suffix(geojson.SUFFIX)
        for path in (picture, notes):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(picture)
        boxes = Annotations.of(
            replace(truth, masks=None),
            reviewed=True,
            image=picture.name,
            height=plan.height,
            width=plan.width,
            pixel_size_um=PIXEL_SIZE_UM,
        )
        geojson.write(notes, boxes)
        if place.part == FIELDS:
            images[pixel_hash(pixels)] = place.name
            specimens += [(place.unit, place.name, *one) for one in _told(truth, plan)]
    _write_tables(folder, plan)
    record = {"plan": asdict(plan), "images": images, "specimens": specimens}
    (folder / RECORD).write_text(json.dumps(record) + "\n", encoding="utf-8")


def _rendered(plan: SeasonPlan, places: list[_Place], number: int) -> tuple[NDArray[np.uint8], Detections]:
    """Return the pixels of a field, shape (height, width, 3), and its truth. Runs in a process of its own."""
    import cv2

    cv2.setNumThreads(1)
    kind, unit, field = places[number].chance
    field_seed = int(np.random.default_rng((plan.seed, kind, unit, field)).integers(2**31))
    made = render_field(_options(plan, kind, unit), field_seed)
    pixels = made.image.astype(np.uint8)
    return (pixels if pixels.ndim == 3 else np.stack([pixels] * 3, axis=-1)), made.truth


def _options(plan: SeasonPlan, kind: int, unit: int) -> FieldOptions:
    """Return what the fields of a sample or slide show."""
    rng = np.random.default_rng((plan.seed, kind, unit))
    drawn = draw_options(rng, plan.height, plan.width, needle_weight=0.0, subject="classic")
    others = [group for group in GROUPS if group != "needle"]
    shares = rng.dirichlet(np.full(len(others), 0.8)) if kind == 0 else np.full(len(others), 1 / len(others))
    numbers = np.maximum(np.rint(_PLACES * shares), kind > 0).astype(int)
    extent = max(plan.height, plan.width)
    return replace(
        drawn,
        pixel_size_um=PIXEL_SIZE_UM,
        bit_depth=8,
        families=tuple(np.repeat(others, numbers).tolist()),
        needle_share=float(rng.uniform(0, 0.15)) if kind == 0 else 1 / len(GROUPS),
        specimens=_SPECIMENS,
        length_px=(_LENGTHS[0] * extent, _LENGTHS[1] * extent),
        scale_bar=False,
        caption=False,
    )


def _told(truth: Detections, plan: SeasonPlan) -> Iterator[tuple[str, str, list[str]]]:
    """Yield group and status of each specimen, and the edges from which its box is a pixel away, or that it crosses."""
    x, y, length, width, angle = truth.boxes.astype(np.float64).T
    across = (length * np.abs(np.cos(angle)) + width * np.abs(np.sin(angle))) / 2
    down = (length * np.abs(np.sin(angle)) + width * np.abs(np.cos(angle))) / 2
    away = np.stack([x - across, y - down, plan.width - x - across, plan.height - y - down], axis=1)
    for row, at in enumerate(away <= 1):
        edges = [edge for edge, is_there in zip(_EDGES, at, strict=True) if is_there]
        yield truth.classes[truth.class_ids[row]], STATUSES[truth.status[row]], edges


def _write_tables(folder: Path, plan: SeasonPlan) -> None:
    """Write a list of taxa with a code in every scheme, and the facts of the samples."""
    schemes = ("omnidia", "diatcode", "nbs", "sandre", "dv", "aphiaid")
    letters, numbers = schemes[:3], (3000, 4000, 5000)
    taxa = [
        (group, *(f"{k}{group[:3]}{scheme[:2]}".upper() for scheme in letters), *(first + k for first in numbers))
        for k, group in enumerate(GROUPS, 1)
    ]
    facts = [
        (_sample(k), f"site {k % 4 + 1}", f"2026-{k % 12 + 1:02d}-15", 80 + 5 * k, "Sedgewick-Rafter", 100, 2)
        for k in range(plan.samples)
    ]
    columns = ("sample", "site", "date", "alkalinity_mg_l", "chamber", "sample_volume_ml", "preservative_volume_ml")
    for name, heading, rows in ((TAXA, ("name", *schemes), taxa), (SAMPLES, columns, facts)):
        with (folder / name).open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([heading, *rows])
