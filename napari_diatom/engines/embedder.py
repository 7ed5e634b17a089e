"""The engine of embedders: vectors of specimens that a detector, or a person, has found.

On a CPU the network runs in OpenVINO, several specimens in flight; on a GPU torch runs it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import ModelError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.specimen_vectors import SpecimenVectors
from napari_diatom.engines.backends import Backend, backend_of
from napari_diatom.images.slide_image import ReadableImage
from napari_diatom.images.specimen_crops import is_outside, upright_cutout
from napari_diatom.models.card import EMBEDDING_TASK
from napari_diatom.models.library import ModelFolder

SHORTEST: Final = 8.0
"""Pixels of length below which nothing is seen of a specimen."""


class SpecimenEmbedder:
    """A loaded model that turns specimens into vectors; see :class:`napari_diatom.engines.protocols.Embedder`.

    Parameters
    ----------
    model : ModelFolder
        Of the engine ``embedder``.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    threads : int, optional
        Of the processor, each with specimens of its own; all that there are by default.
    backend : Backend, optional
        What computes the network in place of what suits the device.

    Raises
    ------
    ModelError
        When the model is for another task, the backbone is unknown, the weights do not fit, or the device is not there.
    """

    def __init__(
        self, model: ModelFolder, device: str = "auto", threads: int | None = None, backend: Backend | None = None
    ) -> None:
        self.card = model.card
        if self.card.embedding is None:
            raise ModelError(f"Model {self.card.name} is for {self.card.task}, not for {EMBEDDING_TASK}.")
        self.card.check_standardization()
        self.dimensions = self.card.embedding.dimensions
        self.backend = backend or backend_of(model, device, threads)
        self.device = self.backend.device

    def embed(
        self,
        image: ReadableImage,
        detections: Detections,
        monitor: ProgressMonitor = UNWATCHED,
        outlines: Sequence[ArrayLike] | None = None,
    ) -> SpecimenVectors:
        """Return the vectors of the specimens in an image, in their order.

        A specimen that the edge of the image cuts has the vectors of what is seen of it. None has one that is shorter
        than :data:`SHORTEST`, lies outside the image, shows nothing, or has an outline that is no polygon.

        Parameters
        ----------
        image : ReadableImage
            Read round each specimen only.
        detections : Detections
            The N specimens; those with masks are cut out along them, the others along their boxes.
        monitor : ProgressMonitor
            See :mod:`napari_diatom.core.progress`; reports ``"vectors"`` per specimen, and stops there when asked.
        outlines : sequence of array-like, each of shape (K, 2), optional
            Outlines to cut along in place of masks and boxes, x and y in pixels of the image.

        Raises
        ------
        InputError
            When the image cannot be read.
        ModelError
            When the network computes values that are infinite or not numbers.
        Stopped
            When a stop was asked for.
        """
        number = len(detections)
        vectors = np.full((number, 2, self.dimensions), np.nan, dtype=np.float32)
        problems = [""] * number
        waiting: deque[int] = deque()

        def pictures() -> Iterator[NDArray[np.uint8]]:
            for k in range(number):
                monitor.report(Progress("vectors", k, number))
                monitor.check()
                outline = detections.outline(k) if outlines is None else np.asarray(outlines[k], dtype=np.float64)
                found = self._picture(image, detections.boxes[k], outline)
                if isinstance(found, str):
                    problems[k] = found
                    continue
                waiting.append(k)
                yield found

        for pair in self.backend.run(pictures()):
            vectors[waiting.popleft()] = pair
        monitor.report(Progress("vectors", number, number))
        return SpecimenVectors(vectors, tuple(problems), self.card.origin)

    def _picture(
        self, image: ReadableImage, box: NDArray[np.float32], outline: NDArray[np.float64] | None
    ) -> NDArray[np.uint8] | str:
        """Return what the network sees of a specimen, or why it can see nothing."""
        length = float(box[2])
        if length < SHORTEST:
            return f"The specimen is {length:.1f} pixels long; {SHORTEST:.0f} are needed to tell what it is."
        if is_outside(image, box):
            return "The specimen lies outside the image."
        if outline is not None and (outline.ndim != 2 or len(outline) < 3 or not np.isfinite(outline).all()):
            return "The outline of the specimen is not a polygon: draw it again."
        picture = upright_cutout(image, box, self.card.tile_size, outline).standardized()
        if picture is None:
            return "The specimen does not differ from its background, or all of it lies outside the image."
        return picture
