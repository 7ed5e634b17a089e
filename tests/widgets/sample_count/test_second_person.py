"""Two persons count: one after the other in projects of their own, and at the same time in one project."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from helpers.desk import Desk
from helpers.projects import picture
from helpers.window import child_of
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import Specimen
from napari_diatom.widgets.canvas.viewer_camera import camera_of
from napari_diatom.widgets.common.closing import canvas_of
from napari_diatom.widgets.sample_count.agreement_dialog import AgreementDialog
from napari_diatom.widgets.sample_count.second_count_dialog import SecondCountDialog

TAXA = ("Navicula gregaria", "Nitzschia palea")


def valve(x: float, name: str) -> Specimen:
    return Specimen.rectangle((x, 40, 30, 8, 0.2), name)


@pytest.fixture
def season(tmp_path: Path) -> Path:
    """Make a project of one sample of three fields, of which Ada has confirmed two."""
    paths = [picture(tmp_path / "images" / f"f{k}.png", k, 120, 240) for k in (1, 2, 3)]
    with Project.create(tmp_path / "season", paths, TAXA, "Ada") as project:
        project.facts.set(["f1", "f2", "f3"], sample="R1")
        for name in ("f1", "f2"):
            project.document(name).add([valve(40, TAXA[0]), valve(90, TAXA[1]), valve(150, TAXA[0])])
            project.document(name).set_done(True)
    return tmp_path / "season"


@pytest.fixture
def desk(make_napari_viewer: Any, quick: None, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> Desk:
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1366, 768)
    return Desk(viewer, qtbot, monkeypatch)


@pytest.fixture
def counting(desk: Desk, season: Path) -> Iterator[Any]:
    """Open the dock from the menu, and the project from the dock."""
    dock = desk.open("count_sample")
    desk.answer(season)
    desk.click(dock, "count_open")
    desk.until(lambda: not child_of(dock, "sample").visibleRegion().isEmpty())
    yield dock
    if dock.session().editor is not None:
        dock.session().editor.close_project()


def cells(owner: Any, name: str) -> list[list[str]]:
    model = child_of(owner, name).model()
    return [[model.index(row, k).data() for k in range(model.columnCount())] for row in range(model.rowCount())]


def confirm(desk: Desk) -> None:
    canvas = canvas_of(desk.viewer)
    assert canvas is not None
    canvas.setFocus()
    desk.qtbot.keyClick(canvas, Qt.Key.Key_Space)
    desk.qtbot.wait(20)


def agreement(desk: Desk) -> Any:
    """Return the window with the agreement, when it is shown."""

    def shown() -> list[AgreementDialog]:
        found = [one for one in QApplication.topLevelWidgets() if isinstance(one, AgreementDialog)]
        return [one for one in found if one.isVisible()]

    desk.until(shown)
    return shown()[0]


def test_a_second_person_counts_blind_and_then_sees_how_far_both_agree(
    desk: Desk, counting: Any, season: Path, tmp_path: Path
) -> None:
    session = counting.session()

    desk.click(counting, "second_count")
    desk.until(lambda: isinstance(QApplication.activeModalWidget(), SecondCountDialog))
    form = QApplication.activeModalWidget()
    assert form is not None
    desk.type(form, "second_person", "Ada")
    desk.until(lambda: "Ada has worked on f1" in child_of(form, "second_count_message").text())
    child_of(form, "second_person").setText("Ben")
    assert child_of(form, "second_folder").text() == str(tmp_path / "season-ben")
    desk.click(form, "second_make")
    desk.until(lambda: session.project is not None and session.project.folder.name == "season-ben")
    assert "Ben counts 2 fields of season" in counting.line.text()
    assert "Second count, by Ben" in child_of(counting, "count_project").text()
    assert not child_of(counting, "second_count").isVisible()
    # Nothing of Ada's count is seen.
    desk.until(lambda: session.open_field == "f1")
    assert [row[1:] for row in cells(counting, "counted_fields")] == [
        ["f1", "untouched", "", ""],
        ["f2", "untouched", "", ""],
    ]
    assert cells(counting, "counted_taxa") == []
    for field, specimens in (
        ("f1", [valve(41, TAXA[0]), valve(91, TAXA[0]), valve(200, TAXA[1])]),
        ("f2", [valve(40, TAXA[0]), valve(90, TAXA[1])]),
    ):
        desk.until(lambda field=field: session.open_field == field)
        session.editor.document().add(specimens)
        confirm(desk)
    assert "All fields of R1 are done" in counting.line.text()
    assert session.editor.document().specimens
    desk.click(counting, "agreement")
    dialog = agreement(desk)
    assert dialog.windowTitle() == "Agreement of Ada and Ben"
    figures = child_of(dialog, "agreement_figures").text()
    assert "2 fields confirmed by both" in figures
    assert "Specimens seen by both 4, by Ada only 2, by Ben only 1" in figures
    assert "Same name for 3 of 4" in figures
    assert child_of(dialog, "agreement_mixed_up").text() == f"Names that differ: {TAXA[1]} / {TAXA[0]} 1."
    assert cells(dialog, "who_saw_what") == [
        ["f1", "both", TAXA[1], TAXA[0]],
        ["f1", "Ada", TAXA[0], ""],
        ["f1", "Ben", "", TAXA[1]],
        ["f2", "Ada", TAXA[0], ""],
    ]
    # A click goes to the specimen, in Ben's project, with Ada's box beside it.
    desk.row(dialog, "who_saw_what", 0)
    desk.until(lambda: session.open_field == "f1")
    editor = session.editor
    [selected] = editor.canvas().selection()
    assert editor.document().specimens[selected].name == TAXA[0]
    assert [layer.name for layer in desk.viewer.layers if layer.name.startswith("Ada")] == [f"Ada: {TAXA[1]}"]
    # What Ada alone has seen is shown where it is.
    desk.row(dialog, "who_saw_what", 3)
    desk.until(lambda: session.open_field == "f2")
    assert [layer.name for layer in desk.viewer.layers if layer.name.startswith("Ada")] == [f"Ada: {TAXA[0]}"]
    assert camera_of(desk.viewer).center[-1] == pytest.approx(149.5, abs=1)
    desk.choose(dialog, "agreement_shown", "all")
    assert len(cells(dialog, "who_saw_what")) == 7
    dialog.close()
    assert not [layer for layer in desk.viewer.layers if layer.name.startswith("Ada")]
    # Ada's project shows the same, of Ben's project that is chosen.
    editor.open_project(season)
    desk.answer(tmp_path / "season-ben")
    desk.click(counting, "agreement")
    dialog = agreement(desk)
    assert child_of(dialog, "agreement_figures").text() == figures
    desk.row(dialog, "who_saw_what", 2)
    desk.until(lambda: any(layer.name == f"Ben: {TAXA[1]}" for layer in desk.viewer.layers))
    dialog.close()


def test_seeing_the_agreement_early_is_asked_about(desk: Desk, counting: Any, season: Path, tmp_path: Path) -> None:
    from napari_diatom.samples.second_count import start_second_count
    from napari_diatom.widgets.sample_count import agreement_link

    start_second_count(season, tmp_path / "ben", "Ben")
    counting.session().editor.open_project(tmp_path / "ben")
    asked: list[str] = []
    desk.monkeypatch.setattr(agreement_link, "can_answer", lambda window: True)
    desk.monkeypatch.setattr(agreement_link, "ask", lambda parent, title, text, *answers: asked.append(text) or 0)
    desk.click(counting, "agreement")
    assert "2 fields are not done" in asked[0]
    assert "Ben does not count blind" in asked[0]
    assert not [one for one in QApplication.topLevelWidgets() if isinstance(one, AgreementDialog) and one.isVisible()]


OTHER = """
import sys
from pathlib import Path
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import Specimen
with Project.open(Path(sys.argv[1]), "Eve") as project:
    document = project.show(sys.argv[2])
    print("open", flush=True)
    sys.stdin.readline()
    document.add([Specimen.rectangle((60, 60, 30, 8, 0.2), "Nitzschia palea")])
    document.set_done(True)
    project.flush()
    print("written", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def eve(season: Path) -> Iterator[subprocess.Popen[str]]:
    """Have another program open the second field of the project."""
    command = [sys.executable, "-c", OTHER, str(season), "f2"]
    with Project.open(season, "Ada") as project:
        project.document("f2").set_done(False)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        yield other
        other.communicate("\n\n", timeout=60)


def test_a_field_that_is_open_in_another_window_comes_last(eve: Any, desk: Desk, counting: Any, season: Path) -> None:
    session = counting.session()
    desk.until(lambda: session.others.fields == {"f2": "Eve"})
    assert [row[:3] for row in cells(counting, "counted_fields")] == [
        ["", "f1", "done"],
        ["open, Eve", "f2", "in progress"],
        ["next", "f3", "untouched"],
    ]
    desk.click(counting, "next_field")
    desk.until(lambda: session.open_field == "f3")
    session.editor.document().add([valve(40, TAXA[0])])
    eve.stdin.write("\n")
    eve.stdin.flush()
    assert eve.stdout.readline() == "written\n"
    # What she has counted is counted here too, at the next heartbeat.
    session.editor._session.heartbeat.emit()
    desk.until(lambda: cells(counting, "counted_fields")[1] == ["Eve", "f2", "done", "4", ""])
    assert {row[0]: row[1] for row in cells(counting, "counted_taxa")} == {TAXA[0]: "5", TAXA[1]: "3"}
    session.editor.flush()
    with Project.open(season) as project:
        assert [tally.state for tally in project.summary()] == ["done", "done", "work"]
