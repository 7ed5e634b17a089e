"""What is written for trainers and evaluators is what these read."""

import contextlib
import io
import json
import os
from pathlib import Path

import cv2
import numpy as np

from napari_diatom.cli import main
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import Detections
from napari_diatom.formats.registry import by_name


def drawn(folder: Path) -> Path:
    """Write four slides of needles and squares, and their annotations; return the annotations' folder."""
    from napari_diatom.core import geometry

    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    parts = []
    for number in range(4):
        boxes = np.column_stack(
            [rng.uniform(40, 120, (3, 2)), rng.uniform(30, 60, 3), rng.uniform(8, 20, 3), rng.uniform(-1.5, 1.5, 3)]
        )
        image = np.full((160, 160, 3), 170, np.uint8)
        cv2.fillPoly(image, list(np.rint(geometry.corners(boxes)).astype(np.int32)), (50, 60, 70))
        cv2.imwrite(str(folder / "images" / f"s{number}.png"), image)
        found = Detections.of(boxes, [0, 1, 0], classes=("Navicula", "Nitzschia"))
        parts.append(Annotations.of(found, image=f"s{number}.png", height=160, width=160))
    by_name("geojson").write(folder / "annotations", parts)
    return folder / "annotations"


def test_ultralytics_trains_on_oriented_boxes(tmp_path: Path) -> None:
    notes = drawn(tmp_path)
    split = tmp_path / "split.csv"
    split.write_text("image,split\n" + "".join(f"s{n}.png,{'val' if n == 3 else 'train'}\n" for n in range(4)))
    out, images = tmp_path / "yolo", str(tmp_path / "images")
    assert main(["convert", str(notes), str(out), "--to", "yolo-obb", "--images", images, "--split", str(split)]) == 0
    from napari_diatom.engines.third_party import silence_ultralytics

    silence_ultralytics()
    from ultralytics import YOLO

    [data] = out.glob("*.yaml")
    before = os.environ.get("OMP_NUM_THREADS")
    with contextlib.redirect_stdout(io.StringIO()):
        model = YOLO("yolo11n-obb.yaml", verbose=False)
        model.train(
            data=str(data),
            epochs=1,
            imgsz=96,
            batch=3,
            workers=0,
            device="cpu",
            plots=False,
            project=str(tmp_path / "runs"),
            verbose=False,
        )
    assert os.environ.get("OMP_NUM_THREADS") == before
    assert model.trainer.train_loader.dataset.labels[0]["cls"].shape[0] == 3
    assert set(model.names.values()) == {"Navicula", "Nitzschia"}
    assert np.isfinite(float(model.trainer.loss.detach()))
    assert Path(model.trainer.last).exists()


def test_pycocotools_evaluates_coco(tmp_path: Path) -> None:
    notes = drawn(tmp_path)
    out = tmp_path / "coco.json"
    assert main(["convert", str(notes), str(out), "--to", "coco", "--images", str(tmp_path / "images")]) == 0
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = json.loads(out.read_text())["annotations"]
    found = [
        {k: note[k] for k in ("image_id", "category_id", "segmentation", "bbox")} | {"score": 1.0} for note in truth
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(out))
        evaluation = COCOeval(coco, coco.loadRes(found), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == 1.0
