"""A network that finds bright blobs, and slides for it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.core.progress import UNWATCHED, Progress
from napari_diatom.core.taxa import Names
from napari_diatom.measurement.outline_refinement import BoxOutlines, contradictions
from napari_diatom.models.architecture_names import EXAMPLES
from napari_diatom.models.card import ModelCard
from napari_diatom.models.library import ModelFolder
from napari_diatom.tiling.tiles import Tile


def card(tile_size: int = 128, pixel_size_um: float | None = None) -> ModelCard:
    return ModelCard(
        name="blobs",
        version="1.0",
        task="oriented-boxes",
        engine="yolo",
        architecture="yolo11n-obb",
        classes=("diatom", "centric"),
        tile_size=tile_size,
        pixel_size_um=pixel_size_um,
        thresholds={"diatom": 0.4, "centric": 0.4},
        sha256="0" * 64,
    )


class BlobEngine:
    """Finds what is brighter than half; the score is the brightness; round blobs are of class ``centric``."""

    device = "cpu"
    precision = "single"

    def __init__(self, card: ModelCard | None = None, delay: float = 0.0) -> None:
        self.card = card or globals()["card"]()
        self.delay = delay
        self.tiles = 0
        self.closed = False

    def predict(self, tiles: Iterable[Tile], threshold: float) -> Iterator[tuple[int, Detections]]:
        try:
            for tile in tiles:
                assert max(tile.pixels.shape[:2]) <= self.card.tile_size
                self.tiles += 1
                time.sleep(self.delay)
                yield tile.index, self.blobs(tile.pixels).above(threshold)
        finally:
            self.closed = True

    def blobs(self, pixels: NDArray[np.uint8]) -> Detections:
        grey = pixels[..., 0]
        number, labels = cv2.connectedComponents((grey > 20).astype(np.uint8))
        boxes, scores = [], []
        for label in range(1, number):
            y, x = np.nonzero(labels == label)
            if len(x) < 12:
                continue
            points = np.stack([x, y], axis=1).astype(np.float32)
            (cx, cy), (w, h), angle = cv2.minAreaRect(points)
            boxes.append([cx + 0.5, cy + 0.5, w + 1, h + 1, np.radians(angle)])
            scores.append(min(float(np.percentile(grey[y, x], 90)) / 255, 1.0))
        table = geometry.canonical(np.reshape(boxes, (-1, 5)))
        ids = (table[:, 2] < 1.3 * table[:, 3]).astype(int)
        return Detections.of(table, ids, scores, self.card.classes)


def loader(engine: BlobEngine):
    """Return what stands for ``engines.load``."""

    def load(model: ModelFolder, device: str, threads: int = 1, precision: str = "auto") -> BlobEngine:
        return engine

    return load


def model_folder(folder: Path, tile_size: int = 128) -> Path:
    """Write the card of the blob engine's model, without weights."""
    folder.mkdir(parents=True, exist_ok=True)
    card(tile_size).write(folder)
    return folder


def slide(height: int = 300, width: int = 400, number: int = 5, seed: int = 0) -> NDArray[np.uint8]:
    """Return a dark field with bright rotated bars, and squares, at places of their own."""
    rng = np.random.default_rng(seed)
    field = np.zeros((height, width), np.uint8)
    for k in range(number):
        x, y = 40 + (k * 80) % (width - 80), 40 + 80 * ((k * 80) // (width - 80))
        bar = ((float(x), float(y)), (40.0, 8.0), float(rng.uniform(0, 180)))
        # The squares stay upright: pieces of them, cut by tiles, then lie within them.
        box = bar if k % 3 else ((float(x), float(y)), (40.0, 38.0), 0.0)
        cv2.fillPoly(field, [cv2.boxPoints(box).astype(np.int32)], int(rng.integers(130, 255)))
    return field


def map_card(tile_size: int = 128, pixel_size_um: float | None = None) -> ModelCard:
    entries = {"task": "semantic", "engine": "deeplab", "name": "shades"}
    return card(tile_size, pixel_size_um).model_copy(update=entries)


class ShadeEngine:
    """Takes bright pixels for diatoms and half-bright ones for centrics, and sees none near the edges of a tile."""

    device = "cpu"
    precision = "single"

    def __init__(self, card: ModelCard | None = None, blind: int = 12) -> None:
        self.card = card or map_card()
        self.blind = blind
        self.tiles = 0
        self.closed = False

    def predict_maps(self, tiles: Iterable[Tile]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        try:
            for tile in tiles:
                assert max(tile.pixels.shape[:2]) <= self.card.tile_size
                self.tiles += 1
                yield tile.index, self._shades(tile.pixels[..., 0])
        finally:
            self.closed = True

    def _shades(self, grey: NDArray[np.uint8]) -> NDArray[np.float32]:
        shares = np.stack([grey < 64, grey >= 160, (grey >= 64) & (grey < 160)]).astype(np.float32) * 0.9 + 0.1 / 3
        height, width = grey.shape
        near = np.ones(grey.shape, bool)
        near[self.blind : height - self.blind, self.blind : width - self.blind] = False
        # What an edge does to a network: here specimens are lost near it.
        shares[:, near] = np.float32([0.98, 0.01, 0.01])[:, None]
        return shares


class LooseEngine(BlobEngine):
    """Finds boxes that are larger than the specimens, as detectors do, in one tile."""

    def __init__(self) -> None:
        super().__init__(card(tile_size=640))

    def blobs(self, pixels):
        found = super().blobs(pixels)
        found.boxes[:, 2:4] += 4
        return found


def outliner_card(**changes: object) -> ModelCard:
    entries = {"task": "outlines", "engine": "outline", "name": "diatom-outline", "classes": ("diatom",)}
    return card().model_copy(update=entries | {"architecture": EXAMPLES["outline"]} | changes)


class BrightOutliner:
    """Takes what is bright in a box for the specimen's outline; ``doubtful`` ones get half of it, ``unseen`` none."""

    device = "cpu"
    precision = "single"

    def __init__(self, card: ModelCard | None = None, doubtful: Sequence[int] = (), unseen: Sequence[int] = ()) -> None:
        self.card = card or outliner_card()
        self.doubtful, self.unseen = doubtful, unseen
        self.outlined = 0

    def outlines(self, image, boxes, monitor=UNWATCHED) -> BoxOutlines:
        masks, flags = [], []
        for k, box in enumerate(geometry.canonical(boxes)):
            monitor.report(Progress("outlines", k, len(boxes)))
            monitor.check()
            self.outlined += 1
            masks.append(self._mask(image, box, k))
            flags.append(contradictions(box, masks[-1], image.height, image.width))
        monitor.report(Progress("outlines", len(boxes), len(boxes)))
        return BoxOutlines(tuple(masks), np.array(flags, np.uint8))

    def _mask(self, image, box, k: int) -> CroppedMask:
        x0, y0, x1, y1 = np.rint(geometry.bounds([box])[0]).astype(int)
        x0, y0, x1, y1 = max(x0 - 2, 0), max(y0 - 2, 0), min(x1 + 2, image.width), min(y1 + 2, image.height)
        bright = image.read(x0, y0, x1, y1, 1.0)[..., 0] > 20
        if k in self.doubtful:
            bright &= (np.arange(y0, y1)[:, None] + 0.5 < box[1]) & (np.arange(x0, x1) + 0.5 < box[0])
        return CroppedMask(bright & (k not in self.unseen), int(x0), int(y0)).trimmed()


FLORA = ("Cyclotella ocellata", "Nitzschia dissipata", "Nitzschia palea")
SAID = ((0.9, 0.06, 0.04), (0.05, 0.8, 0.15), (0.1, 0.45, 0.45), (0.5, 0.3, 0.2))
"""Probabilities of the flora: two sure species, a sure genus, nothing sure."""
CALLED = (FLORA[0], FLORA[1], "Nitzschia sp.", "unknown")


def namer_card(**changes: object) -> ModelCard:
    entries = {"task": "classes", "engine": "classifier", "name": "flora", "classes": FLORA}
    entries |= {"architecture": EXAMPLES["classifier"]}
    return card().model_copy(update=entries | {"thresholds": dict.fromkeys(FLORA, 0.6)} | changes)


class TurnNamer:
    """Calls specimens what stands in ``CALLED``, one after the other."""

    device = "cpu"
    precision = "single"

    def __init__(self, card: ModelCard | None = None) -> None:
        self.card = card or namer_card()
        self.named = 0

    def name(self, image, detections, monitor=UNWATCHED) -> Names:
        rows = []
        for number in range(len(detections)):
            monitor.report(Progress("names", number, len(detections)))
            monitor.check()
            self.named += 1
            rows.append(SAID[number % len(SAID)])
        monitor.report(Progress("names", len(detections), len(detections)))
        return Names(FLORA, np.array(rows, np.float32).reshape(-1, 3), self.card.threshold(), self.card.origin)
