"""The engine of examples: specimens are named as those that are most like them, without any training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core import geometry
from napari_diatom.core.detections import STATUSES, Detections, cut_flags
from napari_diatom.core.errors import ModelError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.taxa import Names
from napari_diatom.engines.backends import choose_device
from napari_diatom.engines.embedder import SpecimenEmbedder
from napari_diatom.engines.example_set import learner_of
from napari_diatom.images.slide_image import ReadableImage, SlideImage
from napari_diatom.measurement.shape_columns import box_columns
from napari_diatom.models import library
from napari_diatom.models.card import ModelCard
from napari_diatom.models.example_facts import ExampleFacts
from napari_diatom.models.finite_weights import check_numbers
from napari_diatom.models.library import ModelFolder
from napari_diatom.naming.views import group_of


class ExampleClassifier:
    """Examples that name specimens; see :class:`napari_diatom.engines.protocols.Classifier`.

    Parameters
    ----------
    model : ModelFolder
        Of the engine ``examples``.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    threads : int, optional
        Of the processor; all that there are by default.

    Raises
    ------
    ModelError
        When the embedder of the examples is not installed, or the examples are damaged.
    """

    def __init__(self, model: ModelFolder, device: str = "auto", threads: int | None = None) -> None:
        self.card = model.card
        self._learner = learner_of(model)
        facts = self.card.examples
        assert facts is not None
        self._genera = facts.genera
        embedder = embedder_of(facts, self.card.name)
        embedder.verify()
        check_numbers(embedder.weights)
        self.device = choose_device(device)
        self._embedder = SpecimenEmbedder(embedder, device, threads)

    def name(
        self,
        image: ReadableImage,
        detections: Detections,
        monitor: ProgressMonitor = UNWATCHED,
        outlines: Sequence[ArrayLike] | None = None,
    ) -> Names:
        """Name the specimens in an image. They are compared with examples of their own view only.

        Parameters
        ----------
        image : ReadableImage
            Read round each specimen only. Its pixel size is used where it is known.
        detections : Detections
            The N specimens; those with masks are cut out along them, the others along their boxes.
        monitor : ProgressMonitor
            See :mod:`napari_diatom.core.progress`; reports ``"names"`` per specimen, and stops there when asked.
        outlines : sequence of array-like, each of shape (K, 2), optional
            Outlines to cut along in place of masks and boxes, x and y in pixels of the image.

        Returns
        -------
        Names
            All probabilities of a specimen are 0 where the embedder sees nothing, and where no example is of its view.

        Raises
        ------
        InputError
            When the image cannot be read.
        Stopped
            When a stop was asked for.
        """

        def told(progress: Progress) -> None:
            monitor.report(replace(progress, stage="names"))

        rings = [_ring(detections, k, None if outlines is None else outlines[k]) for k in range(len(detections))]
        watched = ProgressMonitor(told, monitor.should_stop)
        found = self._embedder.embed(image, detections, watched, rings)
        size = image.pixel_size_um if isinstance(image, SlideImage) else None
        cut = cut_flags(detections.boxes, image.height, image.width) | detections.cut
        rows = np.flatnonzero(found.known & np.isfinite(found.vectors).all(axis=(1, 2)))
        ranking = self._learner.rank(
            found.vectors[rows],
            sizes=box_columns(detections.boxes, size, cut)[rows],
            groups=[group_of(STATUSES[code]) for code in detections.status[rows].tolist()],
        )
        said = ranking.names(self.card.threshold(), self.card.origin, self._genera)
        probabilities = np.zeros((len(detections), len(self.card.classes)), dtype=np.float32)
        probabilities[rows] = said.probabilities
        unlike = np.zeros(len(detections), dtype=np.bool_)
        unlike[rows] = ranking.unlike
        return replace(said, classes=self.card.classes, probabilities=probabilities, unlike=unlike)


def embedder_of(facts: ExampleFacts, name: str) -> ModelFolder:
    """Return the embedder that made the vectors of examples, whatever it is called here.

    Parameters
    ----------
    facts : ExampleFacts
        Of the examples.
    name : str
        What a message calls the model that holds them.

    Raises
    ------
    ModelError
        When it is not installed; the message says what to do.
    """
    for model in library.available():
        if model.card.sha256 == facts.embedder_sha256:
            return model
    raise ModelError(
        f"The examples of {name} were made with the embedder {facts.embedder} {facts.embedder_version} "
        f"({facts.embedder_sha256[:12]}...), which is not installed. Vectors of another one cannot be compared with "
        "them: install it with `napari-diatom models import FILE`, or learn from the pictures again with "
        "`napari-diatom names learn`."
    )


def check_embedder(card: ModelCard, embedder: ModelCard) -> None:
    """Raise ModelError where a model holds no examples, or examples of another embedder than one."""
    facts = card.examples
    if facts is None:
        raise ModelError(f"Model {card.name} holds no examples: name a file that `napari-diatom names learn` wrote.")
    if facts.embedder_sha256 != embedder.sha256:
        raise ModelError(
            f"The examples of {card.name} were made with the embedder {facts.embedder} {facts.embedder_version} "
            f"({facts.embedder_sha256[:12]}...), and {embedder.name} {embedder.version} ({embedder.sha256[:12]}...) is "
            "another one. Their vectors cannot be compared: use the same embedder (--embedder), or learn from the "
            "pictures again with `napari-diatom names learn`."
        )


def _ring(detections: Detections, k: int, outline: ArrayLike | None) -> NDArray[np.float64]:
    """Return what a specimen is cut out along, shape (K, 2)."""
    ring = detections.outline(k) if outline is None else np.asarray(outline, dtype=np.float64)
    return geometry.corners(detections.boxes[k : k + 1])[0] if ring is None else ring
