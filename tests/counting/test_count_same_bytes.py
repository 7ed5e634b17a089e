"""The same run gives the same bytes, at any hour and with any number of threads."""

from __future__ import annotations

import platform
import time
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from PIL import Image

from helpers import REPOSITORY
from helpers.counting import count, record, results, save
from helpers.fakes import ShadeEngine
from napari_diatom import engines
from napari_diatom.cli import app as cli
from napari_diatom.core.detections import Detections
from napari_diatom.images.slide_image import from_array
from napari_diatom.models import library
from napari_diatom.tiling.tiles import Tile

SLIDE = REPOSITORY / "sample_data" / "slides" / "river_bright_field_40x.jpg"


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a piece of an example slide with some specimens on it."""
    path = tmp_path_factory.mktemp("field") / "field.png"
    with Image.open(SLIDE) as picture:
        picture.crop((0, 0, 640, 400)).save(path)
    return path


@pytest.mark.parametrize("model", ["diatom-obb", "diatom-maskrcnn"])
def test_tables_do_not_depend_on_the_number_of_threads(tmp_path, field, model):
    for threads in ("1", "3"):
        arguments = [str(field), "-o", str(tmp_path / threads), "--model", model, "--xlsx", "--threads", threads]
        assert cli.main(["count", *arguments]) == 0
        assert record(tmp_path / threads)["threads"] == int(threads)
    assert record(tmp_path / "1")["images"][0]["specimens"] > 1
    assert results(tmp_path / "1") == results(tmp_path / "3")


def test_masks_of_specimens_are_the_same_to_the_last_bit(field):
    import torch

    with Image.open(field) as picture:
        tile = np.asarray(picture.convert("RGB"))[:384, :384]
    found = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(2)
            engine = engines.load(library.resolve_model("diatom-maskrcnn"), "cpu", threads)
            found.append([item for _, item in engine.predict([Tile(k, tile) for k in range(2)], 0.1)])
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    for one, other in zip(*found, strict=True):
        assert len(one)
        np.testing.assert_array_equal(one.scores, other.scores)
        np.testing.assert_array_equal(one.boxes, other.boxes)


def test_names_of_specimens_are_the_same_to_the_last_bit(tmp_path):
    import torch

    from napari_diatom.engines import classifier_net
    from napari_diatom.engines.model_writer import write_model
    from napari_diatom.models.card import ModelFacts

    torch.manual_seed(0)
    architecture = "classifier/tu-test_efficientnet/64"
    facts = {"task": "classes", "engine": "classifier", "architecture": architecture, "tile_size": 64}
    network = classifier_net.build(architecture, 2)
    model = write_model(tmp_path / "flora", network, ModelFacts(name="flora", version="1", classes=("a", "b"), **facts))
    image = from_array(np.random.default_rng(0).integers(0, 255, (200, 300, 3), dtype=np.uint8), "a")
    found = Detections.of([[20 + 6 * k, 100, 30, 10, 0.1 * k] for k in range(40)], classes=("diatom",))
    one, other = (engines.load_classifier(model, "cpu", threads).name(image, found) for threads in (1, 3))
    np.testing.assert_array_equal(one.probabilities, other.probabilities)
    assert len(np.unique(one.probabilities[:, 0])) > 30


@pytest.mark.parametrize("more", [("--xlsx",), ("--xlsx", "--masks")])
def test_tables_do_not_depend_on_the_hour(tmp_path, monkeypatch, more):
    save(tmp_path / "in" / "a.png", 3)
    assert count(tmp_path / "in", "-o", tmp_path / "one", *more, engine=ShadeEngine()) == 0
    now = time.time()
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now + 100_000)
        patch.setattr(time, "localtime", lambda *_: time.gmtime(now + 100_000))
        assert count(tmp_path / "in", "-o", tmp_path / "two", *more, engine=ShadeEngine()) == 0
    assert results(tmp_path / "one") == results(tmp_path / "two")
    with zipfile.ZipFile(tmp_path / "two" / "tables.xlsx") as book:
        assert {entry.date_time for entry in book.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    book = openpyxl.load_workbook(tmp_path / "two" / "tables.xlsx")
    assert book.properties.created.year == book.properties.modified.year == 1980
    assert book["counts"]["C2"].value == "diatom"


def test_the_record_names_the_processor(tmp_path, capsys):
    save(tmp_path / "in" / "a.png")
    assert count(tmp_path / "in", "-o", tmp_path / "out", "--threads", 2) == 0
    found = record(tmp_path / "out")
    assert found["threads"] == 2
    assert found["processor"] not in ("", "unknown")
    if platform.system() == "Linux" and platform.machine() == "x86_64":
        assert found["processor"] in Path("/proc/cpuinfo").read_text()
    for wrong in ("0", "-1"):
        assert count(tmp_path / "in", "-o", tmp_path / "out", "--overwrite", "--threads", wrong) == 2
        assert "--threads" in capsys.readouterr().err
