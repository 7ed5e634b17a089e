"""Small projects, and specimens to put into them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from napari_diatom.core.detections import CroppedMask
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import Specimen


def picture(path: Path, seed: int, height: int = 60, width: int = 80) -> Path:
    """Write an image of its own for each seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(path)
    return path


def new_project(folder: Path, slides: int = 1, fields: int = 2, annotator: str = "Ada") -> Project:
    """Make a project of rendered images, ``s<slide>f<field>``."""
    paths = [
        picture(folder / "images" / f"s{slide}" / f"s{slide}f{number}.png", 100 * slide + number)
        for slide in range(slides)
        for number in range(fields)
    ]
    return Project.create(folder / "project", paths, ["Navicula", "Nitzschia"], annotator)


def box(number: int = 0, name: str = "Navicula", **known: object) -> Specimen:
    """Return a specimen known by its box."""
    return Specimen.rectangle((10.3 + number % 60, 20.7, 12 + number % 7, 5, 0.1 * number), name, **known)


def polygon(number: int = 0) -> Specimen:
    """Return a specimen with a drawn outline that has a hole."""
    outer = np.array([[4.5, 3.25], [30 + number, 5], [28, 20.125], [6, 18]])
    return Specimen.polygon(((outer, np.array([[10.0, 8], [15, 8], [12, 12]])),), "Nitzschia")


def blob(number: int = 0) -> Specimen:
    """Return a specimen known by its mask of two parts."""
    pixels = np.zeros((9, 14), dtype=bool)
    pixels[1:8, 2:9] = True
    pixels[3:5, 11:13] = True
    return Specimen.of_mask(CroppedMask(pixels, 5 + number, 7), "Navicula")


def names(project: Project, image_id: str) -> dict[str, str]:
    """Return the classes of an image's specimens by id."""
    return {id_: item.name for id_, item in project.document(image_id).specimens.items()}


def crashed(project: Project) -> Path:
    """Leave a project as a killed program does: locks go, nothing is written."""
    project.documents.forget()
    project.session.let_go()
    return project.folder
