"""Drawn valves of three taxa that an untrained network tells apart: by their shape and by the marks on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from helpers.projects import Project
from napari_diatom.project.specimen import Specimen

CYCLOTELLA, NAVICULA, NITZSCHIA = TAXA = ("Cyclotella meneghiniana", "Navicula gregaria", "Nitzschia palea")
"""A round one, one with bars across it, a narrow one with a line along it."""
_SIZES = {CYCLOTELLA: (34, 33), NAVICULA: (52, 20), NITZSCHIA: (60, 10)}
_STEP = 80


def draw_valve(
    field: NDArray[np.uint8], taxon: str, x: float, y: float, angle: float, scale: float = 1.0
) -> list[float]:
    """Draw a valve, and return its box."""
    length, width = (side * scale for side in _SIZES[taxon])
    rows, columns = np.mgrid[: field.shape[0], : field.shape[1]] + 0.5
    along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
    across = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
    inside = (along / (length / 2)) ** 2 + (across / (width / 2)) ** 2 < 1
    marks = {
        CYCLOTELLA: np.cos(np.hypot(along, across) / 2.5),
        NAVICULA: np.cos(along * 1.1),
        NITZSCHIA: np.where(np.abs(across) < 1.5, 1.0, -1.0),
    }[taxon]
    field[inside] = (170 + 60 * marks[inside]).astype(np.uint8)
    return [x, y, length, width, angle]


def draw_field(path: Path, taxa: list[str], seed: int) -> list[Specimen]:
    """Write an image with these valves on it, and return them as specimens with the ids ``v0``, ``v1`` and so on."""
    rng = np.random.default_rng(seed)
    rows = -(-len(taxa) // 5)
    field = np.zeros((_STEP * rows, 5 * _STEP), np.uint8)
    specimens = []
    for k, taxon in enumerate(taxa):
        place = _STEP * (k % 5 + 0.5), _STEP * (k // 5 + 0.5)
        box = draw_valve(field, taxon, *place, float(rng.uniform(-1.5, 1.5)), float(rng.uniform(0.9, 1.1)))
        specimens.append(Specimen.rectangle(box, taxon, id=f"v{k}"))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(field).save(path)
    return specimens


def drawn_project(folder: Path, named: int = 12, unnamed: int = 3) -> Project:
    """Return a project of two slides with so many named specimens on each, and some of the class ``diatom``."""
    taxa = [TAXA[k % 3] for k in range(named + unnamed)]
    fields = {
        f"s{slide}f0": draw_field(folder / "images" / f"s{slide}" / f"s{slide}f0.png", taxa, slide) for slide in (0, 1)
    }
    paths = [folder / "images" / name[:2] / f"{name}.png" for name in fields]
    project = Project.create(folder / "project", paths, [*TAXA, "diatom"], "Ada")
    for name, specimens in fields.items():
        some = [item if k < named else item.replace(name="diatom") for k, item in enumerate(specimens)]
        project.document(name).add(some)
    project.flush()
    return project


def draw_atlas(folder: Path, each: int = 3) -> Path:
    """Write a folder with a subfolder for each taxon, one valve in each picture, and return it."""
    rng = np.random.default_rng(5)
    for taxon in TAXA:
        place = folder / taxon.replace(" ", "_")
        place.mkdir(parents=True)
        for k in range(each):
            field = np.full((90, 100), 20, np.uint8)
            draw_valve(field, taxon, 50, 45, float(rng.uniform(-1.5, 1.5)), 0.9 + 0.1 * k)
            Image.fromarray(field).save(place / f"{k}.png")
    return folder
