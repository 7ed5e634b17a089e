"""What other annotation programs write, and what this project makes of it: kept, or said not to be."""

from __future__ import annotations

import csv
import io
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from roifile import ROI_TYPE, ImagejRoi

from napari_diatom.cli import app as cli
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import STATUSES, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.formats.lossiness import losses
from napari_diatom.formats.registry import FORMATS, Capability, Layout, by_name

RING = [[10, 10], [60, 10], [60, 30], [10, 30]]
FLAT = [value for point in RING for value in point]
Words = pytest.CaptureFixture[str]


def pictures(folder: Path, *names: str) -> Path:
    """Write images of 200 x 150 px and return their folder."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (200, 150), 99).save(folder / name, format="PNG")
    return folder


def stack(folder: Path, axes: str = "TYX", pages: int = 3) -> Path:
    """Write a stack as ImageJ does and return its folder."""
    folder.mkdir()
    tifffile.imwrite(folder / "q.tif", np.full((pages, 150, 200), 99, np.uint8), imagej=True, metadata={"axes": axes})
    return folder


def converted(source: Path, images: Path | None, capsys: Words, to: str = "coco") -> tuple[list[Annotations], str]:
    """Convert by the command line, and return what was written and everything that was said."""
    form = by_name(to)
    out = source.parent / (f"out{form.suffixes[0]}" if form.layout is Layout.ONE_FILE else "out")
    more = ["--images", str(images)] if images else []
    capsys.readouterr()
    assert cli.main(["convert", str(source), str(out), "--to", to, *more]) == 0
    said = capsys.readouterr()
    return form.read(out, images), said.out + said.err


def classes(part: Annotations) -> list[str]:
    return [part.detections.classes[i] for i in part.detections.class_ids.tolist()]


def statuses(part: Annotations) -> list[str]:
    return [STATUSES[i] for i in part.detections.status.tolist()]


def feature(classification: Any, **more: Any) -> dict[str, Any]:
    shape = {"type": "Polygon", "coordinates": [[*RING, RING[0]]]}
    return {"type": "Feature", "geometry": shape, "properties": {"classification": classification, **more}}


def collection(path: Path, *features: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path


# ---- QuPath's derived classes


@pytest.mark.parametrize(
    ("classification", "name", "status"),
    [
        ({"names": ["Navicula", "broken"], "color": [1, 2, 3]}, "Navicula", "broken"),
        ({"names": ["Navicula", "big"], "color": [1, 2, 3]}, "Navicula: big", "valve"),
        ({"names": ["Navicula", "big", "girdle"]}, "Navicula: big", "girdle"),
        ({"name": "Navicula: broken", "colorRGB": -1}, "Navicula", "broken"),
        ("Navicula: big", "Navicula: big", "valve"),
        ({"name": "broken"}, "broken", "valve"),
        ({"names": []}, "diatom", "valve"),
    ],
)
def test_derived_classes_are_a_class_and_a_status(
    classification: Any, name: str, status: str, tmp_path: Path, capsys: Words
) -> None:
    images = pictures(tmp_path / "i", "q.png")
    [part], _ = converted(collection(tmp_path / "q.geojson", feature(classification)), images, capsys)
    assert (classes(part), statuses(part)) == ([name], [status])


def test_derived_classes_go_back_as_qupath_writes_them(tmp_path: Path, capsys: Words) -> None:
    images = pictures(tmp_path / "i", "q.png")
    asked = [["Navicula", "broken"], ["Navicula", "big"], ["Nitzschia", "big", "girdle"]]
    source = collection(tmp_path / "q.geojson", *(feature({"names": names}) for names in asked))
    converted(source, images, capsys, "geojson")
    written = json.loads((tmp_path / "out" / "q.geojson").read_text(encoding="utf-8"))["features"]
    assert [item["properties"]["classification"]["names"] for item in written] == asked
    # QuPath prefers "name" where there are both, and takes it apart.
    assert written[1]["properties"]["classification"]["name"] == "Navicula: big"


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("name", ["Navicula", "Navicula: big", "Navicula: broken", "a: valve", "broken", "a: ", ": a"])
def test_own_classes_that_look_derived_come_back(name: str, status: str) -> None:
    found = Detections.of([[50, 50, 20, 5, 0.3]], classes=(name,), status=[STATUSES.index(status)])
    back = geojson.loads(geojson.dumps(Annotations.of(found)))
    assert (classes(back), statuses(back)) == ([name], [status])


def test_derived_classes_are_counted_by_a_project(tmp_path: Path, capsys: Words) -> None:
    images = pictures(tmp_path / "i", "q.png")
    source = collection(
        tmp_path / "q.geojson", feature({"names": ["Navicula", "broken"]}), feature({"name": "Eunotia"})
    )
    project = str(tmp_path / "p")
    assert cli.main(["project", "new", project, str(images), "--annotations", str(source)]) == 0
    capsys.readouterr()
    assert cli.main(["project", "stats", project]) == 0
    table = capsys.readouterr().out
    assert "Navicula" in table
    assert "broken" in table
    assert "Navicula: broken" not in table


# ---- what is not a specimen is said, and never a reason to refuse the rest


def coco(path: Path, *items: dict[str, Any], categories: Any = None, images: Any = None) -> Path:
    listed = images or [{"id": 1, "file_name": "q.png", "width": 200, "height": 150}]
    base = {"image_id": 1, "category_id": 1, "segmentation": [FLAT], "bbox": [10, 10, 50, 20], "area": 1000}
    annotations = [{**base, "id": i, "iscrowd": 0, **item} for i, item in enumerate(items, start=1)]
    named = categories or [{"id": 1, "name": "Navicula"}]
    data = {"images": listed, "categories": named, "annotations": annotations}
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def cvat(path: Path, *shapes: str) -> Path:
    image = f'<image id="0" name="q.png" width="200" height="150">{"".join(shapes)}</image>'
    path.write_text(f"<annotations><version>1.1</version>{image}</annotations>", encoding="utf-8")
    return path


def labelme(path: Path, *shapes: dict[str, Any]) -> Path:
    listed = [{"label": "a", **shape} for shape in shapes]
    data = {"shapes": listed, "imagePath": "q.png", "imageHeight": 150, "imageWidth": 200}
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


BOX = '<box label="Navicula" xtl="10" ytl="10" xbr="60" ybr="30"/>'


def test_crowd_regions_are_left_out_and_said(tmp_path: Path, capsys: Words) -> None:
    crowd = {"iscrowd": 1, "segmentation": {"size": [150, 200], "counts": [3000, 4000, 23000]}}
    source = coco(tmp_path / "a.json", {}, crowd, {"iscrowd": 1, "segmentation": [FLAT]})
    [part], said = converted(source, pictures(tmp_path / "i", "q.png"), capsys)
    assert len(part) == 1
    assert "2 crowd regions" in said


def test_crowd_regions_of_biigle_are_left_out_too(tmp_path: Path, capsys: Words) -> None:
    images = [{"id": 1, "file_name": "q.png", "width": 200, "height": 150, "longitude": None, "latitude": None}]
    source = coco(tmp_path / "a.json", {}, {"iscrowd": 1, "segmentation": {}}, images=images)
    [part], said = converted(source, None, capsys)
    assert len(part) == 1
    assert "1 crowd region:" in said


def test_kinds_of_cvat_without_an_area_are_left_out_and_said(tmp_path: Path, capsys: Words) -> None:
    others = (
        '<tag label="blurred" source="manual"/>',
        '<points label="a" points="1,2;3,4"/>',
        '<polyline label="a" points="1,2;3,4"/>',
        '<cuboid label="a" xtl1="1"/>',
        '<skeleton label="a"><points label="b" points="1,2"/></skeleton>',
    )
    [part], said = converted(cvat(tmp_path / "a.xml", BOX, *others), pictures(tmp_path / "i", "q.png"), capsys)
    assert len(part) == 1
    assert "1 cuboid, 1 group of points, 1 polyline, 1 skeleton, 1 tag" in said


def test_points_and_lines_of_every_program_are_left_out_and_said(tmp_path: Path, capsys: Words) -> None:
    images = pictures(tmp_path / "i", "q.png")
    point = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}, "properties": {}}
    sources = [collection(tmp_path / "q.geojson", point, feature("a"))]
    shapes = [
        {"label": "a", "points": [[1, 2]], "shape_type": "point"},
        {"label": "a", "points": RING, "shape_type": "polygon"},
    ]
    sources.append(labelme(tmp_path / "q.json", *shapes))
    sources.append(biigle(tmp_path / "q.csv", row(1, "a", shape="Point", points=[1, 2]), row(2, "a")))
    points = ImagejRoi.frompoints(np.array([[1.0, 2], [3, 4]]))
    points.roitype = ROI_TYPE.POINT
    sources.append(zipped(tmp_path / "q.zip", {"1.roi": points.tobytes(), "2.roi": roi("a")}))
    for number, source in enumerate(sources):
        (tmp_path / str(number)).mkdir()
        [part], said = converted(source.rename(tmp_path / str(number) / source.name), images, capsys)
        assert (source.name, len(part)) == (source.name, 1)
        assert "1 point" in said


def test_a_project_says_what_is_left_out(tmp_path: Path, capsys: Words) -> None:
    images = pictures(tmp_path / "i", "q.png")
    source = cvat(tmp_path / "a.xml", BOX, '<tag label="blurred"/>')
    command = ["project", "new", str(tmp_path / "p"), str(images), "--annotations", str(source)]
    assert cli.main(command) == 0
    assert "1 tag" in "".join(capsys.readouterr())


def test_videos_are_refused_in_words(tmp_path: Path, capsys: Words) -> None:
    (tmp_path / "a.xml").write_text("<annotations><track id='0' label='a'><box/></track></annotations>")
    assert cli.main(["convert", str(tmp_path / "a.xml"), str(tmp_path / "out.json"), "--to", "coco"]) == 2
    assert "CVAT for images" in capsys.readouterr().err


# ---- what CVAT turns


@pytest.mark.parametrize("segmentation", [[], [FLAT], None])
def test_boxes_in_cvats_coco_are_turned(segmentation: Any, tmp_path: Path, capsys: Words) -> None:
    source = coco(tmp_path / "a.json", {"segmentation": segmentation, "attributes": {"rotation": 30.0}})
    [part], _ = converted(source, pictures(tmp_path / "i", "q.png"), capsys)
    assert part.shapes == ("rectangle",)
    np.testing.assert_allclose(part.detections.boxes[0], [35, 20, 50, 20, math.radians(30)], atol=1e-4)


def test_outlines_in_cvats_coco_are_not_turned_again(tmp_path: Path, capsys: Words) -> None:
    turned = [20.0, 5, 60, 30, 50, 45, 12, 20]
    source = coco(tmp_path / "a.json", {"segmentation": [turned], "attributes": {"rotation": 30.0}})
    [part], _ = converted(source, pictures(tmp_path / "i", "q.png"), capsys)
    assert part.shapes == ("polygon",)
    np.testing.assert_allclose(part.detections.masks[0].bounds, [12, 5, 60, 45], atol=1)


def test_a_rotation_that_is_no_number_is_refused(tmp_path: Path) -> None:
    source = coco(tmp_path / "a.json", {"segmentation": [], "attributes": {"rotation": "thirty"}})
    with pytest.raises(InputError, match=r"annotation 1 has the rotation 'thirty'"):
        by_name("coco").read(source)


def test_ellipses_of_cvat_are_outlines(tmp_path: Path, capsys: Words) -> None:
    source = cvat(tmp_path / "a.xml", '<ellipse label="a" cx="100" cy="75" rx="40" ry="15" rotation="20"/>', BOX)
    [part], _ = converted(source, pictures(tmp_path / "i", "q.png"), capsys)
    assert part.shapes == ("polygon", "rectangle")
    np.testing.assert_allclose(part.detections.boxes[0, :4], [100, 75, 80, 30], atol=0.5)
    assert part.detections.boxes[0, 4] == pytest.approx(math.radians(20), abs=0.01)
    assert part.detections.masks[0].area == pytest.approx(math.pi * 40 * 15, rel=0.01)


# ---- labels and annotations that share a name


def row(annotation: int, name: str, parent: str = "", shift: int = 0, **change: Any) -> dict[str, Any]:
    points = change.pop("points", [value + shift * (i % 2 == 0) for i, value in enumerate(FLAT)])
    return {
        "label_name": name,
        "label_hierarchy": f"{parent} > {name}" if parent else name,
        "filename": change.get("filename", "q.png"),
        "shape_name": change.get("shape", "Rectangle"),
        "points": json.dumps(points),
        "attributes": json.dumps({"width": 200, "height": 150}),
        "annotation_id": annotation,
    }


def biigle(path: Path, *rows: dict[str, Any]) -> Path:
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]))
    table.writeheader()
    table.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def test_labels_of_one_name_are_told_apart_by_their_parents(tmp_path: Path, capsys: Words) -> None:
    rows = [row(1, "sp. 1", "Navicula"), row(2, "sp. 1", "Nitzschia", 60), row(3, "sp. 2", "Navicula", 120)]
    [part], _ = converted(biigle(tmp_path / "a.csv", *rows), pictures(tmp_path / "i", "q.png"), capsys)
    assert classes(part) == ["Navicula > sp. 1", "Nitzschia > sp. 1", "sp. 2"]


def test_categories_of_one_name_are_told_apart_by_their_supercategories(tmp_path: Path, capsys: Words) -> None:
    named = [{"id": i, "name": "sp. 1", "supercategory": name} for i, name in enumerate(("Navicula", "Nitzschia"), 1)]
    source = coco(tmp_path / "a.json", {}, {"category_id": 2}, categories=named)
    [part], _ = converted(source, None, capsys)
    assert classes(part) == ["Navicula > sp. 1", "Nitzschia > sp. 1"]
    with pytest.raises(InputError, match=r"several categories named sp\. 1"):
        by_name("coco").read(coco(tmp_path / "b.json", {}, categories=[named[0], {**named[0], "id": 2}]))


def test_one_annotation_number_with_other_points_is_another_specimen(tmp_path: Path, capsys: Words) -> None:
    rows = [row(1, "a"), row(1, "a", shift=60), row(1, "a"), row(1, "a", filename="r.png")]
    parts, _ = converted(biigle(tmp_path / "a.csv", *rows), pictures(tmp_path / "i", "q.png", "r.png"), capsys)
    assert [(part.image, len(part)) for part in parts] == [("q.png", 2), ("r.png", 1)]


def test_one_specimen_with_labels_of_two_parents_is_refused(tmp_path: Path) -> None:
    rows = [row(1, "sp. 1", "Navicula"), row(1, "sp. 1", "Nitzschia")]
    with pytest.raises(InputError, match=r"line 3 gives annotation 1 the label 'Nitzschia > sp\. 1'"):
        by_name("biigle-csv").read(biigle(tmp_path / "a.csv", *rows))


# ---- stacks


def roi(name: str = "", shift: int = 0, **position: int) -> bytes:
    region = ImagejRoi.frompoints(np.array(RING, float) + np.array([shift, 0]))
    region.roitype = ROI_TYPE.POLYGON
    region.name = name
    for key, value in position.items():
        setattr(region, key, value)
    return bytes(region.tobytes())


def zipped(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, data in entries.items():
            file.writestr(name, data)
    return path


THREE = ["q.tif", "q.tif#2", "q.tif#3"]


@pytest.mark.parametrize(
    "positions",
    [
        [{"position": 1}, {"position": 2}, {"position": 3}],
        [{"c_position": 2, "z_position": 5, "t_position": t} for t in (1, 2, 3)],
    ],
    ids=["slices", "hyperstack"],
)
def test_regions_lie_on_the_field_of_their_slice(
    positions: list[dict[str, int]], tmp_path: Path, capsys: Words
) -> None:
    regions = {f"{i}.roi": roi(f"{i:04d}", 20 * i, **where) for i, where in enumerate(positions)}
    parts, _ = converted(zipped(tmp_path / "q.zip", regions), stack(tmp_path / "i"), capsys)
    assert [part.image for part in parts] == THREE
    assert [float(part.detections.boxes[0, 0].round()) for part in parts] == [35, 55, 75]


def test_regions_of_old_versions_have_their_slice_in_their_name(tmp_path: Path, capsys: Words) -> None:
    regions = {f"000{i}-0020-0035.roi": roi(f"000{i}-0020-0035") for i in (2, 3)}
    parts, _ = converted(zipped(tmp_path / "q.zip", regions), stack(tmp_path / "i"), capsys)
    assert [part.image for part in parts] == THREE[1:]


def test_a_slice_that_the_image_has_not_is_refused(tmp_path: Path) -> None:
    source = zipped(tmp_path / "q.zip", {"1.roi": roi(position=4)})
    with pytest.raises(InputError, match=r"region 1\.roi lies on field 4, and q\.tif has 3"):
        by_name("imagej").read(source, stack(tmp_path / "i"))


def test_slices_of_one_picture_are_that_picture(tmp_path: Path, capsys: Words) -> None:
    source = zipped(tmp_path / "q.zip", {f"{i}.roi": roi(position=i) for i in (1, 2, 3)})
    [part], _ = converted(source, pictures(tmp_path / "i", "q.png"), capsys)
    assert (part.image, len(part)) == ("q.png", 3)


def test_fields_come_back_from_a_zip_each_with_their_slice(tmp_path: Path) -> None:
    images = stack(tmp_path / "i")
    one = Detections.of([[50, 50, 20, 5, 0.3]])
    parts = [Annotations.of(one, image=name) for name in THREE]
    by_name("imagej").write(tmp_path / "out", parts, images)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["q#2.zip", "q#3.zip", "q.zip"]
    with zipfile.ZipFile(tmp_path / "out" / "q#3.zip") as file:
        assert ImagejRoi.frombytes(file.read(file.namelist()[0])).position == 3
    assert sorted(part.image for part in by_name("imagej").read(tmp_path / "out", images)) == THREE


@pytest.mark.parametrize("imagej", [True, False])
def test_pages_of_label_images_are_fields(imagej: bool, tmp_path: Path, capsys: Words) -> None:
    labels = np.zeros((3, 150, 200), np.uint16)
    for page in range(3):
        labels[page, 10:30, 10 + 40 * page : 60 + 40 * page] = 1 + page
    more: Any = {"imagej": True, "metadata": {"axes": "TYX"}} if imagej else {"compression": "zlib"}
    tifffile.imwrite(tmp_path / "q.tif", labels, photometric="minisblack", **more)
    parts, _ = converted(tmp_path / "q.tif", stack(tmp_path / "i"), capsys)
    assert [part.image for part in parts] == THREE
    assert [float(part.detections.boxes[0, 0].round()) for part in parts] == [35, 75, 115]


def test_more_label_pages_than_the_image_has_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "q.tif", np.ones((3, 150, 200), np.uint16), photometric="minisblack")
    with pytest.raises(InputError, match="has 1 page, and"):
        by_name("label-tiff").read(tmp_path / "q.tif", pictures(tmp_path / "i", "q.png"))


# ---- zip files as systems make them


@pytest.mark.parametrize(
    "clutter",
    [
        {"RoiSet/": b"", "__MACOSX/RoiSet/._a.roi": b"\0\5\x16\7" + b"\0" * 90, "RoiSet/.DS_Store": b"x"},
        {"._a.roi": b"\0\5\x16\7", "Thumbs.db": b"x"},
        {"deep/er/desktop.ini": b"x", "deep/er/": b""},
    ],
)
def test_what_systems_add_to_a_zip_is_no_region(clutter: dict[str, bytes], tmp_path: Path, capsys: Words) -> None:
    source = zipped(tmp_path / "q.zip", {**clutter, "RoiSet/Navicula.ROI": roi("Navicula")})
    [part], _ = converted(source, pictures(tmp_path / "i", "q.png"), capsys)
    assert classes(part) == ["Navicula"]


def test_a_zip_that_grows_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "q.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for i in range(40):
            file.writestr(f"{i}.roi", bytes(2**20))
    with pytest.raises(InputError, match="would grow to 40 MB"):
        by_name("imagej").read(path)


# ---- names


NAMES = (
    "Navicula, cf. cryptocephala",
    "a; b",
    'say "x"',
    "it's",
    "  lead and trail  ",
    "line\nbreak",
    "carriage\rreturn",
    "tab\there",
    "two  blanks",
    "Übrige 硅藻 \U0001d507",
    "line\u2028separator \x85",
    "#hash",
    "null",
    "1",
    "yes",
    "a: b",
    "back\\slash",
    "name 0",
    "<&>",
    "Navicula > sp. 1",
    "   ",
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.name)
def test_a_class_is_kept_or_said_to_change(format_: Any, name: str, tmp_path: Path) -> None:
    if Capability.CLASSES not in format_.capabilities:
        return
    images = pictures(tmp_path / "i", "q.png")
    boxes = [[50, 50, 20, 5, 0.3], [90, 50, 20, 5, 0.3]]
    part = Annotations.of(Detections.of(boxes, [0, 1], classes=(name, "other")), image="q.png", height=150, width=200)
    path = tmp_path / (f"out{format_.suffixes[0]}" if format_.layout is Layout.ONE_FILE else "out")
    format_.write(path, [part], images)
    [back] = format_.read(path, images)
    assert classes(back) == [format_.spelling(name), "other"]
    said = losses(format_, [part]).text()
    assert ("class names of 1" in said) == (classes(back)[0] != name)


def test_images_that_differ_in_their_suffix_alone_keep_it(tmp_path: Path, capsys: Words) -> None:
    images = pictures(tmp_path / "i", "a.png", "a.jpg", "a.png.tif", "b.png")
    names = ["a.png", "a.jpg", "a.png.tif", "b.png"]
    listed = [{"id": i, "file_name": name, "width": 200, "height": 150} for i, name in enumerate(names, start=1)]
    items = [{"image_id": i, "bbox": [10, 10, 20 + 10 * i, 20], "segmentation": []} for i in range(1, 5)]
    source = coco(tmp_path / "a.json", *items, images=listed)
    for to in ("voc", "dota", "labelme", "geojson", "imagej"):
        parts, _ = converted(source, images, capsys, to)
        assert {part.image: float(part.detections.boxes[0, 2].round()) for part in parts} == {
            "a.png": 30,
            "a.jpg": 40,
            "a.png.tif": 50,
            "b.png": 60,
        }
        (tmp_path / "out").rename(tmp_path / to)


def test_two_names_for_one_image_are_refused(tmp_path: Path, capsys: Words) -> None:
    images = pictures(tmp_path / "i", "a.png")
    listed = [{"id": i, "file_name": name, "width": 200, "height": 150} for i, name in enumerate(("a", "a.png"), 1)]
    source = coco(tmp_path / "a.json", {}, {"image_id": 2}, images=listed)
    command = ["convert", str(source), str(tmp_path / "out"), "--to", "voc", "--images", str(images)]
    assert cli.main(command) == 2
    assert "'a' and 'a.png' both match the image a.png" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# ---- what claims to be large


def test_huge_boxes_are_refused_or_cut_without_being_painted(tmp_path: Path, capsys: Words) -> None:
    cells = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), (0, 0, 9e6, 9e6), strict=True))
    head = "<filename>q.png</filename><size><width>200</width><height>150</height></size>"
    (tmp_path / "q.xml").write_text(
        f"<annotation>{head}<object><name>a</name><bndbox>{cells}</bndbox></object></annotation>"
    )
    assert cli.main(["convert", str(tmp_path / "q.xml"), str(tmp_path / "o.json"), "--to", "coco"]) == 2
    assert "object 1 spans 9000000 x 9000000 pixels" in capsys.readouterr().err
    source = coco(tmp_path / "a.json", {"segmentation": [], "bbox": [0, 0, 9e6, 9e6]})
    with pytest.raises(InputError, match="spans 9000000 x 9000000 pixels"):
        by_name("coco").read(source)
    source = coco(tmp_path / "b.json", {"segmentation": [], "bbox": [-10000, -10000, 60000, 60000]}, {})
    [part], _ = converted(source, pictures(tmp_path / "i", "q.png"), capsys, "label-tiff")
    assert part.detections.masks[0].area + part.detections.masks[1].area == 200 * 150


def test_run_lengths_of_huge_images_cost_their_mask_alone(tmp_path: Path) -> None:
    side = 2**19
    huge = [{"id": 1, "file_name": "q.png", "width": side, "height": side}]
    counts = [side * 5 + 7, 9, side - 9, 9, side * side - side * 6 - 16]
    source = coco(tmp_path / "a.json", {"segmentation": {"size": [side, side], "counts": counts}}, images=huge)
    [part] = by_name("coco").read(source)
    assert part.detections.masks[0].bounds == (5, 7, 7, 16)
    assert part.detections.masks[0].pixels.all()
    everything = {"segmentation": {"size": [side, side], "counts": [0, side * side]}}
    with pytest.raises(InputError, match="absurdly large"):
        by_name("coco").read(coco(tmp_path / "b.json", everything, images=huge))
    for counts_ in ([2**63, 2**63], [10**400], "~" * 5, "o" * 100_000):
        with pytest.raises(InputError, match="annotation 1 has"):
            by_name("coco").read(coco(tmp_path / "c.json", {"segmentation": {"size": [150, 200], "counts": counts_}}))


def test_outlines_that_cross_themselves_without_end_are_repaired_on_the_pixels(tmp_path: Path) -> None:
    tangle = np.random.default_rng(0).uniform(0, 149, (20_000, 2)).round(2).tolist()
    path = labelme(tmp_path / "q.json", {"points": tangle, "shape_type": "polygon"})
    [part] = by_name("labelme").read(path)
    assert part.detections.masks[0].area == pytest.approx(149 * 149 / 2, rel=0.1)


def test_outlines_of_too_many_points_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "q.json"
    many = ",".join(["1,1"] * 1_000_001)
    path.write_text(
        '{"images": [{"id": 1, "file_name": "q.png", "width": 200, "height": 150}], "categories": [{"id": 1, "name": '
        f'"a"}}], "annotations": [{{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[{many}]]}}]}}'
    )
    with pytest.raises(InputError, match="absurdly many"):
        by_name("coco").read(path)


def test_label_images_that_claim_much_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "q.tif") as file:
        empty = (b"" for _ in range(10_000))
        file.write(empty, shape=(25_600, 25_600), dtype=np.uint16, tile=(256, 256), compression="zlib", metadata=None)
    with pytest.raises(InputError, match="would decode to 1,250 MB"):
        by_name("label-tiff").read(tmp_path / "q.tif")


def test_half_of_a_character_is_refused_in_every_json(tmp_path: Path) -> None:
    source = coco(tmp_path / "a.json", {}, categories=[{"id": 1, "name": "\ud800"}])
    with pytest.raises(InputError, match="half of a character"):
        by_name("coco").read(source)
    with pytest.raises(InputError, match="half of a character"):
        geojson.read(collection(tmp_path / "a.geojson", feature({"name": "\udfff"})))
    assert geojson.read(collection(tmp_path / "b.geojson", feature({"name": "\U0001d507"}))).detections.classes


@pytest.mark.parametrize("to", ["yolo-seg", "biigle-csv", "biigle-coco"])
def test_noise_is_written_as_one_ring_and_read_back_at_once(to: str, tmp_path: Path, capsys: Words) -> None:
    noise = np.random.default_rng(0).random((200, 150)) < 0.6
    noise[0, 0] = True
    counts = [0, *np.diff(np.flatnonzero(np.diff(noise.ravel().astype(int), prepend=-1, append=-1))).tolist()]
    images = pictures(tmp_path / "i", "q.png")
    source = coco(tmp_path / "a.json", {"segmentation": {"size": [150, 200], "counts": counts}})
    [part], _ = converted(source, images, capsys, to)
    back = np.zeros((150, 200), dtype=bool)
    mask = part.detections.masks[0]
    back[mask.y0 : mask.y0 + mask.pixels.shape[0], mask.x0 : mask.x0 + mask.pixels.shape[1]] = mask.pixels
    np.testing.assert_array_equal(back, noise.T)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_regions_that_cannot_be_unpacked_are_refused(method: int, tmp_path: Path) -> None:
    path = tmp_path / "q.zip"
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("1.roi", roi("a"))
    data = bytearray(path.read_bytes())
    data[50:90] = b"\x07" * 40
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"q\.zip is not ImageJ ROI"):
        by_name("imagej").read(path)


def test_a_composite_without_its_path_is_refused(tmp_path: Path) -> None:
    data = bytearray(roi("a"))
    data[36:40] = (8).to_bytes(4, "big")
    with pytest.raises(InputError, match=r"region q"):
        by_name("imagej").read(_file(tmp_path / "q.roi", bytes(data[:64])))


def _file(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


# ---- numbers beyond all images, and text beyond all lines


def test_circles_and_ellipses_beyond_all_numbers_are_refused(tmp_path: Path) -> None:
    """Their radius is one, but none of their points is."""
    far = {"label": "a", "shape_type": "circle", "points": [[1e300, 10], [-1e300, 10]]}
    (tmp_path / "q.json").write_text(
        json.dumps({"imagePath": "q.png", "imageHeight": 150, "imageWidth": 200, "shapes": [far]})
    )
    (tmp_path / "q.xml").write_text(
        '<annotations><image id="0" name="q.png" width="200" height="150">'
        '<ellipse label="a" cx="10" cy="10" rx="1e308" ry="1e308"/></image></annotations>'
    )
    head = "annotation_label_id,label_name,filename,shape_name,points,attributes,annotation_id\n"
    (tmp_path / "q.csv").write_text(head + '1,a,q.png,Ellipse,"[1e308,0,-1e308,0,0,1e308,0,-1e308]",,1\n')
    for name, format_ in (("q.json", "labelme"), ("q.xml", "cvat"), ("q.csv", "biigle-csv")):
        with pytest.raises(InputError, match="absurdly large"):
            by_name(format_).read(tmp_path / name, pictures(tmp_path / "i", "q.png"))


@pytest.mark.parametrize("huge", [10**400, -(10**400)])
def test_whole_numbers_beyond_all_floats_are_refused(huge: int, tmp_path: Path) -> None:
    ring = [[huge, 0], [20, 0], [20, 10], [0, 10], [huge, 0]]
    properties = {"box": [10, 5, 20, 10, 0], "classification": {"name": "a"}}
    feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": properties}
    (tmp_path / "q.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    (tmp_path / "coco.json").write_text(coco(tmp_path / "a.json", {"bbox": [huge, 0, 20, 10]}).read_text())
    for name, format_ in (("q.geojson", "geojson"), ("coco.json", "coco")):
        with pytest.raises(InputError):
            by_name(format_).read(tmp_path / name, pictures(tmp_path / "i", "q.png"))


def test_rotations_beyond_all_turns_are_refused(tmp_path: Path) -> None:
    source = coco(
        tmp_path / "a.json", {"bbox": [10, 10, 20, 10], "segmentation": [], "attributes": {"rotation": 1e300}}
    )
    with pytest.raises(InputError, match=r"rotation 1e\+300, which is absurdly large"):
        by_name("coco").read(source, pictures(tmp_path / "i", "q.png"))


def test_messages_stay_one_line_whatever_they_quote(tmp_path: Path) -> None:
    head = "annotation_label_id,label_name,filename,shape_name,points,attributes,annotation_id\n"
    (tmp_path / "q.csv").write_text(head + '1,a,q.png,"Square\n\x1b[2J",[],,1\n')
    shape = {"label": "a", "shape_type": "square\r\nroot:", "points": [[1, 1], [2, 2]]}
    (tmp_path / "q.json").write_text(
        json.dumps({"imagePath": "q.png", "imageHeight": 150, "imageWidth": 200, "shapes": [shape]})
    )
    (tmp_path / "q.txt").write_text("1 1 2 1 2 2 1 2 a\x85b zero\n")
    for name, format_ in (("q.csv", "biigle-csv"), ("q.json", "labelme"), ("q.txt", "dota")):
        with pytest.raises(InputError) as caught:
            by_name(format_).read(tmp_path / name, pictures(tmp_path / "i", "q.png"))
        assert str(caught.value).isprintable()


def test_names_that_differ_in_capitals_alone_get_files_of_their_own(tmp_path: Path, capsys: Words) -> None:
    images = pictures(tmp_path / "i", "a.png", "A.jpg")
    listed = [{"id": i, "file_name": name, "width": 200, "height": 150} for i, name in enumerate(("a.png", "A.jpg"), 1)]
    source = coco(tmp_path / "a.json", {}, {"image_id": 2}, images=listed)
    for to in ("voc", "dota", "labelme", "geojson", "imagej"):
        out = tmp_path / to
        assert cli.main(["convert", str(source), str(out), "--to", to, "--images", str(images)]) == 0
        names = [file.stem for file in out.iterdir()]
        assert len({name.casefold() for name in names}) == len(names)
    capsys.readouterr()


@pytest.mark.parametrize("to", ["voc", "dota", "imagej"])
def test_names_that_some_systems_take_for_one_are_refused(to: str, tmp_path: Path, capsys: Words) -> None:
    images = pictures(tmp_path / "i", "a.png", "A.png")
    listed = [{"id": i, "file_name": name, "width": 200, "height": 150} for i, name in enumerate(("a.png", "A.png"), 1)]
    source = coco(tmp_path / "a.json", {}, {"image_id": 2}, images=listed)
    assert cli.main(["convert", str(source), str(tmp_path / "out"), "--to", to, "--images", str(images)]) == 2
    assert "are the same name" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
