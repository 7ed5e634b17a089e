"""The classifier engine: names for specimens that a detector, or a person, has found; in torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core.detections import Detections
from napari_diatom.core.processor import usable_threads
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.taxa import Names
from napari_diatom.engines.backends import choose_device
from napari_diatom.engines.parallel_inference import in_streams
from napari_diatom.images.slide_image import ReadableImage
from napari_diatom.images.specimen_crops import is_outside, upright_cutout
from napari_diatom.models.card import NamingFacts
from napari_diatom.models.library import ModelFolder

BATCH: Final = 16
"""Specimens at once."""


class TorchClassifier:
    """A loaded model that names specimens; see :class:`napari_diatom.engines.protocols.Classifier`.

    Parameters
    ----------
    model : ModelFolder
        Of the engine ``classifier``.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    threads : int, optional
        Of the processor, each with pictures of its own; all that there are by default.

    Raises
    ------
    ModelError
        When the card asks for other than RGB images, the weights are not the architecture's, or there is no such
        device.
    """

    def __init__(self, model: ModelFolder, device: str = "auto", threads: int | None = None) -> None:
        self.card = model.card
        self._threads = threads or usable_threads()
        self.card.check_standardization()
        self.facts = self.card.naming or NamingFacts()
        self.device = choose_device(device)
        import torch

        from napari_diatom.engines.classifier_net import side_of
        from napari_diatom.engines.networks import network_of_card
        from napari_diatom.engines.weights import loaded

        network: Any = loaded(network_of_card(self.card), model.weights)
        self.side = side_of(self.card.architecture)
        self._network = network.to(self.device, memory_format=torch.channels_last).eval()
        self._mean = torch.tensor(self.card.mean, device=self.device).view(-1, 1, 1)
        self._std = torch.tensor(self.card.std, device=self.device).view(-1, 1, 1)

    def name(
        self,
        image: ReadableImage,
        detections: Detections,
        monitor: ProgressMonitor = UNWATCHED,
        outlines: Sequence[ArrayLike] | None = None,
    ) -> Names:
        """Name the specimens in an image, one picture each: upright, and masked where the card says so.

        Parameters
        ----------
        image : ReadableImage
            Read round each specimen only.
        detections : Detections
            The N specimens; those with masks are cut out along them, the others along their boxes.
        monitor : ProgressMonitor
            See :mod:`napari_diatom.core.progress`; reports ``"names"`` per batch, and stops there when asked.
        outlines : sequence of array-like, each of shape (K, 2), optional
            Outlines to cut along in place of masks and boxes, x and y in pixels of the image.

        Returns
        -------
        Names
            Of a specimen wholly outside the image all classes are as probable; where each class says yes or no for
            itself, all say no.

        Raises
        ------
        InputError
            When the image cannot be read.
        Stopped
            When a stop was asked for.
        """
        number, n_classes = len(detections), len(self.card.classes)
        unseen = 0.0 if self.card.activation == "sigmoid" else 1 / n_classes
        probabilities = np.full((number, n_classes), unseen, dtype=np.float32)
        seen = [k for k in range(number) if not is_outside(image, detections.boxes[k])]
        batches = [seen[first : first + BATCH] for first in range(0, len(seen), BATCH)]

        def pictures() -> Iterator[NDArray[np.uint8]]:
            for batch in batches:
                shapes = [detections.outline(k) if outlines is None else outlines[k] for k in batch]
                yield np.stack(
                    [self._picture(image, detections.boxes[k], shape) for k, shape in zip(batch, shapes, strict=True)]
                )

        with closing(in_streams(self._probabilities, pictures(), self.device, self._threads)) as found:
            for done, batch in enumerate(batches):
                monitor.report(Progress("names", done * BATCH, len(seen)))
                monitor.check()
                probabilities[batch] = next(found)
        monitor.report(Progress("names", len(seen), len(seen)))
        return Names(self.card.classes, probabilities, self.card.threshold(), self.card.origin)

    def _picture(self, image: ReadableImage, box: ArrayLike, outline: ArrayLike | None) -> NDArray[np.uint8]:
        """Return what the network sees of a specimen."""
        cutout = upright_cutout(image, box, self.side, outline)
        return cutout.masked() if self.facts.masked else cutout.pixels

    def _probabilities(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run the network over pictures, shape (B, side, side, 3), and calibrate what it says, shape (B, C)."""
        import torch

        with torch.inference_mode():
            images = torch.from_numpy(pictures).to(self.device).permute(0, 3, 1, 2).float() / 255
            logits = self._network(((images - self._mean) / self._std).contiguous(memory_format=torch.channels_last))
            logits = logits.float() / self.facts.temperature
            given = torch.sigmoid(logits) if self.card.activation == "sigmoid" else torch.softmax(logits, dim=1)
            return np.asarray(given.cpu().numpy())
