"""Names of files as other systems and programs write them: found, kept apart, or refused in words."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from napari_diatom.cli import main
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.formats.shared.name_index import NameIndex, image_stem
from napari_diatom.project.project import Project
from napari_diatom.project.settings import PROJECT_FILE

RING = [10, 10, 60, 10, 60, 30, 10, 30]


def pictures(folder: Path, *names: str) -> Path:
    """Make grey images of 200 x 150 pixels."""
    for name in names:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (200, 150), 99).save(place, format="PNG")
    return folder


def coco(file: Path, *images: str) -> str:
    """Write a COCO file with a specimen in each image."""
    data: dict[str, Any] = {"categories": [{"id": 1, "name": "Navicula"}], "images": [], "annotations": []}
    for number, name in enumerate(images, start=1):
        data["images"].append({"id": number, "file_name": name, "width": 200, "height": 150})
        data["annotations"].append(
            {"id": number, "image_id": number, "category_id": 1, "segmentation": [RING], "bbox": [10, 10, 50, 20]}
        )
    file.write_text(json.dumps(data), encoding="utf-8")
    return str(file)


def dataset(folder: Path, images: list[str], data: str) -> str:
    """Write a YOLO dataset with a specimen in each image."""
    for name in images:
        pictures(folder / "images", name)
        label = (folder / "labels" / name).with_suffix(".txt")
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text("0 0.175 0.1333 0.25 0.1333\n")
    folder.mkdir(exist_ok=True)
    (folder / "data.yaml").write_text(data)
    return str(folder / "data.yaml")


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("M\u00fcggelsee.2024.05.PNG", unicodedata.normalize("NFD", "M\u00fcggelsee.2024.05.png")),
        (unicodedata.normalize("NFD", "M\u00fcggelsee.png"), "M\u00fcggelsee.png"),
        ("a.JPG", "a.jpg"),
        ("Site.2024.05.png", "Site.2024.05"),
        ("a#b.png", "a#b.png"),
        ("y#2.png", "y#2.png"),
        ("Probe 1 (Kopie).png", "C:\\Bilder\\Probe 1 (Kopie).png"),
    ],
)
def test_an_image_is_found_by_its_name_however_it_is_written(tmp_path: Path, stored: str, asked: str) -> None:
    folder = pictures(tmp_path / "i", stored)
    out = tmp_path / "o"
    assert (
        main(["convert", coco(tmp_path / "a.json", asked), str(out), "--to", "geojson", "--images", str(folder)]) == 0
    )
    [file] = out.iterdir()
    assert unicodedata.normalize("NFC", file.name) == unicodedata.normalize("NFC", f"{image_stem(stored)}.geojson")
    assert main(["project", "new", str(tmp_path / "p"), str(folder), "--annotations", str(tmp_path / "a.json")]) == 0
    with Project.open(tmp_path / "p") as project:
        assert len(project.contents(project.images[0].id).specimens) == 1


@pytest.mark.parametrize(
    "stored",
    [("a/q.png", "b/q.png"), ("q.png", "Q.png"), ("x.png", "x.tif.png"), ("M\u00fc.png", "Mu\u0308.png")],
)
def test_two_images_are_never_under_one_name(tmp_path: Path, stored: tuple[str, str]) -> None:
    folder = pictures(tmp_path / "i", *stored)
    file = coco(tmp_path / "a.json", *stored)
    assert main(["project", "new", str(tmp_path / "p"), str(folder), "--annotations", file]) == 0
    with Project.open(tmp_path / "p") as project:
        assert [len(project.contents(image.id).specimens) for image in project.images] == [1, 1]
        assert len({image.id.casefold() for image in project.images}) == 2


def test_a_name_that_two_images_have_is_refused_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = pictures(tmp_path / "i", "a/q.png", "b/q.png")
    command = ["project", "new", str(tmp_path / "p"), str(folder), "--annotations", coco(tmp_path / "a.json", "q.png")]
    assert main(command) == 2
    assert "several images named 'q.png'" in capsys.readouterr().err
    index = NameIndex([("y.tif#2", 1), ("y#2.png", 2)])
    assert sorted(index.find("y#2")) == [1, 2]


def test_equal_names_in_subfolders_come_into_a_project(tmp_path: Path) -> None:
    data = dataset(tmp_path / "d", ["a/q.png", "b/q.png"], "train: images\nval: images\nnames: [Navicula]\n")
    assert main(["project", "new", str(tmp_path / "p"), str(tmp_path / "d" / "images"), "--annotations", data]) == 0
    with Project.open(tmp_path / "p") as project:
        assert [len(project.contents(image.id).specimens) for image in project.images] == [1, 1]


@pytest.mark.parametrize("there", [False, True])
def test_a_failed_import_leaves_no_project_behind(tmp_path: Path, there: bool) -> None:
    folder = pictures(tmp_path / "i", "q.png")
    place = tmp_path / "new" / "p"
    if there:
        (place / "annotations").mkdir(parents=True)
        (place / "annotations" / "mine.txt").write_text("mine")
    file = coco(tmp_path / "a.json", "other.png")
    # Without a folder the annotations' own sizes and names hold, and only the project can say that an image is missing.
    command = ["project", "new", str(place), str(folder / "q.png"), "--annotations", file]
    assert main(command) == 2
    if there:
        assert [path.name for path in place.rglob("*")] == ["annotations", "mine.txt"]
    else:
        assert not (tmp_path / "new").exists()
    assert main([*command[:-1], coco(tmp_path / "b.json", "q.png")]) == 0
    assert (place / PROJECT_FILE).exists()


def test_a_split_whose_folder_is_missing_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "train: images/train\nval: images/train\ntest: images/test\nnames: [Navicula]\n"
    data = dataset(tmp_path / "d", ["train/q.png"], text)
    assert main(["convert", data, str(tmp_path / "o.json"), "--to", "coco"]) == 0
    assert "warning: " in (said := capsys.readouterr().err)
    assert "'images/test' for test, which is not there" in said
    assert len(json.loads((tmp_path / "o.json").read_text())["annotations"]) == 1
    data = dataset(tmp_path / "e", [], "train: images/train\nval: ../valid/images\nnames: [Navicula]\n")
    assert main(["convert", data, str(tmp_path / "p.json"), "--to", "coco"]) == 2


@pytest.mark.parametrize("name", ["classes.txt", "labels.txt", "README.roboflow.txt", "notes.txt"])
def test_lists_of_classes_beside_labels_are_no_labels(tmp_path: Path, name: str) -> None:
    data = dataset(tmp_path / "d", ["train/q.png"], "train: images/train\nval: images/train\nnames: [Navicula]\n")
    (tmp_path / "d" / "labels" / "train" / name).write_text("Navicula\n")
    assert main(["convert", data, str(tmp_path / "o.json"), "--to", "coco"]) == 0
    assert len(json.loads((tmp_path / "o.json").read_text())["annotations"]) == 1


def test_labels_of_an_image_that_is_called_classes_are_read(tmp_path: Path) -> None:
    data = dataset(tmp_path / "d", ["train/classes.png"], "train: images/train\nval: images/train\nnames: [Navicula]\n")
    assert main(["convert", data, str(tmp_path / "o.json"), "--to", "coco"]) == 0
    assert len(json.loads((tmp_path / "o.json").read_text())["annotations"]) == 1


@pytest.mark.parametrize("to", ["dota", "voc", "labelme", "yolo-obb", "geojson", "label-tiff", "imagej"])
@pytest.mark.parametrize("name", ["a\0b.png", "a\nb.png", "a\x1b[31m.png"])
def test_control_characters_never_get_into_the_name_of_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, to: str
) -> None:
    file = coco(tmp_path / "a.json", name, "b.png")
    assert main(["convert", file, str(tmp_path / "o"), "--to", to]) == 2
    said = capsys.readouterr().err
    assert "control characters" in said
    assert "\x1b" not in said
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("to", ["voc", "geojson"])
def test_a_name_too_long_for_the_disk_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], to: str
) -> None:
    file = coco(tmp_path / "a.json", "x" * 255 + ".png", "b.png")
    assert main(["convert", file, str(tmp_path / "o"), "--to", to]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are not text")
def test_a_name_that_is_not_utf8_is_refused_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = pictures(tmp_path / "i", "b.png")
    os.rename(folder / "b.png", os.fsencode(folder) + b"/a\xff.png")
    assert main(["project", "new", str(tmp_path / "p"), str(folder)]) == 2
    said = capsys.readouterr().err
    assert r"a\xff.png" in said
    assert "not UTF-8" in said
    assert not (tmp_path / "p").exists()


def test_what_is_written_of_a_project_is_read_again(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "i", "Probe #3.2024.png")
    file = coco(tmp_path / "a.json", "Probe #3.2024.png")
    assert main(["project", "new", str(tmp_path / "p"), str(folder), "--annotations", file]) == 0
    [written] = (tmp_path / "p" / "annotations").iterdir()
    assert geojson.read(written).image == "Probe #3.2024.png"
