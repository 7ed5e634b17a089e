"""Thousands of masks in one large image: time and memory of stitching, label image and table, and whether they agree.

The network is a perfect one that costs nothing: it shows each tile the part of each specimen that lies in it. Seconds
are those of one processor core.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from fields import SET_UP
from memory import peak_mb

from napari_diatom.analysis.pipeline import REACH
from napari_diatom.core import cropped_masks
from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.formats.label_image.painting import LabelPainter
from napari_diatom.measurement.morphometry import oriented_box
from napari_diatom.napari_layers import labels_layer
from napari_diatom.napari_layers.result_facts import ResultFacts
from napari_diatom.tiling.scale_consensus import supported
from napari_diatom.tiling.scale_merging import fits_scale
from napari_diatom.tiling.stitching import stitch
from napari_diatom.tiling.tiles import plan_tiles, to_image_coordinates

ALIKE = 0.9
"""Intersection over union from which a specimen was found as it is."""


def main() -> int:
    """Stitch, paint and tabulate many specimens and print what it took."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="instances.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--specimens", type=int, default=5000, help="how many (%(default)s)")
    parser.add_argument("--side", type=int, default=10_000, help="of the image in px (%(default)s)")
    parser.add_argument("--tile", type=int, default=640, help="side of a tile in px (%(default)s)")
    parser.add_argument("--scales", type=float, nargs="+", default=(1.0, 0.5, 0.25, 0.125), help="%(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the specimens (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    truth = specimens(np.random.default_rng(options.seed), options.specimens, options.side)
    figures: dict[str, float] = {"specimens": len(truth), "at the start, MB": peak_mb()}
    copies, scales = _copies(truth, options.side, options.tile, tuple(options.scales))
    figures["copies"] = len(copies)
    figures["masks of all copies, MB"] = sum(mask.pixels.nbytes for mask in copies.masks or ()) / 1e6
    figures["with all copies, MB"] = peak_mb()

    began = time.process_time()
    found = supported(stitch(copies, scales=scales), copies, scales, options.scales, REACH * options.tile)
    figures["stitching, s"] = time.process_time() - began
    figures["found"] = len(found)
    figures["found as they are"] = _found_again(found, truth)
    figures["after stitching, MB"] = peak_mb()
    del copies

    began = time.process_time()
    numbers = np.arange(1, len(found) + 1)
    facts = ResultFacts("benchmark", options.side, options.side)
    labels = labels_layer.to_labels(found, options.side, options.side, numbers)
    figures["label image, s"] = time.process_time() - began
    began = time.process_time()
    kwargs = labels_layer.labels_kwargs(found, numbers, "perfect network", facts)
    figures["table, s"] = time.process_time() - began
    figures["after label image and table, MB"] = peak_mb()

    figures["numbers that agree"] = _agreeing(labels, kwargs, found)
    began = time.process_time()
    drawn = labels_layer.drawn_in(kwargs["metadata"])
    _, back, _ = labels_layer.detections_from_labels_layer(labels, kwargs["features"], facts, drawn)
    figures["back from the layer, s"] = time.process_time() - began
    same = [cropped_masks.mask_iou(a, b) == 1 for a, b in zip(back.masks or (), found.masks or (), strict=True)]
    figures["masks back without loss"] = sum(same)
    figures["at the end, MB"] = peak_mb()
    for name, value in figures.items():
        print(f"{name:34}{value:12.1f}" if isinstance(value, float) else f"{name:34}{value:12d}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def specimens(rng: np.random.Generator, count: int, side: int) -> tuple[CroppedMask, ...]:
    """Return ellipses of 30 to 300 px and, one in a hundred, needles of up to 2,000 px, about a place each.

    They overlap here and there, as on a slide.
    """
    columns = int(np.ceil(np.sqrt(count)))
    pitch = side / columns
    found = []
    for k in rng.permutation(columns**2)[:count]:
        length = float(np.exp(rng.uniform(np.log(30), np.log(max(2 * pitch, 60)))))
        width = max(length / np.exp(rng.uniform(0, np.log(8))), 8.0)
        if rng.random() < 0.01:
            length, width = float(rng.uniform(0.05, 0.2) * side), 16.0
        x, y = (k % columns + rng.uniform(0.35, 0.65)) * pitch, (k // columns + rng.uniform(0.35, 0.65)) * pitch
        angle = rng.uniform(-np.pi / 2, np.pi / 2)
        reach_x = np.hypot(length * np.cos(angle), width * np.sin(angle)) / 2 + 1
        reach_y = np.hypot(length * np.sin(angle), width * np.cos(angle)) / 2 + 1
        left, top = int(max(x - reach_x, 0)), int(max(y - reach_y, 0))
        right, bottom = int(min(x + reach_x + 1, side)), int(min(y + reach_y + 1, side))
        yy, xx = np.mgrid[top:bottom, left:right].astype(np.float32) + np.float32(0.5)
        along = (xx - x) * np.cos(angle) + (yy - y) * np.sin(angle)
        across = (yy - y) * np.cos(angle) - (xx - x) * np.sin(angle)
        found.append(CroppedMask((along / length) ** 2 + (across / width) ** 2 <= 0.25, left, top).trimmed())
    return tuple(found)


def _copies(
    truth: tuple[CroppedMask, ...], side: int, tile: int, scales: tuple[float, ...]
) -> tuple[Detections, np.ndarray]:
    """Return what a perfect network finds in all tiles of all scales, in image pixels, and the scale of each."""
    parts: list[Detections] = []
    seen_at: list[float] = []
    bounds = np.array([mask.bounds for mask in truth])
    rng = np.random.default_rng(1)
    for scale in scales:
        for window in plan_tiles(round(side * scale), round(side * scale), tile, 0.25):
            x0, y0, x1, y1 = (int(value / scale) for value in window)
            meet = (bounds[:, 0] < x1) & (bounds[:, 2] > x0) & (bounds[:, 1] < y1) & (bounds[:, 3] > y0)
            seen = [truth[k].within(x0, y0, x1, y1) for k in np.flatnonzero(meet)]
            tiny = [
                cropped_masks.resample_mask(mask, -x0 * scale, -y0 * scale, 1 / scale)
                for mask in seen
                if mask.area >= 4
            ]
            tiny = [mask.within(0, 0, tile, tile) for mask in tiny]
            tiny = [mask for mask in tiny if mask.area >= 4]
            boxes = np.reshape([oriented_box(mask) for mask in tiny], (-1, 5))
            found = Detections.of(boxes, scores=rng.uniform(0.6, 0.95, len(boxes)), masks=tiny)
            fitting = found[fits_scale(found.boxes[:, 2], scale, scales, REACH * tile)]
            parts.append(to_image_coordinates(fitting, window, scale, side, side))
            seen_at += [scale] * len(parts[-1])
    return Detections.concatenate(parts), np.array(seen_at)


def _found_again(found: Detections, truth: tuple[CroppedMask, ...]) -> int:
    """Return how many specimens of the truth have one found that is like them."""
    from napari_diatom.core import geometry

    assert found.masks is not None
    alike: set[int] = set()
    ours = np.array([mask.bounds for mask in truth], dtype=float)
    theirs = np.array([mask.bounds for mask in found.masks], dtype=float)
    for i, j in geometry.pairs(ours, theirs):
        alike |= set(i[cropped_masks.mask_ious(truth, found.masks, i, j) >= ALIKE].tolist())
    return len(alike)


def _agreeing(labels: np.ndarray, kwargs: dict[str, object], found: Detections) -> int:
    """Return how many numbers have the same pixels in the label image and in the table, less what others cover."""
    table = kwargs["features"]
    assert isinstance(table, dict)
    assert found.masks is not None
    # Row by row: numpy counts in a copy of 64 bits.
    visible = np.zeros(len(found) + 1, dtype=np.int64)
    for row in labels:
        visible += np.bincount(row, minlength=len(visible))
    total = LabelPainter.of(found, None, *labels.shape).overlap()
    good = 0
    hidden_pixels = 0
    for number, mask in enumerate(found.masks, start=1):
        height, width = mask.pixels.shape
        inside = int((labels[mask.y0 : mask.y0 + height, mask.x0 : mask.x0 + width][mask.pixels] == number).sum())
        hidden_pixels += mask.area - inside
        row = table["specimen"][number] == number and table["area_px"][number] == mask.area
        good += bool(row and visible[number] == inside)
    return good if hidden_pixels == total.pixels else 0


if __name__ == "__main__":
    raise SystemExit(main())
