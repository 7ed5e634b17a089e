"""Learning from slides composed of one's own material, before the real ones."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from diatom_training.finetune import composed_pretraining, dataset, training_process, training_run
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.run_folder import RunFolder
from helpers.composed import DARK, LIGHT, painted, slide
from helpers.shapes import ellipse, placed
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.models import library

TINY = {"size": 64, "batch": 2, "crops": 4, "epochs": 2, "validation_crops": 2, "warmup": 2, "workers": 0}
SECTION = {"count": 3, "epochs": 2, "specimens": [1, 2], "seed": 4}


@pytest.fixture
def slides(tmp_path: Path) -> Path:
    """A COCO file of six slides with three valves each and some debris."""
    return drawn(tmp_path, valves=3)


def drawn(folder: Path, valves: int) -> Path:
    (folder / "images").mkdir()
    images, notes = [], []
    places = [(110, 100), (350, 240), (340, 80)][:valves]
    for number in range(6):
        outlines = [placed(ellipse(90, 30), 0.4, x + number, y) for x, y in places]
        specks = [placed(ellipse(18, 16), 0, 300, 300), placed(ellipse(24, 12), 1, 120, 300)]
        name = f"s{number}.png"
        slide(folder / "images" / name, outlines, specks)
        images.append({"id": number, "file_name": name, "height": 360, "width": 480})
        for k, points in enumerate(outlines):
            (x, y), (w, h) = points.min(axis=0).tolist(), np.ptp(points, axis=0).tolist()
            notes.append(
                {"id": 10 * number + k, "image_id": number, "category_id": 1, "iscrowd": 0, "area": w * h}
                | {"segmentation": [points.ravel().tolist()], "bbox": [x, y, w, h]}
            )
    data = {"images": images, "annotations": notes, "categories": [{"id": 1, "name": "valve"}]}
    (folder / "slides.json").write_text(json.dumps(data))
    return folder / "slides.json"


def configured(slides: Path, section: dict[str, Any], **entries: Any) -> TrainConfig:
    return TrainConfig.of(
        data=slides,
        task="semantic",
        start="scratch",
        architecture="deeplabv3plus/tu-test_efficientnet/16",
        device="cpu",
        composed=section,
        learning=TINY,
        **entries,
    )


def test_a_run_learns_from_composed_slides_first_and_goes_on_there_when_it_was_killed(
    tmp_path: Path, slides: Path
) -> None:
    config = configured(slides, SECTION)
    whole = RunFolder.create(tmp_path / "whole", config)
    seen: list[Progress] = []
    training_run.train(whole, ProgressMonitor(seen.append))
    epochs = [(p.stage, p.done) for p in seen if p.stage.endswith("epoch")]
    assert epochs == [("composed-epoch", 1), ("composed-epoch", 2), ("epoch", 1), ("epoch", 2)]
    card = library.find(str(whole / "model")).card
    before = card.training["composed"]
    assert before | {"of": None} == {
        "slides": 3,
        "cut_outs": 12,
        "debris": 8,
        "backgrounds": 4,
        "of": None,
        "atlas": None,
        "epochs": 2,
        "seed": 4,
    }
    parts = json.loads((whole / "split.json").read_text())["parts"]
    assert before["of"] == sorted(image["slide"] for image in parts["train"])
    assert "3 slides composed of 12 cut-outs" in card.training["started_from"]
    assert "composed" in card.summary
    for part in (whole, RunFolder(whole / "composed")):
        assert len(part.history()) == 2
        assert (part / "curves.png").stat().st_size > 5000
    assert library.find(str(whole / "composed" / "model")).card.sha256 != card.sha256

    halves = RunFolder.create(tmp_path / "halves", config)
    process = training_process.Child(halves)
    while not RunFolder(halves / "composed").history():
        time.sleep(0.02)
    os.kill(process.folder.state().pid, signal.SIGKILL)
    while process.poll() is None:
        time.sleep(0.02)
    assert not halves.history()
    training_process.run(halves, UNWATCHED)
    assert halves.history() == whole.history()
    assert RunFolder(halves / "composed").history() == RunFolder(whole / "composed").history()
    assert library.find(str(halves / "model")).card.sha256 == card.sha256


def test_a_preview_shows_the_first_composed_slides_with_their_truth(slides: Path) -> None:
    config = configured(slides, SECTION | {"empty_share": 0.0})
    shown = composed_pretraining.preview(config, 2)
    assert [image.shape for image, _ in shown] == [(80, 80, 3)] * 2
    for image, truth in shown:
        assert len(truth)
        assert truth.classes == ("valve",)
        assert truth.masks is not None
        mask = truth.masks[0]
        (height, width), inside = mask.pixels.shape, np.zeros((80, 80), dtype=bool)
        inside[mask.y0 : mask.y0 + height, mask.x0 : mask.x0 + width] = mask.pixels
        assert image[inside].mean() < (DARK + LIGHT) / 2
    again = composed_pretraining.preview(config, 1)
    assert (again[0][0] == shown[0][0]).all()
    assert len(composed_pretraining.preview(config, 9)) == 3


def test_too_little_material_is_told_before_anything_is_learnt(tmp_path: Path) -> None:
    config = configured(drawn(tmp_path, valves=1), SECTION, split={"shares": "34-33-33"})
    folder = RunFolder.create(tmp_path / "run", config)
    with pytest.raises(InputError, match="2 cut-outs of specimens, and 3 are needed"):
        training_run.train(folder)
    assert not (folder / "composed" / "fields").exists()
    data = dataset.read(config)
    with pytest.raises(InputError, match="kept for testing"):
        composed_pretraining.gather(config, _leaking(data), 1024, tmp_path / "cache")


def _leaking(data: dataset.Dataset) -> dataset.Dataset:
    """Return data whose test part is that of the training."""
    return dataset.Dataset(data.classes, {**data.parts, "test": data.parts["train"]}, ())


def test_an_atlas_gives_more_of_the_classes_that_are_learnt(tmp_path: Path, slides: Path) -> None:
    for name in ("valve", "other"):
        (tmp_path / "atlas" / name).mkdir(parents=True)
        image = np.full((200, 300, 3), 200, np.uint8)
        painted(image, placed(ellipse(180, 60), 0.2, 150, 100), DARK)
        Image.fromarray(cv2.GaussianBlur(image, (0, 0), 1.0)).save(tmp_path / "atlas" / name / "1.png")
    section = SECTION | {"atlas": tmp_path / "atlas", "atlas_pixel_size_um": 0.1}
    numbers = {}
    for one_class in ("", "diatom"):
        config = configured(slides, section, one_class=one_class)
        material, _ = composed_pretraining.gather(config, dataset.read(config), 1024, tmp_path / "cache")
        numbers[one_class] = (len(material.specimens), material.classes)
    assert numbers == {"": (13, ("valve",)), "diatom": (14, ("diatom",))}
    (tmp_path / "atlas" / "valve").rename(tmp_path / "atlas" / "third")
    config = configured(slides, section)
    with pytest.raises(InputError, match="no valve of valve; it has other, third"):
        composed_pretraining.gather(config, dataset.read(config), 1024, tmp_path / "cache")


def test_the_section_survives_its_file_and_tells_every_problem(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("data: p\ncomposed: {debris_ratio: [2, 6], atlas: valves}\n")
    config = TrainConfig.read(tmp_path / "a.yaml")
    assert config.composed is not None
    assert (config.composed.count, config.composed.epochs) == (200, 6)
    assert config.composed.atlas == tmp_path / "valves"
    config.write(tmp_path / "b.yaml")
    assert TrainConfig.read(tmp_path / "b.yaml") == config
    assert config.composed.options(800, (0.4, 1.0)).debris_ratio == (2, 6)
    assert TrainConfig.of(data=tmp_path, learning={}).composed is None
    with pytest.raises(InputError) as caught:
        TrainConfig.of(data=tmp_path, composed={"count": 0, "debris_ratio": [6, 2], "colour": 1}, preset="fast")
    for word in ("composed.count", "composed.debris_ratio", "composed.colour", "preset"):
        assert word in str(caught.value)
    with pytest.raises(InputError, match="no scale here"):
        TrainConfig.of(data=tmp_path, composed={"scale": [0.5, 1]}, learning={})
