"""Projects whose specimens have names and vectors, without any network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from helpers.projects import new_project
from napari_diatom.models.card import EmbeddingFacts, ModelCard
from napari_diatom.models.library import ModelFolder
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import Specimen
from napari_diatom.review.vector_cache import VectorCache, specimen_digest

DIMENSIONS = 6
TAXA = ("Navicula gregaria", "Navicula lanceolata", "Nitzschia palea")
FACTS = {
    "name": "embedder",
    "version": "0",
    "task": "embedding",
    "engine": "embedder",
    "architecture": "embedder/test_efficientnet/64",
    "classes": ("diatom",),
    "tile_size": 64,
    "embedding": EmbeddingFacts(dimensions=DIMENSIONS),
}


def unloaded_embedder(sha256: str = "ab" * 32) -> ModelFolder:
    """Return an embedder of which there is only the card."""
    return ModelFolder(ModelCard.model_validate(FACTS | {"sha256": sha256}), Path("/nowhere"))


def mean_of(taxon: str) -> NDArray[np.float32]:
    """Return where the vectors of a taxon lie."""
    rng = np.random.default_rng(list(taxon.encode()))
    return rng.normal(0, 1, DIMENSIONS).astype(np.float32)


def valve(number: int, name: str, **known: object) -> Specimen:
    """Return a specimen that a person drew; no edge cuts it."""
    box = (25.0 + number % 30, 30.0, 20 + number % 5, 6.0 + 0.01 * number, 0.2)
    return Specimen.rectangle(box, name, **({"id": f"v{number}"} | known))


def give_vectors(cache: VectorCache, project: Project, seen_as: dict[str, str], seed: int = 0) -> None:
    """Give the specimens and proposals of a project vectors of the taxa that they are seen as, by their ids."""
    rng = np.random.default_rng(seed)
    for image in project.images:
        contents = project.contents(image.id)
        for item in (*contents.specimens, *contents.proposals):
            if item.id in seen_as:
                near = mean_of(seen_as[item.id]) + rng.normal(0, 0.1, (1, 2, DIMENSIONS))
                cache.add([specimen_digest(image, item)], near.astype(np.float32))


def named_project(
    folder: Path, each: int = 4, slides: int = 2, taxa: Sequence[str] = TAXA
) -> tuple[Project, dict[str, str]]:
    """Return a project with so many named specimens of each taxon and slide, and what each is seen as.

    On each slide one more of each taxon has the class ``diatom``. The first image of a slide has those of the first
    taxon, and so on.
    """
    project = new_project(folder, slides, fields=len(taxa))
    project.update(project.settings.with_classes([*taxa, "diatom"]).replace(pixel_sizes_um={"s0": 0.1}))
    seen_as: dict[str, str] = {}
    number = 0
    for image in project.images:
        taxon = taxa[int(image.id[-1])]
        some = []
        for k in range(each + 1):
            some.append(valve(number, taxon if k < each else "diatom"))
            seen_as[some[-1].id] = taxon
            number += 1
        project.document(image.id).add(some)
    project.flush()
    return project, seen_as
