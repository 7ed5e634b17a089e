"""All formats alike: what they say that they hold comes back, and what they do not is told beforehand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers.annotated import boxes, masks, pixels_of, target, write_images
from napari_diatom.core import geometry
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.mask_polygons import fill, trace
from napari_diatom.formats.format_detection import detect
from napari_diatom.formats.label_image.painting import masks_or_filled_boxes
from napari_diatom.formats.lossiness import losses
from napari_diatom.formats.registry import FORMATS, Capability, Format, by_name
from napari_diatom.formats.shared.polygon_repair import bridged, nested, repaired

each_format = pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.name)


def names(part: Annotations) -> list[str]:
    return [part.detections.classes[i] for i in part.detections.class_ids]


@each_format
def test_what_a_format_holds_comes_back(format_: Format, tmp_path: Path) -> None:
    written = [boxes(), masks()]
    images = write_images(tmp_path / "images", *written)
    path = target(tmp_path, format_)
    format_.write(path, written, images)
    assert detect(path).name == format_.name
    read = {part.image: part for part in format_.read(path, images)}
    assert set(read) == {"boxes.png", "masks.png"}
    for part in written:
        back = read[part.image]
        assert (back.height, back.width) == (300, 400)
        if Capability.CLASSES in format_.capabilities and Capability.NAMES in format_.capabilities:
            assert names(back) == names(part)
        if Capability.SCORES in format_.capabilities:
            np.testing.assert_array_equal(back.detections.scores, part.detections.scores)
        if Capability.STATUS in format_.capabilities:
            np.testing.assert_array_equal(back.detections.status, part.detections.status)
        if Capability.CUT in format_.capabilities:
            np.testing.assert_array_equal(back.detections.cut, part.detections.cut)
        if Capability.ORIGIN in format_.capabilities:
            assert back.origins == part.origins
            np.testing.assert_array_equal(back.reviewed, part.reviewed)
    if Capability.ROTATION in format_.capabilities:
        np.testing.assert_allclose(read["boxes.png"].detections.boxes, written[0].detections.boxes, atol=1e-3)
    elif Capability.BOXES in format_.capabilities:
        np.testing.assert_allclose(
            geometry.bounds(read["boxes.png"].detections.boxes), geometry.bounds(written[0].detections.boxes), atol=1e-3
        )
    if Capability.MASKS in format_.capabilities:
        found = masks_or_filled_boxes(read["masks.png"].detections)
        assert [pixels_of(mask) for mask in found] == [pixels_of(mask) for mask in written[1].detections.masks or ()]
        if Capability.BOXES in format_.capabilities:
            assert read["masks.png"].shapes == written[1].shapes


@each_format
def test_images_without_specimens(format_: Format, tmp_path: Path) -> None:
    empty = Annotations.of(Detections.empty(("a", "b")), image="e.png", height=300, width=400)
    images = write_images(tmp_path / "images", empty)
    path = target(tmp_path, format_)
    format_.write(path, [empty], images)
    read = format_.read(path, images)
    assert [(part.image, len(part)) for part in read] == (
        [("e.png", 0)] if Capability.EMPTY in format_.capabilities else []
    )


@each_format
def test_bad_paths_and_sizes(format_: Format, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there"):
        format_.read(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError):
        format_.read(tmp_path / "empty")
    with pytest.raises(InputError):
        detect(tmp_path / "empty")
    images = write_images(tmp_path / "images", boxes())
    with pytest.raises(InputError, match="400 x 300 pixels, but its annotations are for 99 x 98"):
        format_.write(tmp_path / "out", [replace(boxes(), height=98, width=99)], images)
    with pytest.raises(InputError, match=r"no image named 'other\.png'"):
        format_.write(tmp_path / "out", [replace(boxes(), image="other.png")], images)
    assert not (tmp_path / "out").exists()
    if format_.name not in ("geojson", "labelme", "dota", "imagej"):
        with pytest.raises(InputError, match="size"):
            format_.write(tmp_path / "out", [replace(boxes(), height=None, width=None)])


def test_names_are_unique_and_unknown_ones_list_the_choices() -> None:
    assert len({format_.name for format_ in FORMATS}) == len(FORMATS)
    with pytest.raises(InputError, match=r"no format 'yolo_obb'. Did you mean yolo-obb.*Known formats: geojson, coco"):
        by_name("yolo_obb")
    with pytest.raises(InputError, match=r"no format 'xyz'\. Known formats: "):
        by_name("xyz")


def test_losses_are_counted() -> None:
    several = [boxes(12), masks()]
    assert losses(by_name("geojson"), several).text() == "GeoJSON keeps everything."
    text = losses(by_name("yolo"), several).text()
    for words in (
        "YOLO does not keep: 15 rotated boxes become upright",
        "3 outlines become boxes",
        "2 masks have holes",
        "scores of 12 specimens",
        "origin or review of 8 specimens",
    ):
        assert words in text
    found = losses(by_name("yolo-obb"), several)
    status = int((boxes(12).detections.status > 0).sum())
    assert {item.kind: item.count for item in found.items}[Capability.STATUS] == status
    assert f"status other than valve of {status} specimens" in found.text()
    assert bool(found)
    crossed = Annotations.of(Detections.of([[100, 100, 80, 10, 0.5], [100, 100, 80, 10, -0.5]]), height=300, width=400)
    text = losses(by_name("label-tiff"), [crossed]).text()
    assert text == "Label image does not keep: 2 boxes become pixels; 1 specimen lies partly below others."
    assert "spaces in the class names" in losses(by_name("dota"), several).text()
    far = Annotations.of(Detections.of([[200, 150, 900, 5, 0.1]]), height=300, width=400)
    assert "1 specimen far beyond the edge is clipped" in losses(by_name("yolo-obb"), [far]).text()
    stamped = replace(crossed, ids=("a", "b"))
    assert "ids or annotators of 2 specimens" in losses(by_name("coco"), [stamped]).text()


@given(hnp.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))).filter(lambda a: a.any()))
@settings(max_examples=60)
def test_one_ring_holds_holes_and_islands(pixels: np.ndarray) -> None:
    mask = CroppedMask(pixels, 5, 3)
    ring = bridged(trace(mask))
    assert pixels_of(fill(((ring,),))) == pixels_of(mask)
    assert pixels_of(fill(repaired(((ring,),)))) == pixels_of(mask)
    rings = [part for polygon in trace(mask) for part in polygon]
    assert pixels_of(fill(nested(rings))) == pixels_of(mask)


def test_rings_that_cross_themselves_are_repaired() -> None:
    eight = np.array([[0, 0], [40, 40], [40, 0], [0, 40]], dtype=np.float64)
    assert len(repaired(((eight,),))) == 2
    with pytest.raises(InputError, match="without an area"):
        repaired(((np.array([[0, 0], [5, 5], [9, 9]], dtype=np.float64),),))


def test_a_folder_of_several_formats_and_foreign_files(tmp_path: Path) -> None:
    by_name("geojson").write(tmp_path / "a.geojson", [boxes()])
    by_name("labelme").write(tmp_path / "a.json", [boxes()])
    with pytest.raises(InputError, match="several formats: name one of geojson, labelme"):
        detect(tmp_path)
    for name, content in (("a.txt", b"hello"), ("b.json", b"{}"), ("c.bin", b"\xff\xfe\x00"), ("d.zip", b"PK\x03\x04")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match="cannot be detected"):
            detect(tmp_path / name)


def test_names_that_would_meet_or_leave_the_folder(tmp_path: Path) -> None:
    voc = by_name("voc")
    with pytest.raises(InputError, match=r"several are named boxes\.png"):
        voc.write(tmp_path / "out", [boxes(image="a/boxes.png"), boxes(image="b/boxes.png")])
    with pytest.raises(InputError, match="image 1 has no name"):
        voc.write(tmp_path / "out", [boxes(image="..")])
    voc.write(tmp_path / "deep" / "out", [boxes(image="../../x.png")])
    assert [file.name for file in (tmp_path / "deep" / "out").iterdir()] == ["x.xml"]
    with pytest.raises(InputError, match="exists and is not empty"):
        voc.write(tmp_path / "deep" / "out", [boxes()])
    with pytest.raises(InputError, match="there are 2 images: name a folder"):
        voc.write(tmp_path / "a.xml", [boxes(), masks()])
    with pytest.raises(InputError, match="has no splits"):
        voc.write(tmp_path / "b", [boxes()], split={})


def test_images_of_one_name_in_two_folders(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / "images").mkdir(exist_ok=True)
        write_images(tmp_path / "images" / folder, boxes())
    with pytest.raises(InputError, match=r"several images named 'boxes\.png'"):
        by_name("voc").write(tmp_path / "out", [boxes()], tmp_path / "images")
    by_name("voc").write(tmp_path / "out", [boxes(image="two/boxes.png")], tmp_path / "images")
