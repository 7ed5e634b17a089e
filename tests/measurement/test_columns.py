"""The registry of columns: the documentation and all that shows a column say the same as the files."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from napari_diatom.core import taxa
from napari_diatom.counting import tables
from napari_diatom.measurement import columns
from napari_diatom.napari_layers import project_layer, shapes_layer

GROUPS = (columns.SPECIMEN_COLUMNS, columns.TAXON_COLUMNS, columns.OUTLINE_COLUMNS, columns.COUNT_COLUMNS)
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "columns.md"


def test_the_page_of_columns_has_the_tables_of_the_registry(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(columns.__file__, run_name="__main__")
    printed = [table for table in capsys.readouterr().out.split("\n\n") if table.strip()]
    text = PAGE.read_text(encoding="utf-8")
    assert len(printed) == len(GROUPS)
    assert all(f"\n{table}\n\n" in text for table in printed)


def test_every_column_of_the_tables_has_its_name_once_and_says_what_it_means() -> None:
    assert columns.names(columns.TAXON_COLUMNS) == taxa.COLUMNS
    assert tables.specimen_columns(True)[2:9] == ("class", *taxa.COLUMNS)
    for group in GROUPS:
        assert len(set(columns.names(group))) == len(group)
        assert all(column.definition for column in group)


def test_features_of_layers_are_columns_of_the_tables() -> None:
    known = {*tables.specimen_columns(True, outlined=True), project_layer.ID}
    assert known >= {*shapes_layer.FEATURES, *project_layer.FEATURES}


@pytest.mark.parametrize(("name", "spec"), [("image", ""), ("specimen", "d"), ("area_px", ".1f"), ("length_um", ".3f")])
def test_a_column_formats_its_values_with_its_decimals(name: str, spec: str) -> None:
    assert columns.column(name).format_spec == spec
