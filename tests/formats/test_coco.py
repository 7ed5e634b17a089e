"""COCO files: our run lengths are COCO's own, and what is written is read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as reference

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import CUT_BY_EDGE, CroppedMask, Detections
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.formats.coco import codec as coco
from napari_diatom.formats.coco import rle
from napari_diatom.measurement.morphometry import oriented_box

planes = arrays.arrays(bool, st.tuples(st.integers(1, 24), st.integers(1, 24)))


@given(planes, st.tuples(*[st.integers(0, 40)] * 4))
@settings(max_examples=150)
def test_run_lengths_are_those_of_pycocotools(pixels: np.ndarray, margins: tuple[int, int, int, int]) -> None:
    top, bottom, left, right = margins
    full = np.pad(pixels, ((top, bottom), (left, right)))
    height, width = full.shape
    mask = CroppedMask(pixels, left, top)
    counts = rle.encode(mask, height, width)
    text = rle.compress_counts(counts)
    theirs = reference.encode(np.asfortranarray(full.astype(np.uint8)))
    assert text.encode() == theirs["counts"]
    np.testing.assert_array_equal(rle.unpack(text), counts)
    back = rle.decode(counts, height, width)
    assert back.area == mask.area
    if mask.area:
        tight = mask.trimmed()
        assert (back.x0, back.y0) == (tight.x0, tight.y0)
        np.testing.assert_array_equal(back.pixels, tight.pixels)


@given(st.lists(st.integers(0, 10**9), max_size=30))
def test_any_lengths_survive_packing(runs: list[int]) -> None:
    assert rle.unpack(rle.compress_counts(runs)).tolist() == runs


def test_large_images_are_not_unfolded() -> None:
    mask = CroppedMask(np.ones((10, 20), dtype=bool), 99_000, 50_000)
    counts = rle.encode(mask, 100_000, 100_000)
    assert rle.decode(counts, 100_000, 100_000).bounds == mask.bounds


def ring(x0: int, y0: int) -> CroppedMask:
    pixels = np.ones((20, 30), dtype=bool)
    pixels[5:9, 10:20] = False
    return CroppedMask(pixels, x0, y0)


def two_parts(x0: int, y0: int) -> CroppedMask:
    pixels = np.zeros((12, 30), dtype=bool)
    pixels[:, :10] = True
    pixels[3:8, 15:] = True
    return CroppedMask(pixels, x0, y0)


MASKS = (ring(40, 30), two_parts(45, 35), CroppedMask(np.ones((4, 50), dtype=bool), 50, 76))
MASKED = Annotations.of(
    Detections.of(
        [oriented_box(mask) for mask in MASKS],
        class_ids=[1, 0, 1],
        scores=[0.5, 0.25, 1],
        classes=("Navicula", "Cyclotella µ"),
        masks=MASKS,
        cut=[0, 0, CUT_BY_EDGE],
        status=[0, 3, 1],
    ),
    origins=["diatom-maskrcnn 1.0", "diatom-maskrcnn 1.0", "person"],
    reviewed=[False, False, True],
    image="a.tif",
    height=80,
    width=100,
    pixel_size_um=0.125,
)


@pytest.mark.parametrize("segmentation", ["compressed", "uncompressed", "polygons"])
def test_masks_survive_the_file(tmp_path: Path, segmentation: coco.Segmentation) -> None:
    path = tmp_path / "a.json"
    coco.write(path, MASKED, [3, 5, 9], segmentation)
    [back] = coco.read(path)
    for name in ("boxes", "class_ids", "scores", "cut", "status"):
        np.testing.assert_array_equal(getattr(back.detections, name), getattr(MASKED.detections, name))
    assert back.detections.classes == MASKED.detections.classes
    assert (back.origins, back.reviewed.tolist(), back.shapes) == (
        MASKED.origins,
        MASKED.reviewed.tolist(),
        MASKED.shapes,
    )
    assert (back.image, back.height, back.width, back.pixel_size_um) == ("a.tif", 80, 100, 0.125)
    for mask, truth in zip(back.detections.masks or (), MASKS, strict=True):
        assert (mask.x0, mask.y0) == (truth.x0, truth.y0)
        np.testing.assert_array_equal(mask.pixels, truth.pixels)
    data = json.loads(path.read_text(encoding="utf-8"))
    assert [item["id"] for item in data["annotations"]] == [3, 5, 9]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_pycocotools_reads_what_we_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pycocotools.coco import COCO

    for kind in ("compressed", "uncompressed", "polygons"):
        coco.write(tmp_path / "a.json", MASKED, segmentation=kind)  # type: ignore[arg-type]
        theirs = COCO(str(tmp_path / "a.json"))
        for number, truth in enumerate(MASKS, start=1):
            item = theirs.loadAnns([number])[0]
            full = np.zeros((80, 100), dtype=bool)
            full[truth.y0 : truth.y0 + truth.pixels.shape[0], truth.x0 : truth.x0 + truth.pixels.shape[1]] = (
                truth.pixels
            )
            np.testing.assert_array_equal(theirs.annToMask(item).astype(bool), full)
            x0, y0, x1, y1 = truth.bounds
            assert item["bbox"] == [x0, y0, x1 - x0, y1 - y0]
            assert item["area"] == truth.area
    capsys.readouterr()


def test_boxes_survive_the_file_and_images_stay_apart() -> None:
    boxes = Annotations.of(Detections.of([[30, 20, 40, 10, 0.5]]), image="b.tif", height=50, width=60)
    first, second, third = coco.loads(coco.dumps([MASKED, boxes, boxes]))
    assert len(first) == 3
    assert second.shapes == ("rectangle",)
    assert second.detections.masks is None
    np.testing.assert_allclose(second.detections.boxes, boxes.detections.boxes)
    assert third.image == "b.tif"
    empty = Annotations.of(Detections.empty(("a", "b")), image="c", height=5, width=5)
    [again] = coco.loads(coco.dumps(empty))
    assert again.detections.classes == ("a", "b")


def foreign(**change: Any) -> str:
    item = {"id": 8, "image_id": 1, "category_id": 4, "bbox": [10, 20, 30, 10], **change}
    return json.dumps(
        {
            "images": [{"id": 1, "file_name": "x.png", "height": 60, "width": 80}],
            "categories": [{"id": 4, "name": "Pinnularia"}],
            "annotations": [item],
        }
    )


def test_files_of_others() -> None:
    [plain] = coco.loads(foreign())
    assert plain.detections.boxes[0] == pytest.approx([25, 25, 30, 10, 0])
    assert (plain.detections.classes, plain.origins) == (("Pinnularia",), ("person",))
    [overlapping] = coco.loads(foreign(segmentation=[[0, 0, 20, 0, 20, 10, 0, 10], [10, 0, 90, 0, 90, 10, 10, 10]]))
    assert overlapping.detections.masks is not None
    assert overlapping.detections.masks[0].area == 800
    [crowd] = coco.loads(foreign(segmentation={"size": [60, 80], "counts": [60, 30, 4710]}))
    assert crowd.detections.masks is not None
    assert crowd.detections.masks[0].bounds == (1, 0, 2, 30)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"segmentation": {"size": [61, 80], "counts": []}}, r"annotation 8 has a mask of the size \[61, 80\]"),
        ({"segmentation": {"size": [60, 80], "counts": [5, 5]}}, "add up to 10 pixels"),
        ({"segmentation": {"size": [60, 80], "counts": [-5, 4805]}}, "add up"),
        ({"segmentation": {"size": [60, 80], "counts": [4800]}}, "without pixels"),
        ({"segmentation": {"size": [60, 80], "counts": "é"}}, "which COCO does not use"),
        ({"segmentation": {"size": [60, 80], "counts": "P"}}, "ends too early"),
        ({"segmentation": {"size": [60, 80], "counts": [1.5]}}, "whole numbers"),
        ({"segmentation": [[1, 2, 3]]}, "not a list of x and y"),
        ({"segmentation": [[1, 2, 3, 4]]}, "fewer than three"),
        ({"segmentation": "none"}, "neither polygons nor run lengths"),
        ({"segmentation": [[100, 100, 120, 100, 120, 120]]}, "without pixels"),
        ({"image_id": 7}, "names no image"),
        ({"category_id": 7}, "category 7"),
        ({"score": 2}, "score 2"),
        ({"score": "high"}, "not a number"),
        ({"bbox": [1, 2]}, "neither a segmentation nor a bbox"),
        ({"bbox": [1, 2, 0, 3]}, "without an area"),
        ({"attributes": {"status": "odd"}}, "unknown status"),
        ({"attributes": {"cut": 9}}, "cut flags 9"),
    ],
)
def test_damaged_annotations_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        coco.loads(foreign(**change))


def test_what_is_no_coco_and_what_cannot_be_written(tmp_path: Path) -> None:
    for text, message in (
        ("{", "not COCO"),
        ("[]", "lacks the lists"),
        ('{"images": [{"id": 1}], "annotations": []}', "without an id"),
        ('{"images": [], "annotations": [], "categories": [{"id": 1}]}', "category without"),
        ('{"images": [], "annotations": [], "categories": [{"id":1,"name":"a"},{"id":2,"name":"a"}]}', "several"),
    ):
        with pytest.raises(InputError, match=message):
            coco.loads(text)
    with pytest.raises(InputError, match="cannot be read"):
        coco.read(tmp_path / "missing.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        coco.read(tmp_path / "binary.json")
    with pytest.raises(InputError, match="size of the image"):
        coco.dumps(Annotations.of(Detections.empty()))
    small = Annotations.of(MASKED.detections, height=70, width=100)
    with pytest.raises(InputError, match="specimen 3 reach beyond the image of 100 x 70"):
        coco.dumps(small)
    with pytest.raises(InputError, match="different numbers"):
        coco.dumps(MASKED, [1, 1, 2])
    with pytest.raises(OutputError):
        coco.write(tmp_path / "binary.json" / "a.json", MASKED)
