"""Images a second in training, against plain `yolo train` and against torchvision's reference loop for Mask R-CNN.

The same networks, images, size and batch, on the CPU and without loader processes, in turn, round by round: what else
the machine does falls on both alike. Counted is the time from the end of the first step of a training to the end of its
last: reading and varying images, forward, backward, optimizer and average of the weights, without validation. Mosaics,
which Ultralytics leaves out in the last ten epochs, are not among them.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fields import SET_UP
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from diatom_training.data.examples import Example, box_along_axis
from diatom_training.data.rendered_examples import render_set
from diatom_training.finetune.presets import ARCHITECTURES
from diatom_training.learning.fitting import Fitting
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.train import train
from napari_diatom.core import geometry
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.engines import maskrcnn_net

SEED = 5
LIMIT = 1.1
"""Time of ours over that of the others that is still good enough."""

Moment = tuple[float, float]
"""Seconds by the clock, and processor time of this process."""
Trainer = Callable[[Sequence[Example], argparse.Namespace, Path], list[Moment]]
"""Trains for an epoch, and returns when each step ended."""


def main() -> int:
    """Train in turn and print images a second, and how many times as long ours takes."""
    options = _parser().parse_args()
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for task in options.tasks:
            name, theirs = OTHERS[task]
            size, batch = SHAPES[task]
            images = render_set(Path(folder) / task, batch * (options.steps + 1), SEED, size=size, scales=(1.0, 1.0))
            spent: dict[str, list[list[float]]] = {"napari-diatom": [], name: []}
            for number in range(options.rounds):
                for program, trainer in (("napari-diatom", _ours(task)), (name, theirs)):
                    torch.set_num_threads(options.threads)
                    ends = trainer(images, options, Path(folder) / f"{task}-{program}-{number}".replace(" ", "-"))
                    images_seen = (len(ends) - 1) * batch
                    spent[program].append(
                        [(last - first) / images_seen for first, last in zip(ends[0], ends[-1], strict=True)]
                    )
                    clock, processor = spent[program][-1]
                    print(
                        f"{task}, round {number + 1}, {program}: {1 / clock:.2f} images/s, "
                        f"{processor:.2f} s of the processor an image",
                        flush=True,
                    )
            results[task] = {
                "seconds an image by the clock and of the processor": spent,
                "ratios": ratios(spent["napari-diatom"], spent[name]),
                "size": size,
                "batch": batch,
            }
    print()
    for task, result in results.items():
        clock, processor = result["ratios"]
        verdict = "" if clock <= LIMIT else ", MORE THAN ALLOWED"
        print(
            f"{task}: ours takes {clock:.2f} times as long as {OTHERS[task][0]} by the clock{verdict}, and "
            f"{processor:.2f} times the processor's time"
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


def ratios(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> list[float]:
    """Return the medians over the rounds of our times over theirs."""
    return np.median(np.array(ours) / np.array(theirs), axis=0).tolist()


def _now() -> Moment:
    return time.perf_counter(), time.process_time()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="training_speed.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--tasks", nargs="+", choices=list(OTHERS), default=list(OTHERS), help="(%(default)s)")
    add("--rounds", type=int, default=4, help="trainings of each (%(default)s)")
    add("--steps", type=int, default=6, help="steps timed in each (%(default)s)")
    add("--threads", type=int, default=torch.get_num_threads(), help="of torch, for all alike (%(default)s)")
    add("--precision", choices=("auto", "single"), default="auto", help="of ours; the others' is single (%(default)s)")
    add("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser


def _ours(task: str) -> Trainer:
    """Return our training of a task."""

    def trainer(images: Sequence[Example], options: argparse.Namespace, folder: Path) -> list[Moment]:
        size, batch = SHAPES[task]
        plan = LearningOptions(
            architecture=ARCHITECTURES[task],  # type: ignore[index]
            size=size,
            batch=batch,
            epochs=1,
            crops=batch * (options.steps + 1),
            validation_crops=1,
            frozen_epochs=0,
            precision=options.precision,
            workers=0,
        )
        ends: list[Moment] = []
        train(
            Fitting(images, plan, folder, validation=images[:1]),
            ProgressMonitor(lambda progress: ends.append(_now()) if progress.stage == "step" else None),
        )
        return ends

    return trainer


def _ultralytics(images: Sequence[Example], options: argparse.Namespace, folder: Path) -> list[Moment]:
    """Train as `yolo train` does by default, without plots; its validation comes after the steps."""
    from napari_diatom.engines.third_party import silence_ultralytics

    silence_ultralytics()
    from ultralytics import YOLO, data, utils

    # It would look for a font on the network.
    data.utils.check_font = utils.checks.check_font = lambda *_: None
    utils.LOGGER.setLevel(logging.ERROR)
    size, batch = SHAPES["oriented-boxes"]
    ends: list[Moment] = []
    model = YOLO("yolo11n-obb.yaml", verbose=False)
    model.add_callback("on_train_start", lambda _: torch.set_num_threads(options.threads))
    model.add_callback("on_train_batch_end", lambda _: ends.append(_now()))
    with contextlib.redirect_stdout(io.StringIO()):
        model.train(
            data=str(_yolo_folder(images, folder)),
            epochs=1,
            imgsz=size,
            batch=batch,
            workers=0,
            device="cpu",
            plots=False,
            val=False,
            save=False,
            amp=False,
            project=str(folder / "runs"),
            verbose=False,
        )
    return ends


def _yolo_folder(images: Sequence[Example], folder: Path) -> Path:
    """Write images and oriented boxes as Ultralytics reads them, and return the file that names them."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    for example in images:
        (folder / "images" / example.image.name).symlink_to(example.image)
        boxes = [
            box_along_axis(outline, angle) for outline, angle in zip(example.outlines, example.angles, strict=True)
        ]
        corners = geometry.corners(np.array(boxes).reshape(-1, 5)).reshape(-1, 8) / _side(example)
        rows = ("0 " + " ".join(f"{value:.6f}" for value in np.clip(row, 0, 1)) for row in corners)
        (folder / "labels" / f"{example.image.stem}.txt").write_text("\n".join(rows) + "\n")
    text = f"path: {folder}\ntrain: images\nval: images\nnames:\n  0: diatom\n"
    (folder / "data.yaml").write_text(text)
    return folder / "data.yaml"


def _side(example: Example) -> int:
    from PIL import Image

    with Image.open(example.image) as image:
        return int(image.width)


def _torchvision(images: Sequence[Example], options: argparse.Namespace, folder: Path) -> list[Moment]:
    """Train as ``references/detection`` of torchvision does: ``train_one_epoch`` of its ``engine.py``, with SGD."""
    _, batch = SHAPES["instances"]
    network: Any = maskrcnn_net.build(ARCHITECTURES["instances"], 1)
    sampler, plan = network.roi_heads.fg_bg_sampler, LearningOptions()
    sampler.batch_size_per_image, sampler.positive_fraction = plan.proposals, plan.positives
    network.train()
    loader = DataLoader(
        _Masks(images), batch_size=batch, shuffle=True, collate_fn=lambda some: tuple(zip(*some, strict=True))
    )
    optimizer = torch.optim.SGD(network.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
    warmup = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1 / 1000, total_iters=len(loader) - 1)
    ends: list[Moment] = []
    for pixels, targets in loader:
        losses = network(list(pixels), list(targets))
        total = torch.stack(list(losses.values())).sum()
        total.item()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        warmup.step()
        ends.append(_now())
    return ends


class _Masks(Dataset[Any]):
    """Images and masks of their polygons, half of them mirrored, as the reference's COCO data set gives them."""

    def __init__(self, images: Sequence[Example]) -> None:
        self.images = [example for example in images if example.outlines]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        from PIL import Image
        from pycocotools import mask as coco

        example = self.images[index]
        with Image.open(example.image) as image:
            array: NDArray[np.uint8] = np.asarray(image.convert("RGB"))
        pixels = torch.from_numpy(array.copy()).permute(2, 0, 1).float() / 255
        height, width = array.shape[:2]
        polygons = [outline.astype(np.float64).ravel().tolist() for outline in example.outlines]
        drawn = [coco.decode(coco.frPyObjects([polygon], height, width)).max(axis=2) for polygon in polygons]
        masks = torch.from_numpy(np.stack(drawn))
        boxes = torch.tensor(np.array([[*o.min(axis=0), *o.max(axis=0)] for o in example.outlines])).float()
        if torch.rand(()) < 0.5:
            pixels, masks = pixels.flip(-1), masks.flip(-1)
            boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
        boxes = boxes.clamp(0, width)
        kept = (boxes[:, 2:] > boxes[:, :2] + 1).all(dim=1)
        labels = torch.ones(int(kept.sum()), dtype=torch.int64)
        return pixels, {"boxes": boxes[kept], "labels": labels, "masks": masks[kept]}


SHAPES = {"oriented-boxes": (640, 8), "instances": (448, 4)}
"""Side of the images in pixels, and images a step."""
OTHERS: dict[str, tuple[str, Trainer]] = {
    "oriented-boxes": ("yolo train", _ultralytics),
    "instances": ("torchvision's loop", _torchvision),
}


if __name__ == "__main__":
    raise SystemExit(main())
