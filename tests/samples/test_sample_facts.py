"""Tables of samples as people write them, their faults all at once, and which image is of which sample."""

from __future__ import annotations

import datetime
from pathlib import Path

import openpyxl
import pytest

from napari_diatom.core.errors import InputError
from napari_diatom.samples.concentration import Chamber, ScrapedSlide
from napari_diatom.samples.image_samples import samples_by_folder, samples_by_pattern, samples_by_table
from napari_diatom.samples.sample_facts import SampleFacts, read_samples

COMMAS = """sample,site,date,Scraped area (cm²),suspension_volume_ml,aliquot_volume_ml,coverslip_area_mm2,weather
R1,Ouse,2026-05-31,20.5,50,0.5,324,rain
R2,Ouse,2026-06-01,,,,,"sun, wind"
"""
SEMICOLONS = """Sample code;Station;Sample date;Scraped area (cm2);suspension_volume_ml;aliquot_volume_ml;\
coverslip_area_mm2;weather
R1;Ouse;31/05/2026;20,5;50;0,5;324;rain
;;;;;;;
R2;Ouse;01.06.2026;;;;;sun, wind
"""


def xlsx(path: Path) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (
        ["sample", "site", "date", "scraped_area_cm2", "suspension_volume_ml", "aliquot_volume_ml"],
        ["R1", "Ouse", datetime.datetime(2026, 5, 31), 20.5, 50, 0.5],
        ["R2", "Ouse", "2026-06-01"],
    ):
        sheet.append(row)
    for column, cells in ((7, ("coverslip_area_mm2", 324.0)), (8, ("weather", "rain", "sun, wind"))):
        for row_number, value in enumerate(cells, start=1):
            sheet.cell(row_number, column, value)
    book.save(path)
    return path


@pytest.mark.parametrize("form", ["commas", "semicolons", "Windows", "XLSX"])
def test_a_table_is_read_as_it_is_written(tmp_path: Path, form: str) -> None:
    path = tmp_path / "samples.csv"
    if form == "XLSX":
        path = xlsx(tmp_path / "samples.xlsx")
    elif form == "commas":
        path.write_text(COMMAS, encoding="utf-8")
    else:
        path.write_text(SEMICOLONS, encoding="utf-8-sig" if form == "semicolons" else "cp1252")
    table = read_samples(path)
    first, second = table.samples["R1"], table.samples["R2"]
    assert (first.site, first.date, first.other) == ("Ouse", datetime.date(2026, 5, 31), {"weather": "rain"})
    assert first.slide() == ScrapedSlide(324.0, 50.0, 0.5, 20.5)
    assert (second.date, second.slide()) == (datetime.date(2026, 6, 1), None)
    assert second.other == {"weather": "sun, wind"}
    assert table.other_columns == ("weather",)


def test_a_known_chamber_has_its_area_and_volume(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    path.write_text("sample,chamber,sample_volume_ml,preservative_volume_ml\nL1,Sedgewick-Rafter,100,2\n")
    assert read_samples(path).samples["L1"].sedimented() == Chamber(1000.0, 1.0, 100.0, 2.0)


def test_all_faults_of_a_table_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    path.write_text(
        "sample;date;sample_volume_ml;suspension_volume_ml;aliquot_volume_ml;dilution\n"
        "R1;31/02/2026;0;1;2;1\n"
        "R1;;1,5;;;\n"
        ";2026-05-31;;;;-1\n"
        "R3;;1.234,5;;;ten\n"
    )
    with pytest.raises(InputError) as caught:
        read_samples(path)
    message = str(caught.value)
    for part in (
        "row 2 (R1): date: '31/02/2026' is not a date",
        "row 2 (R1): sample_volume_ml: must be more than 0",
        "row 3 (R1): the code stands in row 2 already",
        "row 4: it has no sample code",
        "row 4: dilution: must be more than 0",
        "row 5 (R3): sample_volume_ml: '1.234,5' is not a number",
        "row 5 (R3): dilution: 'ten' is not a number",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("site,date\nOuse,2026-05-31\n", "no column 'sample'"),
        ("sample\n", "no samples"),
        ("", "no samples"),
        ("sample,code\nR1,R1\n", "two columns are code"),
        ("sample,scraped_area_mm2\nR1,20\n", "give scraped_area_cm2"),
        ("sample,Sample volume (l)\nR1,1\n", "give sample_volume_ml"),
        ("sample,suspension_volume_ml,aliquot_volume_ml\nR1,1,2\n", "aliquot_volume_ml is more"),
        ("sample,site\nR1,Ouse,York\n", "3 cells for 2 headings"),
        ("sample,sample_volume_ml\nR1,inf\n", "not a number"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "samples.csv").write_text(text)
    with pytest.raises(InputError, match=r"samples\.csv") as caught:
        read_samples(tmp_path / "samples.csv")
    assert message in str(caught.value)


def test_what_is_no_spreadsheet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "samples.xlsx").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(InputError, match="not a table of samples"):
        read_samples(tmp_path / "samples.xlsx")
    (tmp_path / "samples.csv").write_bytes(b"a\0b")
    with pytest.raises(InputError, match="not text"):
        read_samples(tmp_path / "samples.csv")


IMAGES = ["river/R1_f1.jpg", "river/R1_f2.jpg", "lake/R2_f1.jpg"]


def test_images_belong_to_their_folders_patterns_or_tables() -> None:
    by_folder = samples_by_folder([*IMAGES, "alone.jpg"])
    assert list(by_folder.values()) == ["river", "river", "lake", "sample"]
    by_pattern = samples_by_pattern(IMAGES, "{sample}_*")
    assert list(by_pattern.values()) == ["R1", "R1", "R2"]
    facts = [SampleFacts(code="A", images=("R1_f1", "lake/*")), SampleFacts(code="river")]
    assert list(samples_by_table(by_folder, facts).values())[:3] == ["A", "river", "A"]


@pytest.mark.parametrize("pattern", ["*_f1", "{sample}_{field}", "{sample}-*"])
def test_a_pattern_that_does_not_fit_is_refused(pattern: str) -> None:
    with pytest.raises(InputError):
        samples_by_pattern(IMAGES, pattern)


def test_an_image_in_two_samples_and_a_pattern_of_none_are_told_at_once() -> None:
    facts = [SampleFacts(code="A", images=("R1_*",)), SampleFacts(code="B", images=("*_f1.jpg", "R9_*"))]
    with pytest.raises(InputError, match=r"B names 'R9_\*'.*river/R1_f1.jpg is in A and B"):
        samples_by_table(samples_by_folder(IMAGES), facts)
