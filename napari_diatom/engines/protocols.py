"""What the pipeline asks of a neural network, whatever it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core.detections import Detections
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.core.specimen_vectors import SpecimenVectors
from napari_diatom.core.taxa import Names
from napari_diatom.measurement.outline_refinement import BoxOutlines
from napari_diatom.models.card import ModelCard
from napari_diatom.tiling.tiles import Tile

if TYPE_CHECKING:
    from napari_diatom.images.slide_image import ReadableImage


class Engine(Protocol):
    """A loaded model that finds specimens."""

    card: ModelCard
    device: str
    precision: str

    def predict(self, tiles: Iterable[Tile], threshold: float) -> Iterator[tuple[int, Detections]]:
        """Yield ``(tile.index, detections in the tile's own pixels)`` in the order of the tiles.

        The engine may keep several tiles in flight and reads ahead in ``tiles`` only as far as it needs for that.
        Only detections with a score of at least ``threshold`` are returned; duplicates within a tile are removed.
        """
        ...


@runtime_checkable
class MapEngine(Protocol):
    """A loaded model that tells of each pixel what it shows."""

    card: ModelCard
    device: str
    precision: str

    def predict_maps(self, tiles: Iterable[Tile]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield ``(tile.index, probabilities)`` in the order of the tiles.

        Probabilities have the shape (1 + classes, h, w) for a tile of (h, w, 3), channel 0 being the background, and
        add up to 1 in each pixel. The engine may keep several tiles in flight and reads ahead in ``tiles`` only as far
        as it needs for that.
        """
        ...


AnyEngine = Engine | MapEngine
"""What :func:`napari_diatom.engines.load` returns."""


class Classifier(Protocol):
    """A loaded model that names specimens which others have found."""

    card: ModelCard
    device: str

    def name(
        self,
        image: ReadableImage,
        detections: Detections,
        monitor: ProgressMonitor = UNWATCHED,
        outlines: Sequence[ArrayLike] | None = None,
    ) -> Names:
        """Return what the specimens in an image may be called, in their order.

        Reports ``"names"`` after some specimens each, and stops there when asked. ``outlines`` stand in place of masks.
        """
        ...


@runtime_checkable
class Outliner(Protocol):
    """A loaded model that outlines specimens which others have found."""

    card: ModelCard
    device: str
    precision: str

    def outlines(self, image: ReadableImage, boxes: ArrayLike, monitor: ProgressMonitor = UNWATCHED) -> BoxOutlines:
        """Return the outlines of the specimens in boxes, shape (N, 5), oriented or upright, in their order.

        Reports ``"outlines"`` after each specimen, and stops there when asked. A flag says where an outline
        contradicts its box, see :func:`napari_diatom.measurement.outline_refinement.contradictions`.
        """
        ...


class Embedder(Protocol):
    """A loaded model that turns specimens which others have found into vectors; similar ones lie near each other."""

    card: ModelCard
    device: str

    def embed(
        self,
        image: ReadableImage,
        detections: Detections,
        monitor: ProgressMonitor = UNWATCHED,
        outlines: Sequence[ArrayLike] | None = None,
    ) -> SpecimenVectors:
        """Return the vectors of the specimens in an image, in their order.

        Reports ``"vectors"`` per specimen, and stops there when asked. ``outlines`` stand in place of masks.
        """
        ...
