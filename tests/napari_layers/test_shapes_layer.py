"""Detections to napari layers and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_diatom.core import geometry
from napari_diatom.core.detections import CUT_BY_EDGE, Detections
from napari_diatom.core.taxa import Name
from napari_diatom.napari_layers import shapes_layer
from napari_diatom.napari_layers.result_facts import METADATA_KEY, ResultFacts

FACTS = ResultFacts(image="a.tif", height=1000, width=2000, classes=("Navicula", "Nitzschia"), pixel_size_um=0.1)

boxes_strategy = st.lists(
    st.tuples(st.floats(0, 2000), st.floats(0, 1000), st.floats(4, 900), st.floats(2, 900), st.floats(-4, 4, width=32)),
    max_size=8,
)


@given(boxes_strategy, st.lists(st.integers(0, 9), max_size=2))
@settings(max_examples=60, deadline=None)
def test_boxes_survive_the_way_to_napari_and_back(boxes, plane):
    canonical = geometry.canonical(np.reshape(boxes, (-1, 5)))
    quads = shapes_layer.to_quads(canonical, plane)
    assert quads.shape == (len(boxes), 4, 2 + len(plane))
    assert all(shapes_layer.is_rectangle(quad[:, -2:]) for quad in quads)
    back = shapes_layer.to_boxes(list(quads))
    # Nearly round boxes have no direction, so their corners are compared, not their numbers.
    np.testing.assert_allclose(np.sort(geometry.box_areas(back)), np.sort(geometry.box_areas(canonical)), rtol=1e-6)
    oriented = canonical[:, 2] > 1.06 * canonical[:, 3]
    np.testing.assert_allclose(
        geometry.corners(back[oriented]).mean(axis=1), geometry.corners(canonical[oriented]).mean(axis=1), atol=1e-6
    )
    np.testing.assert_allclose(back[oriented, 2:4], canonical[oriented, 2:4], rtol=1e-6)


def test_x_is_the_column_and_the_first_pixel_has_its_centre_at_zero():
    quad = shapes_layer.to_quads([[10.5, 3.5, 10, 2, 0]])[0]
    np.testing.assert_allclose(quad.mean(axis=0), [3, 10])
    assert np.ptp(quad[:, 1]) == pytest.approx(10)


def test_a_dragged_corner_gives_the_least_rectangle_around_the_polygon():
    quad = shapes_layer.to_quads([[100, 100, 80, 20, 0.3]])[0]
    quad[2] += (5, 12)
    box = shapes_layer.to_boxes([quad])[0]
    outline = geometry.corners(box[None])[0]
    points = quad[:, ::-1] + 0.5
    assert box[2] >= 80
    for a, b in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        edge, inward = b - a, points - a
        assert (edge[0] * inward[:, 1] - edge[1] * inward[:, 0] >= -1e-6).all()


def test_a_sheared_rectangle_is_no_rectangle():
    assert shapes_layer.is_rectangle([[0, 0], [0, 10], [5, 10], [5, 0]])
    assert not shapes_layer.is_rectangle([[0, 0], [2, 10], [7, 10], [5, 0]])
    assert not shapes_layer.is_rectangle([[0, 0], [0, 10], [5, 10]])


def test_features_name_the_columns_of_the_tables_and_lengths_are_in_both_units():
    found = Detections.of([[50, 50, 100, 20, 0.5]], classes=FACTS.classes, class_ids=[1], scores=[0.75], status=[3])
    features = shapes_layer.to_features(found, [7], "diatom-obb 1.0", 0.1)
    assert tuple(features) == shapes_layer.FEATURES
    row = {name: values[0] for name, values in features.items()}
    assert (row["specimen"], row["class"], row["status"]) == (7, "Nitzschia", "broken")
    assert row["length_px"] == pytest.approx(100)
    assert row["length_um"] == pytest.approx(10)
    assert row["area_um2"] == pytest.approx(20)
    assert np.isnan(shapes_layer.to_features(found, [7], "x", None)["length_um"]).all()


def test_specimens_survive_the_way_through_a_layer():
    found = Detections.of(
        [[50, 60, 100, 20, 0.5], [1990, 500, 40, 10, -1.2]],
        class_ids=[1, 0],
        scores=[0.75, 1.0],
        classes=FACTS.classes,
        cut=[0, CUT_BY_EDGE],
        status=[1, 0],
    )
    features = shapes_layer.to_features(found, [1, 2], "person", 0.1)
    back = shapes_layer.detections_from_shapes(list(shapes_layer.to_quads(found.boxes)), features, FACTS)
    np.testing.assert_allclose(back.boxes, found.boxes, rtol=1e-5)
    for name in ("class_ids", "scores", "cut", "status"):
        np.testing.assert_array_equal(getattr(back, name), getattr(found, name))
    assert back.classes == found.classes


def test_a_foreign_layer_without_features_gives_valves_of_the_first_class():
    back = shapes_layer.detections_from_shapes(
        [np.array([[0, 0], [0, 10], [4, 10], [4, 0.0]])], {}, ResultFacts(image="x")
    )
    assert back.classes == ("diatom",)
    assert back.scores.tolist() == [1.0]
    assert shapes_layer.origins_of({}, 1) == ("person",)


def test_unknown_classes_are_added_behind_the_known_ones():
    features = {"class": ["Eunotia", "Navicula"]}
    quads = list(shapes_layer.to_quads([[10, 10, 9, 3, 0], [30, 30, 9, 3, 0]]))
    back = shapes_layer.detections_from_shapes(quads, features, FACTS)
    assert back.classes == ("Navicula", "Nitzschia", "Eunotia")
    assert back.class_ids.tolist() == [2, 0]


def test_metadata_goes_round_and_foreign_metadata_is_left_alone():
    assert ResultFacts.from_metadata(FACTS.to_metadata()) == FACTS
    for metadata in ({}, {METADATA_KEY: 3}, {METADATA_KEY: {"image": "a", "secret": 1}}):
        assert ResultFacts.from_metadata(metadata) is None


def test_labels_carry_the_number_and_say_px_where_the_pixel_size_is_unknown():
    found = Detections.of([[50, 50, 100, 20, 0.5]])
    assert shapes_layer.labels(shapes_layer.to_features(found, [3], "m", 0.1), False).tolist() == ["3  10.0 µm"]
    assert shapes_layer.labels(shapes_layer.to_features(found, [3], "m", None), True).tolist() == ["3 diatom 100 px"]
    assert shapes_layer.labels(shapes_layer.to_features(found[:0], [], (), None), True).tolist() == []


def test_taxa_survive_the_way_through_features_and_are_written_beside_the_boxes():
    names = (Name("Navicula sp.", 0.75, "Navicula", ("Navicula radiosa",), "flora 1.0"), None)
    taxa = shapes_layer.to_taxa(names)
    assert tuple(taxa) == ("taxon", "taxon_confidence", "genus", "taxon_2", "taxon_3", "named_by")
    assert shapes_layer.taxon_names(taxa, 2) == names
    # A shape that napari has given half of another's features.
    assert shapes_layer.taxon_names(taxa | {"taxon_confidence": [np.nan, np.nan]}, 2) == (None, None)
    assert shapes_layer.taxon_names({}, 2) == (None, None)
    found = Detections.of([[50, 50, 100, 20, 0.5]] * 2)
    features = shapes_layer.to_features(found, [3, 4], "m", 0.1) | taxa
    assert shapes_layer.labels(features, True).tolist() == ["3 Navicula sp. 10.0 µm", "4 diatom 10.0 µm"]


def test_colours_follow_the_class_and_are_opaque():
    colours = shapes_layer.edge_colours(["Nitzschia", "Navicula", "unheard of"], FACTS.classes)
    assert colours.shape == (3, 4)
    assert (colours[:, 3] == 1).all()
    assert len(np.unique(colours, axis=0)) == 3
    assert shapes_layer.edge_colours([], FACTS.classes).shape == (0, 4)


def test_maps_are_coloured_and_named_by_class():
    classes = np.zeros((4, 5), np.uint8)
    classes[1, 1], classes[2, 2] = 1, 2
    found = shapes_layer.class_map_kwargs(classes, "map", FACTS)
    assert found["data"] is classes or np.shares_memory(found["data"], classes)
    assert found["features"][shapes_layer.CLASS].tolist() == ["background", "Navicula", "Nitzschia"]
    assert found["features"]["index"].tolist() == [0, 1, 2]
    boxes = shapes_layer.edge_colours(FACTS.classes, FACTS.classes)
    np.testing.assert_allclose([found["colormap"][1], found["colormap"][2]], boxes)
    assert found["colormap"][0][3] == found["colormap"][None][3] == 0
    stacked = shapes_layer.class_map_kwargs(classes, "map", ResultFacts("a", plane=(3, 1)))
    assert stacked["data"].shape == (1, 1, 4, 5)
    assert shapes_layer.probability_kwargs(classes, "p", (2,))["data"].shape == (1, 4, 5)
