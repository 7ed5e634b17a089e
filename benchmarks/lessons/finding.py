"""How specimens are found: candidates everywhere, boxes that turn, and what makes one specimen of many candidates."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from diatom_training.finetune.initial_weights import trainable_network
from lessons.drawing import draw_rings, picture, show
from lessons.material import CHAINS, CROWD, slide
from napari_diatom import engines
from napari_diatom.analysis.pipeline import analyse
from napari_diatom.core import geometry
from napari_diatom.engines.backends import TorchBackend
from napari_diatom.engines.yolo_decode import decode
from napari_diatom.images.slide_image import from_array
from napari_diatom.models import library

SIDE: Final = 640
LEAST: Final = 0.25
FOUND: Final = (0, 114, 178)
OTHER: Final = (213, 94, 0)


def candidates(pixels: NDArray[np.uint8]) -> Any:
    """Return what a one-stage network gives before anything is chosen: all boxes from a score on."""
    model = library.resolve_model("diatom-obb")
    backend = TorchBackend(model, "cpu")
    (raw,) = backend.run(iter([np.ascontiguousarray(pixels)]))
    return decode(raw, *pixels.shape[:2], model.card.classes, True, LEAST)


def specimens(name: str, pixels: NDArray[np.uint8]) -> Any:
    """Return what a bundled model finds."""
    return analyse(from_array(pixels, name), engines.load(library.resolve_model(name), "cpu")).kept


def upright(boxes: NDArray[Any]) -> NDArray[np.float64]:
    """Return the upright boxes round oriented ones, as boxes without an angle."""
    x0, y0, x1, y1 = geometry.bounds(boxes).T
    return np.column_stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, np.zeros(len(x0))])


def proposals(pixels: NDArray[np.uint8], most: int) -> NDArray[np.float64]:
    """Return the surest proposals of the first stage of Mask R-CNN, shape (N, 4) as x0, y0, x1, y1."""
    model = library.resolve_model("diatom-maskrcnn")
    network: Any = trainable_network(model).eval()
    values = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)
    standard = (values - torch.tensor(model.card.mean)[:, None, None]) / torch.tensor(model.card.std)[:, None, None]
    kept: list[Any] = []
    hook = network.rpn.register_forward_hook(lambda module, given, answer: kept.append(answer[0][0]))
    with torch.no_grad():
        network([standard])
    hook.remove()
    return np.asarray(kept[0][:most].numpy(), dtype=np.float64)


def teach(folder: Path, steps: int | None) -> dict[str, float]:
    """Draw the chapter's pictures and return its figures."""
    torch.set_num_threads(1)
    side = SIDE if steps is None else SIDE // 2
    pixels = np.ascontiguousarray(slide(CROWD)[:side, :side])
    every, chosen = candidates(pixels), specimens("diatom-obb", pixels)
    first = proposals(pixels, 60)
    shown = [pixels.copy() for _ in range(3)]
    draw_rings(shown[0], list(geometry.corners(every.boxes)), OTHER)
    draw_rings(shown[1], list(geometry.corners(chosen.boxes)), FOUND)
    draw_rings(shown[2], [np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]) for x0, y0, x1, y1 in first], OTHER)
    with picture(folder / "candidates.png", 8, 3) as figure:
        for axes, pixels_of, title in zip(
            figure.subplots(1, 3),
            shown,
            (f"one stage: {len(every)} candidates", f"chosen: {len(chosen)} specimens", "two stages: 60 proposals"),
            strict=True,
        ):
            show(axes, pixels_of, title)
    # Two needles of one chain, side by side, at 45 degrees.
    needles = np.array([[100.0, 100, 120, 8, np.pi / 4], [107.0, 93, 120, 8, np.pi / 4]])
    chain = np.ascontiguousarray(slide(CHAINS)[: SIDE * 3 // 4, :SIDE])
    turned = specimens("diatom-obb", chain).boxes
    both = [chain.copy(), chain.copy()]
    draw_rings(both[0], list(geometry.corners(upright(turned))), OTHER)
    draw_rings(both[1], list(geometry.corners(turned)), FOUND)
    filled = geometry.box_areas(turned) / geometry.box_areas(upright(turned))
    with picture(folder / "turned.png", 8, 3.2) as figure:
        for axes, pixels_of, title in zip(
            figure.subplots(1, 2), both, ("upright boxes", "boxes that turn"), strict=True
        ):
            show(axes, pixels_of, title)
    return {
        "candidates": len(every),
        "specimens": len(chosen),
        "IoU of two parallel needles, upright": float(geometry.box_ious(upright(needles[:1]), upright(needles[1:]))[0]),
        "IoU of two parallel needles, turned": float(geometry.box_ious(needles[:1], needles[1:])[0]),
        "share of the upright box that the turned one fills": float(np.median(filled)),
    }
