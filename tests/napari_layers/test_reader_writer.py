"""What the manifest offers besides widgets."""

import csv
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from npe2 import PluginManifest

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.core.taxa import Name
from napari_diatom.counting.export import export
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.napari_layers import reader_writer
from napari_diatom.napari_layers.result_facts import METADATA_KEY, ResultFacts
from napari_diatom.widgets.common import sample_data

FOUND = Detections.of(
    [[50, 60, 100, 20, 0.5], [190, 150, 40, 10, -1.2]],
    class_ids=[1, 0],
    scores=[0.75, 1.0],
    classes=("Navicula", "Nitzschia"),
    status=[1, 0],
)


def annotations(found=FOUND):
    made = Annotations.of(
        found,
        origins=["diatom-obb 1.0", "person"][: len(found)],
        image="a.tif",
        height=300,
        width=400,
        pixel_size_um=0.1,
    )
    return replace(made, names=(Name.by_person("Navicula radiosa"), None)[: len(found)])


@pytest.fixture
def manifest():
    import napari_diatom

    return PluginManifest.from_file(f"{napari_diatom.__path__[0]}/napari.yaml")


def test_every_command_of_the_manifest_is_there(manifest):
    manifest.validate_imports()


def test_every_example_slide_is_offered(manifest):
    from diatom_training.synthesis.sample_descriptions import SAMPLES

    offered = {command.python_name.partition(":")[2] for command in manifest.contributions.commands}
    samples = [getattr(sample_data, name, None) for name in offered]
    assert {found.args[0] for found in samples if isinstance(found, partial)} == {sample.name for sample in SAMPLES}


def test_geojson_goes_through_a_layer_unchanged(tmp_path):
    path = tmp_path / "a.geojson"
    geojson.write(path, annotations())
    reader = reader_writer.get_reader(str(path))
    assert reader is not None
    ((data, kwargs, kind),) = reader(str(path))
    assert kind == "shapes"
    facts = ResultFacts.from_metadata(kwargs["metadata"])
    assert facts == ResultFacts("a.tif", 300, 400, ("Navicula", "Nitzschia"), 0.1, "diatom-obb 1.0")
    written = reader_writer.write_shapes(str(tmp_path / "b"), data, kwargs)
    assert written == [str(tmp_path / "b.geojson")]
    back = geojson.read(tmp_path / "b.geojson")
    np.testing.assert_allclose(back.detections.boxes, FOUND.boxes, rtol=1e-5)
    assert back.origins == ("diatom-obb 1.0", "person")
    assert back.names == annotations().names
    assert (back.height, back.width, back.image, back.pixel_size_um) == (300, 400, "a.tif", 0.1)


def test_an_empty_annotation_file_is_an_empty_layer(tmp_path):
    path = tmp_path / "a.geojson"
    geojson.write(path, annotations(FOUND[:0]))
    ((data, kwargs, _),) = reader_writer.read_shapes(str(path))
    assert len(data) == 0
    reader_writer.write_shapes(str(path), data, kwargs)
    assert len(geojson.read(path)) == 0


def test_other_files_are_left_to_other_readers():
    assert reader_writer.get_reader("a.tif") is None
    assert reader_writer.get_reader(["a.geojson", "b.csv"]) is None


def test_a_text_file_named_geojson_is_refused_in_one_line(tmp_path):
    path = tmp_path / "a.geojson"
    path.write_text("hello")
    with pytest.raises(InputError, match="not GeoJSON"):
        reader_writer.read_shapes(str(path))


def test_a_foreign_layer_can_be_saved(tmp_path):
    square = np.array([[0, 0], [0, 10], [4, 10], [4, 0.0]])
    reader_writer.write_shapes(str(tmp_path / "x.geojson"), [square], {"name": "Shapes"})
    back = geojson.read(tmp_path / "x.geojson")
    np.testing.assert_allclose(back.detections.boxes[0, :4], [5.5, 2.5, 10, 4])


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".geojson"])
def test_the_suffix_chooses_the_format(tmp_path, suffix):
    export(tmp_path / f"a{suffix}", annotations(), [4, 9], "diatom-obb 1.0")
    start = (tmp_path / f"a{suffix}").read_bytes()[:2]
    assert start == {".csv": b"im", ".xlsx": b"PK", ".geojson": b'{"'}[suffix]


def test_an_export_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        export(tmp_path / "file" / "a.csv", annotations(), [4, 9])


def test_an_exported_table_carries_the_numbers_of_the_viewer(tmp_path):
    export(tmp_path / "a.csv", annotations(), [4, 9], "diatom-obb 1.0")
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["specimen"] for row in rows] == ["4", "9"]
    assert [row["origin"] for row in rows] == ["diatom-obb 1.0", "person"]
    assert rows[0]["length_um"] == "10.000"


def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(InputError, match=r"\.csv, \.xlsx, \.geojson"):
        export(tmp_path / "a.doc", annotations(), [1, 2])


def test_an_example_slide_knows_its_pixel_size():
    ((image, kwargs, kind),) = sample_data.lake()
    assert kind == "image"
    assert image.dtype == np.uint16
    assert kwargs["scale"] == (0.1032, 0.1032)
    assert METADATA_KEY not in kwargs["metadata"]
