"""Counting with a model that names what another finds."""

from __future__ import annotations

import csv
import json
import threading
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest
import tifffile

from helpers.fakes import CALLED, FLORA, BlobEngine, TurnNamer, namer_card, slide
from napari_diatom.analysis.pipeline import AnalysisOptions
from napari_diatom.core.errors import InputError, Stopped
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.counting import table_columns
from napari_diatom.counting.batch import count
from napari_diatom.counting.batch_options import Batch
from napari_diatom.measurement.counting_protocol import Protocol


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    tifffile.imwrite(tmp_path / "a.tif", slide())
    tifffile.imwrite(tmp_path / "b.tif", slide(number=0))
    return Batch((str(tmp_path / "*.tif"),), tmp_path / "out", AnalysisOptions(), sample="S", xlsx=True)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_taxa_are_counted_unknown_ones_and_empty_images_too(batch: Batch) -> None:
    count(batch, BlobEngine, load_namer=TurnNamer)
    specimens = rows(batch.out / "specimens.csv")
    assert tuple(specimens[0]) == table_columns.specimen_columns(True)
    assert [row["taxon"] for row in specimens] == [*CALLED, CALLED[0]]
    assert [row["genus"] for row in specimens[:4]] == ["Cyclotella", "Nitzschia", "Nitzschia", ""]
    assert [specimens[2][name] for name in ("taxon_confidence", "taxon_2", "taxon_3")] == ["0.9000", *FLORA[1:]]
    assert [specimens[3][name] for name in ("taxon_confidence", "taxon_2", "taxon_3")] == ["0.5000", *FLORA[:2]]
    counts = rows(batch.out / "counts.csv")
    assert tuple(counts[0]) == ("sample", "image", "taxon", "count", "relative_abundance")
    numbers = {row["taxon"]: int(row["count"]) for row in counts if row["image"] == "a.tif"}
    assert numbers == dict(zip(CALLED, (2, 1, 1, 1), strict=True))
    assert [(row["taxon"], row["count"]) for row in counts if row["image"] == "b.tif"] == [("unknown", "0")]
    assert sum(float(row["relative_abundance"]) for row in counts) == pytest.approx(1)
    book = openpyxl.load_workbook(batch.out / "tables.xlsx")
    sheet = list(book["specimens"].iter_rows(values_only=True))
    assert sheet[0] == table_columns.specimen_columns(True)
    assert sheet[1][3] == specimens[0]["taxon"]
    assert sheet[1][4] == float(specimens[0]["taxon_confidence"])
    assert next(book["counts"].iter_rows(values_only=True))[2] == "taxon"


def test_broken_specimens_are_named_and_do_not_count(batch: Batch) -> None:
    count(replace(batch, protocol=Protocol(("girdle",))), BlobEngine, load_namer=TurnNamer)
    assert all(row["taxon"] for row in rows(batch.out / "specimens.csv"))
    assert {row["count"] for row in rows(batch.out / "counts.csv")} == {"0"}


def test_without_a_namer_nothing_is_named(batch: Batch) -> None:
    count(batch, BlobEngine)
    assert tuple(rows(batch.out / "specimens.csv")[0]) == table_columns.SPECIMEN_COLUMNS
    assert "taxon" not in (batch.out / "annotations" / "a.geojson").read_text(encoding="utf-8")
    assert json.loads((batch.out / "run.json").read_text(encoding="utf-8"))["namer"] is None
    with pytest.raises(InputError, match="namer was not set, is flora"):
        count(replace(batch, resume=True), BlobEngine, load_namer=TurnNamer)


def test_a_run_stopped_while_it_names_goes_on(batch: Batch) -> None:
    stop, seen = threading.Event(), []

    def report(progress: Progress) -> None:
        seen.append((progress.stage, progress.done, progress.total))
        if progress.stage == "names" and progress.done == 2:
            stop.set()

    namer = TurnNamer()
    with pytest.raises(Stopped):
        count(batch, BlobEngine, ProgressMonitor(report, stop.is_set), lambda: namer)
    assert ("names", 2, 5) in seen
    assert namer.named == 2
    count(replace(batch, resume=True), BlobEngine, load_namer=TurnNamer)
    whole = replace(batch, out=batch.out.parent / "whole")
    count(whole, BlobEngine, load_namer=TurnNamer)
    for name in ("specimens.csv", "counts.csv", "annotations/a.geojson"):
        assert (batch.out / name).read_bytes() == (whole.out / name).read_bytes()

    other = TurnNamer(namer_card(sha256="1" * 64))
    with pytest.raises(InputError, match="namer's weights was"):
        count(replace(whole, resume=True), BlobEngine, load_namer=lambda: other)
