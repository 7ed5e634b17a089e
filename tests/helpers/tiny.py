"""Drawn slides of a few pixels, and trainings on them that take seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np

from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.run_folder import RunFolder, State
from diatom_training.learning.option_check import acting_entries
from napari_diatom.core import geometry
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.models.card import Task

TINY = {"size": 64, "batch": 2, "crops": 4, "epochs": 2, "validation_crops": 2, "warmup": 2, "workers": 0}
NETWORKS = {
    "oriented-boxes": "yolo11n-obb",
    "boxes": "yolo11n",
    "semantic": "deeplabv3plus/tu-test_efficientnet/16",
    "instances": "maskrcnn/tu-test_efficientnet/8",
    "classes": "classifier/tu-test_efficientnet/64",
    "outlines": "outline/tu-test_efficientnet/16",
}


def draw_slides(folder: Path) -> Path:
    """Write a COCO file of four slides with two images each, a needle of one class and a square of another on each."""
    data: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
    data["categories"] = [{"id": 1, "name": "needle"}, {"id": 2, "name": "square"}]
    (folder / "images").mkdir()
    for number in range(8):
        image = np.full((96, 120, 3), 160, np.uint8)
        corners = geometry.corners([[70, 48, 60, 9, 0.3 * number], [24, 70, 24, 23, 0.0]]).astype(np.float32)
        cv2.fillPoly(image, list(np.rint(corners).astype(np.int32)), (40, 60, 80))
        name = f"s{number // 2}_{number}.png"
        cv2.imwrite(str(folder / "images" / name), image)
        data["images"].append({"id": number, "file_name": name, "height": 96, "width": 120})
        for k, ring in enumerate(corners):
            note = {"id": 2 * number + k, "image_id": number, "category_id": 1 + k, "iscrowd": 0}
            x, y = ring.min(axis=0).tolist()
            w, h = (ring.max(axis=0) - ring.min(axis=0)).tolist()
            data["annotations"].append(
                note | {"segmentation": [ring.ravel().tolist()], "bbox": [x, y, w, h], "area": w * h}
            )
    (folder / "slides.json").write_text(json.dumps(data))
    return folder / "slides.json"


def train_here(folder: RunFolder, monitor: ProgressMonitor = UNWATCHED) -> State:
    """Do a run as a child process does it, in this process: its libraries are loaded already."""
    # Here, because a process with a window must not load torch.
    from diatom_training.finetune.training_process import progress_of
    from diatom_training.finetune.training_run import work

    before = folder.events()[1]
    work(folder)
    for event in folder.events(before)[0]:
        monitor.report(progress_of(event))
    return folder.state()


def configured(slides: Path, task: str = "semantic", **entries: Any) -> TrainConfig:
    learning = acting_entries(TINY, cast("Task", task)) | entries.pop("learning", {})
    return TrainConfig.of(
        data=slides,
        task=task,
        group=r"^(s\d)_",
        start=entries.pop("start", "scratch"),
        architecture=entries.pop("architecture", NETWORKS[task]),
        device="cpu",
        learning=learning,
        **entries,
    )
