"""``napari-diatom tally --evaluation``: shares corrected for what a model mixes up, as calculated by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_diatom as nd
from diatom_training.evaluation.confusion import ConfusionMatrix
from diatom_training.evaluation.report_plots import read_plots
from helpers.counting import rows
from helpers.projects import new_project
from helpers.sampled import HEIGHT, MIDDLE, WIDTH
from napari_diatom.cli import main
from napari_diatom.core.errors import InputError
from napari_diatom.project.specimen import Specimen
from napari_diatom.samples.name_errors import NameConfusion, name_errors_sheet
from napari_diatom.samples.protocol_presets import plain
from napari_diatom.samples.tallied_specimens import CountedField, FoundSpecimen, TalliedSpecimens
from napari_diatom.samples.tally import tally_specimens

GREGARIA, PALEA = "Navicula gregaria", "Nitzschia palea"
TABLE = [[90, 10, 0], [20, 80, 0], [0, 0, 0]]
"""Of 100 each, 90 and 80 were named rightly; the third taxon was never tested."""


def naming(names: list[str], table: list[list[int]]) -> dict[str, Any]:
    """Return a report as ``evaluate`` writes it for a model that names."""
    classes = [{"name": name} for name in names]
    return {"curves": [], "detection": None, "naming": {"classes": classes, "confusion": table}}


def finding(names: list[str], table: list[list[int]]) -> dict[str, Any]:
    """Return a report as ``evaluate`` writes it for a model that finds: a row and a column more, for nothing."""
    whole = np.pad(np.array(table), ((1, 0), (1, 0)), constant_values=7)
    return {"curves": [], "detection": {"names": {"known": names, "unknown": []}, "confusion": whole.tolist()}}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project in which a model named 22 and 18 specimens, and a person 10."""
    place = tmp_path_factory.mktemp("named")
    with new_project(place, fields=1) as project:
        document = project.document(project.images[0].id)
        for name, number in ((GREGARIA, 22), (PALEA, 18)):
            found = [Specimen.rectangle((40, 30, 20, 5, 0), name, origin="namer 1", score=0.9) for _ in range(number)]
            document.propose([*document.proposals.values(), *found], "namer 1")
        document.add([Specimen.rectangle((40, 30, 20, 5, 0), GREGARIA) for _ in range(10)])
    return place / "project"


@pytest.mark.parametrize("kind", [naming, finding])
def test_shares_are_corrected_and_persons_are_right(project: Path, tmp_path: Path, kind: Any) -> None:
    report = tmp_path / "report.json"
    report.write_text(json.dumps(kind([GREGARIA, "N. palea", "Fragilaria"], TABLE)))
    if kind is naming:
        # The shape of the report is that which its own reader takes.
        (matrix,) = read_plots(report)
        assert isinstance(matrix, ConfusionMatrix)
        assert matrix.table.tolist() == TABLE
    (tmp_path / "taxa.csv").write_text(f"name,synonyms\n{PALEA},N. palea\n")
    given = ["--proposals", "--evaluation", str(tmp_path), "--taxa", str(tmp_path / "taxa.csv")]
    assert main(["tally", str(project), "-o", str(tmp_path / "out"), *given]) == 0
    found = {row["taxon"]: row for row in rows(tmp_path / "out" / "name_errors.csv")}
    assert list(found) == [GREGARIA, PALEA]
    assert [found[name]["named_by_model"] for name in found] == ["22", "18"]
    # Rogan and Gladen: (22 / 40 + 0.8 - 1) / (0.9 + 0.8 - 1) is a half, and 10 more that are sure.
    assert float(found[GREGARIA]["share_of_all"]) == pytest.approx(32 / 50)
    assert float(found[GREGARIA]["corrected_share"]) == pytest.approx((10 + 20) / 50, abs=1e-6)
    assert float(found[PALEA]["corrected_share"]) == pytest.approx(20 / 50, abs=1e-6)
    low, high = (float(found[PALEA][f"corrected_share_{end}"]) for end in ("low", "high"))
    assert 0.1 < low < 0.3 < 0.5 < high < 0.7
    facts = json.loads((tmp_path / "out" / "provenance.json").read_text(encoding="utf-8"))
    assert facts["evaluation"]["file"] == str(report)


def test_a_taxon_that_nothing_was_called_may_still_be_there(project: Path, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(
        json.dumps(naming([GREGARIA, PALEA, "Fragilaria"], [[90, 10, 0], [20, 80, 0], [50, 50, 0]]))
    )
    choices = nd.TallyChoices(proposals=True, evaluation=tmp_path)
    nd.tally(project, tmp_path / "out", choices=choices)
    last = rows(tmp_path / "out" / "name_errors.csv")[-1]
    assert (last["taxon"], last["specimens"], float(last["share_of_all"])) == ("Fragilaria", "0", 0)
    assert float(last["corrected_share_high"]) > 0
    # Nobody else than persons named these.
    nd.tally(project, tmp_path / "out", choices=nd.TallyChoices(evaluation=tmp_path), overwrite=True)
    assert rows(tmp_path / "out" / "name_errors.csv") == []
    nd.tally(project, tmp_path / "out", overwrite=True)
    assert not (tmp_path / "out" / "name_errors.csv").exists()


def test_a_specimen_that_the_model_was_not_sure_of_has_its_first_choice_as_in_the_test(tmp_path: Path) -> None:
    names = [GREGARIA] * 12 + [PALEA] * 8 + ["unknown"] * 20 + ["Navicula sp."] * 10
    choices = [""] * 20 + [GREGARIA] * 5 + ["N. palea"] * 10 + ["never tested"] * 2 + [""] * 3 + [GREGARIA] * 10
    found = [
        FoundSpecimen(f"f/{k}", name, "valve", (*MIDDLE, 100, 20, 0), None, (1, 1), "model", first_choice=choice)
        for k, (name, choice) in enumerate(zip(names, choices, strict=True))
    ]
    tally = tally_specimens(TalliedSpecimens.of([CountedField("f", "R1", WIDTH, HEIGHT)], [found]), plain())
    tested = NameConfusion((GREGARIA, PALEA), np.array(TABLE)[:2, :2])
    sheet = name_errors_sheet(tally, tested, lambda named: {"N. palea": PALEA})
    rows = {row[1]: dict(zip(sheet.columns, row, strict=True)) for row in sheet.rows}
    # In the order of counts. Called so are 27 and 18 of 45; Rogan and Gladen: (27 / 45 + 0.8 - 1) / 0.7 of them are.
    assert [rows[name]["named_by_model"] for name in rows] == ["27", "0", "18", "0"]
    assert float(rows[GREGARIA]["corrected_share"]) == pytest.approx(45 / 50 * 0.4 / 0.7, abs=1e-6)
    # Five have no first choice that was tested.
    assert float(rows["unknown"]["corrected_share"]) == pytest.approx(5 / 50)
    assert float(rows["Navicula sp."]["corrected_share"]) == 0
    assert float(rows["Navicula sp."]["share_of_all"]) == pytest.approx(10 / 50)


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ({"detection": None, "naming": None}, "no confusion matrix of names"),
        (naming([GREGARIA], [[1, 2]]), "no confusion matrix of names"),
        (naming([GREGARIA, PALEA], [[1, -2], [1, 1]]), "no confusion matrix of names"),
        (naming([GREGARIA, PALEA], [[5, 0], [0, 0]]), "fewer than two taxa"),
        ([], "no confusion matrix of names"),
    ],
)
def test_other_reports_are_refused(project: Path, tmp_path: Path, report: Any, said: str) -> None:
    (tmp_path / "report.json").write_text(json.dumps(report))
    with pytest.raises(InputError, match=said):
        nd.tally(project, tmp_path / "out", choices=nd.TallyChoices(evaluation=tmp_path / "report.json"))
    assert not (tmp_path / "out").exists()
