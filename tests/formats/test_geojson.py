"""GeoJSON: what is written is read again, edits made elsewhere are kept, damage is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.core.mask_polygons import fill, trace
from napari_diatom.core.taxa import Name, Names
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.formats.lossiness import losses
from napari_diatom.formats.registry import by_name


def boxes(n: int = 50, seed: int = 0) -> Detections:
    rng = np.random.default_rng(seed)
    table = np.column_stack([rng.uniform(0, 5000, (n, 2)), rng.uniform(3, 900, (n, 2)), rng.uniform(-9, 9, n)])
    return Detections.of(
        table,
        rng.integers(0, 3, n),
        rng.random(n).astype(np.float32),
        ("Navicula", "Nitzschia", "Übrige: =1"),
        cut=rng.integers(0, 4, n),
        status=rng.integers(0, 6, n),
    )


def same(a: Detections, b: Detections) -> None:
    for name in ("boxes", "class_ids", "scores", "cut", "status"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert a.classes == b.classes


def pixels_of(mask: CroppedMask) -> set[tuple[int, int]]:
    return {(int(x) + mask.x0, int(y) + mask.y0) for y, x in np.argwhere(mask.pixels)}


def test_boxes_come_back_bit_by_bit(tmp_path):
    written = Annotations.of(
        boxes(), "diatom-obb 1.0", np.arange(50) % 2 == 0, image="a.jpg", height=400, width=600, pixel_size_um=0.1
    )
    path = tmp_path / "deep" / "a.geojson"
    geojson.write(path, written)
    read = geojson.read(path)
    same(read.detections, written.detections)
    assert read.detections.masks is None
    assert (read.origins, read.shapes) == (written.origins, ("rectangle",) * 50)
    np.testing.assert_array_equal(read.reviewed, written.reviewed)
    assert (read.image, read.height, read.width, read.pixel_size_um) == ("a.jpg", 400, 600, 0.1)
    geojson.write(path, read)
    assert geojson.dumps(read) == geojson.dumps(written) == path.read_text(encoding="utf-8")


def test_qupath_finds_what_it_needs():
    data = json.loads(geojson.dumps(Annotations.of(boxes(3))))
    assert data["type"] == "FeatureCollection"
    for feature in data["features"]:
        assert feature["type"] == "Feature"
        assert feature["geometry"]["type"] == "Polygon"
        (ring,) = feature["geometry"]["coordinates"]
        assert len(ring) == 5
        assert ring[0] == ring[-1]
        assert feature["properties"]["objectType"] == "annotation"
        assert feature["properties"]["classification"]["name"]
        assert len(feature["properties"]["classification"]["color"]) == 3


def test_taxa_come_back_and_are_what_qupath_shows():
    flora = Names(("Navicula gregaria", "Nitzschia palea"), np.float32([[0.9, 0.1], [0.55, 0.45]]), 0.6, "flora 1.0")
    written = replace(Annotations.of(boxes(4)), names=(*flora.verdicts, Name.by_person("Navicula sp."), None))
    read = geojson.loads(geojson.dumps(written))
    assert read.names == written.names
    first, *_, last = json.loads(geojson.dumps(written))["features"]
    assert first["properties"]["name"] == "Navicula gregaria"
    assert first["properties"]["taxon_confidence"] == 0.9
    assert "taxon_3" not in first["properties"]
    assert not {"name", "taxon"} & set(last["properties"])
    assert losses(by_name("coco"), [written]).text() == "COCO does not keep: taxa of 3 specimens."
    assert not losses(by_name("geojson"), [written])
    assert Annotations.of(boxes(2)).names == (None, None)
    with pytest.raises(InputError, match="1 names for 4"):
        replace(Annotations.of(boxes(4)), names=flora.verdicts[:1])


def test_geometry_is_right_where_the_numbers_disagree():
    written = Annotations.of(Detections.of([[100, 50, 40, 10, 0.3]]))
    data = json.loads(geojson.dumps(written))
    for point in data["features"][0]["geometry"]["coordinates"][0]:
        point[0] += 7
    moved = geojson.loads(json.dumps(data)).detections
    np.testing.assert_allclose(moved.boxes, [[107, 50, 40, 10, 0.3]], atol=1e-3)

    # The mirror image has the same bounds.
    mirrored = Annotations.of(Detections.of([[100, 50, 40, 10, -0.3]]))
    data["features"][0]["geometry"] = json.loads(geojson.dumps(mirrored))["features"][0]["geometry"]
    np.testing.assert_allclose(geojson.loads(json.dumps(data)).detections.boxes, mirrored.detections.boxes, atol=1e-3)


def test_bare_features_of_other_programs():
    ring = [[0, 0], [40, 0], [40, 10], [0, 10], [0, 0]]
    triangle = [[0.5, 0.5], [30, 0.5], [30, 20], [0.5, 0.5]]
    data = [
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": {}},
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [triangle]}, "properties": None},
        {
            "type": "Feature",
            "geometry": {"type": "MultiPolygon", "coordinates": [[ring], [[[60, 0], [70, 0], [70, 9], [60, 9]]]]},
            "properties": {"classification": {"name": "Eunotia"}},
        },
    ]
    read = geojson.loads(json.dumps(data))
    assert read.shapes == ("rectangle", "polygon", "polygon")
    assert read.detections.classes == ("Eunotia", "diatom")
    assert read.detections.masks is not None
    np.testing.assert_allclose(read.detections.boxes[0], [20, 5, 40, 10, 0])
    assert [mask.area for mask in read.detections.masks] == [400, pytest.approx(287, abs=16), 490]
    again = geojson.loads(geojson.dumps(read))
    assert again.shapes == read.shapes
    np.testing.assert_array_equal(again.outlines[1][0][0], read.outlines[1][0][0])


@settings(max_examples=150, deadline=None)
@given(
    hnp.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))).filter(lambda a: a.any()),
    st.integers(-5, 5),
    st.integers(0, 9),
)
def test_masks_come_back_pixel_by_pixel(pixels, x0, y0):
    mask = CroppedMask(pixels, x0, y0)
    outline = trace(mask)
    assert pixels_of(fill(outline)) == pixels_of(mask)
    shapes = shapely.MultiPolygon([(polygon[0], polygon[1:]) for polygon in outline])
    assert shapes.is_valid
    assert shapes.area == mask.area


def test_masks_through_a_file(tmp_path):
    y, x = np.mgrid[:40, :90]
    ellipse = ((x - 45) / 44) ** 2 + ((y - 20) / 19) ** 2 < 1
    ring = ellipse & ~(((x - 45) / 20) ** 2 + ((y - 20) / 9) ** 2 < 1)
    two = ellipse.copy()
    two[:, 40:50] = False
    found = Detections.of(
        [[145, 70, 88.5, 38.2, 0.01]] * 3, masks=[CroppedMask(m, 100, 50) for m in (ellipse, ring, two)]
    )
    geojson.write(tmp_path / "m.geojson", Annotations.of(found))
    read = geojson.read(tmp_path / "m.geojson")
    same(read.detections, found)
    assert read.shapes == ("polygon",) * 3
    for before, after in zip(found.masks, read.detections.masks, strict=True):
        assert pixels_of(before) == pixels_of(after)


def feature(**changes) -> dict:
    base = json.loads(geojson.dumps(Annotations.of(Detections.of([[100, 50, 40, 10, 0.3]]))))["features"][0]
    for key, value in changes.items():
        if key in ("geometry", "type"):
            base[key] = value
        else:
            base["properties"][key] = value
    return base


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"geometry": None}, "no geometry"),
        ({"taxon": "Navicula", "taxon_confidence": 2}, "taxon_confidence 2"),
        ({"geometry": {"type": "GeometryCollection", "geometries": []}}, "is a GeometryCollection"),
        ({"classification": {"names": "Navicula"}}, "not a name or a list of names"),
        ({"geometry": {"type": "Polygon", "coordinates": []}}, "no coordinates"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[1, 2], [3, 4]]]}}, "without an area"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[1, 2], ["a", 4], [5, 6]]]}}, "not numbers"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[1, 2], [float("nan"), 4], [5, 6]]]}}, "NaN"),
        ({"geometry": {"type": "Polygon", "coordinates": [[1, 2, 3]]}}, "pairs"),
        ({"status": "asleep"}, "unknown status 'asleep'"),
        ({"score": 7}, "score 7"),
        ({"score": "high"}, "score 'high'"),
        ({"cut": 9}, "cut flags 9"),
    ],
)
def test_damaged_features_are_named(tmp_path, changes, words):
    path = tmp_path / "bad.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature(), feature(**changes)]}))
    with pytest.raises(InputError) as caught:
        geojson.read(path)
    assert "bad.geojson" in str(caught.value)
    assert "feature 2" in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize("point", [[float("nan"), 4], ["a", 4], [None, 4], [3], 7, "ab", [1e9, 4], [[1, 2], 4]])
def test_a_damaged_corner_is_no_corner_of_the_box(point):
    damaged = feature()
    damaged["geometry"]["coordinates"][0][2] = point
    with pytest.raises(InputError, match="feature 1 has"):
        geojson.loads(json.dumps([damaged]))


def test_a_box_among_polygons_is_filled_within_its_corners():
    triangle = {"type": "Polygon", "coordinates": [[[0.5, 0.5], [30, 0.5], [30, 20], [0.5, 0.5]]]}
    box = feature()
    read = geojson.loads(json.dumps([box, feature(shape="polygon", geometry=triangle)]))
    assert read.shapes == ("rectangle", "polygon")
    ring = np.array(box["geometry"]["coordinates"][0][:4])
    assert pixels_of(read.detections.masks[0]) == pixels_of(fill(((ring,),)))


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b'{"type": "Topology"}', b"\xff\xfe\x00", b"[" * 100000])
def test_damaged_files_are_named(tmp_path, content):
    path = tmp_path / "bad.geojson"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.geojson") as caught:
        geojson.read(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="missing"):
        geojson.read(Path(tmp_path / "missing.geojson"))


def test_empty_and_unwritable(tmp_path):
    geojson.write(tmp_path / "e.geojson", Annotations.of(Detections.empty(("Navicula",))))
    read = geojson.read(tmp_path / "e.geojson")
    assert len(read) == 0
    assert read.detections.classes == ("Navicula",)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        geojson.write(tmp_path / "file" / "e.geojson", read)


def test_annotations_report_every_problem():
    with pytest.raises(InputError, match=r"1 origins.*unknown shape 'star'"):
        Annotations.of(boxes(3), origins=["a"], shapes=["star"] * 3)
    with pytest.raises(InputError, match="without a mask"):
        Annotations.of(boxes(1), shapes=["polygon"])
