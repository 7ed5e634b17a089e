"""Masks go through napari's layers without losing a pixel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from napari.layers import Labels, Shapes

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.counting import export as exports
from napari_diatom.counting.export import export, write_masks
from napari_diatom.counting.overlays import draw_overlay
from napari_diatom.formats.coco import codec as coco
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.formats.label_image import codec as label_tiff
from napari_diatom.images.slide_image import from_array
from napari_diatom.measurement.morphometry import oriented_box
from napari_diatom.napari_layers import labels_layer as mask_layers
from napari_diatom.napari_layers import reader_writer
from napari_diatom.napari_layers import shapes_layer as layers
from napari_diatom.napari_layers.result_facts import ResultFacts

FACTS = ResultFacts(image="a.tif", height=120, width=150, classes=("Navicula", "Nitzschia"), pixel_size_um=0.1)


def ellipse(x: int, y: int, a: int, b: int) -> CroppedMask:
    yy, xx = np.mgrid[-b : b + 1, -a : a + 1]
    return CroppedMask((xx / (a + 0.5)) ** 2 + (yy / (b + 0.5)) ** 2 <= 1, x - a, y - b)


def with_hole_and_island() -> CroppedMask:
    pixels = np.zeros((41, 70), dtype=bool)
    pixels[:, :61] = ellipse(30, 20, 30, 20).pixels
    pixels[15:22, 20:30] = False
    pixels[2:6, 65:] = True
    return CroppedMask(pixels, 50, 40)


MASKS = (ellipse(40, 30, 30, 9), with_hole_and_island(), ellipse(80, 50, 8, 6), ellipse(82, 70, 3, 3))
FOUND = Detections.of(
    [oriented_box(mask) for mask in MASKS],
    class_ids=[1, 0, 0, 1],
    scores=[0.5, 0.75, 1, 0.25],
    classes=FACTS.classes,
    masks=MASKS,
    status=[0, 3, 1, 0],
)
NUMBERS = [1, 2, 3, 4]


def same(a: CroppedMask, b: CroppedMask) -> bool:
    a, b = a.trimmed(), b.trimmed()
    return (a.x0, a.y0) == (b.x0, b.y0) and np.array_equal(a.pixels, b.pixels)


def shapes_layer() -> Shapes:
    drawn = mask_layers.draw_polygons(FOUND, NUMBERS)
    return Shapes(
        [item.shape for item in drawn.values()],
        shape_type="polygon",
        features=layers.to_features(FOUND, NUMBERS, "net 1", 0.1),
        metadata={**FACTS.to_metadata(), **mask_layers.to_metadata(drawn)},
    )


def labels_layer() -> Labels:
    kwargs = mask_layers.labels_kwargs(FOUND, NUMBERS, "net 1", FACTS)
    return Labels(mask_layers.to_labels(FOUND, 120, 150, NUMBERS), **kwargs)


def read_shapes(layer: Shapes) -> Detections:
    return mask_layers.masked_detections_from_shapes(
        layer.data, layer.features, FACTS, mask_layers.drawn_in(layer.metadata)
    )


def test_polygons_bring_back_holes_islands_and_overlaps() -> None:
    layer = shapes_layer()
    back = read_shapes(layer)
    assert all(same(a, b) for a, b in zip(back.masks or (), MASKS, strict=True))
    np.testing.assert_allclose(back.boxes, FOUND.boxes)
    np.testing.assert_array_equal(back.class_ids, FOUND.class_ids)
    rectangles = [*layers.to_quads(FOUND.boxes[:2]), *layers.to_quads(layers.to_boxes(layer.data[2:]))]
    boxed = mask_layers.masked_detections_from_shapes(
        rectangles, layer.features, FACTS, mask_layers.drawn_in(layer.metadata)
    )
    assert all(same(a, b) for a, b in zip(boxed.masks or (), MASKS, strict=True))


def test_a_changed_polygon_has_the_mask_that_was_drawn() -> None:
    layer = shapes_layer()
    data = layer.data
    data[0] = data[0] + (0, 12)
    data[3] = np.array([[9.5, 9.5], [9.5, 29.5], [19.5, 29.5], [19.5, 9.5]])
    layer.data = data
    back = read_shapes(layer)
    assert back.masks is not None
    assert back.masks[0].area == pytest.approx(MASKS[0].area, rel=0.05)
    assert back.boxes[0, 0] == pytest.approx(FOUND.boxes[0, 0] + 12, abs=1)
    assert back.masks[3].trimmed().bounds == (10, 10, 30, 20)
    assert same(back.masks[1], MASKS[1])
    plane = mask_layers.draw_polygons(FOUND, NUMBERS, (4,))
    assert {item.shape.shape[1] for item in plane.values()} == {3}
    assert mask_layers.drawn_in({mask_layers.MASKS_KEY: {1: "?"}}) is None


def test_the_value_of_a_label_is_its_number_and_its_row() -> None:
    layer = labels_layer()
    table = layer.features
    for number, mask in zip(NUMBERS, MASKS, strict=True):
        assert table["specimen"][number] == number
        assert table["area_px"][number] == mask.area
        assert layer._label_index[number] == number
    assert layer.data[50, 80] == 3
    assert layer.data[70, 82] == 4
    assert layer.data[57, 74] == 0
    colour = layer.get_color(1)
    np.testing.assert_allclose(colour, layers.edge_colours(["Nitzschia"], FACTS.classes)[0], atol=0.01)
    sparse = mask_layers.labels_kwargs(FOUND, [7, 9, 12, 40], "net 1", FACTS)
    layer = Labels(mask_layers.to_labels(FOUND, 120, 150, [7, 9, 12, 40]), **sparse)
    assert layer.features["class"][layer._label_index[7]] == "Nitzschia"


def test_an_untouched_labels_layer_brings_back_overlaps() -> None:
    layer = labels_layer()
    drawn = mask_layers.drawn_in(layer.metadata)
    numbers, back, origins = mask_layers.detections_from_labels_layer(layer.data, layer.features, FACTS, drawn)
    assert numbers.tolist() == NUMBERS
    assert all(same(a, b) for a, b in zip(back.masks or (), MASKS, strict=True))
    for name in ("class_ids", "scores", "status"):
        np.testing.assert_array_equal(getattr(back, name), getattr(FOUND, name))
    np.testing.assert_allclose(back.boxes, FOUND.boxes)
    assert set(origins) == {"net 1"}


def test_what_a_person_paints_is_theirs() -> None:
    layer = labels_layer()
    data = layer.data.copy()
    data[data == 1] = 0
    data[100:110, 100:130] = 9
    data[72:90, 100:103] = 2
    numbers, back, origins = mask_layers.detections_from_labels_layer(
        data, layer.features, FACTS, mask_layers.drawn_in(layer.metadata)
    )
    assert numbers.tolist() == [2, 3, 4, 9]
    assert origins == ("person", "net 1", "net 1", "person")
    assert back.masks is not None
    # What lay below the small ones is not lost by painting elsewhere.
    canvas = np.zeros((120, 150), dtype=bool)
    for mask, extra in ((MASKS[1], np.s_[72:90, 100:103]),):
        h, w = mask.pixels.shape
        canvas[mask.y0 : mask.y0 + h, mask.x0 : mask.x0 + w] = mask.pixels
        canvas[extra] = True
    assert back.masks[0].area == canvas.sum()
    assert (back.class_ids[3], back.scores[3]) == (0, 1)
    assert same(back.masks[1], MASKS[2])
    plain = mask_layers.detections_from_labels_layer(data, {}, FACTS)
    assert plain[0].tolist() == [2, 3, 4, 9]
    assert set(plain[2]) == {"person"}


def annotations(found: Detections = FOUND) -> Annotations:
    return Annotations.of(found, "net 1", image="a.tif", height=120, width=150, pixel_size_um=0.1)


def test_masks_go_from_geojson_through_napari_to_geojson(tmp_path: Path) -> None:
    geojson.write(tmp_path / "a.geojson", annotations())
    reader = reader_writer.get_reader(str(tmp_path / "a.geojson"))
    assert reader is not None
    [(data, kwargs, kind)] = reader(str(tmp_path / "a.geojson"))
    assert kind == "shapes"
    layer = Shapes(data, **kwargs)
    assert set(layer.shape_type) == {"polygon"}
    meta = {"name": layer.name, "features": layer.features, "metadata": layer.metadata}
    reader_writer.write_shapes(str(tmp_path / "b.geojson"), layer.data, meta)
    back = geojson.read(tmp_path / "b.geojson")
    assert all(same(a, b) for a, b in zip(back.detections.masks or (), MASKS, strict=True))
    np.testing.assert_allclose(back.detections.boxes, FOUND.boxes, atol=1e-4)


def test_exports_by_suffix(tmp_path: Path) -> None:
    export(tmp_path / "a.json", annotations(), NUMBERS)
    export(tmp_path / "A.TIFF", annotations(), NUMBERS)
    [back] = coco.read(tmp_path / "a.json")
    assert all(same(a, b) for a, b in zip(back.detections.masks or (), MASKS, strict=True))
    numbers, read = label_tiff.read(tmp_path / "A.TIFF", 120, 150)
    assert numbers.tolist() == NUMBERS
    left_out = exports.label_image_overlap(annotations(), NUMBERS)
    assert left_out.specimens == 1
    assert sum(mask.area for mask in read.masks or ()) == sum(mask.area for mask in MASKS) - left_out.pixels
    assert write_masks(tmp_path / "masks", "slide.1/a", annotations()) == left_out
    assert (tmp_path / "masks" / "slide.1" / "a.tif").exists()
    assert (tmp_path / "masks" / "slide.1" / "a.json").exists()
    unknown = replace(annotations(), height=None)
    with pytest.raises(InputError, match=r"size of a\.tif"):
        write_masks(tmp_path / "none", "a", unknown)
    assert not (tmp_path / "none").exists()
    boxes = annotations(Detections.of([[60, 60, 40, 10, 0.3]]))
    assert write_masks(tmp_path / "boxes", "a", boxes).pixels == 0


def test_overlays_show_outlines() -> None:
    grey = from_array(np.full((120, 150), 128, np.uint8), "grey")
    picture = draw_overlay(grey, FOUND[[1]])
    changed = (picture != 128).any(axis=2)
    assert changed[60, 50]
    assert changed[55, 75]
    assert changed[40:46, 115:120].any()
    assert not changed[82:].any()
