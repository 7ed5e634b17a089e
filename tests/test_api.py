"""A Python user does in three lines what the command line does, and gets the same numbers."""

from __future__ import annotations

import _thread
import doctest
import json
import pkgutil
import signal
import time
import warnings
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

import napari_diatom as nd
from diatom_training.finetune import training_process
from helpers import TESTS
from helpers.fakes import BrightOutliner, outliner_card
from helpers.tiny import configured, draw_slides
from napari_diatom import api, engines
from napari_diatom.cli import main
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.cropped_masks import CroppedMask
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError, ModelError, Stopped

SLIDES = TESTS.parent / "sample_data" / "slides"


@pytest.fixture(scope="module")
def crop(tmp_path_factory) -> Path:
    """Return a file with a corner of a sample slide."""
    path = tmp_path_factory.mktemp("slides") / "corner.png"
    with Image.open(SLIDES / "river_bright_field_40x.jpg") as slide:
        slide.convert("RGB").crop((0, 0, 480, 400)).save(path)
    return path


@pytest.fixture(scope="module")
def model() -> api.Model:
    return nd.load_model("diatom-obb", device="cpu")


@pytest.fixture(scope="module")
def counted(crop, tmp_path_factory) -> Path:
    """Return the folder in which ``count`` has counted the same."""
    out = tmp_path_factory.mktemp("counted") / "out"
    assert main(["count", str(crop), "-o", str(out), "--pixel-size", "0.2", "--device", "cpu"]) == 0
    return out


@pytest.fixture(scope="module")
def analysis(crop, model) -> api.Analysis:
    return model.predict(crop, pixel_size_um=0.2)


def test_predict_finds_the_specimens_that_count_finds(analysis, counted):
    table = analysis.specimens()
    expected = pd.read_csv(counted / "specimens.csv").fillna({"striae_refused": ""})
    assert len(table) > 0
    assert list(table.columns) == list(expected.columns)
    pd.testing.assert_frame_equal(table, expected, check_dtype=False)
    assert len(analysis) == len(analysis.detections) == len(table)
    assert analysis.pixel_size_um == 0.2


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_save_writes_what_count_writes(analysis, counted, tmp_path):
    out = analysis.save(tmp_path / "saved")
    mine, theirs = files(out), files(counted)
    assert mine.keys() == theirs.keys()
    timed = {name for name in mine if name.endswith(".json")}
    assert {name: mine[name] for name in mine.keys() - timed} == {name: theirs[name] for name in theirs.keys() - timed}
    own, other = json.loads(mine["run.json"]), json.loads(theirs["run.json"])
    changing = ("started", "seconds", "images")
    assert {k: v for k, v in own.items() if k not in changing} == {k: v for k, v in other.items() if k not in changing}
    image, its = own["images"][0], other["images"][0]
    assert image | {"seconds": 0} == its | {"seconds": 0}


def test_count_goes_on_with_a_saved_folder(analysis, crop, tmp_path):
    out = analysis.save(tmp_path / "saved")
    before = (out / "specimens.csv").read_bytes()
    assert main(["count", str(crop), "-o", str(out), "--pixel-size", "0.2", "--device", "cpu", "--resume"]) == 0
    assert (out / "specimens.csv").read_bytes() == before


def test_results_that_are_there_are_replaced_only_when_asked(analysis, tmp_path):
    out = analysis.save(tmp_path / "saved", overlays=False)
    assert not list(out.rglob("*.jpg"))
    with pytest.raises(InputError, match="already holds results"):
        analysis.save(out)
    analysis.save(out, overwrite=True, xlsx=True)
    assert (out / "tables.xlsx").exists()
    assert list(out.rglob("*.jpg"))


def test_outlines_are_those_of_count(crop, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "own"))
    (tmp_path / "own" / "diatom-outline").mkdir(parents=True)
    outliner_card().write(tmp_path / "own" / "diatom-outline")
    monkeypatch.setattr(engines, "load_outliner", lambda folder, device, threads, precision: BrightOutliner())
    out = tmp_path / "counted"
    given = ["count", str(crop), "-o", str(out), "--device", "cpu", "--threshold", "0.4"]
    assert main([*given, "--outlines", "--masks"]) == 0
    outlined = nd.load_model("diatom-obb", "cpu", outlines=True).predict(crop, threshold=0.4)
    pd.testing.assert_frame_equal(outlined.specimens(), pd.read_csv(out / "specimens.csv"), check_dtype=False)
    assert all(outlined.specimens()["outline"])
    assert outlined.found.detections.outline_flags is not None
    mine, theirs = files(outlined.save(tmp_path / "saved", masks=True)), files(out)
    tables = {name for name in mine if not name.endswith(".json")}
    assert {name: mine[name] for name in tables} == {name: theirs[name] for name in tables}
    with pytest.raises(ModelError, match="gives outlines of its own"):
        nd.load_model("diatom-maskrcnn", "cpu", outlines="diatom-outline")
    with pytest.raises(ModelError, match="no model"):
        nd.load_model("diatom-obb", "cpu", outlines="diatom-outlin")


def test_masks_are_not_promised_of_a_model_for_boxes(analysis, tmp_path):
    with pytest.raises(InputError, match="finds boxes, not masks"):
        analysis.save(tmp_path / "saved", masks=True)
    assert not (tmp_path / "saved").exists() or not list((tmp_path / "saved").iterdir())


def test_an_array_is_saved_under_its_name(model, tmp_path):
    out = model.predict(np.full((64, 80), 200, np.uint8), name="plate 3/field 1").save(tmp_path / "out", sample="lake")
    facts = json.loads((out / "run.json").read_text(encoding="utf-8"))["images"][0]
    assert (facts["image"], facts["file"], facts["sample"]) == ("plate 3/field 1", None, "lake")
    assert (out / facts["annotations"]).is_file()
    assert (out / facts["overlay"]).is_file()


def found(model, array, **options) -> list[list[float]]:
    return model.predict(array, **options).detections.boxes.tolist()


def test_arrays_of_each_layout_give_what_the_file_gives(model, crop, analysis):
    rgb = np.asarray(Image.open(crop))
    expected = analysis.detections.boxes.tolist()
    assert found(model, rgb) == expected
    assert found(model, np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])) == expected
    assert found(model, rgb[None]) == expected
    assert found(model, np.moveaxis(rgb, 2, 0), axes="CYX") == expected
    assert found(model, np.moveaxis(rgb, 2, 0)[:, None], axes="CZYX") == expected
    assert found(model, rgb[None], axes="TYXC") == expected
    blurred = np.full_like(rgb, 128)
    assert found(model, np.stack([blurred, rgb]), axes="ZYXC") == expected
    assert found(model, np.stack([blurred, rgb]), axes="ZYXC", z="2") == expected


def test_grey_arrays_of_each_layout_give_what_the_grey_file_gives(model, crop, tmp_path):
    grey = np.asarray(Image.open(crop).convert("L"))
    tifffile.imwrite(tmp_path / "grey.tif", grey)
    expected = model.predict(tmp_path / "grey.tif").detections.boxes.tolist()
    assert expected
    assert found(model, grey) == expected
    assert found(model, grey[None, None]) == expected
    assert found(model, grey[..., None], axes="YXC") == expected
    assert found(model, np.stack([grey // 2, grey]), axes="ZYX", z="max") == expected
    (opened,) = nd.open_images(tmp_path / "grey.tif")
    assert found(model, opened) == expected


@pytest.mark.parametrize(
    ("shape", "axes", "words"),
    [
        ((3, 50, 60), None, "channels, or 3 planes"),
        ((20, 50, 60), None, "axes='CYX' or axes='ZYX'"),
        ((2, 20, 50, 60), None, "axes='ZCYX'"),
        ((3, 50, 60), "YX", "names 2 axes"),
        ((3, 50, 60), "TYX", "one time or position at a time"),
        ((3, 50, 60), "CXY", "in this order"),
        ((5, 50, 60), "CYX", "5 channels"),
        ((0, 50), None, "no pixels"),
        ((60,), None, "name them"),
    ],
)
def test_a_layout_that_cannot_be_told_is_asked_for(model, shape, axes, words):
    with pytest.raises(InputError, match=words):
        model.predict(np.zeros(shape, np.uint8), axes=axes)


def test_a_plane_that_is_not_there_is_named(model):
    with pytest.raises(InputError, match="2 focus planes"):
        model.predict(np.zeros((2, 50, 60), np.uint8), axes="ZYX", z="3")


def test_what_is_not_an_image_is_refused_in_words(model, tmp_path):
    with pytest.raises(InputError, match="array is needed"):
        model.predict([[1, 2], [3, 4]])
    with pytest.raises(InputError, match=r"none\.png"):
        model.predict(tmp_path / "none.png")
    with pytest.raises(InputError, match="threshold"):
        model.predict(np.zeros((50, 60), np.uint8), threshold=3)


def test_a_file_of_several_images_is_opened_page_by_page(model, tmp_path):
    tifffile.imwrite(tmp_path / "two.tif", np.zeros((2, 64, 64), np.uint8), photometric="minisblack", metadata=None)
    pages = nd.open_images(tmp_path / "two.tif")
    assert len(pages) == 2
    with pytest.raises(InputError, match="open_images"):
        model.predict(tmp_path / "two.tif")
    out = model.predict(pages[1]).save(tmp_path / "out")
    assert (out / "annotations" / "two#2.geojson").is_file()


def test_models_are_found_by_name_and_path(tmp_path):
    cards = nd.available_models()
    assert next(iter(cards)) == "diatom-obb"
    assert cards["diatom-maskrcnn"].task == "instances"
    with pytest.raises(ModelError, match="diatom-obb"):
        nd.load_model("diatom-ob")
    with pytest.raises(InputError, match="threads"):
        nd.load_model("diatom-obb", threads=0)


def test_annotations_go_out_and_come_back(analysis, tmp_path):
    annotations = analysis.annotations()
    nd.write_annotations(tmp_path / "corner.geojson", annotations)
    (back,) = nd.read_annotations(tmp_path / "corner.geojson")
    np.testing.assert_allclose(back.detections.boxes, annotations.detections.boxes, atol=0.01)
    assert back.origins == annotations.origins
    with pytest.warns(UserWarning, match="does not keep"):
        nd.write_annotations(tmp_path / "dota", [annotations], format="dota")
    with pytest.raises(InputError, match="format='coco'"):
        nd.write_annotations(tmp_path / "corner.json", annotations)
    with pytest.raises(InputError, match="no format"):
        nd.read_annotations(tmp_path / "corner.geojson", format="koko")


def test_annotations_are_measured_as_count_measures_them(analysis, crop, counted):
    expected = pd.read_csv(counted / "specimens.csv").fillna({"striae_refused": ""})
    measured = nd.measure(analysis.annotations(), image=crop)
    pd.testing.assert_frame_equal(measured, expected, check_dtype=False)
    (read,) = nd.read_annotations(next((counted / "annotations").glob("*.geojson")))
    measured = nd.measure(read, pixel_size_um=0.4)
    np.testing.assert_allclose(measured["length_um"], 2 * expected["length_um"], atol=0.02)


def test_masks_and_brightness_are_measured():
    mask = CroppedMask(np.ones((6, 20), bool), 5, 4)
    found = Detections.of([[15, 7, 20, 6, 0]], [0], [1.0], ["Navicula"], masks=[mask])
    image = np.full((30, 40), 90, np.uint8)
    table = nd.measure(found, 0.5, image)
    assert table.loc[0, ["area_px", "area_um2", "intensity_mean"]].tolist() == [120, 30, 90]
    assert nd.measure(found).loc[0, ["length_um", "intensity_mean"]].isna().all()
    assert nd.measure(Annotations.of(found, image="a.png")).loc[0, "origin"] == "person"


def test_tables_without_specimens_keep_their_columns_and_types(model, analysis):
    empty = model.predict(np.full((64, 64), 200, np.uint8)).specimens()
    assert len(empty) == 0
    full = analysis.specimens()
    assert list(empty.columns) == list(full.columns)
    numbers = full.select_dtypes("number").columns
    assert (empty.dtypes[numbers] == full.dtypes[numbers]).all()


def test_evaluate_judges_a_model_on_annotations(tmp_path, crop, analysis):
    (tmp_path / crop.name).write_bytes(crop.read_bytes())
    nd.write_annotations(tmp_path / "truth.json", analysis.annotations(), format="coco")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        evaluation = nd.evaluate("diatom-obb", tmp_path / "truth.json", tmp_path / "report", images=tmp_path)
    assert evaluation.figures()["f1"] == pytest.approx(1)
    assert (tmp_path / "report" / "report.html").is_file()


def test_a_training_that_cannot_be_set_up_says_what_is_wrong(tmp_path):
    with pytest.raises(InputError, match="data"):
        nd.train({"name": "mine"}, tmp_path / "run")
    with pytest.raises(InputError, match=r"none\.yaml"):
        nd.train(tmp_path / "none.yaml")


def test_a_training_gives_curves_a_report_and_a_model(tmp_path):
    config = configured(draw_slides(tmp_path))
    epochs = []
    run = nd.train(
        config, tmp_path / "run", report=lambda step: epochs.append(step.done) if step.stage == "epoch" else 0
    )
    assert epochs == [1, 2]
    history = run.history()
    assert history.index.tolist() == [1, 2]
    assert history["train_loss"].notna().all()
    assert nd.load_model(run.folder, device="cpu").card == nd.load_model(run.model, device="cpu").card
    assert (run.report / "report.html").is_file()
    with pytest.raises(InputError, match="is finished"):
        nd.train(run.folder)
    with pytest.raises(InputError, match="leave folder out"):
        nd.train(run.folder, tmp_path / "other")


def test_an_interrupt_stops_a_training_in_order(tmp_path, monkeypatch):
    asked = []

    def train_until_stopped(folder, monitor):
        time.sleep(0.3)
        _thread.interrupt_main()
        while not monitor.should_stop():
            time.sleep(0.01)
        asked.append(folder.path)
        raise Stopped("Stopped as asked; no epoch was completed.")

    monkeypatch.setattr(training_process, "run", train_until_stopped)
    # A shell starts what runs in its background with interrupts ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(Stopped, match="as asked"):
            nd.train(configured(draw_slides(tmp_path)).to_plain(), tmp_path / "run")
    finally:
        signal.signal(signal.SIGINT, before)
    assert asked == [tmp_path / "run"]


def test_examples_in_the_docstrings_run():
    parts = [api, *(import_module(part.name) for part in pkgutil.iter_modules(api.__path__, "napari_diatom.api."))]
    results = [doctest.testmod(part, optionflags=doctest.NORMALIZE_WHITESPACE) for part in parts]
    assert sum(result.attempted for result in results) > 30
    assert sum(result.failed for result in results) == 0


def test_each_public_name_is_offered_and_described():
    assert sorted(set(nd.__all__) - {"__version__"}) == sorted(api.__all__)
    for name in api.__all__:
        assert getattr(nd, name) is getattr(api, name)
        assert getattr(api, name).__doc__
        assert name in dir(nd)
    with pytest.raises(AttributeError, match="nothing_such"):
        nd.nothing_such  # noqa: B018
