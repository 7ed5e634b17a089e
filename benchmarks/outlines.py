"""Outlines of specimens in boxes: specimens a second, peak memory, and how good the masks are.

Boxes are those of the truth, off by chance as detectors' boxes are, oriented and upright.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from fields import SET_UP, rendered
from memory import peak_mb

from diatom_training.learning.outline_crops import BoxErrors, detected_box
from diatom_training.metrics.coco_evaluator import OVERLAPS
from diatom_training.metrics.detection_metrics import precision_at_overlaps
from napari_diatom.analysis.outlining import outline_specimens
from napari_diatom.core import cropped_masks
from napari_diatom.core.detections import Detections
from napari_diatom.engines import load_outliner
from napari_diatom.models import library


def main() -> int:
    """Outline the specimens of rendered fields and print what it took and how good it is."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="outlines.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default="diatom-outline", help="name, folder or file of a model (%(default)s)")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda or mps (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of the processor (%(default)s)")
    parser.add_argument("--fields", type=int, default=20, help="rendered fields (%(default)s)")
    parser.add_argument("--side", type=int, default=1024, help="of a field in px (%(default)s)")
    parser.add_argument("--seed", type=int, default=41, help="of fields and boxes (%(default)s)")
    parser.add_argument("--processes", type=int, default=1, help="to render with (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()

    fields = list(rendered(options.fields, options.seed, options.side, options.side, options.processes))
    figures: dict[str, dict[str, float]] = {}
    engine = load_outliner(library.resolve_model(options.model), options.device, options.threads)
    warm = fields[0].truth.boxes[:1]
    engine.outlines(fields[0].image, warm)
    before = peak_mb()
    for name in ("oriented", "upright"):
        rng = np.random.default_rng(options.seed)
        truths, found, sizes = [], [], []
        ious: list[float] = []
        lengths: list[float] = []
        flagged, seconds, processor = 0, 0.0, 0.0
        for field in fields:
            truth = field.truth
            own = (truth if name == "oriented" else field.upright).boxes.astype(np.float64)
            errors = BoxErrors() if name == "oriented" else BoxErrors().upright()
            boxes = [detected_box(box, rng, errors) for box in own]
            given = Detections.of(np.array(boxes).reshape(-1, 5))
            began, used = time.perf_counter(), time.process_time()
            outlined = outline_specimens(field.image, given, engine)
            seconds += time.perf_counter() - began
            processor += time.process_time() - used
            flagged += int(np.count_nonzero(outlined.outline_flags))
            ious += [
                cropped_masks.mask_iou(*pair) for pair in zip(outlined.masks or (), truth.masks or (), strict=True)
            ]
            lengths += np.abs(outlined.boxes[:, 2] / truth.boxes[:, 2] - 1).tolist()
            truths.append(truth)
            found.append(outlined)
            sizes.append((field.image.height, field.image.width))
        precision = precision_at_overlaps(truths, found, sizes, masks=True)
        overlaps = np.array(ious)
        figures[name] = {
            "specimens": len(ious),
            "specimens a second": len(ious) / seconds,
            "ms of one core each": 1000 * processor / len(ious),
            "mean IoU": float(overlaps.mean()),
            "median IoU": float(np.median(overlaps)),
            "mean Dice": float((2 * overlaps / (1 + overlaps)).mean()),
            "mask AP50": precision[0],
            "mask AP75": precision[OVERLAPS.index(0.75)],
            "flagged": flagged / len(ious),
            "median length error": float(np.median(lengths)),
        }
    figures["memory"] = {"loaded, MB": before, "peak, MB": peak_mb()}
    for name, values in figures.items():
        for key, value in values.items():
            print(f"{name:>10}  {key:<20}{value:10.3f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
