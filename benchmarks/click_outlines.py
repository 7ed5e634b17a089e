"""One click on a valve: seconds until its outline is there, and how many outlines are right.

Valves of rendered fields are clicked on at a random point that belongs to no other specimen. As in the window, the
networks run in the worker process, warm.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from fields import SET_UP, Field, rendered
from numpy.typing import NDArray

from napari_diatom.analysis import worker_process
from napari_diatom.analysis.outline_requests import outline_at
from napari_diatom.core import cropped_masks
from napari_diatom.core.detections import CroppedMask
from napari_diatom.models import library

RIGHT_IOU = 0.8
"""Intersection over union of masks from which an outline is right."""
OF_A_FIELD = 10
"""Valves that are clicked on in one field."""
LEAST_FREE = 20
"""Pixels that a valve has for itself at least: what is hidden by others cannot be clicked on."""


def main() -> int:
    """Click on valves, and print what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="click_outlines.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--detector", default="diatom-obb", help="model that finds valves (%(default)s)")
    parser.add_argument("--outliner", default="diatom-outline", help="model that outlines them (%(default)s)")
    parser.add_argument("--valves", type=int, default=200, help="clicks (%(default)s)")
    parser.add_argument("--side", type=int, default=1536, help="of a field in px (%(default)s)")
    parser.add_argument("--seed", type=int, default=4301, help="of fields and clicks (%(default)s)")
    parser.add_argument("--processes", type=int, default=1, help="to render with (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()

    detector = library.resolve_model(options.detector).folder
    outliner = library.resolve_model(options.outliner).folder
    rng = np.random.default_rng(options.seed)
    seconds: list[float] = []
    ious: list[float] = []
    lengths: list[float] = []
    missed = 0
    # Fields hold ten whole valves and more, but not all of them.
    most = 4 + options.valves // 2
    for field in rendered(most, options.seed, options.side, options.side, options.processes):
        for k, (x, y) in clicks(field, rng)[: options.valves - len(ious)]:
            if not seconds:
                outline_at(field.image, x, y, detector, outliner)
            begin = time.perf_counter()
            found = outline_at(field.image, x, y, detector, outliner)
            seconds.append(time.perf_counter() - begin)
            missed += found is None
            mask = None if found is None else found.mask
            truth = (field.truth.masks or ())[k]
            ious.append(0.0 if mask is None else cropped_masks.mask_iou(mask, truth))
            lengths.append(float(field.truth.boxes[k, 2]))
        if len(ious) == options.valves:
            break
    worker_process.close()
    overlaps = np.array(ious)
    figures = {
        "clicks": len(ious),
        "seconds, median": float(np.median(seconds)),
        "seconds, 90th percentile": float(np.percentile(seconds, 90)),
        f"share with IoU >= {RIGHT_IOU:g}": float((overlaps >= RIGHT_IOU).mean()),
        "median IoU": float(np.median(overlaps)),
        "no valve found": missed,
    }
    for name, value in figures.items():
        print(f"{name:28}{value:10.3f}" if isinstance(value, float) else f"{name:28}{value:10d}")
    print("\nlength (px)   clicks   right")
    for low, high in ((0, 60), (60, 120), (120, 250), (250, np.inf)):
        of = (np.array(lengths) >= low) & (np.array(lengths) < high)
        if of.any():
            print(f"{low:4d} to {high:<5g}{of.sum():8d}{(overlaps[of] >= RIGHT_IOU).mean():8.2f}")
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


def clicks(field: Field, rng: np.random.Generator) -> list[tuple[int, tuple[float, float]]]:
    """Return some whole specimens of a field by their numbers, each with a point that is its own."""
    masks = field.truth.masks or ()
    owners = np.zeros((field.image.height, field.image.width), dtype=np.uint8)
    for mask in masks:
        _part(owners, mask)[mask.pixels] += 1
    found = []
    for k in rng.permutation(len(masks)).tolist():
        mask = masks[k]
        ys, xs = np.nonzero(mask.pixels & (_part(owners, mask) == 1))
        if field.truth.cut[k] or len(xs) < LEAST_FREE:
            continue
        i = int(rng.integers(len(xs)))
        found.append((k, (mask.x0 + float(xs[i]) + 0.5, mask.y0 + float(ys[i]) + 0.5)))
        if len(found) == OF_A_FIELD:
            break
    return found


def _part(canvas: NDArray[np.uint8], mask: CroppedMask) -> NDArray[np.uint8]:
    """Return the part of a canvas that a mask covers."""
    rows, columns = mask.pixels.shape
    return canvas[mask.y0 : mask.y0 + rows, mask.x0 : mask.x0 + columns]


if __name__ == "__main__":
    raise SystemExit(main())
