"""Slides of painted valves whose vectors are read off their colours, so that names by example need no network."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from napari_diatom.models.card import EmbeddingFacts, ModelCard
from napari_diatom.models.library import ModelFolder
from napari_diatom.project.image_identity import image_file, open_image_page
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import Specimen
from napari_diatom.review.vector_cache import VectorCache

COLOURS = {"Navicula radiosa": (200, 60, 60), "Nitzschia palea": (60, 180, 60), "Fragilaria vaucheriae": (70, 70, 210)}
"""Taxa and the colours, red to blue, that their valves are painted in."""
TAXA = tuple(COLOURS)
DIMENSIONS = 6
_STEP, _COLUMNS = 60, 5


def embedder(sha256: str = "ab" * 32) -> ModelFolder:
    """Return an embedder of which there is only the card."""
    card = {
        "name": "diatom-embed",
        "version": "0",
        "task": "embedding",
        "engine": "embedder",
        "architecture": "embedder/test_efficientnet/64",
        "classes": ("diatom",),
        "tile_size": 64,
        "embedding": EmbeddingFacts(dimensions=DIMENSIONS),
        "sha256": sha256,
    }
    return ModelFolder(ModelCard.model_validate(card), Path("/nowhere"))


def painted_project(folder: Path, slides: int = 2, each: int = 20, pixel_size_um: float = 0.1) -> Path:
    """Make a project of slides with so many valves without a name, and return its folder.

    The valves of the three taxa take turns; ``<image>-<number>`` is the id of a valve.
    """
    paths = []
    rng = np.random.default_rng(0)
    height, width = _STEP * (each // _COLUMNS + 1), _STEP * _COLUMNS
    valves: dict[str, list[Specimen]] = {}
    for slide in range(slides):
        picture = np.full((height, width, 3), 235, np.uint8)
        valves[f"slide_{slide}"] = []
        for number in range(each):
            x = _STEP * (number % _COLUMNS) + 30
            y = _STEP * (number // _COLUMNS) + 30
            length, angle = float(rng.uniform(34, 44)), float(rng.uniform(-1.2, 1.2))
            colour = np.array(COLOURS[TAXA[number % 3]]) + rng.integers(-9, 10, 3)
            axes = round(length / 2), 7
            cv2.ellipse(picture, (x, y), axes, np.degrees(angle), 0, 360, colour[::-1].tolist(), -1)
            box = (x + 0.5, y + 0.5, length, 15.0, angle)
            valves[f"slide_{slide}"].append(Specimen.rectangle(box, "diatom", id=f"slide_{slide}-{number}"))
        paths.append(folder / f"slide_{slide}.png")
        cv2.imwrite(str(paths[-1]), picture)
    with Project.create(folder / "project", paths, ("diatom", *TAXA), "Ada") as project:
        sizes = dict.fromkeys((image.slide for image in project.images), pixel_size_um)
        project.update(project.settings.replace(pixel_sizes_um=sizes))
        for image in project.images:
            project.document(image.id).add(valves[image.id])
    return folder / "project"


def taxon_of(id_: str) -> str:
    """Return which taxon a valve was painted as."""
    return TAXA[int(id_.rsplit("-", 1)[1]) % 3]


class ColourEmbedder:
    """Stands for the process beside napari: the vector of a valve is the colour in its middle."""

    def __init__(self) -> None:
        self.images: list[str] = []

    def __call__(self, target, work, monitor):
        assert target == "napari_diatom.review.vector_work:serve_vectors"
        self.images.append(work.image.id)
        page = open_image_page(image_file(work.project, work.image), work.image.page, work.image.division)
        vectors = np.zeros((len(work), 2, DIMENSIONS), np.float32)
        for row, (x, y, *_) in enumerate(work.boxes):
            colour = page.read(int(x), int(y), int(x) + 1, int(y) + 1)[0, 0].astype(np.float32) / 255 - 0.5
            vectors[row] = np.concatenate([colour, colour**2])
        page.release()
        VectorCache.of_project(work.project, work.embedder.card).add(work.digests, vectors)
        return len(work)
