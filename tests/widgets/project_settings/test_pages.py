"""The pages *Images*, *Split*, *Import* and *People* of *Project settings*, and the form of a new project."""

import contextlib
import time

import pytest
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import QApplication, QFileDialog

from helpers.projects import box, names, new_project, picture
from helpers.window import child_of, press
from napari_diatom.formats.registry import by_name
from napari_diatom.project import annotation_reading
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import to_annotations


@pytest.fixture
def folder(tmp_path):
    with new_project(tmp_path, slides=3) as made:
        for number, image in enumerate(made.images):
            made.document(image.id).add([box(number), box(number + 1, "Nitzschia")])
    return made.folder


@pytest.fixture
def settings(dock, folder, qtbot):
    widget = dock("Project settings")
    widget.open_project(folder)
    yield widget
    qtbot.waitUntil(lambda: not widget.session().is_running, timeout=60_000)
    widget.session().close()


@pytest.fixture
def annotate(dock, folder, monkeypatch):
    monkeypatch.setattr("napari_diatom.widgets.common.message_line.show_error", lambda text: None)
    widget = dock("Annotate diatoms")
    yield widget
    with contextlib.suppress(RuntimeError):
        widget.close_project()


def cells(settings, name):
    table = child_of(settings, name)
    return [
        [table.item(row, column).text() for column in range(table.columnCount())] for row in range(table.rowCount())
    ]


def said(settings):
    return child_of(settings, "settings_message").text()


def test_slide_and_pixel_size_of_chosen_images_reach_the_open_image(settings, annotate, folder):
    annotate.open_project(folder)
    annotate.open_image("s1f0")
    settings.show_page("Images")
    assert "all 6 images" in child_of(settings, "images_meant").text()
    table = child_of(settings, "images_table")
    for row in (2, 3):
        for column in range(4):
            table.item(row, column).setSelected(True)
    child_of(settings, "slide_name").setText("river 7")
    child_of(settings, "slide_set").click()
    child_of(settings, "pixel_size_spin").setValue(0.125)
    child_of(settings, "pixel_size_set").click()
    assert cells(settings, "images_table")[2] == ["s1f0", "river 7", "s1", "0.125"]
    assert cells(settings, "images_table")[0][3] == "unknown"
    assert annotate.canvas().image.scale.tolist() == [0.125, 0.125]
    # The image was opened anew for it: what is edited now is written like all else.
    annotate.document().add([box(9, id="late")])
    annotate.open_image("s0f1")
    with Project.open(folder) as project:
        assert "late" in {item.id for item in project.contents("s1f0").specimens}
    (folder.parent / "images" / "s0" / "s0f0.png").unlink()
    settings.refresh()
    assert cells(settings, "images_table")[0][0] == "s0f0 (file is missing)"


def test_what_is_being_typed_stays_when_another_window_changes_the_project(settings, folder, qtbot):
    settings.show_page("Images")
    table, slide, sample = (child_of(settings, name) for name in ("images_table", "slide_name", "sample_name"))
    size = child_of(settings, "pixel_size_spin")
    table.selectRow(2)
    slide.selectAll()
    qtbot.keyClicks(slide, "river 7")
    size.selectAll()
    qtbot.keyClicks(size, "0.125")
    with Project.open(folder, "Ben") as other:
        other.facts.set(["s1f0", "s1f1"], slide="theirs", sample="lake")
        other.facts.set_pixel_size(["s1f0"], 0.5)
    # The user has looked at another program meanwhile.
    QApplication.sendEvent(settings, QEvent(QEvent.Type.WindowActivate))
    assert cells(settings, "images_table")[2] == ["s1f0", "theirs", "lake", "0.5"]
    assert (slide.text(), sample.text(), size.text()) == ("river 7", "lake", "0.125 µm")
    assert settings._pages["Images"].chosen() == ["s1f0"]
    qtbot.keyClick(size, Qt.Key.Key_Return)
    settings.refresh()
    assert size.value() == 0.125
    child_of(settings, "slide_set").click()
    assert cells(settings, "images_table")[2][1] == "river 7"
    assert size.value() == 0.125
    child_of(settings, "pixel_size_set").click()
    assert cells(settings, "images_table")[2][3] == "0.125"
    qtbot.keyClicks(slide, "x")
    table.selectRow(3)
    assert (slide.text(), size.value()) == ("theirs", 0.5)


def test_slides_are_split_and_one_is_moved_by_hand(settings, folder):
    settings.show_page("Split")
    assert "not split yet" in child_of(settings, "split_warnings").text()
    child_of(settings, "split_make").click()
    parts = cells(settings, "split_parts")
    assert [row[:5] for row in parts] == [[name, "1", "2", "4", "2"] for name in ("train", "validation", "test")]
    groups = child_of(settings, "split_groups")
    box_ = groups.cellWidget(0, 1)
    box_.setCurrentText("test")
    box_.textActivated.emit("test")
    with Project.open(folder) as project:
        assert "s0" in project.settings.split.parts["test"]
    press("Keep the split")
    child_of(settings, "split_make").click()
    child_of(settings, "shares").setText("70-70")
    child_of(settings, "split_make").click()
    assert "is not a split" in said(settings)
    press("Remove the split")
    child_of(settings, "split_clear").click()
    assert Project.open(folder).settings.split is None


def test_annotations_are_looked_at_imported_and_seen_in_the_open_image(
    settings, annotate, folder, tmp_path, qtbot, monkeypatch, no_process
):
    readings = []
    read = annotation_reading._read
    monkeypatch.setattr(annotation_reading, "_read", lambda *given: readings.append(given) or read(*given))
    annotate.open_project(folder)
    annotate.open_image("s0f0")
    path = tmp_path / "theirs.json"
    parts = [to_annotations([box(5, "Eunotia", id=f"new{n}")], f"s0f{n}.png", 60, 80) for n in (0, 1, 9)]
    by_name("coco").write(path, parts)
    settings.show_page("Import")
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(path)], ""))
    child_of(settings, "import_add").click()
    child_of(settings, "import_look").click()
    qtbot.waitUntil(lambda: not settings.session().is_running, timeout=60_000)
    report = child_of(settings, "import_report").toPlainText()
    assert "2 specimens to import, in 2 images" in report
    assert "does not have 1 image of these files: s0f9.png" in report
    assert len(annotate.document().specimens) == 2
    child_of(settings, "import_start").click()
    qtbot.waitUntil(lambda: not settings.session().is_running, timeout=60_000)
    assert "Nothing was imported" in said(settings)
    child_of(settings, "skip_absent").click()
    child_of(settings, "import_start").click()
    qtbot.waitUntil(lambda: not settings.session().is_running, timeout=60_000)
    assert "2 specimens imported" in child_of(settings, "import_report").toPlainText()
    # It was looked at before.
    assert len(readings) == 1
    assert sorted(item.name for item in annotate.document().specimens.values()) == ["Eunotia", "Navicula", "Nitzschia"]
    assert [item.name for item in annotate.project().settings.classes] == ["Navicula", "Nitzschia", "Eunotia"]
    settings.show_page("People")
    assert "Nobody else" in child_of(settings, "people_now").text()
    child_of(settings, "people_count").click()
    qtbot.waitUntil(lambda: bool(cells(settings, "people_table")), timeout=60_000)
    assert sum(int(row[1]) for row in cells(settings, "people_table")) == 14


def test_an_import_can_be_cancelled_and_then_nothing_has_changed(settings, folder, tmp_path, qtbot):
    path = tmp_path / "theirs.json"
    many = [box(n % 50, "Eunotia", id=f"new{n}") for n in range(3000)]
    by_name("coco").write(path, [to_annotations(many, "s0f0.png", 60, 80)])
    settings.show_page("Import")
    settings._pages["Import"].set_files([path])
    child_of(settings, "import_start").click()
    child_of(settings, "settings_cancel").click()
    begun = time.monotonic()
    qtbot.waitUntil(lambda: not settings.session().is_running, timeout=60_000)
    assert time.monotonic() - begun < 5
    assert said(settings) == "Stopped. Nothing was imported."
    with Project.open(folder) as project:
        assert len(names(project, "s0f0")) == 2


@pytest.mark.parametrize("stage", ["files", "images", "writing"])
def test_an_import_into_the_open_image_that_is_cancelled_adds_all_or_nothing(
    settings, annotate, folder, tmp_path, qtbot, stage
):
    annotate.open_project(folder)
    annotate.open_image("s0f0")
    path = tmp_path / "theirs.json"
    many = [box(n % 50, "Eunotia", id=f"new{n}") for n in range(3000)]
    by_name("coco").write(path, [to_annotations(many, "s0f0.png", 60, 80)])
    settings.show_page("Import")
    settings._pages["Import"].set_files([path])
    cancel = child_of(settings, "settings_cancel")
    settings.session().progressed.connect(lambda progress: progress.stage == stage and cancel.click())
    child_of(settings, "import_start").click()
    qtbot.waitUntil(lambda: not settings.session().is_running, timeout=60_000)
    added = 3000 if "3,000 specimens were imported" in said(settings) else 0
    assert added or said(settings) == "Stopped. Nothing was imported."
    # How far it has come when the stop arrives is not known in between.
    assert added == {"files": 0, "images": added, "writing": 3000}[stage]
    assert len(annotate.document().specimens) == 2 + added
    assert ("Eunotia" in [item.name for item in annotate.project().settings.classes]) == bool(added)
    annotate.close_project()
    with Project.open(folder) as project:
        assert len(names(project, "s0f0")) == 2 + added


def test_a_new_project_is_one_form_that_starts_where_the_data_are(annotate, tmp_path, qtbot, no_process):
    data = tmp_path / "data"
    shown = picture(data / "s0.png", 1)
    picture(data / "s1.png", 2)
    by_name("geojson").write(data / "s0.geojson", [to_annotations([box(1)], "s0.png", 60, 80)])
    annotate.canvas().viewer.open(str(shown), plugin="napari")
    child_of(annotate, "new_project").click()
    dialog = QApplication.activeModalWidget()
    assert child_of(dialog, "images.path").text() == str(data)
    assert child_of(dialog, "folder.path").text() == str(data / "diatom-project")
    assert not child_of(dialog, "new_project_create").isEnabled()
    preview = child_of(dialog, "new_project_preview")
    qtbot.waitUntil(lambda: "2 images of 1 slide" in preview.toPlainText(), timeout=60_000)
    assert "1 specimen in 1 image" in preview.toPlainText()
    qtbot.waitUntil(child_of(dialog, "new_project_create").isEnabled, timeout=60_000)
    child_of(dialog, "new_project_create").click()
    qtbot.waitUntil(lambda: annotate.project() is not None, timeout=60_000)
    assert annotate.project().folder == data / "diatom-project"
    assert [tally.total for tally in annotate.project().summary()] == [1, 0]
    assert [item.name for item in annotate.project().settings.classes] == ["Navicula"]
    QTimer.singleShot(0, dialog.close)


def test_a_project_among_the_images_is_warned_of_and_a_folder_of_its_own_is_offered(
    annotate, tmp_path, qtbot, no_process
):
    data = tmp_path / "data"
    shown = picture(data / "s0.png", 1)
    annotate.canvas().viewer.open(str(shown), plugin="napari")
    child_of(annotate, "new_project").click()
    dialog = QApplication.activeModalWidget()
    place, own = child_of(dialog, "new_project_place"), child_of(dialog, "new_project_own_folder")
    assert not place.isVisible()
    assert not own.isVisible()
    child_of(dialog, "folder.path").setText(str(data))
    assert place.text().startswith("data holds your images. The files of the project would lie among them: ")
    assert "diatom-project.yaml" in place.text()
    qtbot.waitUntil(child_of(dialog, "new_project_create").isEnabled, timeout=60_000)
    assert list(data.iterdir()) == [shown]
    assert own.text() == "Use data/diatom-project"
    qtbot.mouseClick(own, Qt.MouseButton.LeftButton)
    assert child_of(dialog, "folder.path").text() == str(data / "diatom-project")
    assert not place.isVisible()
    QTimer.singleShot(0, dialog.close)
