"""``napari-diatom tally``: the tables of a count and of a project, as a person reads them."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import openpyxl
import pytest

import napari_diatom as nd
from helpers.counting import count, rows, save
from helpers.projects import new_project
from napari_diatom.cli import main
from napari_diatom.core.errors import InputError
from napari_diatom.core.proportions import wilson
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import Specimen
from napari_diatom.samples.protocol import read_protocol
from napari_diatom.samples.protocol_presets import PRESETS


def add(project: Project, image: str, name: str, number: int, status: str = "valve", x: float = 40.0) -> None:
    """Draw so many specimens of 20 x 5 px."""
    document = project.document(image)
    document.add([Specimen.rectangle((x, 30, 20, 5, 0), name, status=status, annotator="Ada") for _ in range(number)])


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project of two samples of two fields, at 0.5 µm per pixel, with a table of their facts."""
    place = tmp_path_factory.mktemp("season")
    with new_project(place, slides=2, fields=2) as project:
        ids = [image.id for image in project.images]
        project.facts.set(ids[:2], sample="R1")
        project.facts.set(ids[2:], sample="R2")
        project.facts.set_pixel_size(ids, 0.5)
        add(project, ids[0], "Navicula", 6)
        add(project, ids[1], "Navicula", 2, "frustule")
        add(project, ids[1], "Nitzschia", 1, "broken")
        add(project, ids[1], "Nitzschia", 1, x=5)
        add(project, ids[1], "Nitzschia", 2)
        add(project, ids[2], "Nitzschia", 3)
    (place / "samples.csv").write_text(
        "sample;site;date;scraped_area_cm2;suspension_volume_ml;aliquot_volume_ml;coverslip_area_mm2;pH\n"
        "R1;Ouse;31/05/2026;20;50;0,5;324;7,8\n"
        "R3;Ouse;;;;;;\n",
        encoding="utf-8",
    )
    return place


def tally(season: Path, out: Path, *more: str) -> int:
    return main(["tally", str(season / "project"), "-o", str(out), *more])


def test_a_project_is_tallied_by_its_protocol(season: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert tally(season, out, "--protocol", "poland", "--samples", str(season / "samples.csv")) == 0
    shown = capsys.readouterr()
    assert "10 of 400" not in shown.out
    assert "12 of 400" in shown.out
    assert "no image belongs to R3" in shown.err
    assert "does not have R2" in shown.err
    found = {(row["sample"], row["taxon"]): row for row in rows(out / "sample_taxon.csv")}
    # 6 valves and 2 frustules are 10 valves; of Nitzschia one is broken and one lies across the left edge.
    navicula, nitzschia = found["R1", "Navicula"], found["R1", "Nitzschia"]
    assert (navicula["count"], navicula["specimens"], float(navicula["share"])) == ("10", "8", pytest.approx(10 / 12))
    assert [nitzschia[name] for name in ("count", "left_out_by_status", "left_out_by_edge")] == ["2", "1", "1"]
    # 12 valves of 10 specimens are worth 144 / 16 = 9 of them.
    bounds = float(navicula["share_low"]), float(navicula["share_high"])
    assert bounds == pytest.approx(wilson(7.5, 9), abs=1e-6)
    sizes = {(row["sample"], row["taxon"]): row for row in rows(out / "sizes.csv")}
    assert (sizes["R1", "Navicula"]["n"], sizes["R1", "Navicula"]["length_um_mean"]) == ("8", "10.000")
    assert (sizes["R1", "Nitzschia"]["n"], sizes["R1", "Nitzschia"]["width_um_median"]) == ("2", "2.500")
    indices = rows(out / "diversity.csv")[0]
    expected = -(10 / 12) * math.log(10 / 12) - (2 / 12) * math.log(2 / 12)
    assert float(indices["shannon_ln"]) == pytest.approx(expected, abs=1e-6)
    assert float(indices["shannon_ln_low"]) < expected < float(indices["shannon_ln_high"])
    assert (indices["rarefied_to"], rows(out / "diversity.csv")[1]["taxa"]) == ("3", "1")
    protocol = read_protocol(out / "protocol.yaml")
    assert protocol == PRESETS["poland"]()


def test_every_count_is_traced(season: Path, tmp_path: Path) -> None:
    found = nd.tally(season / "project", tmp_path / "out", "poland")
    specimens = rows(tmp_path / "out" / "tally_specimens.csv")
    counted = [row["specimen"] for row in specimens if (row["sample"], row["taxon"]) == ("R1", "Navicula")]
    assert found.tally.keys_of("R1", "Navicula") == counted
    assert sum(int(row["count"]) for row in specimens) == found.tally.units.sum() == 15
    assert sorted(row["left_out_by"] for row in specimens if row["left_out_by"]) == ["edge", "status"]
    facts = json.loads((tmp_path / "out" / "provenance.json").read_text(encoding="utf-8"))
    assert (facts["source"]["kind"], facts["found_by"]) == ("project", {"Ada": 15})
    assert all(len(image["sha256"]) == 64 for image in facts["images"])
    assert len(facts["source"]["sha256"]["diatom-project.yaml"]) == 64


def test_concentrations_say_how_they_were_made(season: Path, tmp_path: Path) -> None:
    nd.tally(season / "project", tmp_path / "out", "plain", samples=season / "samples.csv")
    first = rows(tmp_path / "out" / "concentration.csv")[0]
    heading = next(name for name in first if name.startswith("units_per_cm2 = count * (coverslip_area_mm2"))
    # Two fields of 80 x 60 px at 0.5 µm: 2 x 40 x 30 µm².
    area = 2 * 40 * 30 / 1e6
    assert float(first["counted_area_mm2"]) == pytest.approx(area)
    assert float(first[heading]) == pytest.approx(8 * 324 / area * 100 / 20, rel=1e-9)
    samples = {row["sample"]: row for row in rows(tmp_path / "out" / "samples.csv")}
    assert (samples["R1"]["date"], samples["R1"]["pH"], samples["R1"]["fields"]) == ("2026-05-31", "7,8", "2")
    assert samples["R2"]["site"] == ""
    assert {row["sample"] for row in rows(tmp_path / "out" / "concentration.csv")} == {"R1"}


def test_a_european_excel_reads_the_tables(season: Path, tmp_path: Path) -> None:
    assert tally(season, tmp_path, "--csv", "excel-eu") == 0
    data = (tmp_path / "sample_taxon.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbfsample;taxon;")
    european = list(csv.DictReader(data.decode("utf-8-sig").splitlines(), delimiter=";"))
    assert tally(season, tmp_path, "--overwrite") == 0
    for ours, theirs in zip(rows(tmp_path / "sample_taxon.csv"), european, strict=True):
        assert {name: value.replace(",", ".") for name, value in theirs.items()} == ours


def test_the_workbook_has_all_tables(season: Path, tmp_path: Path) -> None:
    assert tally(season, tmp_path, "--samples", str(season / "samples.csv")) == 0
    book = openpyxl.load_workbook(tmp_path / "tally.xlsx")
    assert book.sheetnames == [
        *("counts", "shares", "sample_taxon", "diversity", "sizes", "samples", "concentration", "protocol"),
        "provenance",
    ]
    wide = [[cell.value for cell in row] for row in book["counts"].iter_rows()]
    assert wide == [["taxon", "R1", "R2"], ["Navicula", 8, 0], ["Nitzschia", 3, 3]]
    shares = {row[0].value: row[1].value for row in book["shares"].iter_rows(min_row=2)}
    assert shares == pytest.approx({"Navicula": 8 / 11, "Nitzschia": 3 / 11}, abs=1e-6)
    entries = {row[0].value: row[1].value for row in book["protocol"].iter_rows(min_row=2)}
    assert (entries["target"], entries["statuses.valve"]) == ("400", "1.0")


def test_names_of_samples_are_text_in_every_table(tmp_path: Path) -> None:
    with new_project(tmp_path, fields=1) as project:
        add(project, project.images[0].id, "=Navicula", 1)
        project.facts.set([project.images[0].id], sample="=1+1")
    assert tally(tmp_path, tmp_path / "out", "--overwrite") == 0
    sheet = openpyxl.load_workbook(tmp_path / "out" / "tally.xlsx")["counts"]
    assert [(cell.value, cell.data_type) for cell in (sheet["B1"], sheet["A2"])] == [("=1+1", "s"), ("=Navicula", "s")]


def test_a_project_without_specimens_is_a_count_of_nothing(tmp_path: Path) -> None:
    new_project(tmp_path).close()
    found = nd.tally(tmp_path / "project", tmp_path / "out", "uk")
    assert found.tally.units.sum() == 0
    assert rows(tmp_path / "out" / "sample_taxon.csv") == []
    assert [row["may_stop"] for row in rows(tmp_path / "out" / "samples.csv")] == ["no"] * len(found.tally.samples)
    assert any("no planktic taxa" in remark for remark in found.remarks)


def test_what_count_found_is_tallied_by_folder_or_pattern(tmp_path: Path) -> None:
    for name in ("river/R1_f1", "river/R2_f1", "lake/L1_f1"):
        save(tmp_path / "slides" / f"{name}.png", 3, seed=len(name))
    assert count(tmp_path / "slides", "-o", tmp_path / "counted", "--pixel-size", "0.1") == 0
    assert main(["tally", str(tmp_path / "counted"), "-o", str(tmp_path / "folders")]) == 0
    specimens = rows(tmp_path / "counted" / "specimens.csv")
    counted = rows(tmp_path / "folders" / "sample_taxon.csv")
    assert {row["sample"] for row in counted} == {"river", "lake"}
    assert sum(int(row["count"]) for row in counted) == len(specimens) > 0
    given = ["--pattern", "{sample}_*", "--protocol", "us"]
    assert main(["tally", str(tmp_path / "counted"), "-o", str(tmp_path / "patterns"), *given]) == 0
    assert {row["sample"] for row in rows(tmp_path / "patterns" / "samples.csv")} == {"R1", "R2", "L1"}
    whole = [row for row in specimens if row["cut_by_edge"] == "0"]
    assert sum(int(row["n"]) for row in rows(tmp_path / "patterns" / "sizes.csv")) == len(whole)
    facts = json.loads((tmp_path / "patterns" / "provenance.json").read_text(encoding="utf-8"))
    assert facts["source"]["kind"] == "count"
    assert facts["models"]
    assert {image["sample"] for image in facts["images"]} == {"R1", "R2", "L1"}
    (tmp_path / "taxa.csv").write_text("name;code;synonyms\nPennales;PENN;diatom\nCoscinodiscophyceae;COSC;centric\n")
    given = ["--taxa", str(tmp_path / "taxa.csv"), "--export", "generic"]
    assert main(["tally", str(tmp_path / "counted"), "-o", str(tmp_path / "listed"), *given]) == 0
    assert {row["taxon"] for row in rows(tmp_path / "listed" / "sample_taxon.csv")} == {
        "Pennales",
        "Coscinodiscophyceae",
    }
    assert (tmp_path / "listed" / "exports" / "generic" / "lake.csv").read_text() == "code;count\nCOSC;1\nPENN;2\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--protocol", "austria"], "There is no protocol 'austria'"),
        (["--pattern", "{sample}-*"], "does not fit"),
        (["--samples", "samples.csv"], "cannot be read"),
    ],
)
def test_what_cannot_be_tallied_says_why(
    season: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert tally(season, tmp_path / "out", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_nothing_else_is_written_over(season: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="another folder"):
        nd.tally(season / "project", season / "project")
    nd.tally(season / "project", tmp_path, samples=season / "samples.csv")
    with pytest.raises(InputError, match="already holds"):
        nd.tally(season / "project", tmp_path)
    nd.tally(season / "project", tmp_path, overwrite=True)
    assert not (tmp_path / "concentration.csv").exists()
    with pytest.raises(InputError, match="neither a project"):
        nd.tally(tmp_path, tmp_path / "out")
    with pytest.raises(InputError, match="excel-eu"):
        nd.TallyChoices(csv="excel")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="TallyChoices"):
        nd.tally(season / "project", tmp_path / "out", choices="excel-eu")  # type: ignore[arg-type]


@pytest.mark.parametrize("damage", ["angle", "status", "image"])
def test_a_damaged_table_of_count_is_refused(tmp_path: Path, damage: str) -> None:
    save(tmp_path / "river" / "f1.png", 2)
    assert count(tmp_path / "river", "-o", tmp_path / "counted") == 0
    path = tmp_path / "counted" / ("images.csv" if damage == "image" else "specimens.csv")
    header, *lines = path.read_text().splitlines()
    names, cells = header.split(","), lines[0].split(",")
    column = {"angle": "angle_deg", "status": "status", "image": "width_px"}[damage]
    cells[names.index(column)] = "wide"
    path.write_text("\n".join([header, ",".join(cells), *lines[1:]]) + "\n")
    with pytest.raises(InputError, match=r"damaged|was changed"):
        nd.tally(tmp_path / "counted", tmp_path / "out")


def test_volumes_follow_from_shapes(season: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "cells.csv"
    table.write_text("taxon;shape;height ratio\nNavicula;Oval cylinder;0,8\nNitzschia;box;\n", encoding="utf-8")
    out = tmp_path / "out"
    assert tally(season, out, "--shapes", str(table)) == 0
    (row,) = rows(out / "biovolume.csv")
    assert (row["sample"], row["taxon"], row["n"]) == ("R1", "Navicula", "8")
    assert row["formula"] == "π/4 l w h, h = 0.8 w"
    volume = math.pi / 4 * 10 * 2.5 * 2
    assert float(row["volume_um3_mean"]) == pytest.approx(volume, abs=1e-3)
    assert float(row["volume_um3_sum"]) == pytest.approx(8 * volume, abs=1e-3)
    assert float(row["carbon_pg_median"]) == pytest.approx(0.288 * volume**0.811, abs=1e-4)
    assert json.loads((out / "provenance.json").read_text(encoding="utf-8"))["shapes"]["sha256"]
    written = (out / "biovolume.csv").read_bytes()
    assert tally(season, out, "--overwrite") == 0
    assert not (out / "biovolume.csv").exists()
    assert nd.write_biovolume(nd.tally(season / "project", out, overwrite=True), table).read_bytes() == written

    table.write_text("taxon,shape,height_ratio\nA,cone,1\nB,box,x\nB,box,1\n*,box,-1\n", encoding="utf-8")
    capsys.readouterr()
    assert tally(season, out, "--shapes", str(table), "--overwrite") == 2
    message = capsys.readouterr().err
    for part in ("row 2 (A)", "row 3 (B): 'x' is not a number", "row 4 names B again", "row 5 (*)"):
        assert part in message
