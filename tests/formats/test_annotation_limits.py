"""Numbers, texts and names in annotation files that go beyond what any program means: told in one line, at once."""

from __future__ import annotations

import json
import logging
import math
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_diatom.cli import app as cli
from napari_diatom.core.errors import InputError
from napari_diatom.formats.registry import by_name

FLAT = [10, 10, 60, 10, 60, 30, 10, 30]
RING = [[10, 10], [60, 10], [60, 30], [10, 30], [10, 10]]
HUGE = 10**400
Words = pytest.CaptureFixture[str]


def coco(folder: Path, *names: str, size: tuple[int, int] = (150, 200), **change: Any) -> Path:
    """Write a COCO file of a box on each image."""
    images = [{"id": i, "file_name": n, "height": size[0], "width": size[1]} for i, n in enumerate(names, 1)]
    item = {"category_id": 1, "bbox": [10, 10, 50, 20], "area": 1000, "iscrowd": 0, "segmentation": []}
    items = [{**item, "id": image["id"], "image_id": image["id"], **change} for image in images]
    path = folder / "coco.json"
    path.write_text(json.dumps({"images": images, "categories": [{"id": 1, "name": "a"}], "annotations": items}))
    return path


def cvat(folder: Path, shape: str) -> Path:
    path = folder / "cvat.xml"
    path.write_text(f'<annotations><image id="0" name="q.png" width="200" height="150">{shape}</image></annotations>')
    return path


def labelme(folder: Path, **shape: Any) -> Path:
    path = folder / "labelme.json"
    shapes = [{"label": "a", **shape}]
    path.write_text(json.dumps({"shapes": shapes, "imagePath": "q.png", "imageHeight": 150, "imageWidth": 200}))
    return path


def geojson(folder: Path, ring: Any, kind: str = "Polygon", **properties: Any) -> Path:
    path = folder / "q.geojson"
    feature = {"type": "Feature", "geometry": {"type": kind, "coordinates": [ring]}, "properties": properties}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path


def biigle(folder: Path, shape: str, points: Any = FLAT, name: str = "a") -> Path:
    path = folder / "biigle.csv"
    quoted = ('"' + text.replace('"', '""') + '"' for text in (name, "q.png", shape, json.dumps(points)))
    path.write_text(f"label_name,filename,shape_name,points\n{','.join(quoted)}\n")
    return path


def voc(folder: Path, cells: str) -> Path:
    path = folder / "voc.xml"
    path.write_text(
        f"<annotation><filename>q.png</filename><object><name>a</name><robndbox>{cells}</robndbox></object></annotation>"
    )
    return path


def yolo(folder: Path, rows: str) -> Path:
    """Write a data set of one image."""
    for name in ("images/train", "labels/train"):
        (folder / "set" / name).mkdir(parents=True)
    Image.new("L", (200, 150), 99).save(folder / "set" / "images" / "train" / "q.png")
    (folder / "set" / "labels" / "train" / "q.txt").write_text(rows)
    (folder / "set" / "data.yaml").write_text("train: images/train\nnames: [a]\n")
    return folder / "set" / "data.yaml"


def refusal(path: Path, capsys: Words, *more: str) -> str:
    """Return the one line with which the command line refuses a file."""
    assert cli.main(["convert", str(path), str(path.parent / "out.json"), "--to", "coco", *more]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert len(said) < 2000
    return said


def rotated(x: str) -> str:
    return f"<cx>{x}</cx><cy>20</cy><w>40</w><h>10</h><angle>0.5</angle>"


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda at: labelme(at, shape_type="circle", points=[[30, 30], [1e308, -1e308]]), "shape 1 .*absurdly large"),
        (lambda at: labelme(at, shape_type="circle", points=[[30, 30], [1e308, 5]]), "shape 1 .*absurdly large"),
        (lambda at: labelme(at, shape_type="rectangle", points=[[1e308, 5], [1.1e308, 9]]), "shape 1 .*absurdly"),
        (lambda at: biigle(at, "Circle", [30, 30, 1e308]), "line 2 .*absurdly large"),
        (lambda at: biigle(at, "Ellipse", [1e308, 1, -1e308, 1, 1, 2, 3, 4]), "line 2 .*absurdly large"),
        (lambda at: cvat(at, '<ellipse label="a" cx="9" cy="9" rx="1e308" ry="4"/>'), "rx '1e308', .*absurdly large"),
        (lambda at: cvat(at, '<box label="a" xtl="1e308" ytl="1" xbr="1.1e308" ybr="9"/>'), "xtl '1e308', .*absurdly"),
        (lambda at: voc(at, rotated("1e308")), "cx '1e308', which is absurdly large"),
        (lambda at: yolo(at, "0 1e308 0.5 0.1 0.1\n"), "line 1 has the coordinate '1e308', which is absurdly large"),
        (lambda at: coco(at, "q.png", bbox=[1e308, 1, 1e308, 5]), "annotation 1 .*absurdly large"),
        (lambda at: geojson(at, [[1e308, 1], *RING[1:4], [1e308, 1]]), "feature 1 .*absurdly large"),
    ],
)
def test_numbers_that_overflow_are_refused_in_every_format(
    write: Any, words: str, tmp_path: Path, capsys: Words
) -> None:
    assert re.search(words, refusal(write(tmp_path), capsys))


@pytest.mark.parametrize("place", ["first", "second"])
def test_whole_numbers_beyond_all_floats_are_refused_where_a_box_is_compared(
    place: str, tmp_path: Path, capsys: Words
) -> None:
    corner = [HUGE, 10] if place == "first" else [10, HUGE]
    path = geojson(tmp_path, [corner, *RING[1:4], corner], box=[35, 20, 50, 20, 0.0])
    assert "feature 1 has coordinates that are not numbers" in refusal(path, capsys)


@pytest.mark.parametrize("value", [5, 1e308, "a", None, True, {}, [], [[[]]], [5], HUGE])
def test_anything_in_place_of_a_list_of_points_is_refused(value: Any, tmp_path: Path, capsys: Words) -> None:
    for path, place in (
        (geojson(tmp_path, value), "feature 1 has "),
        (labelme(tmp_path, points=value), "shape 1 has "),
        (biigle(tmp_path, "Polygon", value), "line 2 has "),
        (coco(tmp_path, "q.png", segmentation=[value]), "annotation 1 has "),
    ):
        assert place in refusal(path, capsys)


def test_stored_boxes_beyond_all_images_give_way_to_the_geometry(tmp_path: Path) -> None:
    for kind in ("rectangle", "polygon"):
        path = geojson(tmp_path, RING, box=[1e308, 1e308, 1e308, 1e308, 0.0], shape=kind)
        [part] = by_name("geojson").read(path)
        np.testing.assert_allclose(part.detections.boxes[0], [35, 20, 50, 20, 0], atol=1e-4)


@pytest.mark.parametrize("turn", [1e300, -1e300, 1e9, HUGE])
def test_rotations_of_countless_turns_are_refused(turn: float, tmp_path: Path, capsys: Words) -> None:
    path = coco(tmp_path, "q.png", attributes={"rotation": turn})
    assert "annotation 1 has " in (said := refusal(path, capsys))
    assert "absurdly large" in said
    shapes = 'xtl="1" ytl="1" xbr="40" ybr="9"', 'cx="30" cy="30" rx="20" ry="4"'
    for tag, edges in zip(("box", "ellipse"), shapes, strict=True):
        path = cvat(tmp_path, f'<{tag} label="a" {edges} rotation="{turn}"/>')
        assert "rotation" in refusal(path, capsys)
    path = voc(tmp_path, f"<cx>30</cx><cy>20</cy><w>40</w><h>10</h><angle>{turn}</angle>")
    assert "object 1 has " in refusal(path, capsys)


def test_rotations_of_a_few_turns_are_the_same_box(tmp_path: Path) -> None:
    for turn in (30, 390, -330, 3630):
        [part] = by_name("coco").read(coco(tmp_path, "q.png", attributes={"rotation": turn}))
        assert part.detections.boxes[0, 4] == pytest.approx(math.radians(30), abs=1e-5)


LINES = "star\n\x1b]0;title\x07" + "x" * 100_000


@pytest.mark.parametrize(
    "write",
    [
        lambda at: biigle(at, LINES),
        lambda at: labelme(at, shape_type=LINES, points=RING),
        lambda at: labelme(at, points=RING, attributes={"status": LINES}),
        lambda at: geojson(at, RING, kind=LINES),
        lambda at: geojson(at, RING, classification={"name": ["a", {"b": LINES}]}),
        lambda at: geojson(at, RING, status=LINES),
        lambda at: coco(at, "q.png", category_id=LINES),
        lambda at: coco(at, "q.png", attributes={"rotation": LINES}),
        lambda at: coco(at, LINES, LINES),
        lambda at: yolo(at, "x" * 100_000 + " 0.5 0.5 0.1 0.1\n"),
        lambda at: cvat(at, f'<box label="a" xtl="{"x&#10;" * 50_000}" ytl="1" xbr="4" ybr="9"/>'),
        lambda at: cvat(at, f"<{'x' * 100_000}/>"),
    ],
)
def test_texts_of_a_file_are_told_in_one_line_of_bounded_length(write: Any, tmp_path: Path, capsys: Words) -> None:
    path = write(tmp_path)
    assert "\x1b" not in refusal(path, capsys)
    with pytest.raises(InputError) as caught:
        by_name({"biigle.csv": "biigle-csv", "labelme.json": "labelme", "q.geojson": "geojson", "coco.json": "coco",
                 "data.yaml": "yolo", "cvat.xml": "cvat"}[path.name]).read(path)  # fmt: skip
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_the_name_of_a_file_is_told_in_one_line(tmp_path: Path) -> None:
    for name in ("coco", "geojson", "cvat", "biigle-csv", "imagej", "label-tiff"):
        with pytest.raises(InputError) as caught:
            by_name(name).read(tmp_path / "a\nb\x1b[2J")
        assert "a\\x0ab\\x1b[2J is not there" in str(caught.value)


def test_a_warning_of_a_file_is_one_line_whatever_its_name(tmp_path: Path, capsys: Words) -> None:
    path = cvat(tmp_path, '<tag label="a"/>').rename(tmp_path / "a\nb\x1b[2J.xml")
    images = yolo(tmp_path, "").parent / "images"
    assert cli.main(["convert", str(path), str(tmp_path / "out.json"), "--to", "coco"]) == 0
    assert cli.main(["project", "new", str(tmp_path / "p"), str(images), "--annotations", str(path)]) == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if "1 tag" in line]
    assert len(warnings) == 2
    assert all("a\\x0ab\\x1b[2J.xml also has 1 tag" in line for line in warnings)


@pytest.mark.parametrize("command", ["convert", "project"])
def test_what_a_library_logs_of_a_file_is_not_said(
    command: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="tifffile")
    labels = np.zeros((150, 200), np.uint16)
    labels[10:30, 10:60] = 1
    path = tmp_path / "q.tif"
    tifffile.imwrite(path, labels, metadata=None, resolutionunit=2)
    data = bytearray(path.read_bytes())
    at = data.index(b"\x28\x01\x03\x00")
    data[at + 8 : at + 10] = b"\xff\xff"
    path.write_bytes(data)
    if command == "convert":
        assert cli.main(["convert", str(path), str(tmp_path / "out.json"), "--to", "coco"]) == 0
    else:
        images = yolo(tmp_path, "").parent / "images"
        assert cli.main(["project", "new", str(tmp_path / "p"), str(images), "--annotations", str(path)]) == 0
    assert not [record for record in caplog.records if record.name == "tifffile"]


def test_rows_of_several_kinds_are_named_by_file_and_line(tmp_path: Path, capsys: Words) -> None:
    path = yolo(
        tmp_path, "0 0.5 0.5 0.1 0.1\n0 0.5 0.5 0.1 0.2\n\n0 0.1 0.1 0.5 0.1 0.5 0.5\n0 0.1 0.1 0.5 0.1 0.5 0.5\n"
    )
    said = refusal(path, capsys)
    label = path.parent / "labels" / "train" / "q.txt"
    assert f"label rows of 5, 7 numbers (5 in {label} line 1, 7 in {label} line 4)" in said


@pytest.mark.parametrize("names", [("A.png", "a.png"), ("\u00e9.png", "e\u0301.png"), ("STRASSE.png", "straße.png")])
@pytest.mark.parametrize("to", ["voc", "labelme", "dota", "imagej", "geojson", "label-tiff", "yolo"])
def test_files_that_one_disk_in_two_takes_for_the_same_are_not_written(
    names: tuple[str, str], to: str, tmp_path: Path, capsys: Words
) -> None:
    source = coco(tmp_path, *names)
    assert cli.main(["convert", str(source), str(tmp_path / "out"), "--to", to]) == 2
    assert "are the same name: rename one" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_images_that_differ_in_capitals_and_suffix_keep_the_suffix(tmp_path: Path) -> None:
    source = coco(tmp_path, "A.png", "a.jpg", "b.png")
    assert cli.main(["convert", str(source), str(tmp_path / "out"), "--to", "voc"]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["A.png.xml", "a.jpg.xml", "b.xml"]


@pytest.mark.parametrize("size", [(150, 9_000_000), (9_000_000, 200)])
def test_label_images_of_long_images_are_written_at_once(size: tuple[int, int], tmp_path: Path) -> None:
    source = coco(tmp_path, "q.png", size=size)
    began = time.monotonic()
    assert cli.main(["convert", str(source), str(tmp_path / "q.tif"), "--to", "label-tiff"]) == 0
    assert time.monotonic() - began < 4
    with tifffile.TiffFile(tmp_path / "q.tif") as file:
        page = file.pages.first
        assert page.shape == size
        file.filehandle.seek(page.dataoffsets[0])
        tile, _, _ = page.decode(file.filehandle.read(page.databytecounts[0]), 0)
    assert int(tile.sum()) == 50 * 20


def test_label_images_beyond_all_slides_are_refused(tmp_path: Path, capsys: Words) -> None:
    source = coco(tmp_path, "q.png", size=(400_000, 400_000))
    assert cli.main(["convert", str(source), str(tmp_path / "q.tif"), "--to", "label-tiff"]) == 2
    assert "400,000 x 400,000 pixels is absurdly large" in capsys.readouterr().err
    assert not (tmp_path / "q.tif").exists()
