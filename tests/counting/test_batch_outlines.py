"""Counting with a model that outlines the boxes that another finds."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import openpyxl
import pytest
import tifffile

from helpers.counting import count, record, results, rows, save
from helpers.fakes import BlobEngine, BrightOutliner, LooseEngine, ShadeEngine, card, outliner_card, slide
from napari_diatom.core import geometry
from napari_diatom.counting import table_columns
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.models import library

OF_MASKS = ("perimeter_px", "midline_length_px", "symmetry_apical", "intensity_mean")


@pytest.fixture(autouse=True)
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's models: one that outlines."""
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "own"))
    folder = tmp_path / "own" / "diatom-outline"
    folder.mkdir(parents=True)
    outliner_card().write(folder)
    return folder


@pytest.fixture
def field(tmp_path: Path) -> Path:
    return save(tmp_path / "field.png", number=5)


class UprightEngine(BlobEngine):
    """Finds upright boxes."""

    def __init__(self) -> None:
        super().__init__(card(tile_size=640).model_copy(update={"task": "boxes", "architecture": "yolo11n"}))

    def blobs(self, pixels):
        found = super().blobs(pixels)
        x0, y0, x1, y1 = geometry.bounds(found.boxes).T
        boxes = np.column_stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, np.zeros_like(x0)])
        return type(found).of(boxes, found.class_ids, found.scores, found.classes)


def test_boxes_get_outlines_and_are_measured_by_them(field: Path, tmp_path: Path) -> None:
    for name, asked in (("boxes", ()), ("outlines", ("--outlines",))):
        assert count(field, "-o", tmp_path / name, *asked, engine=LooseEngine(), outliner=BrightOutliner()) == 0
    loose, exact = rows(tmp_path / "boxes" / "specimens.csv"), rows(tmp_path / "outlines" / "specimens.csv")
    assert [row["score"] for row in exact] == [row["score"] for row in loose]
    assert [row["outline"] for row in exact] == ["agrees"] * 5
    for wide, row in zip(loose, exact, strict=True):
        assert float(wide["length_px"]) - float(row["length_px"]) == pytest.approx(4, abs=1.5)
        assert float(row["area_px"]) <= 1.1 * float(row["length_px"]) * float(row["width_px"])
        assert float(row["length_px"]) == pytest.approx(41, abs=1.5)
        assert all(row[name] for name in OF_MASKS)
        assert not any(wide[name] for name in OF_MASKS)


def test_upright_boxes_of_slanting_needles_become_boxes_along_them(field: Path, tmp_path: Path) -> None:
    assert count(field, "-o", tmp_path / "out", "--outlines", engine=UprightEngine(), outliner=BrightOutliner()) == 0
    needles = [row for row in rows(tmp_path / "out" / "specimens.csv") if float(row["length_width_ratio"]) > 2]
    assert len(needles) == 3
    assert all(float(row["length_px"]) == pytest.approx(41, abs=1.5) for row in needles)


def test_without_outlines_the_tables_are_as_before(field: Path, tmp_path: Path) -> None:
    assert count(field, "-o", tmp_path / "out") == 0
    assert tuple(rows(tmp_path / "out" / "specimens.csv")[0]) == table_columns.SPECIMEN_COLUMNS
    assert record(tmp_path / "out")["outliner"] is None


def test_outlines_that_contradict_their_boxes_are_flagged_and_the_boxes_stay(field: Path, tmp_path: Path) -> None:
    outliner = BrightOutliner(doubtful=(1,), unseen=(3,))
    given = (field, "-o", tmp_path / "out", "--xlsx", "--masks")
    assert count(*given, "--outlines", engine=LooseEngine(), outliner=outliner) == 0
    assert count(field, "-o", tmp_path / "boxes", engine=LooseEngine()) == 0
    found, boxes = rows(tmp_path / "out" / "specimens.csv"), rows(tmp_path / "boxes" / "specimens.csv")
    assert [row["outline"] for row in found] == ["agrees", "contradicts box", "agrees", "not found", "agrees"]
    for k in (1, 3):
        for name in ("x_px", "y_px", "length_px", "width_px", "angle_deg"):
            assert found[k][name] == boxes[k][name]
    assert found[3]["area_px"] == boxes[3]["area_px"]
    assert not any(found[3][name] for name in OF_MASKS)
    assert found[1]["perimeter_px"]
    book = openpyxl.load_workbook(tmp_path / "out" / "tables.xlsx")
    sheet = list(book["specimens"].iter_rows(values_only=True))
    assert [row[sheet[0].index("outline")] for row in sheet[1:]] == [row["outline"] for row in found]
    drawn = geojson.read(tmp_path / "out" / "annotations" / "field.geojson")
    assert [shape == "polygon" for shape in drawn.shapes] == [True, True, True, False, True]


def test_outlines_are_exported_as_masks(field: Path, tmp_path: Path) -> None:
    given = (field, "-o", tmp_path / "out", "--masks")
    assert count(*given) == 2
    assert count(*given, "--outlines", outliner=BrightOutliner()) == 0
    areas = [float(row["area_px"]) for row in rows(tmp_path / "out" / "specimens.csv")]
    labels = tifffile.imread(tmp_path / "out" / "masks" / "field.tif")
    assert np.bincount(labels.ravel())[1:].tolist() == areas
    assert (labels > 0).sum() == (slide(number=5) > 20).sum()
    coco = json.loads((tmp_path / "out" / "masks" / "field.json").read_text(encoding="utf-8"))
    assert sorted(note["area"] for note in coco["annotations"]) == sorted(areas)
    features = json.loads((tmp_path / "out" / "annotations" / "field.geojson").read_text(encoding="utf-8"))["features"]
    # Two are upright squares.
    assert sum(len(feature["geometry"]["coordinates"][0]) > 5 for feature in features) == 3


def test_only_specimens_at_the_threshold_are_outlined(field: Path, tmp_path: Path) -> None:
    outliner = BrightOutliner()
    given = (field, "-o", tmp_path / "out", "--threshold", "0.9", "--outlines")
    assert count(*given, outliner=outliner) == 0
    assert 0 < outliner.outlined == len(rows(tmp_path / "out" / "specimens.csv")) < 5


def test_an_image_without_specimens_has_a_table_with_the_column(tmp_path: Path) -> None:
    save(tmp_path / "empty.png", number=0)
    assert count(tmp_path / "empty.png", "-o", tmp_path / "out", "--outlines", outliner=BrightOutliner()) == 0
    with (tmp_path / "out" / "specimens.csv").open(encoding="utf-8", newline="") as stream:
        assert tuple(next(csv.reader(stream))) == table_columns.specimen_columns(False, outlined=True)


def test_a_run_goes_on_with_the_outlines_that_it_began_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for k in range(2):
        save(tmp_path / "slides" / f"{k}.png", number=3 + k, seed=k)
    out, whole = tmp_path / "out", tmp_path / "whole"
    given = (tmp_path / "slides", "--outlines")
    assert count(*given[:1], "-o", whole, *given[1:], outliner=BrightOutliner()) == 0
    assert count(tmp_path / "slides", "-o", out, "--outlines", outliner=BrightOutliner()) == 0
    assert record(out)["outliner"]["name"] == "diatom-outline"
    (out / "annotations" / "0.geojson").unlink()
    outliner = BrightOutliner()
    assert count(tmp_path / "slides", "-o", out, "--resume", "--outlines", outliner=outliner) == 0
    assert outliner.outlined == 3
    assert results(out) == results(whole)
    capsys.readouterr()
    assert count(tmp_path / "slides", "-o", out, "--resume") == 2
    assert "outlines was diatom-outline 1.0, is not set" in capsys.readouterr().err
    other = BrightOutliner(outliner_card(sha256="1" * 64))
    assert count(tmp_path / "slides", "-o", out, "--resume", "--outlines", outliner=other) == 2
    assert "weights of outlines was" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["missing", "another is there", "unknown name", "for another task"])
def test_a_model_for_outlines_that_cannot_be_used_is_an_error_that_says_what_to_do(
    kind: str,
    field: Path,
    tmp_path: Path,
    own_models: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given, words = ["--outlines"], []
    if kind == "unknown name":
        given, words = ["--outlines", "diatom-outlin"], ["no model 'diatom-outlin'", "Did you mean diatom-outline?"]
    elif kind == "for another task":
        given, words = ["--outlines", "diatom-obb"], ["does not outline specimens", "models list"]
    else:
        (own_models / "model.yaml").unlink()
        others = [folder for folder in library.BUNDLED.iterdir() if folder.name != own_models.name]
        for folder in others:
            shutil.copytree(folder, tmp_path / "bundled" / folder.name)
        monkeypatch.setattr(library, "BUNDLED", tmp_path / "bundled")
        words = ["diatom-outline, which outlines specimens, is not installed", "models import"]
    if kind == "another is there":
        own_models.with_name("mine").mkdir()
        outliner_card(name="mine").write(own_models.with_name("mine"))
        words = ["is not installed", "name one of these: mine"]
    assert count(field, "-o", tmp_path / "out", *given) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert all(word in said for word in words), said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("more", [(), ("another.png",)])
def test_images_behind_the_option_are_not_taken_for_a_model(
    field: Path, tmp_path: Path, more: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    for given in (field, field.parent):
        with pytest.raises(SystemExit) as ended:
            count("--outlines", given, *more, "-o", tmp_path / "out")
        assert ended.value.code == 2
        said = " ".join(capsys.readouterr().err.split())
        assert f"{given} is no model; if it is to be counted, write --outlines behind it" in said


def test_models_that_give_masks_are_not_outlined(
    field: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert count(field, "-o", tmp_path / "out", "--outlines", engine=ShadeEngine(), outliner=BrightOutliner()) == 2
    assert "shades gives outlines of its own: leave out the outlines" in capsys.readouterr().err


def test_a_model_of_outlines_is_named_or_given_by_its_folder(field: Path, tmp_path: Path, own_models: Path) -> None:
    for name in ("diatom-outline", own_models):
        out = tmp_path / Path(name).parent.name
        assert count(field, "-o", out / "out", "--outlines", name, outliner=BrightOutliner()) == 0
        assert record(out / "out")["outliner"]["sha256"] == outliner_card().sha256
