"""Whatever is handed to the functions of the API works, or ends in an error that says what to give instead."""

from __future__ import annotations

import warnings
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import napari_diatom as nd
from napari_diatom import api
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError

GREY = np.full((64, 64), 200, np.uint8)
NOT_NUMBERS = ["0.1", "many", True, [], [0.1], 1 + 2j, Decimal("0.1"), object()]
NOT_PATHS = [5, b"a.png", ["a.png", "b.png"], GREY, "", "a\0b", "x" * 5000]


def valve() -> Detections:
    return Detections.of(boxes=[[50, 40, 30, 10, 0]], classes=["Navicula"])


@pytest.fixture(scope="module")
def model() -> api.Model:
    return nd.load_model("diatom-obb", device="cpu")


def type_name(value):
    """Return the type of a case for its name: the same in every process."""
    return type(value).__name__


@pytest.mark.parametrize("value", NOT_NUMBERS, ids=type_name)
def test_what_is_not_a_number_is_refused_in_words(model, value):
    for wrong in ({"pixel_size_um": value}, {"threshold": value}):
        with pytest.raises(InputError, match="give a number"):
            model.predict(GREY, **wrong)
    with pytest.raises(InputError, match="give a number"):
        nd.measure(valve(), pixel_size_um=value)
    with pytest.raises(InputError, match="give a whole number"):
        nd.load_model("diatom-obb", threads=value)


def test_numbers_of_numpy_are_numbers(model, tmp_path):
    analysis = model.predict(GREY, pixel_size_um=np.float32(0.25), threshold=np.array(0.5), name="field.png")
    nd.write_annotations(analysis.save(tmp_path / "out") / "a.geojson", analysis.annotations())
    assert analysis.pixel_size_um == 0.25
    assert nd.load_model("diatom-obb", threads=np.int64(1)).threads == 1


@pytest.mark.parametrize("value", [5, b"project", [5], ""], ids=type_name)
def test_names_are_learnt_from_paths(value, tmp_path):
    with pytest.raises(InputError):
        nd.learn_names(value, tmp_path / "x.diatom-model")
    with pytest.raises(InputError):
        nd.suggest_names(value)
    with pytest.raises(InputError):
        nd.check_names(tmp_path, tmp_path / "out", pictures="many")


@pytest.mark.parametrize("value", [1.5, float("nan"), "2"])
def test_a_number_of_threads_is_whole(value):
    with pytest.raises(InputError, match="give a whole number"):
        nd.load_model("diatom-obb", threads=value)


def test_an_integer_beyond_all_floats_is_no_pixel_size(model):
    with pytest.raises(InputError, match="cannot be right"):
        model.predict(GREY, pixel_size_um=10**400)


@pytest.mark.parametrize("path", NOT_PATHS, ids=lambda path: f"{type(path).__name__} {path!r:.10}")
def test_what_is_not_a_path_is_refused_in_words(model, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    analysis = model.predict(GREY, name="field.png")
    calls = [
        lambda: nd.open_images(path),
        lambda: nd.read_annotations(path),
        lambda: nd.write_annotations(path, analysis.annotations(), "coco"),
        lambda: nd.write_annotations("a.json", analysis.annotations(), "coco", images=path),
        lambda: nd.load_model(path),
        lambda: nd.evaluate("diatom-obb", path),
        lambda: nd.explain(GREY, out=path),
        lambda: nd.train(path),
        lambda: nd.train({"data": "a.json"}, path),
        lambda: analysis.save(path),
        lambda: nd.TrainingRun(path),
    ]
    for call in calls:
        with pytest.raises(InputError, match=r"is of type|is empty|is not the name of a file"):
            call()
    assert list(tmp_path.iterdir()) == []


def test_names_with_spaces_and_letters_of_other_languages_work(model, tmp_path):
    slide = tmp_path / "Ökologie é 珪藻.png"
    Image.fromarray(GREY).save(slide)
    analysis = model.predict(slide, threshold=1e-9)
    out = tmp_path / "ein Ordner ü" / "珪藻.geojson"
    nd.write_annotations(out, analysis.annotations())
    (back,) = nd.read_annotations(out, images=tmp_path)
    assert len(back) == len(analysis) > 0


@pytest.mark.parametrize("z", [None, 0, -1, 1.5, True, [], "sharp", 4])
def test_a_plane_that_cannot_be_is_refused_in_words(model, z):
    with pytest.raises(InputError, match=r"does not name a plane|does not choose one"):
        model.predict(np.zeros((3, 64, 64), np.uint8), axes="ZYX", z=z)


def test_a_plane_is_named_by_a_number_or_by_text(model):
    series = np.arange(3, dtype=np.uint8)[:, None, None] + np.zeros((3, 64, 64), np.uint8)
    for z in (2, "2", np.int64(2)):
        assert model.predict(series, axes="ZYX", z=z).image.read(0, 0, 1, 1).max() == 1


@pytest.mark.parametrize("axes", [5, ["Y", "X"], b"YX", ""])
def test_axes_that_cannot_be_are_refused_in_words(model, axes):
    with pytest.raises(InputError, match="axes"):
        model.predict(GREY, axes=axes)


def test_pictures_and_tensors_are_to_be_made_arrays(model):
    import torch

    with pytest.raises(InputError, match="numpy"):
        model.predict(Image.fromarray(GREY))
    with pytest.raises(InputError, match="convert it to a numpy array"):
        model.predict(torch.zeros((64, 64), dtype=torch.uint8))


def test_masked_pixels_are_not_taken_for_pixels(model):
    with pytest.raises(InputError, match="masked"):
        model.predict(np.ma.masked_less(np.arange(4096.0).reshape(64, 64), 100))
    model.predict(np.ma.masked_less(GREY, 0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_too_far_apart_are_refused_and_not_all_made_black(model, dtype):
    largest = np.finfo(dtype).max
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match="too far apart"):
            model.predict(np.where(np.indices((64, 64)).sum(axis=0) % 2, largest, -largest).astype(dtype))


@pytest.mark.parametrize("name", [None, 5, "", " "])
def test_an_image_needs_a_name(model, name):
    with pytest.raises(InputError, match="name"):
        model.predict(GREY, name=name)


def test_a_report_is_a_function(model):
    for call in (
        lambda: model.predict(GREY, report=5),
        lambda: nd.evaluate("diatom-obb", "data", report=5),
        lambda: nd.explain(GREY, report=5),
        lambda: nd.train({"data": "a.json"}, report=5),
    ):
        with pytest.raises(InputError, match="give a function"):
            call()


@pytest.mark.parametrize("value", [None, 5, "a.json", [None], [5], valve(), GREY], ids=type_name)
def test_what_is_not_annotations_is_neither_written_nor_measured(value, tmp_path):
    for format in ("coco", "geojson"):
        with pytest.raises(InputError, match="give Annotations"):
            nd.write_annotations(tmp_path / "a.json", value, format)
    assert list(tmp_path.iterdir()) == []
    if not isinstance(value, Detections):
        with pytest.raises(InputError, match="give Detections or Annotations"):
            nd.measure(value)


def test_annotations_of_one_image_twice_are_not_written(tmp_path):
    part = Annotations.of(valve(), image="a.png", height=64, width=64)
    with pytest.raises(InputError, match=r"a\.png in several places"):
        nd.write_annotations(tmp_path / "a.json", [part, part], "coco")


@pytest.mark.parametrize("format", [5, ["coco"], True, ""])
def test_a_format_that_cannot_be_is_refused_with_the_choices(format, tmp_path):
    part = Annotations.of(valve(), image="a.png", height=64, width=64)
    nd.write_annotations(tmp_path / "a.json", part, "coco")
    for call in (
        lambda: nd.write_annotations(tmp_path / "b.json", part, format),
        lambda: nd.read_annotations(tmp_path / "a.json", format),
    ):
        with pytest.raises(InputError, match="Known formats"):
            call()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"boxes": "x"}, "numbers"),
        ({"boxes": [[1, 2], [3]]}, "numbers"),
        ({"class_ids": [0.5]}, "whole numbers"),
        ({"class_ids": ["Navicula"]}, "numbers"),
        ({"scores": ["high"]}, "numbers"),
        ({"status": [None]}, "numbers"),
        ({"classes": "Navicula"}, "list of names"),
        ({"classes": [5]}, "list of names"),
        ({"masks": 5}, "CroppedMask"),
        ({"masks": [GREY]}, "CroppedMask"),
    ],
)
def test_detections_are_checked_before_they_are_made(wrong, words):
    with pytest.raises(InputError, match=words):
        Detections.of(**{"boxes": [[50, 40, 30, 10, 0]], "classes": ["a", "b"], **wrong})


def test_the_brightness_is_not_measured_in_an_image_of_another_size():
    part = Annotations.of(valve(), image="a.png", height=100, width=80)
    with pytest.raises(InputError, match="80 x 100 px, and image has 64 x 64 px"):
        nd.measure(part, image=GREY)
    assert len(nd.measure(part, image=np.zeros((100, 80), np.uint8))) == 1


def test_a_part_that_does_not_exist_is_refused_with_the_choices():
    for part in ("holdout", 5):
        with pytest.raises(InputError, match="choose train, validation, test or all"):
            nd.evaluate("diatom-obb", "data", part=part)


def test_a_training_whose_data_cannot_be_used_fails_as_bad_input(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        nd.train({"data": str(tmp_path / "none.json")}, tmp_path / "run")


def test_entries_of_a_training_that_are_not_names_are_refused():
    with pytest.raises(InputError, match="1: unknown entry"):
        nd.train({"data": "a.json", 1: 2})


def test_a_run_is_opened_by_its_folder_and_refused_where_there_is_none(tmp_path):
    assert nd.TrainingRun(str(tmp_path)).model == Path(tmp_path) / "model"
    with pytest.raises(InputError, match="not a training run"):
        nd.TrainingRun(tmp_path).history()
