"""Processor time of Mask R-CNN in OpenVINO against the same network in torch, from the field to the table.

Both run in one process, on one thread, in turn, field by field: what else the machine does falls on both alike. The
specimens that they find are compared, too.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from fields import SET_UP, rendered

from napari_diatom import engines
from napari_diatom.analysis.pipeline import AnalysisOptions, analyse
from napari_diatom.core.cropped_masks import mask_ious
from napari_diatom.core.detections import Detections
from napari_diatom.engines.maskrcnn import MaskRcnnEngine
from napari_diatom.engines.protocols import AnyEngine
from napari_diatom.images.slide_image import SlideImage, open_images
from napari_diatom.models import library


def main() -> int:
    """Print core-seconds a field of both, their ratio, and how alike their specimens are."""
    options = _parser().parse_args()
    model = library.resolve_model(options.model)
    openvino, torch = engines.load(model, "cpu", 1), MaskRcnnEngine(model, "cpu", 1)
    if isinstance(openvino, MaskRcnnEngine):
        raise SystemExit(f"Model {options.model} does not run in OpenVINO.")
    images = [image for path in options.images for image in open_images(path)]
    if not images:
        images = [field.image for field in rendered(options.fields, options.seed, options.height, options.width, 1)]
    ratios: list[float] = []
    for image in images:
        # What is compiled and allocated for the first tile of a size is no cost of a field.
        _timed(image, openvino)
        for _ in range(options.rounds):
            ours, found = _timed(image, openvino)
            theirs, expected = _timed(image, torch)
            ratios.append(theirs / ours)
        print(
            f"{image.name}: {ours:.2f} s in OpenVINO, {theirs:.2f} s in torch; {_likeness(found, expected)}", flush=True
        )
    print(f"median ratio of {len(ratios)} rounds: {statistics.median(ratios):.2f}")
    return 0


def _timed(image: SlideImage, engine: AnyEngine) -> tuple[float, Detections]:
    """Return the processor time that a field takes, in seconds, and its specimens."""
    started = time.process_time()
    found = analyse(image, engine, AnalysisOptions(measure=True, kept_only=True)).kept
    return time.process_time() - started, found


def _likeness(found: Detections, expected: Detections) -> str:
    """Say how many specimens of two results are the same, and how far their scores and masks differ."""
    if not len(found) or not len(expected):
        return f"{len(found)} and {len(expected)} specimens"
    assert found.masks is not None
    assert expected.masks is not None
    i, j = (side.ravel() for side in np.indices((len(found), len(expected))))
    ious = mask_ious(found.masks, expected.masks, i, j).reshape(len(found), len(expected))
    best = ious.argmax(axis=1)
    apart = np.abs(found.scores - expected.scores[best]).max()
    return (
        f"{len(found)} and {len(expected)} specimens, {np.count_nonzero(ious.max(axis=1) >= 0.99)} with masks of an "
        f"IoU of 0.99 or more, scores {apart:.1g} apart at most"
    )


def _parser() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="torch_eager.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("images", nargs="*", type=Path, help="images in place of rendered fields")
    parser.add_argument("--model", default="diatom-maskrcnn", help="a Mask R-CNN (default: diatom-maskrcnn)")
    parser.add_argument("--fields", type=int, default=3, help="how many (default: 3)")
    parser.add_argument("--rounds", type=int, default=1, help="of each field (default: 1)")
    parser.add_argument("--height", type=int, default=1536, help="of a field in pixels (default: 1536)")
    parser.add_argument("--width", type=int, default=2048, help="of a field in pixels (default: 2048)")
    parser.add_argument("--seed", type=int, default=7, help="of the fields (default: 7)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
