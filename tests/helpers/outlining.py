"""Bright valves on black ground, and what outlines them without a network."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from helpers.fakes import BlobEngine, card
from napari_diatom.analysis.click_outlining import specimen_at
from napari_diatom.core import geometry
from napari_diatom.core.detections import CroppedMask
from napari_diatom.core.mask_polygons import fill
from napari_diatom.core.progress import UNWATCHED, Progress
from napari_diatom.images.slide_image import from_array
from napari_diatom.measurement.outline_refinement import NO_OUTLINE, BoxOutlines

BRIGHT = 220


def drawn(boxes: Sequence[Sequence[float]], height: int, width: int) -> tuple[NDArray[np.uint8], list[CroppedMask]]:
    """Return an image of valves that fill their boxes, and their masks."""
    image, masks = np.zeros((height, width), np.uint8), []
    for ring in geometry.corners(np.reshape(boxes, (-1, 5))):
        mask = fill(((ring,),)).within(0, 0, width, height)
        rows, columns = mask.pixels.shape
        image[mask.y0 : mask.y0 + rows, mask.x0 : mask.x0 + columns][mask.pixels] = BRIGHT
        masks.append(mask)
    return image, masks


class PerfectOutliner:
    """Outlines the bright blob that lies in the middle of a box; ``flags`` says which of them contradict it."""

    device = "cpu"
    precision = "single"

    def __init__(self, flags: Mapping[int, int] | None = None) -> None:
        self.flags = flags or {}

    def outlines(self, image, boxes, monitor=UNWATCHED) -> BoxOutlines:
        masks, flags = [], []
        given = np.reshape(boxes, (-1, 5))
        grey = image.read(0, 0, image.width, image.height)[..., 0]
        blobs = cv2.connectedComponents((grey > BRIGHT // 2).astype(np.uint8))[1] if len(given) else None
        for number, box in enumerate(given):
            monitor.report(Progress("outlines", number, len(given)))
            monitor.check()
            label = blobs[min(max(int(box[1]), 0), image.height - 1), min(max(int(box[0]), 0), image.width - 1)]
            mask = CroppedMask(blobs == label, 0, 0).trimmed() if label else CroppedMask(np.zeros((1, 1), bool), 0, 0)
            masks.append(mask)
            flags.append(self.flags.get(number, 0) if label else NO_OUTLINE)
        monitor.report(Progress("outlines", len(given), len(given)))
        return BoxOutlines(tuple(masks), np.array(flags, np.uint8))


class OutlineWorker:
    """The worker process, done here: it waits until it may go on."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.outliner = PerfectOutliner()
        self.error: Exception | None = None
        self.jobs = 0

    def boxes(self, job, boxes, monitor):
        self._wait(monitor)
        return self.outliner.outlines(from_array(job.pixels, job.name), boxes, monitor)

    def point(self, job, x, y, outliner, monitor):
        self._wait(monitor)
        image = from_array(job.pixels, job.name)
        return specimen_at(image, x, y, BlobEngine(card(tile_size=1024)), self.outliner, monitor)

    def _wait(self, monitor):
        self.jobs += 1
        while not self.may_go_on.wait(0.01):
            monitor.check()
        if self.error is not None:
            raise self.error
