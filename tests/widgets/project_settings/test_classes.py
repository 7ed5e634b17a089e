"""The page *Classes* of *Project settings*, beside *Annotate diatoms* in one window."""

import contextlib

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QInputDialog

from helpers.projects import box, names, new_project
from helpers.window import child_of, dock_of, press
from napari_diatom.project.project import Project

NAME, KEY, CODE = range(3)


@pytest.fixture
def folder(tmp_path):
    """A project of four images with specimens of two classes, and of one that the list lacks."""
    with new_project(tmp_path, slides=2) as made:
        for number, image in enumerate(made.images):
            made.document(image.id).add([box(number), box(number + 1, "Nitzschia")])
        made.document("s0f0").add([box(9, "Eunotia")])
    return made.folder


@pytest.fixture
def settings(dock, folder, monkeypatch, qtbot, no_process):
    """The dock as the menu opens it, with the project."""
    monkeypatch.setattr("napari_diatom.widgets.common.message_line.show_error", lambda text: None)
    widget = dock("Project settings")
    widget.open_project(folder)
    yield widget
    qtbot.waitUntil(lambda: not widget.session().is_running, timeout=60_000)
    widget.session().close()


@pytest.fixture
def annotate(dock, folder):
    widget = dock("Annotate diatoms")
    widget.open_project(folder)
    yield widget
    with contextlib.suppress(RuntimeError):
        widget.close_project()


def rows(settings):
    table = child_of(settings, "classes_table")
    return [[table.item(row, column).text() for column in range(5)] for row in range(table.rowCount())]


def select(settings, *chosen):
    table = child_of(settings, "classes_table")
    table.clearSelection()
    for row, cells in enumerate(rows(settings)):
        if cells[NAME] in chosen:
            for column in range(5):
                table.item(row, column).setSelected(True)


def type_into(settings, name, column, text):
    table = child_of(settings, "classes_table")
    row = next(row for row, cells in enumerate(rows(settings)) if cells[NAME] == name)
    table.item(row, column).setText(text)


def said(settings):
    return child_of(settings, "settings_message").text()


def test_a_class_is_renamed_with_all_its_specimens_also_in_the_open_image(settings, annotate, folder, qtbot):
    annotate.open_image("s0f0")
    type_into(settings, "Navicula", NAME, "Gomphonema")
    assert "4 specimens in 4 images" in said(settings)
    qtbot.waitUntil(lambda: not settings.session().is_running, timeout=60_000)
    assert [cells[NAME] for cells in rows(settings)] == ["Gomphonema", "Nitzschia", "Eunotia"]
    assert set(names(annotate.project(), "s0f0").values()) == {"Gomphonema", "Nitzschia", "Eunotia"}
    assert "Gomphonema" in child_of(annotate, "classes").item(0).text()
    # What a person did before can be undone still.
    annotate.undo()
    annotate.redo()
    annotate.close_project()
    texts = [path.read_text() for path in (folder / "annotations").iterdir()]
    assert len(texts) == 4
    assert not any("Navicula" in text for text in texts)


def test_the_name_of_another_class_offers_merging_and_can_be_refused(settings, folder, qtbot):
    asked = press("Keep the classes")
    type_into(settings, "Navicula", NAME, "Nitzschia")
    assert "already a class Nitzschia" in asked[0]
    assert "4 specimens" in asked[0]
    assert [cells[NAME] for cells in rows(settings)] == ["Navicula", "Nitzschia", "Eunotia"]
    asked = press("Merge")
    type_into(settings, "Navicula", NAME, "Nitzschia")
    qtbot.waitUntil(lambda: not settings.session().is_running, timeout=60_000)
    assert [(cells[NAME], cells[4]) for cells in rows(settings)] == [("Nitzschia", "8"), ("Eunotia", "1")]


def test_a_class_that_only_specimens_have_is_merged_from_the_table(settings, monkeypatch, qtbot):
    select(settings, "Eunotia")
    assert not child_of(settings, "class_rename").isEnabled()
    monkeypatch.setattr(QInputDialog, "getItem", lambda *_: ("Navicula", True))
    press("Merge")
    child_of(settings, "class_merge").click()
    qtbot.waitUntil(lambda: not settings.session().is_running, timeout=60_000)
    assert [(cells[NAME], cells[4]) for cells in rows(settings)] == [("Navicula", "5"), ("Nitzschia", "4")]


def test_removing_a_class_says_how_many_specimens_go_with_it(settings, annotate, folder, qtbot):
    annotate.open_image("s0f1")
    select(settings, "Nitzschia")
    asked = press("Keep the class")
    child_of(settings, "class_remove").click()
    assert "4 specimens in 4 images" in asked[0]
    assert len(rows(settings)) == 3
    press("Delete 4 specimens")
    child_of(settings, "class_remove").click()
    qtbot.waitUntil(lambda: "4 specimens deleted" in said(settings), timeout=60_000)
    qtbot.waitUntil(lambda: not settings.session().is_running, timeout=60_000)
    assert [cells[NAME] for cells in rows(settings)] == ["Navicula", "Eunotia"]
    assert set(names(annotate.project(), "s0f1").values()) == {"Navicula"}


def test_keys_change_places_and_what_cannot_be_is_named_and_changes_nothing(settings, monkeypatch):
    type_into(settings, "Nitzschia", KEY, "1")
    assert [cells[KEY] for cells in rows(settings)] == ["2", "1", ""]
    type_into(settings, "Nitzschia", CODE, "NITZ")
    type_into(settings, "Navicula", CODE, "NITZ")
    assert "The code NITZ is that of Nitzschia" in said(settings)
    type_into(settings, "Navicula", KEY, "x")
    assert "must be a digit" in said(settings)
    type_into(settings, "Navicula", NAME, "  ")
    assert "needs a name" in said(settings)
    assert [cells[:3] for cells in rows(settings)][:2] == [["Navicula", "2", ""], ["Nitzschia", "1", "NITZ"]]
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: ("Nitzschia", True))
    child_of(settings, "class_add").click()
    assert "already has a class" in said(settings)


def test_classes_are_added_ordered_and_travel_as_a_list(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: ("Achnanthes", True))
    child_of(settings, "class_add").click()
    select(settings, "Achnanthes")
    child_of(settings, "class_up").click()
    assert [cells[NAME] for cells in rows(settings)] == ["Navicula", "Achnanthes", "Nitzschia", "Eunotia"]
    place = tmp_path / "list.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(place), ""))
    child_of(settings, "class_export").click()
    assert place.read_text().splitlines()[:2] == [
        "name,code,colour,key,genus,handed,synonym of",
        "Navicula,,#e69f00,1,Navicula,no,",
    ]
    place.write_text("name,code\nNavicula,NAVI\nFragilaria,FRAG\n")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(place), ""))
    child_of(settings, "class_import").click()
    assert "1 new class from list.csv, 1 there already" in said(settings)
    assert [cells[CODE] for cells in rows(settings)] == ["NAVI", "", "", "FRAG", ""]


def test_a_read_only_project_says_so_and_stays_as_it_was(settings, folder, monkeypatch):
    from napari_diatom.core.errors import OutputError
    from napari_diatom.project import backups

    def refuse(*_):
        raise OutputError("the folder cannot be written")

    monkeypatch.setattr(backups, "rewrite", refuse)
    type_into(settings, "Navicula", NAME, "Gomphonema")
    assert "cannot be written" in said(settings)
    assert rows(settings)[0][NAME] == "Navicula"


def test_two_windows_that_edit_one_list_keep_both_changes_and_are_told(settings, annotate, folder):
    with Project.open(folder, "Bob") as other:
        other.classes.rename("Navicula", "Gomphonema")
        other.classes.add("Eunotia")
    type_into(settings, "Nitzschia", CODE, "NITZ")
    assert [cells[:3] for cells in rows(settings)] == [
        ["Gomphonema", "1", ""],
        ["Nitzschia", "2", "NITZ"],
        ["Eunotia", "3", ""],
    ]
    assert [item.text()[3:].split(" ")[0] for item in items(annotate)] == ["Gomphonema", "Nitzschia", "Eunotia"]
    with Project.open(folder, "Bob") as other:
        other.classes.merge(["Eunotia"], "Gomphonema")
    type_into(settings, "Eunotia", KEY, "9")
    assert "is now called 'Gomphonema'" in said(settings)
    with Project.open(folder, "Bob") as other:
        other.classes.add("Fragilaria")
    annotate._settings.catch_up()
    assert "changed in another window" in child_of(annotate, "message").text()


def items(annotate):
    listed = child_of(annotate, "classes")
    return [listed.item(row) for row in range(listed.count())]


def test_the_button_of_annotate_opens_the_settings_of_its_project(annotate, qtbot):
    child_of(annotate, "project_settings").click()
    settings = dock_of(annotate._canvas.viewer, "Project settings")
    assert settings.session().project.folder == annotate.project().folder
    assert [cells[NAME] for cells in rows(settings)] == ["Navicula", "Nitzschia", "Eunotia"]
    assert settings.minimumSizeHint().width() <= 420
    table = child_of(settings, "classes_table")
    assert table.item(0, NAME).flags() & Qt.ItemFlag.ItemIsEditable
    settings.session().close()
