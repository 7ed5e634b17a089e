"""A second person's count of the same fields: it stays apart and blind, and how far both agree is told."""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import braycurtis
from sklearn.metrics import cohen_kappa_score

import napari_diatom as nd
from helpers.counting import rows
from helpers.projects import new_project, picture
from napari_diatom.cli import main
from napari_diatom.core.errors import InputError
from napari_diatom.project.project import Project
from napari_diatom.project.second_count_record import SECOND_COUNT_FILE
from napari_diatom.project.specimen import Specimen
from napari_diatom.project.suggestions import SUGGESTIONS_FILE
from napari_diatom.samples.agreement_tables import AGREEMENT_FILES
from napari_diatom.samples.counting_files import change_facts, keep_protocol, protocol_of_project
from napari_diatom.samples.matched_specimens import overlap_table
from napari_diatom.samples.protocol_presets import PRESETS
from napari_diatom.statistics.agreement import matched_counts

MODEL = "diatom-obb 1.1.0"


def valve(x: float, name: str, status: str = "valve", shift: float = 0.0) -> Specimen:
    """Return a valve of 12 x 5 px."""
    return Specimen.rectangle((x + shift, 30, 12, 5, 0.1), name, status=status)


def fill(project: Project, field: int, specimens: list[Specimen], is_done: bool = True) -> None:
    document = project.document(project.images[field].id)
    document.add(specimens)
    document.set_done(is_done)


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with Ada's count of two samples of two fields, of which the last is not done, and Ben's."""
    place = tmp_path_factory.mktemp("counted")
    with new_project(place, slides=2, fields=2) as project:
        ids = [image.id for image in project.images]
        project.facts.set(ids[:2], sample="R1")
        project.facts.set(ids[2:], sample="R2")
        project.facts.set_pixel_size(ids, 0.5)
        fill(project, 0, [valve(x, "Navicula" if x < 40 else "Nitzschia") for x in (10, 25, 40, 55)])
        fill(project, 1, [valve(10, "Navicula"), valve(30, "Nitzschia", "frustule"), valve(50, "Nitzschia", "broken")])
        fill(project, 2, [valve(10, "Navicula")])
        fill(project, 3, [valve(10, "Navicula")], is_done=False)
        project.document(ids[2]).propose([valve(50, "Navicula")], MODEL)
        keep_protocol(project.folder, PRESETS["poland"]())
        change_facts(project.folder, "R1", {"site": "Ouse"})
        change_facts(project.folder, "R2", {"site": "Wye"})
    (place / "project" / SUGGESTIONS_FILE).write_text("", encoding="utf-8")
    assert second_count(place) == 0
    with Project.open(place / "ben") as project:
        assert project.annotator == "Ben"
        assert [image.id for image in project.images] == ids[:3]
        near = [(10, "Navicula"), (25, "Nitzschia"), (40, "Nitzschia"), (70, "Nitzschia")]
        fill(project, 0, [valve(x, name, shift=1) for x, name in near])
        fill(project, 1, [valve(30, "Nitzschia"), valve(50, "Nitzschia")])
        fill(project, 2, [valve(40, "diatom")])
    return place


def second_count(place: Path, *more: str, person: str = "Ben", folder: str = "ben") -> int:
    return main(["project", "second-count", str(place / "project"), str(place / folder), "--person", person, *more])


def compare(place: Path, out: Path, *more: str, other: str = "ben") -> int:
    return main(["tally", str(place / "project"), "-o", str(out), "--second-count", str(place / other), *more])


@pytest.fixture
def copied(counted: Path, tmp_path: Path) -> Path:
    """Return a copy of both counts that may be changed."""
    return Path(shutil.copytree(counted, tmp_path / "copied"))


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files of a project but its journals and what it knows of windows."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in paths
        if ".project" not in path.relative_to(folder).parts
    }


def test_a_second_count_is_blind_and_apart(copied: Path) -> None:
    before = contents(copied / "project")
    assert second_count(copied, "--sample", "R1", person="Cleo", folder="blind/cleo") == 0
    assert contents(copied / "project") == before
    made = contents(copied / "blind" / "cleo")
    assert set(made) == {
        *("diatom-project.yaml", "diatom-protocol.yaml", "diatom-samples.csv"),
        SECOND_COUNT_FILE,
    }
    # Neither who counted first nor how far they are is told.
    assert not any(b"Ada" in data or b"done" in data for data in made.values())
    with Project.open(copied / "blind" / "cleo") as project, Project.open(copied / "project") as first:
        assert project.annotator == "Cleo"
        assert [image.id for image in project.images] == ["s0f0", "s0f1"]
        assert all(project.path(image.id) == first.path(image.id) for image in project.images)
        assert project.settings.classes == first.settings.classes
        assert project.settings.pixel_sizes_um == {"s0": 0.5}
        assert all(tally.state == "untouched" and not tally.total + tally.proposals for tally in project.summary())
        fill(project, 0, [valve(10, "Navicula")])
        [mine] = project.contents("s0f0").specimens
        assert mine.annotator == "Cleo"
    assert protocol_of_project(copied / "blind" / "cleo") == PRESETS["poland"]()
    assert "Wye" not in (copied / "blind" / "cleo" / "diatom-samples.csv").read_text(encoding="utf-8")
    assert contents(copied / "project") == before


def test_all_fields_are_taken_where_that_is_asked_for(counted: Path, tmp_path: Path) -> None:
    folder = nd.start_second_count(counted / "project", tmp_path / "all", "Cleo", samples="R2", all_fields=True)
    with Project.open(folder) as project:
        assert [image.id for image in project.images] == ["s1f0", "s1f1"]


@pytest.mark.parametrize(
    ("person", "folder", "more", "said"),
    [
        (" ada ", "new", [], "ada has worked on s0f0"),
        ("  ", "new", [], "Say who counts"),
        ("Cleo", "new", ["--sample", "R9"], "has no sample 'R9' (known: R1, R2)"),
        ("Cleo", "ben", [], "already holds diatom-project.yaml"),
        ("Cleo", "project", [], "already holds diatom-project.yaml"),
    ],
)
def test_a_second_count_that_cannot_be_made_says_why(
    counted: Path, capsys: pytest.CaptureFixture[str], person: str, folder: str, more: list[str], said: str
) -> None:
    assert second_count(counted, *more, person=person, folder=folder) == 2
    assert said in capsys.readouterr().err
    assert not (counted / "new").exists()


def test_fields_that_nobody_confirmed_are_not_counted_again(tmp_path: Path) -> None:
    new_project(tmp_path).close()
    with pytest.raises(InputError, match="no field of s0 confirmed yet"):
        nd.start_second_count(tmp_path / "project", tmp_path / "ben", "Ben")
    assert not (tmp_path / "ben").exists()


def test_how_far_two_persons_agree_is_what_scipy_and_scikit_learn_say(
    counted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(counted, tmp_path) == 0
    shown = capsys.readouterr()
    assert "Agreement of Ada and Ben" in shown.out
    assert "warning" not in shown.err.replace("warning: 1 proposal not reviewed yet", "")
    found = {row["sample"]: row for row in rows(tmp_path / "agreement.csv")}
    assert list(found) == ["R1", "R2", "all samples"]
    seen = rows(tmp_path / "agreement_specimens.csv")
    lists = rows(tmp_path / "agreement_taxa.csv")
    for sample in ("R1", "R2"):
        row = found[sample]
        mine = [one for one in seen if one["sample"] == sample]
        numbers = Counter(one["seen_by"] for one in mine)
        assert [int(row[f"specimens_{who}"]) for who in ("both", "only_first", "only_second")] == [
            numbers[who] for who in ("both", "first", "second")
        ]
        for what, column in (("count", "bray_curtis"), ("share", "bray_curtis_shares")):
            pairs = [
                (float(one[f"{what}_first"]), float(one[f"{what}_second"])) for one in lists if one["sample"] == sample
            ]
            assert float(row[column]) == pytest.approx(braycurtis(*zip(*pairs, strict=True)), abs=1e-6)
    # The broken one counts for nobody who calls it so: Ben calls it a valve. The frustule is a valve to Ben.
    assert (found["R1"]["count_first"], found["R1"]["count_second"]) == ("7", "6")
    assert found["R1"]["specimens_counted_by_one"] == "1"
    named = [(one["name_first"], one["name_second"]) for one in seen if one["seen_by"] == "both"]
    kappa = cohen_kappa_score(*zip(*named, strict=True))
    assert float(found["all samples"]["kappa"]) == pytest.approx(kappa, abs=1e-6)
    agreement = nd.compare_counts(counted / "project", counted / "ben")
    figures = agreement.of_sample("R1")
    assert figures.kappa == pytest.approx(kappa, rel=1e-9)
    assert figures.bray_curtis == pytest.approx(braycurtis([3, 4], [1, 5]), rel=1e-9)
    assert figures.bray_curtis_shares == pytest.approx(braycurtis([3 / 7, 4 / 7], [1 / 6, 5 / 6]), rel=1e-9)
    assert rows(tmp_path / "agreement_names.csv") == [
        {"sample": "R1", "name_first": "Navicula", "name_second": "Nitzschia", "specimens": "1"}
    ]
    assert (found["R2"]["named_by_both"], found["R2"]["kappa"]) == ("0", "")


def test_agreement_is_in_the_workbook_and_in_the_provenance(counted: Path, tmp_path: Path) -> None:
    assert compare(counted, tmp_path, "--csv", "excel-eu") == 0
    book = openpyxl.load_workbook(tmp_path / "tally.xlsx")
    assert {"agreement", "agreement_taxa", "agreement_names"} <= set(book.sheetnames)
    heads, first, *_ = ([cell.value for cell in row] for row in book["agreement"].iter_rows())
    cells = dict(zip(heads, first, strict=True))
    assert (cells["first_person"], cells["second_person"], cells["specimens_both"]) == ("Ada", "Ben", 5)
    facts = json.loads((tmp_path / "provenance.json").read_text(encoding="utf-8"))["second_count"]
    assert (facts["persons"], facts["fields_compared"]) == ({"first": "Ada", "second": "Ben"}, 3)
    assert len(facts["sha256"]["diatom-project.yaml"]) == 64
    assert (tmp_path / "agreement.csv").read_bytes().startswith(b"\xef\xbb\xbfsample;first_person;")
    # A tally without a second count replaces all of it.
    assert main(["tally", str(counted / "project"), "-o", str(tmp_path), "--overwrite"]) == 0
    assert not any((tmp_path / name).exists() for name in AGREEMENT_FILES)


def test_every_specimen_is_traced(counted: Path, tmp_path: Path) -> None:
    found = nd.tally(counted / "project", tmp_path / "out", second_count=counted / "ben")
    assert found.agreement is not None
    assert found.agreement.remarks == ()
    with Project.open(counted / "project") as first, Project.open(counted / "ben") as second:
        for row in rows(tmp_path / "out" / "agreement_specimens.csv"):
            for project, side in ((first, "first"), (second, "second")):
                image, _, id_ = row[f"specimen_{side}"].partition("/")
                if image:
                    [item] = [item for item in project.contents(image).specimens if item.id == id_]
                    assert (item.name, item.status) == (row[f"name_{side}"], row[f"status_{side}"])
                else:
                    assert row["seen_by"] != side


def test_an_unfinished_count_is_compared_as_far_as_both_have_confirmed(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Project.open(copied / "ben") as project:
        project.document("s0f1").set_done(False)
    assert compare(copied, tmp_path / "out") == 0
    said = capsys.readouterr().err
    assert "2 fields confirmed in both counts are compared; 1 confirmed in project alone and 0 in ben alone" in said
    row = rows(tmp_path / "out" / "agreement.csv")[0]
    assert (row["fields_compared"], row["fields_only_first"], row["count_first"]) == ("1", "1", "4")
    with Project.open(copied / "ben") as project:
        for image in project.images:
            project.document(image.id).set_done(False)
    assert compare(copied, tmp_path / "none") == 2
    assert "No field is confirmed in both counts (3 fields in project, 0 fields in ben)" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_counts_that_do_not_go_together_say_why(
    counted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = [picture(tmp_path / "other.png", 77)]
    Project.create(tmp_path / "other", other, ["Navicula"], "Eve").close()
    paths = [counted / "images" / "s0" / f"s0f{k}.png" for k in (0, 1)]
    Project.create(tmp_path / "listed", paths, ["Cyclotella"], "Eve").close()
    for folder, said in (
        (tmp_path / "other", "are of other images"),
        (tmp_path / "listed", "other lists of taxa, without a name in both: Navicula, Nitzschia; Cyclotella"),
        (counted / "project", "cannot be compared with itself"),
        (tmp_path, "is not a project"),
    ):
        assert compare(counted, tmp_path / "out", other=str(folder)) == 2
        assert said in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_what_differs_between_two_counts_is_told(copied: Path, tmp_path: Path) -> None:
    keep_protocol(copied / "ben", PRESETS["uk"]())
    with Project.open(copied / "ben") as project:
        project.facts.set(["s0f0"], sample="R7")
        project.classes.add("Cyclotella")
        document = project.document("s0f1")
        document.add([valve(70, "Cyclotella")])
    remarks = nd.compare_counts(copied / "project", copied / "ben").remarks
    assert "ben has another protocol, uk: both are counted by poland" in remarks
    assert any("s0f0 belongs to another sample in ben" in line for line in remarks)
    assert any("Cyclotella, used in ben, is not in the list of taxa of project" in line for line in remarks)
    # A class that is called otherwise now is still the same.
    with Project.open(copied / "project") as project:
        project.classes.rename("Nitzschia", "Nitzschia sp.")
    names = {name for one in nd.compare_counts(copied / "project", copied / "ben").mixed_up() for name in one[1:3]}
    assert names == {"Navicula", "Nitzschia sp."}
    with Project.open(copied / "ben") as project:
        project.remove_image("s0f0")
    assert "s0f0 is in project alone" in nd.compare_counts(copied / "project", copied / "ben").remarks


def test_two_counts_of_one_person_are_said_to_be_that(counted: Path, tmp_path: Path) -> None:
    folder = nd.start_second_count(counted / "project", tmp_path / "again", "Cleo")
    with Project.open(folder, "Ada") as project:
        fill(project, 0, [valve(10, "Navicula")])
    found = nd.compare_counts(counted / "project", folder)
    assert found.persons == ("Ada", "Ada")
    assert any("how well a person repeats a count" in line for line in found.remarks)


def test_edits_of_a_window_that_counts_at_the_same_time_are_named(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    window = Project.open(copied / "project", "Ada")
    window.document("s0f0").add([valve(70, "Navicula")])
    assert main(["tally", str(copied / "project"), "-o", str(tmp_path / "out")]) == 0
    assert "last edits of s0f0 are not written yet, and not counted" in capsys.readouterr().err
    window.close()
    assert main(["tally", str(copied / "project"), "-o", str(tmp_path / "out"), "--overwrite"]) == 0
    assert "another window" not in capsys.readouterr().err
    assert len(rows(tmp_path / "out" / "tally_specimens.csv")) == 10


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1]", "is not the record of a second count"),
        ("format: 2", "newer version of napari-diatom (format 2)"),
        ("first: ../project\nperson: ' '", "must not be blank"),
    ],
)
def test_a_damaged_record_is_named(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (copied / "ben" / SECOND_COUNT_FILE).write_text(text, encoding="utf-8")
    assert compare(copied, tmp_path / "out") == 2
    told = capsys.readouterr().err
    assert SECOND_COUNT_FILE in told
    assert said in told
    assert not (tmp_path / "out").exists()


def needle(dy: float, turn: float = 0.0, dx: float = 0.0) -> Specimen:
    return Specimen.rectangle((200 + dx, 100 + dy, 300, 12, turn), "Synedra")


def crescent(dx: float = 0.0) -> Specimen:
    """Return a curved valve as an outline, nearly all of whose box another one shares that lies inside the curve."""
    angles = np.linspace(0.3, math.pi - 0.3, 30)
    outer = np.column_stack([100 * np.cos(angles), 100 * np.sin(angles)])
    inner = np.column_stack([85 * np.cos(angles[::-1]), 85 * np.sin(angles[::-1])])
    return Specimen.polygon(((np.concatenate([outer, inner]) + np.array([200 + dx, 50]),),), "Hannaea")


def test_needles_match_along_their_axis_and_curved_valves_by_their_outline() -> None:
    # A needle that is drawn four pixels beside the other shares half of its area, and nearly all of its length.
    assert overlap_table([needle(0)], [needle(5, 0.01)]).nnz == 1
    assert overlap_table([needle(0)], [needle(14)]).nnz == 0
    assert overlap_table([needle(0)], [needle(0, math.pi / 2)]).nnz == 0
    assert overlap_table([crescent()], [crescent(2)]).nnz == 1
    [[ring]] = crescent().polygons
    shifted = Specimen.polygon(((ring - np.array([0, 22]),),), "Hannaea")
    assert overlap_table([crescent()], [shifted]).nnz == 0
    # One person draws an outline, the other one a box.
    assert overlap_table([crescent()], [Specimen.rectangle(crescent(1).box, "Hannaea")]).nnz == 1
    assert overlap_table([], [needle(0)]).shape == (0, 1)


boxes = st.tuples(st.integers(0, 8), st.integers(0, 4), st.sampled_from([0.0, 0.4, 1.2]))


@settings(deadline=None, max_examples=60)
@given(st.lists(boxes, max_size=8), st.lists(boxes, max_size=8))
def test_who_saw_what_does_not_depend_on_who_is_first(
    ours: list[tuple[int, int, float]], theirs: list[tuple[int, int, float]]
) -> None:
    first, second = (
        [Specimen.rectangle((10 * x, 10 * y, 30, 12, angle), "a") for x, y, angle in part] for part in (ours, theirs)
    )
    there, back = overlap_table(first, second), overlap_table(second, first)
    assert there.toarray() == pytest.approx(back.toarray().T)
    numbers = [len(matched_counts(table, 0).pairs) for table in (there, back)]
    assert numbers[0] == numbers[1] <= min(len(first), len(second))
    same = matched_counts(overlap_table(first, first), 0)
    assert len(same.pairs) == len(first)
