"""What slides training and evaluation find: parts, slides and pixels, and what speaks against them."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from diatom_training.data import annotated_slides, crops
from diatom_training.data.annotated_slides import read_slides
from diatom_training.finetune import dataset
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.run_folder import RunFolder
from diatom_training.finetune.run_test_set import read_test_set
from helpers.tiny import configured, draw_slides
from napari_diatom.core.detections import CUT_BY_EDGE
from napari_diatom.core.errors import InputError, Stopped
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.formats.coco import codec as coco
from napari_diatom.project.project import Project
from napari_diatom.project.settings import Split

OBB = "0 0.1 0.2 0.6 0.3 0.58 0.4 0.08 0.3\n1 0.7 0.7 0.9 0.7 0.9 0.9 0.7 0.9\n"


def yolo(folder: Path, *images: str, rows: str = OBB, **data: str) -> Path:
    """Write a YOLO dataset of images, with labels where ``labels`` stands for ``images``; return its file."""
    for number, image in enumerate(images):
        place = folder / image
        place.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place), np.full((96, 120, 3), 100 + number, np.uint8))
        label = folder / "labels".join(image.rsplit("images", 1)).replace(".png", ".txt")
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text(rows)
    lines = data or {"train": "images/train", "val": "images/val", "test": "images/test"}
    (folder / "data.yaml").write_text("names: [needle, square]\n" + "".join(f"{k}: {v}\n" for k, v in lines.items()))
    return folder / "data.yaml"


def asked(data: Path, task: str = "oriented-boxes", **entries: Any) -> TrainConfig:
    return configured(data, task, **entries).replace(group="")


def drawn_project(folder: Path) -> Path:
    """Make a project of the drawn slides and return its folder."""
    folder.mkdir(exist_ok=True)
    data = draw_slides(folder)
    pictures = sorted((folder / "images").glob("*.png"))
    with Project.create(folder / "project", pictures, ["needle", "square"]) as project:
        project.import_annotations(coco.read(data))
        for image in project.images:
            project.update(project.settings.with_image(image.id, slide=image.id[:2]))
        return project.folder


def parts_of(config: TrainConfig) -> list[list[str]]:
    return [[slide.name for slide in part] for part in dataset.read(config).parts.values()]


def said(config: TrainConfig) -> str:
    return "\n".join(dataset.read(config).warnings)


def test_the_split_of_a_yolo_dataset_goes_first(tmp_path: Path) -> None:
    names = ("train/a", "train/b", "val/c", "test/d")
    data = yolo(tmp_path, *(f"images/{name}.png" for name in names))
    there = read_slides(data)
    assert there.parts == ("train", "validation", "test")
    assert [slide.part for slide in there.slides] == ["train", "train", "validation", "test"]
    assert [slide.name for slide in read_test_set(data).slides] == ["d.png"]
    assert parts_of(asked(data)) == [["a.png", "b.png"], ["c.png"], ["d.png"]]
    assert "each image is treated as a slide of its own" in said(asked(data))
    given = {"train": ["d.png", "c.png"], "validation": ["a.png"]}
    assert parts_of(asked(data, split={"parts": given})) == [["c.png", "d.png"], ["a.png"], []]
    assert parts_of(asked(data, split={"own": False})) != [["a.png", "b.png"], ["c.png"], ["d.png"]]


def test_a_split_without_test_or_validation_is_filled_up_or_told(tmp_path: Path) -> None:
    images = [f"images/train/{name}.png" for name in "abcdef"]
    data = yolo(tmp_path / "no test", *images, "images/val/g.png", train="images/train", val="images/val")
    assert list(map(len, parts_of(asked(data)))) == [6, 1, 0]
    assert "the test part has no specimens: the model will not be tested" in said(asked(data))
    assert "no figures there" not in said(asked(data))
    data = yolo(tmp_path / "no val", *images, "images/test/g.png", train="images/train", test="images/test")
    train, validation, test = parts_of(asked(data))
    assert (len(train), len(validation), test) == (5, 1, ["g.png"])
    data = yolo(tmp_path / "all", *images, train="images/train", val="images/train")
    assert read_slides(data).parts == ()
    assert all(parts_of(asked(data)))
    data = yolo(
        tmp_path / "same", *images, "images/val/g.png", train="images/train", val="images/val", test="images/val"
    )
    assert list(map(len, parts_of(asked(data)))) == [6, 1, 0]
    assert "1 image is in several splits of data.yaml, such as g.png" in said(asked(data))
    data = yolo(tmp_path / "one", "images/train/a.png", "images/test/b.png", train="images/train", test="images/test")
    with pytest.raises(InputError, match="images of 1 slide to learn from, and training and validation need one each"):
        dataset.read(asked(data))


def test_a_project_keeps_its_test_part_where_it_has_no_validation(tmp_path: Path) -> None:
    folder = drawn_project(tmp_path)
    with Project.open(folder) as project:
        names = sorted({image.slide for image in project.images})
        split = Split(by="slide", parts={"train": tuple(names[:-1]), "test": (names[-1],)})
        project.update(project.settings.replace(split=split))
    data = dataset.read(asked(folder, "boxes"))
    assert {slide.group for slide in data.parts["test"]} == {names[-1]}
    assert data.parts["validation"]
    alone = read_slides(folder, by="image").slides
    assert [slide.group for slide in alone] == [slide.name for slide in alone]


def test_folders_of_the_layout_are_no_slides(tmp_path: Path) -> None:
    def groups(data: Path) -> dict[str, str]:
        return {slide.path.stem: slide.group for slide in read_slides(data).slides}

    data = yolo(tmp_path / "1", "A/images/x.png", "B/Images/y.png", train="A/images", val="B/Images")
    assert groups(data) == {"x": "A", "y": "B"}
    data = yolo(tmp_path / "2", "images/train/x.png", "images/val/y.png", train="images/train", val="images/val")
    assert groups(data) == {"x": "x.png", "y": "y.png"}
    data = yolo(tmp_path / "3", "images/train/x.png", "images/train/S1/y.png", "images/train/S1/z.png", train="images")
    assert groups(data) == {"x": "x.png", "y": "S1", "z": "S1"}
    assert {slide.group for slide in read_slides(data, group=r"^(\w)").slides} == {"x", "y", "z"}


def test_a_slide_in_two_parts_is_told_and_the_run_goes_on_with_it(tmp_path: Path) -> None:
    names = ("train/S1_a", "train/S2_a", "val/S1_b", "test/S3_a")
    config = asked(yolo(tmp_path, *(f"images/{name}.png" for name in names))).replace(group="^(S.)_")
    began = dataset.read(config)
    assert "1 slide has images in several parts, such as S1" in "\n".join(began.warnings)
    folder = RunFolder.create(tmp_path / "run", config)
    (folder / "split.json").write_text(json.dumps(began.to_json()))
    division = folder.division()
    assert division is not None
    assert dataset.read(config, begun=division).to_json() == began.to_json()


def test_equal_names_in_two_parts_are_two_images(tmp_path: Path) -> None:
    data = yolo(tmp_path, "images/train/0.png", "images/val/0.png", "images/test/0.png")
    assert parts_of(asked(data)) == [["train/0.png"], ["val/0.png"], ["test/0.png"]]


@pytest.mark.parametrize("kind", ["rgb", "rgba", "grey", "tiff"])
def test_deep_images_are_learnt_from_as_they_are_counted(tmp_path: Path, kind: str) -> None:
    data = draw_slides(tmp_path)
    listed = json.loads(data.read_text())
    for image in listed["images"]:
        path = tmp_path / "images" / image["file_name"]
        pixels = cv2.imread(str(path)).astype(np.uint16) * 16
        if kind == "rgba":
            pixels = np.dstack([pixels, np.full(pixels.shape[:2], 65535, np.uint16)])
        path.unlink()
        path = path.with_suffix(".tif" if kind == "tiff" else ".png")
        cv2.imwrite(str(path), pixels[..., 0] if kind == "grey" else pixels)
        image["file_name"] = path.name
    data.write_text(json.dumps(listed))
    there = dataset.read(configured(data))
    for example, slide in zip(
        dataset.examples(there, "train", configured(data), 64, tmp_path), there.parts["train"], strict=True
    ):
        counted = slide.open().read(0, 0, 120, 96)
        assert counted.max() - counted.min() == 255
        np.testing.assert_array_equal(crops.read_pixels(example), counted)
        np.testing.assert_array_equal(crops.read_rgb(slide.path), counted) if kind != "tiff" else None


def test_specimens_that_the_frame_cuts_are_flagged(tmp_path: Path) -> None:
    rows = "0 0.05 0.5 0.1 0.2\n0 0.5 0.5 0.1 0.1\n1 0.8 0.946 0.1 0.1\n"
    images = [f"images/train/{name}.png" for name in "abc"]
    [one, *_] = read_slides(yolo(tmp_path / "yolo", *images, rows=rows, train="images/train")).slides
    assert one.truth.cut.tolist() == [CUT_BY_EDGE, 0, CUT_BY_EDGE]
    assert one.of_classes(("square",)).truth.cut.tolist() == [CUT_BY_EDGE]
    data = draw_slides(tmp_path)
    listed = json.loads(data.read_text())
    listed["annotations"][0]["segmentation"] = [[60, 50, 119.5, 60, 119.5, 70, 60, 60]]
    data.write_text(json.dumps(listed))
    assert [slide.truth.cut.tolist() for slide in read_slides(data).slides] == [[CUT_BY_EDGE, 0], *[[0, 0]] * 7]
    listed["annotations"][1]["attributes"] = {"cut": CUT_BY_EDGE}
    data.write_text(json.dumps(listed))
    assert read_slides(data).slides[0].truth.cut.tolist() == [0, CUT_BY_EDGE]


def test_a_file_that_is_cut_off_is_found_before_the_training(tmp_path: Path) -> None:
    data = draw_slides(tmp_path)
    listed = json.loads(data.read_text())
    path = (tmp_path / "images" / listed["images"][-1]["file_name"]).with_suffix(".jpg")
    cv2.imwrite(str(path), cv2.imread(str(path.with_suffix(".png"))))
    listed["images"][-1]["file_name"] = path.name
    data.write_text(json.dumps(listed))
    assert len(read_slides(data).slides) == 8
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=rf"{path.name} cannot be read: image file is truncated"):
        read_slides(data)
    folder = drawn_project(tmp_path / "other")
    image = tmp_path / "other" / "images" / "s3_7.png"
    image.write_bytes(image.read_bytes()[:200])
    with pytest.raises(InputError, match=r"s3_7\.png cannot be read: image file is truncated"):
        read_slides(folder)


def test_looking_whether_files_are_whole_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = draw_slides(tmp_path)
    monkeypatch.setattr(annotated_slides, "BAND_PIXELS", 0)
    monkeypatch.setattr(annotated_slides, "BAND_ROWS", 32)
    asks = iter([False] * 3 + [True])
    with pytest.raises(Stopped):
        read_slides(data, monitor=ProgressMonitor(should_stop=lambda: next(asks)))


def test_upright_boxes_are_no_oriented_ones(tmp_path: Path) -> None:
    images = [f"images/{part}/{number}{part}.png" for part in ("train", "val") for number in range(2)]
    kinds = {"train": "images/train", "val": "images/val"}
    upright = yolo(tmp_path / "boxes", *images, rows="0 0.3 0.5 0.1 0.5\n1 0.7 0.7 0.2 0.2\n", **kinds)
    assert "all training boxes are upright" in said(asked(upright))
    assert "upright" not in said(asked(upright, "boxes"))
    assert "upright" not in said(asked(yolo(tmp_path / "obb", *images, **kinds)))
    assert "upright" not in said(configured(draw_slides(tmp_path), "oriented-boxes"))


@pytest.mark.parametrize("task", ["semantic", "instances"])
def test_outlines_are_not_learnt_from_boxes(tmp_path: Path, task: str) -> None:
    data = draw_slides(tmp_path)
    listed = json.loads(data.read_text())
    del listed["annotations"][0]["segmentation"]
    data.write_text(json.dumps(listed))
    line = "1 specimen is a box without an outline, such as in s0_0.png: treated as a rectangle"
    assert line in "\n".join(dataset.read(configured(data, task)).warnings)
    del listed["annotations"][1]["segmentation"]
    data.write_text(json.dumps(listed))
    with pytest.raises(InputError, match=r"1 image has only boxes, such as s0_0\.png, .* outline their specimens"):
        dataset.read(configured(data, task))
    assert dataset.read(configured(data, "oriented-boxes")).classes


def test_one_class_is_not_named(tmp_path: Path) -> None:
    data = draw_slides(tmp_path)
    for entries, words in (
        ({"one_class": "diatom"}, "only one class to learn, diatom, .*leave one_class out"),
        ({"classes": ("square",)}, "only one class to learn, square, .*name specimens of more taxa"),
        ({"without": ("square",)}, "only one class to learn, needle"),
    ):
        with pytest.raises(InputError, match=words):
            dataset.read(configured(data, "classes", **entries))
        with pytest.raises(InputError, match=words):
            dataset.folds(configured(data, "classes", **entries), 3)


def test_a_scale_that_cannot_be_kept_is_told(tmp_path: Path) -> None:
    data = draw_slides(tmp_path)
    config = configured(data, pixel_size_um=0.1)
    assert "no image has a pixel size, so pixel_size_um has no effect" in "\n".join(dataset.read(config).warnings)
    listed = json.loads(data.read_text())
    for image in listed["images"][:5]:
        image["pixel_size_um"] = 0.2
    data.write_text(json.dumps(listed))
    text = "\n".join(dataset.read(config).warnings)
    assert "3 of 8 images have no pixel size, such as " in text
    assert "pixel size" not in "\n".join(dataset.read(configured(data)).warnings)
