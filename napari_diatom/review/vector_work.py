"""The vectors of the specimens of an image, computed where they are not known yet: in a thread or a process beside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.annotations import Outline
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.models.library import ModelFolder
from napari_diatom.project.image_identity import image_file, open_image_page
from napari_diatom.project.settings import ProjectImage
from napari_diatom.project.specimen import Specimen
from napari_diatom.review.vector_cache import VectorCache, specimen_digest

if TYPE_CHECKING:
    from napari_diatom.analysis.worker_serving import LoadedNetworks
    from napari_diatom.engines.protocols import Embedder

PART: Final = 64
"""Specimens after which vectors are put on disk, so that little is lost where the work is stopped or killed."""

Keep = Callable[[Sequence[bytes], NDArray[np.float32]], None]
"""Puts digests and vectors, shape (N, 2, D), where they are found again."""


@dataclass(frozen=True, eq=False)
class VectorWork:
    """Specimens of one image whose vectors are wanted; it can be sent to another process.

    Attributes
    ----------
    project : Path
        The project's folder.
    image : ProjectImage
        The image.
    digests : tuple of bytes
        Of the N specimens, see :func:`~napari_diatom.review.vector_cache.specimen_digest`.
    boxes : ndarray, shape (N, 5)
        Their boxes.
    outlines : tuple of ndarray, each of shape (K, 2)
        Their outlines, the corners of the box where nothing else is known.
    embedder : ModelFolder
        What makes the vectors.
    """

    project: Path
    image: ProjectImage
    digests: tuple[bytes, ...]
    boxes: NDArray[np.float64]
    outlines: tuple[NDArray[np.float64], ...]
    embedder: ModelFolder

    @classmethod
    def of(cls, project: Path, image: ProjectImage, specimens: Iterable[Specimen], embedder: ModelFolder) -> VectorWork:
        """Return the work for some specimens of an image."""
        listed = list(specimens)
        return cls(
            project,
            image,
            tuple(specimen_digest(image, item) for item in listed),
            np.array([item.box for item in listed], dtype=np.float64).reshape(-1, 5),
            tuple(outline_of(item) for item in listed),
            embedder,
        )

    def __len__(self) -> int:
        return len(self.digests)


def outline_of(specimen: Specimen) -> NDArray[np.float64]:
    """Return what a specimen is cut out along, shape (K, 2): the ring round its largest part, or its box."""
    if specimen.shape == "rectangle":
        return np.asarray(geometry.corners(specimen.box)[0], dtype=np.float64)
    return largest_ring(specimen.polygons)


def largest_ring(outline: Outline) -> NDArray[np.float64]:
    """Return the outer ring, shape (K, 2), of the polygon that encloses most."""
    return max((np.asarray(polygon[0], dtype=np.float64) for polygon in outline), key=_area)


def compute_vectors(
    work: VectorWork,
    embedder: Embedder,
    cache: VectorCache,
    monitor: ProgressMonitor = UNWATCHED,
    keep: Keep | None = None,
) -> int:
    """Compute the vectors that the cache lacks, put them there, and return how many these are.

    Parameters
    ----------
    work : VectorWork
        The specimens of an image.
    embedder : Embedder
        The loaded model.
    cache : VectorCache
        Of that model.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"vectors"``. What is done when it stops the work is kept.
    keep : callable, optional
        Puts digests and vectors into the cache; its :meth:`~VectorCache.add` by default.

    Raises
    ------
    InputError
        When the image cannot be read.
    OutputError
        When the vectors cannot be put on disk.
    Stopped
        When a stop was asked for.
    """
    cache.refresh()
    first = {digest: row for row, digest in reversed(list(enumerate(work.digests))) if digest not in cache}
    rows = sorted(first.values())
    if not rows:
        return 0
    opened = open_image_page(image_file(work.project, work.image), work.image.page, work.image.division)
    try:
        for start in range(0, len(rows), PART):
            part = rows[start : start + PART]
            found = embedder.embed(
                opened, Detections.of(work.boxes[part]), monitor, outlines=[work.outlines[row] for row in part]
            )
            (keep or cache.add)([work.digests[row] for row in part], found.vectors)
    finally:
        opened.release()
    return len(rows)


def serve_vectors(work: VectorWork, kept: LoadedNetworks, monitor: ProgressMonitor, news: Callable[[Any], None]) -> int:
    """Do :func:`compute_vectors` in the process beside napari, with the network that is loaded there."""
    embedder = kept.embedder(work.embedder.folder, "auto", monitor)
    return compute_vectors(work, embedder, VectorCache.of_project(work.project, work.embedder.card), monitor)


def compute_all(
    works: Sequence[VectorWork], embedder: Embedder, cache: VectorCache, monitor: ProgressMonitor = UNWATCHED
) -> list[str]:
    """Compute the vectors of several images; return which images cannot be read, and why, in sentences.

    Where vectors cannot be put on disk, as in a project that may only be read, they are in the cache for the time
    being, and the last sentence says so.

    Raises as :func:`compute_vectors`, but for images that cannot be read and vectors that cannot be kept.
    """
    said: list[str] = []
    unkept: list[str] = []

    def keep(digests: Sequence[bytes], vectors: NDArray[np.float32]) -> None:
        try:
            cache.add(digests, vectors)
        except OutputError as error:
            unkept.append(str(error))

    for number, work in enumerate(works):
        monitor.report(Progress("images", number, len(works), work.image.id))
        monitor.check()
        try:
            compute_vectors(work, embedder, cache, ProgressMonitor(should_stop=monitor.should_stop), keep)
        except InputError as error:
            said.append(str(error))
    monitor.report(Progress("images", len(works), len(works)))
    if unkept:
        said.append(f"What was computed of the specimens is not kept for the next time: {unkept[0]}")
    return said


def _area(ring: NDArray[np.float64]) -> float:
    x, y = ring.T
    return abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1)))
