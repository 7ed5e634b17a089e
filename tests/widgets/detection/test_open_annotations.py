"""Files of other programs, opened by napari's own way."""

import json
import warnings

import pytest

from napari_diatom.core.errors import InputError
from napari_diatom.napari_layers import shapes_layer

RING = [[10, 10], [60, 10], [60, 30], [10, 30], [10, 10]]


def feature(kind, coordinates, classification):
    shape = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "geometry": shape, "properties": {"classification": classification}}


def test_derived_classes_of_qupath_open_as_class_and_status_and_points_are_said(make_napari_viewer, tmp_path):
    viewer = make_napari_viewer(show=False)
    names = (["Navicula", "broken"], ["Navicula", "big"])
    features = [feature("Polygon", [RING], {"names": list(each), "color": [1, 2, 3]}) for each in names]
    features.append(feature("Point", [1, 2], {"name": "spot"}))
    path = tmp_path / "q.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        [layer] = viewer.open(path, plugin="napari-diatom")
    assert list(layer.features[shapes_layer.CLASS]) == ["Navicula", "Navicula: big"]
    assert list(layer.features[shapes_layer.STATUS]) == ["broken", "valve"]
    assert any("also has 1 point" in str(warning.message) for warning in said)


def test_a_damaged_file_is_an_error_in_words(make_napari_viewer, tmp_path):
    viewer = make_napari_viewer(show=False)
    path = tmp_path / "q.geojson"
    for text in ("[" * 100_000, '{"type": "FeatureCollection", "features": [], "features": []}', "\x00"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=r"q\.geojson"):
            viewer.open(path, plugin="napari-diatom")
