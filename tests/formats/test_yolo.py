"""Datasets for Ultralytics: it reads what is written, and damage is named with file and line."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.annotated import HEIGHT, WIDTH, boxes, masks, write_images
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError
from napari_diatom.engines.third_party import silence_ultralytics
from napari_diatom.formats.format_detection import detect
from napari_diatom.formats.registry import by_name
from napari_diatom.formats.shared.image_index import Pictures
from napari_diatom.formats.yolo import dataset_layout

NAMES = "names: [a, b]\ntrain: images/train\nval: images/train\n"


def dataset(folder: Path, rows: str, name: str = "x", data: str = NAMES) -> Path:
    """Write a dataset of one image with these rows and return its folder."""
    for kept in ("images", "labels"):
        (folder / kept / "train").mkdir(parents=True, exist_ok=True)
    write_images(folder / "images" / "train", boxes(image="x.png"))
    (folder / "labels" / "train" / f"{name}.txt").write_text(rows, encoding="utf-8")
    (folder / "data.yaml").write_text(data, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ["yolo", "yolo-obb", "yolo-seg"])
def test_ultralytics_takes_the_dataset_as_it_is(name: str, tmp_path: Path) -> None:
    silence_ultralytics()
    from ultralytics.data.utils import check_det_dataset, img2label_paths, verify_image_label

    far = Annotations.of(
        Detections.of([[200, 150, 900, 5, 0.1], [395, 20, 60, 9, 1]]), image="far.png", height=300, width=400
    )
    parts = [boxes(), masks(), far]
    by_name(name).write(tmp_path / "out", parts, write_images(tmp_path / "images", *parts))
    data = check_det_dataset(str(tmp_path / "out" / "data.yaml"), autodownload=False)
    assert data["train"] == data["val"]
    assert list(data["names"].values()) == ["Navicula radiosa", "Nitzschia", "Übrige <&>", "diatom"]
    for part in parts:
        image = str(Path(data["train"]) / part.image)
        [label] = img2label_paths([image])
        # (image, label, prefix, keypoint, number of classes, keypoints, dimensions, single class)
        found = verify_image_label((image, label, "", False, 4, 0, 0, False))
        assert found[0] == image, found[-1]
        assert len(found[1]) == len(part)


def test_images_are_links_and_splits_are_folders(tmp_path: Path) -> None:
    parts = [boxes(image=f"{name}.png") for name in "abc"]
    images = write_images(tmp_path / "images", *parts)
    split = {"a.png": "train", "b.png": "validation", "c.png": "test", "d.png": "train"}
    form = by_name("yolo-obb")
    form.write(tmp_path / "out", parts, images, split)
    assert os.path.samefile(images / "b.png", tmp_path / "out" / "images" / "val" / "b.png")
    text = (tmp_path / "out" / "data.yaml").read_text(encoding="utf-8")
    assert "val: images/val\ntest: images/test\n" in text
    assert [part.image for part in form.read(tmp_path / "out")] == ["a.png", "b.png", "c.png"]
    (tmp_path / "out").rename(tmp_path / "moved")
    assert len(form.read(tmp_path / "moved" / "data.yaml")) == 3
    for bad, words in (
        ({"a.png": "train"}, "does not name the image b.png, c.png"),
        (dict.fromkeys(split, "dev"), "split dev is unknown; use train, val, test"),
        (dict.fromkeys(split, "val"), "No image of the split is in train"),
    ):
        with pytest.raises(InputError, match=words):
            form.write(tmp_path / "bad", parts, images, bad)
    assert not (tmp_path / "bad").exists()
    assert not (tmp_path / ".bad.part").exists()


def test_a_copy_where_the_disk_has_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links")

    monkeypatch.setattr(os, "link", refuse)
    images = write_images(tmp_path / "images", boxes())
    by_name("yolo").write(tmp_path / "out", [boxes()], images)
    copy = tmp_path / "out" / "images" / "train" / "boxes.png"
    assert copy.read_bytes() == (images / "boxes.png").read_bytes()
    assert not os.path.samefile(copy, images / "boxes.png")


def test_what_cannot_be_a_dataset(tmp_path: Path) -> None:
    outside = Annotations.of(Detections.of([[900, 900, 20, 5, 0]]), image="o.png", height=300, width=400)
    with pytest.raises(InputError, match=r"o.png: specimen 1 lies outside its image"):
        by_name("yolo").write(tmp_path / "out", [outside])
    pages = write_images(tmp_path / "images", boxes())
    plane = Image.new("L", (400, 300))
    plane.save(pages / "s.tif", save_all=True, append_images=[plane])
    with pytest.raises(InputError, match=r"has 2 pages, and 's\.tif#3' is not one of them"):
        by_name("yolo").write(tmp_path / "out", [replace(boxes(), image="s.tif#3")], pages)
    with pytest.raises(InputError, match=r"s\.tif#2 is a page of a file of several"):
        by_name("yolo").write(tmp_path / "out", [replace(boxes(), image="s.tif#2")], pages)


def test_scores_backgrounds_and_quadrilaterals_of_others(tmp_path: Path) -> None:
    dataset(tmp_path, "1 0.5 0.5 0.25 0.1 0.75\n\n")
    write_images(tmp_path / "images" / "train", boxes(image="background.png"))
    background, part = by_name("yolo").read(tmp_path)
    assert (background.image, len(background)) == ("background.png", 0)
    np.testing.assert_allclose(part.detections.boxes, [[200, 150, 100, 30, 0]], atol=1e-4)
    assert part.detections.scores[0] == 0.75
    dataset(tmp_path, "0 0.1 0.1 0.3 0.1 0.35 0.2 0.1 0.2\n")
    [_, sheared] = by_name("yolo-obb").read(tmp_path)
    np.testing.assert_allclose(sheared.detections.boxes, [[90, 45, 100, 30, 0]], atol=1e-4)


@pytest.mark.parametrize(
    ("name", "rows", "words"),
    [
        ("yolo", "2 0.5 0.5 0.1 0.1", "class '2', and there are 2"),
        ("yolo", "-1 0.5 0.5 0.1 0.1", "class '-1'"),
        ("yolo", "0 0.5 nan 0.1 0.1", "coordinate 'nan', which is not a number"),
        ("yolo", "0 0.5 0.5 0.1", "has 3 coordinates"),
        ("yolo", "0 0.5 0.5 0 0.1", "without an area"),
        ("yolo", "0 5.5 0.5 0.1 0.1", "outside its image of 400 x 300"),
        ("yolo", "0 0.5 0.5 0.1 0.1 7", "score 7"),
        ("yolo-obb", "0 0.1 0.1 0.2 0.2 0.3 0.3 0.4 0.4", "without an area"),
        ("yolo-seg", "0 0.1 0.1 0.2 0.2 0.3 0.3", "without an area"),
        ("yolo-seg", "0 0.1 0.1 0.1001 0.1 0.1001 0.1001", "contains no pixel's centre"),
        ("yolo-seg", "0 0.1 0.1 0.2", "has 3 coordinates"),
    ],
)
def test_damaged_rows_are_named(name: str, rows: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"data.yaml has damaged annotations: x.txt line 2 .*{words}"):
        by_name(name).read(dataset(tmp_path, f"\n{rows}\n"))


def test_damaged_datasets(tmp_path: Path) -> None:
    form = by_name("yolo")
    with pytest.raises(InputError, match=r"y\.txt has no image"):
        form.read(dataset(tmp_path, "", "y"))
    many = "9 0 0 1 1\n" * 5
    with pytest.raises(InputError, match="line 3 has the class '9', and there are 2 classes from 0; and 2 more"):
        form.read(dataset(tmp_path / "many", many))
    for data, words in (
        ("names: {0: a, 2: b}\ntrain: images/train", "from 0 on"),
        ("names: [a, a]\ntrain: images/train", "several classes of one name"),
        ("names: [a]", "does not name a folder of images"),
        ("names: [a]\ntrain: images/elsewhere", "'images/elsewhere', which is not there"),
        ("names: [a]\ntrain: list.txt", "'list.txt', which is not there"),
        ("names: [a]\ntrain: 7", "train that is neither a folder nor a list"),
        ("[1, 2]", "does not list class names"),
        ("a: [", "is not a YOLO dataset: while parsing"),
    ):
        with pytest.raises(InputError, match=words):
            form.read(dataset(tmp_path / "data", "", data=data))


def scatter(folder: Path, *images: str, row: str = "0 0.5 0.5 0.2 0.1\n") -> Path:
    """Write images, and labels where ``labels`` stands for ``images`` in their paths; return the folder."""
    for image in images:
        place = folder / image
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (WIDTH, HEIGHT)).save(place)
        label = folder / "labels".join(image.rsplit("images", 1)).replace(".png", ".txt")
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text(row, encoding="utf-8")
    return folder


def splits(folder: Path) -> dict[str, tuple[str, ...]]:
    return {member.name: member.splits for member in dataset_layout.members(folder, Pictures())}


def test_subfolders_belong_to_a_split(tmp_path: Path) -> None:
    scatter(tmp_path, "images/train/a.png", "images/train/slide X/b.png", "images/val/deep/images/c.png")
    (tmp_path / "images" / "train" / ".hidden").mkdir()
    Image.new("L", (9, 9)).save(tmp_path / "images" / "train" / ".hidden" / "h.png")
    (tmp_path / "data.yaml").write_text("names: [a]\ntrain: images/train\nval: images/val\n")
    assert splits(tmp_path) == {"a.png": ("train",), "b.png": ("train",), "c.png": ("val",)}
    assert [len(part) for part in by_name("yolo").read(tmp_path)] == [1, 1, 1]
    assert len(by_name("yolo").read(tmp_path, tmp_path / "images")) == 3


def test_splits_may_be_lists_of_images(tmp_path: Path) -> None:
    scatter(tmp_path, "images/a.png", "images/b.png", "images/c.png")
    (tmp_path / "labels" / "c.txt").unlink()
    (tmp_path / "train.txt").write_text(f"./images/a.png\n\n{tmp_path / 'images' / 'c.png'}\n")
    (tmp_path / "val.txt").write_text("images/b.png\nimages/a.png\n")
    (tmp_path / "data.yaml").write_text("names: [a]\ntrain: train.txt\nval: [val.txt]\n")
    assert splits(tmp_path) == {"a.png": ("train", "val"), "b.png": ("val",), "c.png": ("train",)}
    form = detect(tmp_path)
    assert [len(part) for part in form.read(tmp_path)] == [1, 1, 0]
    (tmp_path / "val.txt").write_text("images/b.png\nimages/z.png\n")
    with pytest.raises(InputError, match=r"val\.txt line 2 names the image 'images/z\.png', which is not there"):
        form.read(tmp_path)


def test_folders_that_roboflow_names_one_level_too_high_are_found(tmp_path: Path) -> None:
    scatter(tmp_path / "set", "train/images/a.png", "valid/images/b.png")
    (tmp_path / "set" / "data.yaml").write_text("names: [a]\ntrain: ../train/images\nval: ../valid/images\n")
    assert splits(tmp_path / "set") == {"a.png": ("train",), "b.png": ("val",)}
    (tmp_path / "data.yaml").write_text("path: set\nnames: [a]\ntrain: train/images\nval: ../train/images\n")
    assert splits(tmp_path) == {"a.png": ("train", "val")}


def test_images_of_two_splits_may_have_one_name(tmp_path: Path) -> None:
    scatter(tmp_path, "images/train/0.png", "images/train/1.png", row="")
    scatter(tmp_path, "images/val/0.png")
    (tmp_path / "data.yaml").write_text("names: [a]\ntrain: images/train\nval: images/val\n")
    assert splits(tmp_path) == {"1.png": ("train",), "train/0.png": ("train",), "val/0.png": ("val",)}
    form = by_name("yolo")
    for images in (None, tmp_path / "images"):
        assert [(part.image, len(part)) for part in form.read(tmp_path, images)] == [
            ("1.png", 0),
            ("train/0.png", 0),
            ("val/0.png", 1),
        ]
    (tmp_path / "flat").mkdir()
    for name in "01":
        (tmp_path / "images" / "train" / f"{name}.png").rename(tmp_path / "flat" / f"{name}.png")
    with pytest.raises(InputError, match=r"train.0\.txt and .*val.0\.txt are for one image, 0\.png"):
        form.read(tmp_path, tmp_path / "flat")


def test_why_a_dataset_cannot_be_read_is_told(tmp_path: Path) -> None:
    for rows, data, words in (
        ("0 0.5 0.5 0.1 0.1\n0 0 0 1 0 1 1 0 1\n", NAMES, "label rows of 5, 9 numbers"),
        ("0 1 2\n", NAMES, "label rows of 3 numbers"),
        ("", "names: [a]\n", "does not name a folder of images"),
        ("", "train: images/train\n", "does not list class names"),
        ("", "a: [", "is not a YOLO dataset: while parsing"),
    ):
        folder = dataset(tmp_path, rows, data=data)
        for path in (folder, folder / "data.yaml"):
            with pytest.raises(InputError, match=words):
                detect(path)
