"""The tables: their columns, their bytes, and that they are written whole or not at all."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
from pathlib import Path

import numpy as np
import openpyxl
import pytest

from helpers.shapes import ellipse, mask_of, placed
from napari_diatom.analysis.pipeline import Analysis
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.atomic_files import atomic, write_atomically
from napari_diatom.core.detections import CUT_BY_EDGE, Detections
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.counting import table_columns, tables
from napari_diatom.counting.image_result import ImageResult
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.images.slide_image import from_array
from napari_diatom.measurement.counting_protocol import Protocol
from napari_diatom.measurement.morphometry import oriented_box


def result(image: str = "a.jpg", sample: str = "S1", pixel_size_um: float | None = 0.1, n: int = 3) -> ImageResult:
    boxes = [[10 + i, 20.126, 40, 10, 0.5] for i in range(n)]
    found = Detections.of(boxes, [i % 2 for i in range(n)], [0.9] * n, ("=SUM(1)", "b", "c"), cut=[CUT_BY_EDGE] * n)
    analysis = Analysis(image, Path(image), "ab", 100, 200, found, 0.25, pixel_size_um, "ome", (1.0,), "m", "2", "cd")
    return ImageResult.of(analysis, sample, Protocol(), 1.5)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_columns_and_numbers(tmp_path):
    results = [result(), result("sub/b.jpg", pixel_size_um=None, n=1), result("c.jpg", "S2", n=0)]
    tables.write_tables(tmp_path, lambda: (row for item in results for row in item.specimens), results, xlsx=True)
    text = (tmp_path / "specimens.csv").read_bytes().decode()
    assert text.splitlines()[0] == (
        "image,specimen,class,status,score,x_px,y_px,length_px,width_px,angle_deg,area_px,pixel_size_um,length_um,"
        "width_um,area_um2,length_width_ratio,cut_by_edge,origin,model,"
        "midline_length_px,width_max_px,width_centre_px,perimeter_px,feret_px,min_feret_px,feret_angle_deg,"
        "midline_length_um,width_max_um,width_centre_um,perimeter_um,feret_um,min_feret_um,"
        "circularity,rectangularity,solidity,convexity,symmetry_apical,symmetry_transapical,"
        "intensity_mean,intensity_sd,intensity_sd_inner,"
        "striae_10um,striae_left_10um,striae_middle_10um,striae_right_10um,striae_quality,striae_refused"
    )
    assert text.splitlines()[1] == (
        "a.jpg,1,=SUM(1),valve,0.9000,10.00,20.13,40.00,10.00,28.65,400.0,0.100000,4.000,1.000,4.000,4.000,1,m 2,m 2"
        + "," * 28
    )
    assert "\r" not in text
    third = rows(text)[3]
    assert [third[name] for name in ("pixel_size_um", "length_um", "width_um", "area_um2")] == [""] * 4

    counts = rows((tmp_path / "counts.csv").read_text(encoding="utf-8"))
    assert list(counts[0]) == ["sample", "image", "class", "count", "relative_abundance"]
    assert [(row["image"], row["class"], row["count"]) for row in counts[:3]] == [
        ("a.jpg", "=SUM(1)", "2"),
        ("a.jpg", "b", "1"),
        ("a.jpg", "c", "0"),
    ]
    shares = [float(row["relative_abundance"]) for row in counts if row["sample"] == "S1"]
    assert sum(shares) == pytest.approx(1)
    assert [row["relative_abundance"] for row in counts if row["sample"] == "S2"] == [""] * 3

    book = openpyxl.load_workbook(tmp_path / "tables.xlsx")
    assert book.sheetnames == ["specimens", "counts"]
    sheet = list(book["specimens"].iter_rows(values_only=True))
    assert sheet[0] == table_columns.SPECIMEN_COLUMNS
    assert sheet[1][2:6] == ("=SUM(1)", "valve", 0.9, 10)
    assert book["specimens"]["C2"].data_type == "s"
    assert sheet[4][12] is None
    assert len(list(book["counts"].iter_rows())) == 10


def test_same_results_same_bytes(tmp_path):
    for name in ("one", "two"):
        tables.write_tables(tmp_path / name, lambda: iter(result().specimens), [result()])
    for file in ("specimens.csv", "counts.csv"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize("name", ["a\rb", "a\nb", "a\r\nb", 'a,"b"', "a;b", "a\x00b"])
def test_a_name_never_begins_another_row(tmp_path, name):
    tables.write_csv(tmp_path / "a.csv", ("image", "class"), [("i", name), ("j", "c")])
    data = (tmp_path / "a.csv").read_bytes()
    assert len(data.splitlines()) == 3
    assert len(list(csv.reader(io.StringIO(data.decode(), newline="")))) == 3


def test_specimens_with_masks_fill_every_column():
    mask = mask_of(placed(ellipse(60, 20), 0.4, 50, 50))
    found = Detections.of([oriented_box(mask)], masks=[mask])
    image = from_array(np.random.default_rng(0).integers(0, 255, (100, 200), dtype=np.uint8), "a.jpg")
    analysis = Analysis("a.jpg", None, None, 100, 200, found, 0.25, 0.1, "ome", (1.0,), "m", "2", "cd")
    measured = ImageResult.of(analysis, "S1", Protocol(), 1.5, image)
    cells = dict(zip(table_columns.SPECIMEN_COLUMNS, measured.specimens[0], strict=True))
    assert all(text for name, text in cells.items() if not name.startswith("striae"))
    assert cells["striae_refused"] == "no striae stand out"
    assert measured == ImageResult.of(analysis, "S1", Protocol(), 1.5, image)
    row = dict(zip(table_columns.SPECIMEN_COLUMNS, measured.specimens[0], strict=True))
    assert float(row["midline_length_um"]) == pytest.approx(6, rel=0.02)
    assert float(row["circularity"]) == pytest.approx(0.66, abs=0.02)
    assert float(row["intensity_mean"]) == pytest.approx(127, abs=10)
    numbers = table_columns.measurements(measured.specimens)[0]
    assert numbers["midline_length_um"] == float(row["midline_length_um"])
    assert not set(numbers) & {"score", "x_px", "model", "cut_by_edge"}
    text = geojson.dumps(Annotations.of(found), [numbers])
    assert json.loads(text)["features"][0]["properties"]["measurements"] == numbers
    assert len(geojson.loads(text)) == 1


def test_a_box_has_the_measurements_of_a_box():
    names = table_columns.measurements(result(pixel_size_um=None).specimens)[0]
    assert set(names) == {"length_px", "width_px", "angle_deg", "area_px", "length_width_ratio"}


def test_results_survive_storing():
    assert ImageResult.from_json(result().to_json()) == result()
    for damaged in ("", "{}", "[]", result().to_json()[:-5], '{"image": 1}'):
        with pytest.raises(InputError):
            ImageResult.from_json(damaged)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    write_atomically(path, "old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("napari_diatom.core.atomic_files.os.fsync", full)
    with pytest.raises(OutputError, match=r"t\.csv cannot be written: No space left on device"):
        tables.write_csv(path, ("a",), [("1",)])
    with pytest.raises(ZeroDivisionError), atomic(path) as stream:
        stream.write(b"half" * (1 // 0))
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["t.csv"]


def test_a_file_that_another_program_reads_is_waited_for(tmp_path, monkeypatch):
    path, held = tmp_path / "t.csv", [True, True, False]
    replace = os.replace

    def at_last(source, target):
        if held.pop(0):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        replace(source, target)

    monkeypatch.setattr("napari_diatom.core.atomic_files.os.replace", at_last)
    write_atomically(path, "new")
    assert path.read_text() == "new"
    assert not held
    monkeypatch.setattr("napari_diatom.core.atomic_files.PATIENCE_SECONDS", 0.05)
    held += [True] * 1000
    with pytest.raises(OutputError, match="Permission denied"):
        write_atomically(path, "newer")
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["t.csv"]


def test_an_empty_disk_stays_empty(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        tables.write_record(tmp_path / "file" / "run.json", {"a": 1})
    assert np.array_equal(sorted(os.listdir(tmp_path)), ["file"])
