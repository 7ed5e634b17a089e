"""The engine of outlines: the mask of each specimen whose box a detector, or a person, has given.

On a CPU the network runs in OpenVINO, several specimens in flight; on a GPU torch runs it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core import cropped_masks, geometry
from napari_diatom.core.box_frame import BoxFrame
from napari_diatom.core.cropped_masks import CroppedMask
from napari_diatom.core.framed_masks import mask_in_image
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.engines.backends import Backend, backend_of
from napari_diatom.images.framed_cutouts import framed_cutout
from napari_diatom.images.slide_image import ReadableImage
from napari_diatom.images.specimen_crops import is_outside
from napari_diatom.measurement.morphometry import oriented_box
from napari_diatom.measurement.outline_refinement import NO_OUTLINE, BoxOutlines, contradictions
from napari_diatom.models.library import ModelFolder

ALIKE: Final = 0.6
"""IoU with its outline's box from which a box frames its specimen well; others are looked at again along that box."""
MOST_LOOKS: Final = 4
"""Times that a specimen is looked at."""
AS_FULL: Final = 0.9
"""Share of a box that a new outline fills at least, in shares that the one before filled of its own."""


class BoxOutliner:
    """A loaded model that outlines specimens; see :class:`napari_diatom.engines.protocols.Outliner`.

    Parameters
    ----------
    model : ModelFolder
        Of the engine ``outline``.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    threads : int, optional
        Of the processor, each with specimens of its own; all that there are by default.
    backend : Backend, optional
        What computes the network in place of what suits the device.
    precision : str
        See :data:`napari_diatom.engines.inference_precision.Precision`.

    Raises
    ------
    ModelError
        When the encoder is unknown, the weights do not fit, or the device is not there.
    """

    def __init__(
        self,
        model: ModelFolder,
        device: str = "auto",
        threads: int | None = None,
        backend: Backend | None = None,
        precision: str = "auto",
    ) -> None:
        self.card = model.card
        self.backend = backend or backend_of(model, device, threads, precision)
        self.device, self.precision = self.backend.device, self.backend.precision

    def outlines(self, image: ReadableImage, boxes: ArrayLike, monitor: ProgressMonitor = UNWATCHED) -> BoxOutlines:
        """Return the outlines of the specimens in boxes, in their order.

        A box that frames its specimen badly, as an upright box does with a slanting needle, is looked at again, along
        the box of the outline that was found, until that one frames the specimen; :data:`MOST_LOOKS` times at most.

        Parameters
        ----------
        image : ReadableImage
            Read round each specimen only.
        boxes : array-like, shape (N, 5)
            Oriented or upright.
        monitor : ProgressMonitor
            See :mod:`napari_diatom.core.progress`; reports ``"outlines"`` per specimen, and stops there when asked.

        Raises
        ------
        InputError
            When the image cannot be read.
        Stopped
            When a stop was asked for.
        """
        given = geometry.canonical(boxes)
        masks = [CroppedMask(np.zeros((1, 1), dtype=np.bool_), 0, 0)] * len(given)
        flags = np.full(len(given), NO_OUTLINE, dtype=np.uint8)
        seen = [k for k in range(len(given)) if not is_outside(image, given[k])]
        again: dict[int, NDArray[np.float64]] = {}
        for done, (k, mask) in enumerate(self._masks(image, seen, given[seen])):
            monitor.report(Progress("outlines", done, len(seen)))
            monitor.check()
            masks[k] = mask
            if mask.area and not _frames(given[k], closer := oriented_box(mask)):
                again[k] = closer
        for _ in range(MOST_LOOKS - 1):
            following: dict[int, NDArray[np.float64]] = {}
            for k, mask in self._masks(image, list(again), list(again.values())):
                monitor.check()
                if not _is_clearer(mask, masks[k]):
                    continue
                masks[k] = mask
                if not _frames(again[k], closer := oriented_box(mask)):
                    following[k] = closer
            again = following
        for k in seen:
            flags[k] = contradictions(given[k], masks[k], image.height, image.width)
        monitor.report(Progress("outlines", len(seen), len(seen)))
        return BoxOutlines(tuple(masks), flags)

    def _masks(
        self, image: ReadableImage, numbers: Sequence[int], boxes: Sequence[NDArray[np.float64]] | NDArray[np.float64]
    ) -> Iterator[tuple[int, CroppedMask]]:
        """Yield the number and the mask of each specimen, in order, with several of them in flight."""
        waiting: deque[tuple[int, BoxFrame]] = deque()

        def pictures() -> Iterator[NDArray[np.uint8]]:
            for number, box in zip(numbers, boxes, strict=True):
                frame = BoxFrame.of(box)
                picture = framed_cutout(image, frame)
                waiting.append((number, frame))
                yield picture

        for probabilities in self.backend.run(pictures()):
            number, frame = waiting.popleft()
            yield number, mask_in_image(probabilities[0], frame, image.height, image.width)


def _frames(box: NDArray[np.float64], closer: NDArray[np.float64]) -> bool:
    """Tell whether a box frames a specimen well whose outline has the box ``closer``."""
    return float(geometry.box_ious(box, closer)[0]) >= ALIKE


def _is_clearer(mask: CroppedMask, before: CroppedMask) -> bool:
    """Tell whether an outline found along the box of the one before is to take its place.

    It lies where that one does, and fills its own box about as well or better, as specimens do and blots do not.
    """
    if not mask.area or cropped_masks.mask_overlap_coefficient(mask, before) < 0.5:
        return False
    full, full_before = (one.area / float(np.prod(oriented_box(one)[2:4])) for one in (mask, before))
    return full >= AS_FULL * full_before
