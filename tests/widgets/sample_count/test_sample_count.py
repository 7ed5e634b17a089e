"""*Count a sample* by mouse and keys: what it shows is what ``napari-diatom tally`` writes of the same project."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QTableView

from helpers.desk import Desk
from helpers.projects import picture
from helpers.window import child_of, dock_of
from napari_diatom.cli import main
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import Specimen
from napari_diatom.samples.counting_files import PROTOCOL_OF_PROJECT, facts_of_project
from napari_diatom.samples.protocol import SampleProtocol, write_protocol
from napari_diatom.widgets.common.closing import canvas_of
from napari_diatom.widgets.sample_count.facts_dialog import FactsDialog

TAXA = ("Navicula gregaria", "Nitzschia palea", "Fragilaria sp.")
MODEL = "diatom-obb 1.1.0"


def valves(field: int, number: int, **known: Any) -> list[Specimen]:
    """Return valves of three taxa, one of them broken and one across the left edge."""
    names = [TAXA[0], TAXA[0], TAXA[1], TAXA[0], TAXA[2]]
    return [
        Specimen.rectangle(
            (5 if k == 4 else 40 + 20 * k, 30 + 8 * field, 30, 8, 0.2),
            names[k % 5],
            status="broken" if k == 3 else "frustule" if k == 1 else "valve",
            **known,
        )
        for k in range(number)
    ]


@pytest.fixture
def season(tmp_path: Path) -> Path:
    """Make a project of two samples of three fields: one done, one of proposals, one that nobody has looked at."""
    names = [f"{sample}f{number}" for sample in ("R1", "R2") for number in (1, 2, 3)]
    paths = [picture(tmp_path / "images" / f"{name}.png", k, 120, 240) for k, name in enumerate(names)]
    with Project.create(tmp_path / "season", paths, TAXA, "Ada") as project:
        for sample in ("R1", "R2"):
            project.facts.set([name for name in names if name.startswith(sample)], sample=sample)
            first = project.document(f"{sample}f1")
            first.add(valves(1, 5 if sample == "R1" else 3))
            first.set_done(True)
            project.document(f"{sample}f2").propose(valves(2, 5, origin=MODEL), MODEL)
    return tmp_path / "season"


@pytest.fixture
def desk(make_napari_viewer: Any, quick: None, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> Desk:
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1366, 768)
    return Desk(viewer, qtbot, monkeypatch)


@pytest.fixture
def counting(desk: Desk, season: Path) -> Any:
    """Open the dock from the menu, and the project from the dock."""
    dock = desk.open("count_sample")
    desk.answer(season)
    desk.click(dock, "count_open")
    desk.until(lambda: not child_of(dock, "sample").visibleRegion().isEmpty())
    yield dock
    if dock.session().editor is not None:
        dock.session().editor.close_project()


def cells(dock: Any, name: str) -> list[list[str]]:
    model = child_of(dock, name).model()
    return [[model.index(row, k).data() for k in range(model.columnCount())] for row in range(model.rowCount())]


def shown(dock: Any) -> dict[str, tuple[str, ...]]:
    """Return what the dock shows of each taxon."""
    return {row[0]: tuple(row[1:]) for row in cells(dock, "counted_taxa")}


def tallied(season: Path, out: Path, sample: str, *more: str) -> dict[str, tuple[str, ...]]:
    """Return the same of what the command writes."""
    assert main(["tally", str(season), "-o", str(out), "--overwrite", *more]) == 0
    with (out / "sample_taxon.csv").open(encoding="utf-8", newline="") as stream:
        found = [row for row in csv.DictReader(stream) if row["sample"] == sample]
    told = {}
    for row in found:
        left = sum(int(row[name]) for name in row if name.startswith("left_out"))
        share, low, high = (f"{100 * float(row[name]):.1f}" if row[name] else "" for name in _SHARES)
        bounds = f"{low}-{high}" if low else ""
        told[row["taxon"]] = (f"{float(row['count']):g}", share, bounds, str(left) if left else "")
    return told


_SHARES = ("share", "share_low", "share_high")


def press(desk: Desk, key: Qt.Key) -> None:
    """Press a key on the image."""
    canvas = canvas_of(desk.viewer)
    assert canvas is not None
    canvas.setFocus()
    desk.qtbot.keyClick(canvas, key)
    desk.qtbot.wait(20)


def test_a_sample_is_counted_by_keys_with_the_figures_of_tally(
    desk: Desk, counting: Any, season: Path, tmp_path: Path
) -> None:
    session = counting.session()
    assert (session.sample, session.open_field) == ("R1", "R1f2")
    assert [row[:3] for row in cells(counting, "counted_fields")] == [
        ["", "R1f1", "done"],
        ["open", "R1f2", "proposals only"],
        ["next", "R1f3", "untouched"],
    ]
    assert shown(counting) == tallied(season, tmp_path / "out", "R1")
    # The field is confirmed with all that is proposed, and the next one is opened.
    press(desk, Qt.Key.Key_Space)
    desk.until(lambda: session.open_field == "R1f3")
    session.editor.flush()
    assert shown(counting) == tallied(season, tmp_path / "out", "R1")
    assert child_of(counting, "count_progress").format() == "8 of 400"
    # Nobody has looked at the last one: a second key confirms that it is empty.
    press(desk, Qt.Key.Key_Space)
    assert "Press Space again" in counting.line.text()
    assert session.editor.document().state == "untouched"
    press(desk, Qt.Key.Key_Space)
    assert "All fields of R1 are done" in counting.line.text()
    assert [row[2] for row in cells(counting, "counted_fields")] == ["done"] * 3
    # Both fields are taken back, the last one first.
    for field, state, proposals in (("R1f3", "untouched", 0), ("R1f2", "machine", 5)):
        desk.click(counting, "take_back")
        document = session.editor.document()
        assert (session.open_field, document.state, len(document.proposals)) == (field, state, proposals)
    assert not child_of(counting, "take_back").isEnabled()
    session.editor.flush()
    assert shown(counting) == tallied(season, tmp_path / "out", "R1")


def test_an_edit_by_hand_is_counted_at_once(desk: Desk, counting: Any, season: Path, tmp_path: Path) -> None:
    session = counting.session()
    desk.choose(counting, "sample", "R2")
    before = shown(counting)
    session.open("R2f1")
    desk.qtbot.wait(50)
    [first, *_] = session.editor.document().specimens
    session.editor.canvas().select([first])
    press(desk, Qt.Key.Key_K)
    desk.until(lambda: shown(counting) != before)
    session.editor.flush()
    assert shown(counting) == tallied(season, tmp_path / "out", "R2")
    assert shown(counting)[TAXA[0]][-1] == "1"
    press(desk, Qt.Key.Key_Delete)
    desk.qtbot.wait(50)
    session.editor.flush()
    assert shown(counting) == tallied(season, tmp_path / "out", "R2")


def test_a_protocol_is_kept_in_the_project_and_travels_with_the_tally(
    desk: Desk, counting: Any, season: Path, tmp_path: Path
) -> None:
    assert not (season / PROTOCOL_OF_PROJECT).exists()
    desk.choose(counting, "protocol", "poland")
    child_of(counting, "protocol").activated.emit(child_of(counting, "protocol").currentIndex())
    assert (season / PROTOCOL_OF_PROJECT).exists()
    assert shown(counting) == tallied(season, tmp_path / "out", "R1")
    # A frustule is two valves; the one across the left edge does not count.
    assert shown(counting)[TAXA[0]][0] == "3"
    assert shown(counting)[TAXA[2]] == ("0", "", "", "1")
    write_protocol(tmp_path / "ours.yaml", SampleProtocol(name="ours", target=2))
    counting.use_protocol(tmp_path / "ours.yaml")
    assert child_of(counting, "protocol").currentText() == "ours (of this project)"
    assert "Enough is counted" in child_of(counting, "stop_rule").text()
    desk.answer(tmp_path / "written")
    desk.click(counting, "write_tally")
    desk.until(lambda: "The tally of 2 samples" in counting.line.text())
    assert "name: ours" in (tmp_path / "written" / "protocol.yaml").read_text(encoding="utf-8")
    assert shown(counting) == tallied(season, tmp_path / "out", "R1")
    # It says so, and does not stop the person.
    press(desk, Qt.Key.Key_Space)
    assert "Enough of R1 is counted" in counting.line.text()
    assert counting.session().open_field == "R1f3"


def test_a_taxon_shows_its_specimens_of_the_sample(desk: Desk, counting: Any) -> None:
    desk.row(counting, "counted_taxa", 0)
    gallery = counting.session().editor.gallery()
    desk.until(lambda: not gallery._waiting)
    assert {(entry.image_id, entry.name) for entry in gallery.entries()} == {("R1f1", TAXA[0])}
    assert len(gallery.entries()) == 3
    desk.click(counting, "review_sample")
    assert [entry.name for entry in gallery.entries()] == sorted([TAXA[0]] * 3 + list(TAXA[1:]))
    # A double-click on a picture goes on as in the gallery: to the specimen on its slide.
    entry = gallery.entries()[0]
    gallery.slideRequested.emit(entry.image_id, entry.id)
    assert counting.session().editor.canvas().selection() == (entry.id,)
    desk.choose(counting, "sample", "R2")
    child_of(counting, "sample").activated.emit(child_of(counting, "sample").currentIndex())
    assert counting.session().sample == "R2"
    desk.click(counting, "review_sample")
    assert {entry.image_id for entry in gallery.entries()} == {"R2f1"}


def test_facts_of_samples_are_kept_in_the_project(
    desk: Desk, counting: Any, season: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(dialog: FactsDialog) -> None:
        child_of(dialog, "fact_site").setText("Ouse")
        child_of(dialog, "fact_date").setText("soon")
        dialog.accept()
        assert "'soon' is not a date" in child_of(dialog, "facts_message").text()
        child_of(dialog, "fact_date").setText("31/05/2026")
        dialog.accept()

    desk.in_dialog(FactsDialog, fill, lambda: desk.click(counting, "sample_facts"))
    desk.until(lambda: "R1" in facts_of_project(season))
    assert facts_of_project(season)["R1"].site == "Ouse"
    table = tmp_path / "samples.csv"
    table.write_text("sample,site,images\nR3,Wye,R2f3\n", encoding="utf-8")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(table), ""))
    desk.in_dialog(
        FactsDialog,
        lambda dialog: desk.click(dialog, "facts_from_table"),
        lambda: desk.click(counting, "sample_facts"),
    )
    desk.until(lambda: counting.session().samples == ("R1", "R2", "R3"))
    assert "facts of 1 sample" in counting.line.text()


def test_the_key_is_given_back_and_the_dock_follows_the_project(desk: Desk, counting: Any, season: Path) -> None:
    editor = dock_of(desk.viewer, "Annotate diatoms")
    layer = editor.canvas().specimens.layer
    assert any(str(key) == "Space" for key in layer.keymap)
    editor.close_project()
    assert counting.session().counted is None
    assert child_of(counting, "count_open").isVisibleTo(counting)
    assert not child_of(counting, "next_field").isEnabled()
    editor.open_project(season)
    assert counting.session().sample == "R1"
    table: QTableView = child_of(counting, "counted_fields")
    assert table.model().rowCount() == 3
    counting.parent().destroyOnClose()
    desk.qtbot.wait(20)
    assert not any(str(key) == "Space" for key in layer.keymap)
    editor.close_project()
