"""Counting with a model that gives maps."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
import tifffile

from helpers.fakes import ShadeEngine, slide
from napari_diatom.analysis.pipeline import AnalysisOptions
from napari_diatom.core.errors import InputError
from napari_diatom.counting.batch import count
from napari_diatom.counting.batch_options import Batch
from napari_diatom.tiling.instance_splitting import SplitOptions


def test_specimens_of_maps_are_counted_and_their_options_recorded(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", slide())
    batch = Batch((str(tmp_path / "a.tif"),), tmp_path / "out", AnalysisOptions(map_scales=(1.0,)))
    count(batch, ShadeEngine)
    with (tmp_path / "out" / "specimens.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 5
    facts = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert facts["options"]["split"]["neck"] == 0.6
    assert facts["options"]["map_scales"] == [1.0]

    again = replace(batch, resume=True)
    count(again, ShadeEngine)
    other = replace(again, options=AnalysisOptions(map_scales=(1.0,), split=SplitOptions(neck=0.3)))
    with pytest.raises(InputError, match="separation"):
        count(other, ShadeEngine)
