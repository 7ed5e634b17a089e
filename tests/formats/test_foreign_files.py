"""Files as other programs write them, and damage in each format, named by its place."""

from __future__ import annotations

import base64
import io
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from roifile import ROI_TYPE, ImagejRoi

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError
from napari_diatom.formats.format_detection import detect
from napari_diatom.formats.registry import by_name

SQUARE = [[10.0, 20.0], [50.0, 20.0], [50.0, 30.0], [10.0, 30.0]]
TURNED = [20.36, 11.34, 57.11, 22.71, 55.63, 27.49, 18.88, 16.12]
"""Corners of a box as BIIGLE rounds them."""


def read(name: str, path: Path, content: str | bytes) -> Annotations:
    """Write a file and read its one image."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    [part] = by_name(name).read(path)
    return part


def voc(*objects: str, size: str = "<size><width>80</width><height>60</height></size>") -> str:
    return f"<annotation><filename>x.png</filename>{size}{''.join(objects)}</annotation>"


def bndbox(*edges: object, name: str = "a") -> str:
    cells = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), edges, strict=True))
    return f"<object><name>{name}</name><bndbox>{cells}</bndbox></object>"


def test_voc(tmp_path: Path) -> None:
    rotated = (
        "<object><name>b</name><robndbox><cx>30</cx><cy>20</cy><w>4</w><h>20</h><angle>0.5</angle></robndbox></object>"
    )
    part = read("voc", tmp_path / "x.xml", voc(bndbox(10, 20, 50, 30.5), rotated))
    np.testing.assert_allclose(part.detections.boxes[0], [30, 25.25, 40, 10.5, 0])
    np.testing.assert_allclose(part.detections.boxes[1], [30, 20, 20, 4, 0.5 - math.pi / 2], atol=1e-6)
    assert (part.detections.classes, part.image, part.height) == (("a", "b"), "x.png", 60)
    for content, words in (
        (voc(bndbox(1, 2, "x", 4)), "object 1 has the xmax 'x', which is not a number"),
        (voc(bndbox(9, 2, 3, 4)), "object 1 has a box without an area"),
        (voc(bndbox(100, 2, 110, 4)), "object 1 lies outside its image of 80 x 60"),
        (voc("<object><name>a</name></object>"), "object 1 has no bndbox"),
        (voc(*[bndbox(9, 2, 3, 4)] * 5), "object 3 has a box without an area; and 2 more"),
        ("<other/>", "its root is 'other'"),
        ("<annotation>", "is not Pascal VOC"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>', "document type"),
        ('<?xml version="1.0" encoding="none"?><annotation/>', "is not Pascal VOC"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            read("voc", tmp_path / "bad.xml", content)
        assert "bad.xml" in str(caught.value)


def labelme(*shapes: dict[str, Any]) -> str:
    listed = [{"label": "a", **shape} for shape in shapes]
    return json.dumps({"shapes": listed, "imagePath": "..\\deep\\x.png", "imageHeight": 60, "imageWidth": 80})


def test_labelme(tmp_path: Path) -> None:
    png = io.BytesIO()
    Image.fromarray(np.array([[0, 255, 255], [255, 255, 0]], dtype=np.uint8)).save(png, "PNG")
    part = read(
        "labelme",
        tmp_path / "x.json",
        labelme(
            {"points": SQUARE, "shape_type": "rectangle", "score": None},
            {"points": [[10, 10], [14, 10], [14, 40], [10, 40]], "shape_type": "rectangle"},
            {"points": np.reshape(TURNED, (4, 2)).tolist(), "shape_type": "rotation", "direction": 0.3, "score": 0.5},
            {"points": SQUARE[:3], "shape_type": "polygon", "group_id": 4},
            {"points": [[60, 40], [70, 40], [70, 50]], "shape_type": "polygon", "group_id": 4},
            {"points": [[40, 40], [45, 40]], "shape_type": "circle"},
            {"points": [[5, 6], [7, 7]], "shape_type": "mask", "mask": base64.b64encode(png.getvalue()).decode()},
        ),
    )
    assert (part.image, part.shapes) == ("x.png", ("rectangle",) * 3 + ("polygon",) * 3)
    assert part.detections.masks is not None
    np.testing.assert_allclose(part.detections.boxes[1], [12, 25, 30, 4, -math.pi / 2], atol=1e-6)
    assert part.detections.boxes[2, 4] == pytest.approx(0.3, abs=1e-3)
    assert part.detections.scores.tolist() == [1, 1, 0.5, 1, 1, 1]
    assert len(part.outlines[3] or ()) == 2
    assert part.detections.masks[4].area == pytest.approx(math.pi * 25, abs=6)
    assert (part.detections.masks[5].area, part.detections.masks[5].bounds) == (4, (5, 6, 8, 8))
    for shape, words in (
        ({"points": [[1, 2]], "shape_type": "star"}, "shape 1 is a star, which is not a known LabelMe shape"),
        ({"points": "abc"}, "not a list of x and y"),
        ({"points": [[1, 2], [3, float("nan")], [4, 5]]}, "NaN"),
        ({"points": [[1, 2], [3, 4]]}, "of 2 points"),
        ({"points": SQUARE, "attributes": {"status": "odd"}}, "unknown status 'odd'"),
        ({"points": SQUARE, "score": "high"}, "score 'high'"),
        ({"points": [[1, 2], [3, 4]], "shape_type": "mask", "mask": "????"}, "not PNG"),
    ):
        with pytest.raises(InputError, match=rf"bad.json has damaged annotations: shape 1 .*{words}|{words}"):
            read("labelme", tmp_path / "bad.json", labelme(shape))
    with pytest.raises(InputError, match='lacks the list "shapes"'):
        read("labelme", tmp_path / "bad.json", "[]")


HEADER = (
    "annotation_label_id,label_id,label_name,label_hierarchy,image_id,filename,shape_id,shape_name,points,attributes,"
    "annotation_id"
)


def biigle(
    *rows: tuple[str, Any, int], attributes: str = '"{""width"":80,""height"":60,""mimetype"":""image/png""}"'
) -> str:
    lines = [
        f'{i},1,Pinnularia,"Bacillaria > Pinnularia",7,x.png,5,{shape},"{json.dumps(points)}",{attributes},{number}'
        for i, (shape, points, number) in enumerate(rows)
    ]
    return "\n".join([HEADER, *lines]) + "\n"


def test_biigle_csv(tmp_path: Path) -> None:
    part = read(
        "biigle-csv",
        tmp_path / "x.csv",
        biigle(
            ("Rectangle", TURNED, 1),
            ("Rectangle", TURNED, 1),
            ("Polygon", TURNED, 2),
            ("Polygon", [10, 10, 40, 10, 40, 30], 3),
            ("Circle", [30, 30, 8], 4),
            ("Ellipse", [10, 20, 30, 14, 50, 20, 30, 26], 5),
        ),
    )
    assert part.shapes == ("rectangle",) * 2 + ("polygon",) * 3
    assert part.detections.classes == ("Pinnularia",)
    np.testing.assert_allclose(part.detections.boxes[0, 2:], [38.47, 5, 0.3], atol=0.01)
    np.testing.assert_allclose(part.detections.boxes[4, :4], [30, 20, 40, 12], atol=0.8)
    assert detect(tmp_path / "x.csv").name == "biigle-csv"
    for content, words in (
        (biigle(("Star", [1, 2], 1)), "line 2 is a Star, which is not a known BIIGLE shape"),
        (biigle(("Polygon", [1, 2, 3], 1)), "line 2 has an outline that is not a list"),
        (biigle(("Circle", [1, 2], 1)), "are not 3 numbers"),
        (biigle(("Polygon", TURNED, 1), attributes="{"), "attributes that are not JSON"),
        (biigle(("Polygon", TURNED, 1), ("Polygon", TURNED, 1)).replace("1,1,Pinn", "1,1,Cymb"), "'Cymbularia', but"),
        ("a,b\n1,2\n", "lacks the columns label_name, filename, shape_name, points"),
        ("", "lacks the columns"),
    ):
        with pytest.raises(InputError, match=words):
            read("biigle-csv", tmp_path / "bad.csv", content)


def biigle_coco(*segmentations: Any, **change: Any) -> str:
    items = [
        {
            "id": i,
            "image_id": 7,
            "category_id": 3,
            "bbox": [0, 0, 1, 1],
            "area": 1,
            "iscrowd": 0,
            "segmentation": [ring],
        }
        for i, ring in enumerate(segmentations)
    ]
    image = {"id": 7, "file_name": "x.png", "height": 60, "width": 80, "longitude": None, "latitude": None}
    data = {"images": [image], "categories": [{"id": 3, "name": "Pinnularia"}], "annotations": items}
    return json.dumps({**data, **change})


def test_biigle_coco(tmp_path: Path) -> None:
    part = read(
        "biigle-coco", tmp_path / "x.json", biigle_coco([*TURNED, *TURNED[:2]], [10, 10, 40, 10, 40, 30, 10, 10])
    )
    assert part.shapes == ("rectangle", "polygon")
    np.testing.assert_allclose(part.detections.boxes[0, 2:], [38.47, 5, 0.3], atol=0.01)
    assert detect(tmp_path / "x.json").name == "biigle-coco"
    with pytest.raises(InputError, match="annotation 2 has an outline of 2 points"):
        read("biigle-coco", tmp_path / "bad.json", biigle_coco(TURNED, [1, 2, 3, 4]))


@pytest.mark.parametrize("key", ["images", "annotations"])
def test_coco_without_one_of_its_lists_is_told_from_other_formats(key: str, tmp_path: Path) -> None:
    whole = json.loads(biigle_coco(TURNED))
    whole["images"] = [{"id": 1, "file_name": "x.png", "height": 60, "width": 80}]
    (tmp_path / "coco.json").write_text(json.dumps({name: value for name, value in whole.items() if name != key}))
    with pytest.raises(InputError, match=f'coco.json is not COCO: it lacks the list "{key}"'):
        detect(tmp_path / "coco.json").read(tmp_path / "coco.json")
    (tmp_path / "coco.json").write_text(json.dumps({"images": whole["images"]}))
    assert detect(tmp_path / "coco.json").name == "coco"
    (tmp_path / "coco.json").write_text(json.dumps(whole)[:-9])
    with pytest.raises(InputError, match=r"coco\.json is damaged or not JSON"):
        detect(tmp_path / "coco.json")


def test_coco_of_anybody(tmp_path: Path) -> None:
    whole = json.loads(biigle_coco(TURNED, TURNED))
    for key, items, words in (
        ("images", whole["images"] * 2, "image 2 has the id 7, like an earlier one"),
        (
            "images",
            [*whole["images"], {**whole["images"][0], "id": 8}],
            "image 2 is named 'x.png', like an earlier one",
        ),
        ("images", [{**whole["images"][0], "id": [7]}], "image 1 has no id"),
        ("images", [{**whole["images"][0], "width": 10**9}], "image 1 has the height 60"),
        ("annotations", [whole["annotations"][0]] * 2, "annotation 2 has the id 0, like an earlier one"),
        ("annotations", [{**whole["annotations"][0], "image_id": 9}], "in the image 9, which the file does not list"),
        ("annotations", [{**whole["annotations"][0], "segmentation": [[1e30] * 8]}], "absurdly large"),
        ("annotations", [{**whole["annotations"][0], "segmentation": [], "bbox": [100, 5, 9, 9]}], "outside its image"),
        ("categories", [{"id": {}, "name": "a"}], "category 1 has no id"),
    ):
        with pytest.raises(InputError, match=words):
            read("coco", tmp_path / "bad.json", json.dumps({**whole, key: items}))


def cvat(*shapes: str, image: str = '<image id="0" name="x.png" width="80" height="60">') -> str:
    return f"<annotations><version>1.1</version>{image}{''.join(shapes)}</image></annotations>"


def test_cvat(tmp_path: Path) -> None:
    edges = 'xtl="10" ytl="20" xbr="50" ybr="30"'
    part = read(
        "cvat",
        tmp_path / "x.xml",
        cvat(
            f'<box label="a" {edges} rotation="30.0"><attribute name="status">girdle</attribute></box>',
            f'<box label="b" {edges}/>',
            '<polygon label="a" points="10,10;40,10;40,30"/>',
            '<mask label="a" rle="1, 2, 2, 1" left="5" top="6" width="3" height="2"/>',
        ),
    )
    np.testing.assert_allclose(part.detections.boxes[0], [30, 25, 40, 10, math.radians(30)], atol=1e-6)
    assert part.detections.status.tolist() == [1, 0, 0, 0]
    assert part.detections.masks is not None
    assert part.detections.masks[3].pixels.tolist() == [[True, True], [False, True]]
    assert part.detections.masks[3].bounds == (6, 6, 8, 8)
    for content, words in (
        (cvat(f'<box label="a" {edges} rotation="x"/>'), "x.png shape 1 has the rotation 'x'"),
        (cvat('<box label="a" xtl="1"/>'), "ytl None, which is not a number"),
        (cvat('<star label="a" points="1,2"/>'), "shape 1 is a star, which is not a known CVAT shape"),
        (cvat('<polygon label="a" points="1,2;3"/>'), "not a list of x and y"),
        (cvat('<mask label="a" rle="1, 2" left="5" top="6" width="3" height="2"/>'), "do not add up"),
        (cvat('<mask label="a" rle="-1, 7" left="5" top="6" width="3" height="2"/>'), "do not add up"),
        (cvat('<mask label="a" rle="6" left="5" top="6" width="3" height="-2"/>'), "mask of 3 x -2"),
        (cvat(image="<image>"), "image 1 has no name"),
        (cvat().replace("</annotations>", '<image name="x.png"/></annotations>'), "image 2 is named 'x.png'"),
        ("<annotations><track/></annotations>", "is for a video"),
    ):
        with pytest.raises(InputError, match=words):
            read("cvat", tmp_path / "bad.xml", content)


def rois(*regions: ImagejRoi) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for i, region in enumerate(regions):
            file.writestr(f"{i}.roi", region.tobytes())
    return stream.getvalue()


def test_imagej(tmp_path: Path) -> None:
    upright = ImagejRoi(roitype=ROI_TYPE.RECT, left=10, top=20, right=50, bottom=30, name="0025-0030")
    oval = ImagejRoi(roitype=ROI_TYPE.OVAL, left=10, top=20, right=50, bottom=30, name="Cymbella-1")
    drawn = ImagejRoi.frompoints([[10, 10], [40, 10], [40, 30]], name="Cymbella")
    part = read("imagej", tmp_path / "x.zip", rois(upright, oval, drawn))
    assert [part.detections.classes[i] for i in part.detections.class_ids] == ["diatom", "Cymbella", "Cymbella"]
    assert part.shapes == ("rectangle", "polygon", "polygon")
    np.testing.assert_allclose(part.detections.boxes[0], [30, 25, 40, 10, 0])
    assert part.detections.masks is not None
    assert part.detections.masks[1].area == pytest.approx(math.pi * 100, abs=8)
    single = read("imagej", tmp_path / "y.roi", drawn.tobytes())
    assert (single.image, len(single), single.height) == ("y", 1, None)
    line = ImagejRoi(roitype=ROI_TYPE.LINE, x1=1, y1=2, x2=3, y2=4)
    assert read("imagej", tmp_path / "z.zip", rois(line, drawn)).left_out == {"line": 1}
    for content, words in (
        (b"PK", "is not ImageJ ROI"),
        (rois(drawn)[:-30], "is not ImageJ ROI"),
        (drawn.tobytes()[:70], "region bad is damaged"),
    ):
        with pytest.raises(InputError, match=words):
            read("imagej", tmp_path / "bad.zip", content)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as file:
        file.writestr("a.txt", "hello")
    with pytest.raises(InputError, match="holds files that are not regions"):
        by_name("imagej").read(tmp_path / "other.zip")


def test_imagej_keeps_names_of_any_script(tmp_path: Path) -> None:
    name = 'Größe: 1 \\ "\U0001d507"\n2'
    part = Annotations.of(Detections.of([[30, 20, 20, 5, 0.3]], classes=(name,)), image="x")
    by_name("imagej").write(tmp_path / "x.zip", [part])
    [back] = by_name("imagej").read(tmp_path / "x.zip")
    assert back.detections.classes == (name,)


def test_dota(tmp_path: Path) -> None:
    rows = "imagesource:GoogleEarth\ngsd:0.1\n10 20 50 20 50 30 10 30 small-vehicle 1\n10,20,50,20,50,30,10,30,b,0\n"
    part = read("dota", tmp_path / "x.txt", rows)
    assert part.detections.classes == ("b", "small-vehicle")
    np.testing.assert_allclose(part.detections.boxes, [[30, 25, 40, 10, 0]] * 2)
    assert detect(tmp_path / "x.txt").name == "dota"
    for row, words in (("1 2 3 a 0", "line 1 has 5 cells"), ("1 2 3 4 x 6 7 8 a 0", "not a list of x and y")):
        with pytest.raises(InputError, match=words):
            read("dota", tmp_path / "bad.txt", row)
    two = Annotations.of(Detections.empty(("a b", "a_b")), image="x")
    with pytest.raises(InputError, match="two of these classes are one"):
        by_name("dota").write(tmp_path / "out", [two])


def test_xml_holds_no_control_characters(tmp_path: Path) -> None:
    part = Annotations.of(Detections.of([[30, 20, 20, 5, 0]], classes=("a\x00b",)), image="x", height=60, width=80)
    for name in ("voc", "cvat"):
        with pytest.raises(InputError, match="control character"):
            by_name(name).write(tmp_path / "x.xml", [part])
    assert not (tmp_path / "x.xml").exists()


def test_label_images_that_are_none(tmp_path: Path) -> None:
    for content, words in ((b"II*\x00\x08\x00\x00\x00", "bad.tif"), (b"hello", "not an image")):
        with pytest.raises(InputError, match=words):
            read("label-tiff", tmp_path / "bad.tif", content)
