"""Exports of ``napari-diatom tally``, read back by other programs' libraries or held against files written by hand."""

from __future__ import annotations

import csv
import datetime
import json
from pathlib import Path

import pytest
from dwca.read import DwCAReader
from hypothesis import given
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

import napari_diatom as nd
from helpers.counting import rows
from helpers.projects import new_project
from napari_diatom.cli import main
from napari_diatom.core.errors import InputError
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import Specimen
from napari_diatom.samples.exchange.qualified_names import QualifiedName
from napari_diatom.samples.protocol import SampleProtocol

TAXA = """name;authors;code;nbs;diatcode;sandre;aphiaid;planktic;synonym of
Navicula gregaria;Donkin;NGRE;NA023A;NAVGRE;7881;149035;no;
Navicula gregalis;Cholnoky;NGRL;;;;;;Navicula gregaria
Aulacoseira granulata;(Ehrenberg) Simonsen;AUGR;AU002A;AULGRA;8559,0;148953;yes;
Nitzschia cf. palea;;NPCF;NI9999;NITXPAL;9999;;no;
"""
SAMPLES = """sample;site;date;alkalinity_mg_l;chamber;sample_volume_ml;preservative_volume_ml;field_area_mm2;latitude
R1;Ouse;31/05/2026;120,5;Sedgewick-Rafter;100;2;0,5;53,9
R2;Ouse;01/06/2026;;Sedgewick-Rafter;100;0;0,5;
"""
ALL = ("diathor", "darleq3", "seee", "generic", "plankton-toolbox", "darwin-core")
DATASET = ("--dataset-title", "Ouse <2026> & more", "--dataset-owner", "River trust", "--dataset-licence", "CC BY 4.0")


def draw(project: Project, image: str, name: str, number: int, model: str = "") -> None:
    """Draw so many specimens of 20 x 5 px, or have a model propose them."""
    items = [Specimen.rectangle((40, 30, 20, 5, 0), name, annotator="" if model else "Ada") for _ in range(number)]
    document = project.document(image)
    if model:
        document.propose([item.replace(origin=model, score=0.75) for item in items], model)
    else:
        document.add(items)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project of two samples of two fields, at 0.5 µm per pixel, with tables of its samples and taxa."""
    place = tmp_path_factory.mktemp("season")
    with new_project(place, slides=2, fields=2) as project:
        ids = [image.id for image in project.images]
        project.facts.set(ids[:2], sample="R1")
        project.facts.set(ids[2:], sample="R2")
        project.facts.set_pixel_size(ids, 0.5)
        draw(project, ids[0], "Navicula gregaria", 3)
        draw(project, ids[1], "Navicula gregaria", 2)
        draw(project, ids[1], "Navicula gregalis", 1)
        draw(project, ids[1], "Nitzschia cf. palea", 1)
        draw(project, ids[2], "Navicula gregaria", 1)
        draw(project, ids[2], "Aulacoseira granulata", 2)
        draw(project, ids[3], "Navicula gregaria", 2, "diatom-obb 0.3")
    (place / "taxa.csv").write_text(TAXA, encoding="utf-8")
    (place / "samples.csv").write_text(SAMPLES, encoding="utf-8")
    return place


def export(place: Path, out: Path, *more: str, taxa: str = "taxa.csv", samples: str = "samples.csv") -> int:
    tables = ("--taxa", str(place / taxa), "--samples", str(place / samples), "--proposals")
    return main(["tally", str(place / "project"), "-o", str(out), *tables, *more])


@pytest.fixture(scope="module")
def exports(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of all exports."""
    out = tmp_path_factory.mktemp("out")
    assert export(place, out, "--export", *ALL, *DATASET) == 0
    return out / "exports"


def test_a_list_of_taxa_is_used_in_the_tally(exports: Path) -> None:
    out = exports.parent
    counted = {(row["sample"], row["taxon"]): row for row in rows(out / "sample_taxon.csv")}
    assert counted["R1", "Navicula gregaria"]["count"] == "6"
    assert [counted["R2", name]["planktic"] for name in ("Aulacoseira granulata", "Navicula gregaria")] == ["yes", ""]
    assert {row["sample"]: row["planktic_share"] for row in rows(out / "samples.csv")} == {
        "R1": "0.000000",
        "R2": "0.400000",
    }
    taxa = {row["taxon"]: row for row in rows(out / "taxa.csv")}
    assert list(taxa) == ["Aulacoseira granulata", "Navicula gregaria", "Nitzschia cf. palea"]
    gregaria = taxa["Navicula gregaria"]
    assert (gregaria["omnidia"], gregaria["authors"], gregaria["aphiaid"]) == ("NGRE", "Donkin", "149035")
    assert gregaria["merged_synonyms"] == "Navicula gregalis"
    facts = json.loads((out / "provenance.json").read_text(encoding="utf-8"))
    assert facts["taxa"]["merged_into"] == {"Navicula gregalis": "Navicula gregaria"}
    assert len(facts["taxa"]["list"]["sha256"]) == 64


def test_what_is_merged_or_not_in_the_list_is_told(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "short.csv").write_text("name,synonyms\nNavicula gregaria,Navicula gregalis\n")
    found = nd.tally(place / "project", tmp_path / "out", "uk", taxa=tmp_path / "short.csv")
    assert found.remarks[-2:] == (
        "Navicula gregalis is counted as Navicula gregaria, the accepted name",
        "the list of taxa does not have Aulacoseira granulata, Nitzschia cf. palea",
    )
    assert "so all taxa count towards the target" in "".join(found.remarks)
    planktic = nd.tally(place / "project", tmp_path / "again", "uk", taxa=place / "taxa.csv")
    assert planktic.tally.is_shared.tolist() == [False, True, True]
    assert not any("planktic" in remark for remark in planktic.remarks)


def test_the_list_stands_between_the_protocol_s_taxa_and_its_genera() -> None:
    protocol = SampleProtocol(planktic_taxa=("Aulacoseira", "Navicula gregaria"))
    listed = {"Aulacoseira granulata": False, "Navicula gregaria": False, "Cyclotella": True}
    taxa = ("Aulacoseira granulata", "Aulacoseira islandica", "Navicula gregaria", "Cyclotella", "Nitzschia")
    assert [protocol.is_planktic(taxon, listed) for taxon in taxa] == [False, True, True, True, False]


def test_the_classes_of_a_project_are_its_list(place: Path, tmp_path: Path) -> None:
    with new_project(tmp_path, fields=1) as project:
        draw(project, project.images[0].id, "Navicula gregalis", 2)
    assert main(["project", "classes", str(tmp_path / "project"), "--import", str(place / "taxa.csv")]) == 0
    nd.export_tally(nd.tally(tmp_path / "project", tmp_path / "out"), "generic")
    (listed,) = (tmp_path / "out" / "exports" / "generic").iterdir()
    assert listed.read_text() == "code;count\nNGRE;2\n"


def test_diathor_has_names_once_and_samples_in_columns(exports: Path) -> None:
    text = (exports / "diathor.csv").read_text(encoding="utf-8")
    assert text == (
        '"species","acronym","R1","R2"\n"Aulacoseira granulata","AUGR",0,2\n"Navicula gregaria","NGRE",6,3\n'
        '"Nitzschia cf. palea","NPCF",1,0\n'
    )
    species = [row["species"] for row in csv.DictReader(text.splitlines())]
    assert len(set(species)) == len(species)


def test_darleq3_finds_header_and_counts(exports: Path) -> None:
    # As read_DARLEQ does: the data begin where the second column does; samples end at the first without a site.
    (sheet,) = CalamineWorkbook.from_path(exports / "darleq3.xlsx").sheet_names
    grid = CalamineWorkbook.from_path(exports / "darleq3.xlsx").get_sheet_by_name(sheet).to_python()
    first = next(k for k, row in enumerate(grid) if row[1] != "")
    header = {row[0]: row[2:] for row in grid[:first]}
    assert [row[0] for row in grid[:first]] == ["SampleID", "SiteID", "SampleDate", "Alkalinity"]
    assert all(header["SiteID"])
    assert header["SampleID"] == ["R1", "R2"]
    assert header["SampleDate"] == [datetime.date(2026, 5, 31), datetime.date(2026, 6, 1)]
    assert header["Alkalinity"] == [120.5, ""]
    assert [row[:2] for row in grid[first:]] == [
        ["AU002A", "Aulacoseira granulata"],
        ["NA023A", "Navicula gregaria"],
        ["NI9999", "Nitzschia cf. palea"],
    ]
    assert [row[2:] for row in grid[first:]] == [[0, 2], [6, 3], [1, 0]]


def test_darleq3_of_lakes_and_by_diatcode(place: Path, tmp_path: Path) -> None:
    (tmp_path / "lakes.csv").write_text(
        "sample,site,date,Lake type,Calcium,DOC\nR1,Ouse,2026-05-31,ha,100.5,\nR2,Ouse,2026-06-01,LA,,2\n"
    )
    found = nd.tally(place / "project", tmp_path / "out", samples=tmp_path / "lakes.csv", taxa=place / "taxa.csv")
    (path,) = nd.export_tally(found, "darleq3", nd.ExportChoices(darleq3_codes="diatcode"))
    grid = CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()
    assert [row[0] for row in grid] == [
        *("SampleID", "SiteID", "SampleDate", "LAKE_TYPE", "Calcium", "DOC", "AULGRA", "NAVGRE", "NITXPAL"),
    ]
    assert [row[2:] for row in grid[3:6]] == [["HA", "LA"], [100.5, ""], ["", 2]]
    (tmp_path / "lakes.csv").write_text("sample,site,date,lake_type,DOC\nR1,O,2026-05-31,peat,\nR2,O,2026-06-01,LA,x\n")
    bad = nd.tally(place / "project", tmp_path / "bad", samples=tmp_path / "lakes.csv", taxa=place / "taxa.csv")
    with pytest.raises(InputError, match=r"lake type of R1 is PEAT.*; DOC of R2 is x, which is not a number"):
        nd.export_tally(bad, "darleq3")


@pytest.mark.parametrize(("name", "separator"), [("tab", "\t"), ("semicolon", ";"), ("comma", ",")])
def test_seee_is_a_long_table(place: Path, tmp_path: Path, name: str, separator: str) -> None:
    assert export(place, tmp_path, "--export", "seee", "--seee-separator", name) == 0
    by_hand = (
        "CODE_OPERATION|CODE_STATION|DATE|CODE_TAXON|RESULTAT\n"
        "R1|Ouse|31/05/2026|7881|6\n"
        "R1|Ouse|31/05/2026|9999|1\n"
        "R2|Ouse|01/06/2026|8559|2\n"
        "R2|Ouse|01/06/2026|7881|3\n"
    )
    assert (tmp_path / "exports" / "seee_ibd.txt").read_bytes().decode() == by_hand.replace("|", separator)


def test_generic_lists_have_a_file_for_each_sample(exports: Path, place: Path, tmp_path: Path) -> None:
    found = {path.name: path.read_text() for path in (exports / "generic").iterdir()}
    assert found == {"R1.csv": "code;count\nNGRE;6\nNPCF;1\n", "R2.csv": "code;count\nAUGR;2\nNGRE;3\n"}
    assert export(place, tmp_path, "--export", "generic", "--generic-codes", "sandre") == 0
    assert (tmp_path / "exports" / "generic" / "R2.csv").read_text() == "code;count\n8559;2\n7881;3\n"


def test_plankton_toolbox_has_counts_by_area_and_the_coefficient(exports: Path) -> None:
    # Sedgewick-Rafter: 1000 mm² and 1 ml; two fields of 0.5 mm²; 2 ml added to 100: 1000 x 1.02 x 1000 / 1.
    by_hand = (
        "scientific_full_name|taxon_class|scientific_name|size_class|method_step|count_area_number|locked_at_area|"
        "counted_units|counted_units_list|abundance_class|coefficient|abundance_units_l|volume_mm3_l|carbon_ugc_l|"
        "volume_um3_unit|carbon_pgc_unit|variable_comment|trophic_type|unit_type|species_flag_code|cf|bvol_list|"
        "bvol_list_calc\n"
        "Navicula gregaria||Navicula gregaria||napari-diatom|2||6|3;3||1020000|6120000|||||||||||\n"
        "Nitzschia cf. palea||Nitzschia palea||napari-diatom|2||1|0;1||1020000|1020000|||||||||cf. (species)||\n"
    )
    place = exports / "plankton-toolbox" / "R1"
    assert (place / "sample_data.txt").read_text() == by_hand.replace("|", "\t")
    assert (place / "sample_info.txt").read_text() == (
        "key\tvalue\nlast_used_method_step\tnapari-diatom\nsample_date\t2026-05-31\nsample_id\tR1\n"
        "sample_name\tR1\nstation_name\tOuse\n"
    )
    (method,) = csv.DictReader((place / "counting_method.txt").read_text().splitlines(), delimiter="\t")
    assert (method["coefficient_one_unit"], method["coefficient_by_user"]) == ("2040000", "TRUE")
    assert {path.name for path in (exports / "plankton-toolbox").iterdir()} == {"R1", "R2"}


def test_a_darwin_core_archive_is_read_by_a_library(exports: Path) -> None:
    dwc, mof = "http://rs.tdwg.org/dwc/terms/", "http://rs.iobis.org/obis/terms/ExtendedMeasurementOrFact"
    with DwCAReader(exports / "darwin-core.zip") as archive:
        assert archive.descriptor.core.type == f"{dwc}Event"
        assert [each.type for each in archive.descriptor.extensions] == [f"{dwc}Occurrence", mof]
        first, second = archive.rows
        extensions = [row for event in (first, second) for row in event.extensions]
        title = archive.metadata.find("dataset/title")
        assert title is not None
        assert title.text == "Ouse <2026> & more"
        assert [item.text for item in archive.metadata.iter("organizationName")] == ["River trust"] * 3
        assert archive.metadata.findtext("dataset/intellectualRights/para") == "CC BY 4.0"
    assert (first.id, first.data[f"{dwc}eventDate"]) == ("R1", "2026-05-31")
    assert [first.data[f"{dwc}{name}"] for name in ("sampleSizeValue", "sampleSizeUnit")] == ["1", "mm²"]
    assert first.data[f"{dwc}decimalLatitude"] == "53.9"
    found = {
        row.data[f"{dwc}occurrenceID"]: {name.removeprefix(dwc): value for name, value in row.data.items()}
        for row in extensions
        if row.rowtype == f"{dwc}Occurrence"
    }
    assert list(found) == [
        "R1:Navicula gregaria:human",
        "R1:Nitzschia cf. palea:human",
        "R2:Aulacoseira granulata:human",
        "R2:Navicula gregaria:human",
        "R2:Navicula gregaria:machine",
    ]
    by_model, cf = found["R2:Navicula gregaria:machine"], found["R1:Nitzschia cf. palea:human"]
    assert (by_model["basisOfRecord"], by_model["individualCount"]) == ("MachineObservation", "2")
    assert (by_model["identifiedBy"], "diatom-obb 0.3" in by_model["identificationRemarks"]) == ("", True)
    assert (cf["basisOfRecord"], cf["identifiedBy"]) == ("HumanObservation", "Ada")
    assert (cf["scientificName"], cf["identificationQualifier"]) == ("Nitzschia palea", "cf. palea")
    assert cf["verbatimIdentification"] == "Nitzschia cf. palea"
    gregaria = found["R1:Navicula gregaria:human"]
    assert (gregaria["scientificNameAuthorship"], gregaria["organismQuantity"]) == ("Donkin", "6")
    assert gregaria["scientificNameID"] == "urn:lsid:marinespecies.org:taxname:149035"
    measured = {
        (row.data[f"{dwc}occurrenceID"], row.data[f"{dwc}measurementType"]): row.data[f"{dwc}measurementValue"]
        for row in extensions
        if row.rowtype == mof
    }
    assert float(measured["R1:Navicula gregaria:human", "relative abundance"]) == pytest.approx(600 / 7)
    assert measured["R1:Navicula gregaria:human", "valve length"] == "10"
    assert measured["R1:Navicula gregaria:human", "abundance"] == "6120000"
    assert measured["", "alkalinity"] == "120.5"


def test_all_that_is_missing_is_named_at_once_and_nothing_written(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "bare.csv").write_text("sample,site,date\nR1,,2026-05-31\nR2,Ouse,\n")
    (place / "uncoded.csv").write_text("name,nbs\nNavicula gregaria,NA023A\n")
    out = tmp_path / "out"
    tables = {"taxa": "uncoded.csv", "samples": "bare.csv"}
    assert export(place, out, "--export", *ALL, **tables) == 2
    said = capsys.readouterr().err
    for line in (
        "Aulacoseira granulata, Navicula gregalis, Nitzschia cf. palea have no NBS code, which darleq3 needs",
        "Navicula gregaria, Nitzschia cf. palea have no SANDRE code, which the IBD of the SEEE needs",
        "R1 has no site code, which darleq3 needs",
        "R2 has no date, which a Darwin Core archive needs",
        "R1, R2 have no chamber with area, volume and sample volume, or no counted area, which Plankton Toolbox needs",
        "needs the title of the dataset: give it (--dataset-title)",
        "--leave-out-incomplete",
    ):
        assert line in said
    assert not out.exists()
    assert export(place, out, "--export", "darleq3", "--leave-out-incomplete", **tables) == 2
    assert "there is no count to export for darleq3" in capsys.readouterr().err
    (place / "bare.csv").write_text("sample,site,date\nR1,Ouse,2026-05-31\nR2,Ouse,\n")
    assert export(place, out, "--export", "darleq3", "--leave-out-incomplete", **tables) == 0
    told = capsys.readouterr().err
    assert "which darleq3 needs: left out with 4 counted" in told
    assert "R2 has no date, which darleq3 needs: left out" in told
    grid = CalamineWorkbook.from_path(out / "exports" / "darleq3.xlsx").get_sheet_by_index(0).to_python()
    assert [row[2:] for row in grid if row[0] in ("SampleID", "NA023A")] == [["R1"], [5]]


def test_exports_of_a_replaced_tally_go_and_others_stay(place: Path, tmp_path: Path) -> None:
    assert export(place, tmp_path, "--export", "generic", "plankton-toolbox", "diathor") == 0
    (tmp_path / "exports" / "mine.txt").write_text("kept")
    assert export(place, tmp_path, "--export", "seee", "--overwrite") == 0
    kept = {str(path.relative_to(tmp_path)) for path in tmp_path.glob("exports/**/*") if path.is_file()}
    assert kept == {"exports/mine.txt", "exports/seee_ibd.txt"}
    found = nd.tally(
        place / "project", tmp_path, samples=place / "samples.csv", taxa=place / "taxa.csv", overwrite=True
    )
    nd.export_tally(found, ["diathor"])
    with pytest.raises(InputError, match=r"already holds diathor\.csv"):
        nd.export_tally(found, ["diathor"])
    with pytest.raises(InputError, match="no export 'omnidia'; give some of diathor"):
        nd.export_tally(found, ["omnidia"])  # type: ignore[list-item]
    with pytest.raises(InputError, match="darleq3_codes is 'dv'; give one of nbs, diatcode"):
        nd.ExportChoices(darleq3_codes="dv")  # type: ignore[arg-type]


def test_counts_of_parts_are_refused_where_a_format_takes_none(place: Path, tmp_path: Path) -> None:
    (tmp_path / "half.yaml").write_text("unit: frustule\nstatuses: {valve: 0.5}\n")
    given = {"samples": place / "samples.csv", "taxa": place / "taxa.csv"}
    found = nd.tally(place / "project", tmp_path / "out", tmp_path / "half.yaml", **given)
    with pytest.raises(InputError, match=r"the IBD of the SEEE takes whole counts.*Plankton Toolbox takes whole"):
        nd.export_tally(found, ["seee", "plankton-toolbox"])
    nd.export_tally(found, ["diathor"])
    assert '"Nitzschia cf. palea","NPCF",0.5,0.0' in (tmp_path / "out" / "exports" / "diathor.csv").read_text()


@pytest.mark.parametrize(
    ("taxon", "name", "qualifier", "rank"),
    [
        ("Navicula gregaria", "Navicula gregaria", "", "species"),
        ("Navicula cf. gregaria", "Navicula gregaria", "cf. gregaria", "species"),
        ("Navicula cf gregaria", "Navicula gregaria", "cf. gregaria", "species"),
        ("cf. Navicula gregaria", "Navicula gregaria", "cf. Navicula gregaria", "species"),
        ("Nitzschia aff. palea var. debilis", "Nitzschia palea var. debilis", "aff. palea var. debilis", "variety"),
        ("Fragilaria_sp.", "Fragilaria", "sp.", "genus"),
        ("Nitzschia sp. 1", "Nitzschia", "sp. 1", "genus"),
        ("Navicula", "Navicula", "", "genus"),
        ("diatom", "Bacillariophyceae", "", "class"),
    ],
)
def test_names_are_taken_apart(taxon: str, name: str, qualifier: str, rank: str) -> None:
    found = QualifiedName.of(taxon)
    assert (found.name, found.qualifier, found.rank) == (name, qualifier, rank)


@given(st.text())
def test_any_name_has_a_scientific_one(taxon: str) -> None:
    found = QualifiedName.of(taxon)
    assert found.name
    assert "  " not in found.name
