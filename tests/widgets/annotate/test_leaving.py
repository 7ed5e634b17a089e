"""What becomes of a project whose dock, window, layers or folder are taken away: nothing is lost without a word."""

import contextlib
import errno
import os
import warnings

import cv2
import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog

from helpers.window import child_of, press
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import Specimen

HEIGHT, WIDTH = 300, 400
CLICKS = ((80, 70), (160, 130), (114, 108))
KEEP, LOSE = "Keep the project open", "Close and lose the edits"
COPY = "Save copies elsewhere and close..."


def make_project(folder):
    images = []
    folder.mkdir()
    for number in range(2):
        images.append(folder / f"slide_{number}.png")
        cv2.imwrite(str(images[-1]), np.full((HEIGHT, WIDTH), 90 + 40 * number, np.uint8))
    Project.create(folder / "project", images, ["Navicula"], "Ada").close()
    return folder / "project"


@pytest.fixture
def full(monkeypatch):
    """Have nothing be written while this is entered."""

    @contextlib.contextmanager
    def disk():
        def refuse(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", refuse)
            patch.setattr(os, "fsync", refuse)
            yield

    return disk


@pytest.fixture
def seen(make_napari_viewer_proxy):
    """A viewer that a person can see."""
    return make_napari_viewer_proxy(show=True)


@pytest.fixture
def annotate_in(quick, tmp_path, monkeypatch, qtbot):
    """Open a project in a dock of a viewer, by the menu's way."""
    # What is said in a toast as well would be an error here.
    monkeypatch.setattr("napari_diatom.widgets.common.message_line.show_error", lambda text: None)
    opened = []

    def open_(viewer):
        _, widget = viewer.window.add_plugin_dock_widget("napari-diatom", "Annotate diatoms")
        widget.open_project(make_project(tmp_path / "one"))
        opened.append(widget)
        return widget

    yield open_
    for widget in opened:
        with contextlib.suppress(RuntimeError):
            widget.close_project()
    qtbot.wait(20)


def draw(annotate):
    annotate.use_tool("three-clicks")
    for point in CLICKS:
        annotate.canvas().three_clicks.click(np.array(point))


def cross(annotate):
    annotate.parentWidget().title.close_button.click()


def another_project(annotate):
    annotate.open_project(annotate.project().folder.parent.parent / "two" / "project")


def window(annotate):
    annotate.window().close()


def no_project(annotate):
    annotate.close_project()


@pytest.mark.parametrize("leave", [cross, another_project, window, no_project])
def test_edits_in_memory_alone_are_not_lost_when_a_person_keeps_the_project_open(seen, annotate_in, full, qtbot, leave):
    annotate = annotate_in(seen)
    folder, main = annotate.project().folder, annotate.window()
    dock = annotate.parentWidget().name
    if leave is another_project:
        make_project(folder.parent.parent / "two")
    with full():
        draw(annotate)
        asked = press(KEEP)
        leave(annotate)
        qtbot.waitUntil(lambda: bool(asked), timeout=5000)
        qtbot.wait(50)
        assert "slide_0 in the project project cannot be written" in asked[0]
        assert main.isVisible()
        assert annotate.isVisible()
        assert annotate.parentWidget().name == dock
        assert annotate.project().folder == folder
        assert len(annotate.document().specimens) == 1
    draw(annotate)
    annotate.flush()
    assert len(geojson.read(folder / "annotations" / "slide_0.geojson")) == 2


@pytest.mark.parametrize("leave", [cross, window, no_project])
def test_edits_in_memory_alone_are_lost_only_when_a_person_says_so(seen, annotate_in, full, qtbot, monkeypatch, leave):
    annotate = annotate_in(seen)
    folder, main = annotate.project().folder, annotate.window()
    closed = []
    with full(), monkeypatch.context() as patch:
        # The fixture wants to close the window itself.
        patch.setattr(type(main), "closeEvent", lambda _, event: closed.append(event.ignore()))
        draw(annotate)
        asked = press(LOSE)
        leave(annotate)
        qtbot.waitUntil(lambda: bool(asked), timeout=5000)
        qtbot.wait(50)
        assert bool(closed) == (leave is window)
        if leave is not window:
            assert len(seen.layers) == (3 if leave is no_project else 0)
    assert not (folder / "annotations" / "slide_0.geojson").exists()


@pytest.mark.parametrize("leave", [cross, no_project])
def test_without_a_person_the_project_stays_open_and_says_so(viewer, annotate_in, full, qtbot, leave):
    annotate = annotate_in(viewer)
    folder = annotate.project().folder
    with full():
        draw(annotate)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            leave(annotate)
            qtbot.wait(50)
        assert any("stays open" in str(warning.message) for warning in said)
        assert annotate.project().folder == folder
    annotate.flush()
    assert len(geojson.read(folder / "annotations" / "slide_0.geojson")) == 1


def test_a_program_that_closes_the_viewer_is_told_what_is_lost(viewer, annotate_in, full, qtbot):
    annotate = annotate_in(viewer)
    with full():
        draw(annotate)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            viewer.close()
            qtbot.wait(50)
    assert any("edits of slide_0" in str(warning.message) and "lost" in str(warning.message) for warning in said)


def test_what_can_be_written_is_written_without_a_question(seen, annotate_in, full, qtbot):
    annotate = annotate_in(seen)
    folder = annotate.project().folder
    with full():
        draw(annotate)
    cross(annotate)
    qtbot.wait(50)
    assert len(geojson.read(folder / "annotations" / "slide_0.geojson")) == 1


@pytest.mark.parametrize("name", ["specimens", "proposals", "slide_0"])
def test_an_image_whose_layer_is_deleted_is_closed_with_a_word_and_opens_again(viewer, annotate_in, qtbot, name):
    annotate = annotate_in(viewer)
    draw(annotate)
    viewer.layers.selection = {viewer.layers[name]}
    viewer.layers.remove_selected()
    qtbot.waitUntil(lambda: annotate.document() is None, timeout=5000)
    said = child_of(annotate, "message").text()
    assert f"'{name}' was deleted" in said
    assert "slide_0 was closed" in said
    assert "click the image in the list" in said
    assert "slide_0" not in viewer.layers
    folder = annotate.project().folder
    assert len(geojson.read(folder / "annotations" / "slide_0.geojson")) == 1
    images = child_of(annotate, "images")
    images.activated.emit(images.model().index(0, 0))
    assert len(annotate.document().specimens) == 1
    assert next(layer.name for layer in viewer.layers) == "slide_0"
    assert viewer.layers["specimens"].nshapes == 1
    draw(annotate)
    viewer.layers["specimens"].add(np.array([[10, 10], [10, 60], [40, 60], [40, 10]]), shape_type="rectangle")
    annotate.canvas().flush()
    assert len(annotate.document().specimens) == 3


def test_a_mask_whose_layer_is_deleted_while_it_is_painted_is_kept(viewer, annotate_in, qtbot):
    annotate = annotate_in(viewer)
    annotate.document().add([Specimen.rectangle((100, 100, 40, 9, 0), "Navicula")])
    annotate.use_tool("paint")
    viewer.layers["mask"].data[20:40, 20:60] = 1
    viewer.layers.selection = {viewer.layers["mask"]}
    viewer.layers.remove_selected()
    qtbot.waitUntil(lambda: len(annotate.document().specimens) == 2, timeout=5000)
    assert child_of(annotate, "tool_select").isChecked()


def test_what_is_drawn_while_the_folder_is_away_is_written_when_it_is_back(viewer, annotate_in, qtbot):
    annotate = annotate_in(viewer)
    draw(annotate)
    annotate.flush()
    folder, away = annotate.project().folder, annotate.project().folder.with_name("on a stick")
    before = {path: path.read_bytes() for path in folder.rglob("*.geojson")}
    folder.rename(away)
    draw(annotate)
    said = child_of(annotate, "message").text()
    assert f"{folder} cannot be written: the folder is gone" in said
    assert "put it back" in said
    assert "stay in memory" in said
    assert not child_of(annotate, "not_stored").isHidden()
    # All that a person may try meanwhile.
    annotate.flush()
    annotate.open_image("slide_1")
    assert f"{folder} cannot be read: the folder is gone" in child_of(annotate, "message").text()
    assert annotate.document() is not None
    assert len(annotate.document().specimens) == 2
    annotate.undo()
    annotate.redo()
    annotate.toggle_done()
    asked = press("&Yes")
    annotate.add_class("Eunotia")
    assert "Eunotia" in asked[0]
    child_of(annotate, "next_unfinished").click()
    annotate._session._heartbeat()
    assert len(annotate.document().specimens) == 2
    # Another folder in its place would keep it from coming back.
    assert not folder.exists()
    away.rename(folder)
    qtbot.waitUntil(child_of(annotate, "not_stored").isHidden, timeout=10_000)
    annotate.flush()
    [path] = before
    assert len(geojson.read(path)) == 2
    with Project.open(folder) as project:
        assert project.journals.leftovers() == []
        assert project.contents("slide_0").state == "done"


def test_edits_of_a_folder_that_is_gone_are_saved_elsewhere(seen, annotate_in, qtbot, monkeypatch, tmp_path):
    annotate = annotate_in(seen)
    folder, copies = annotate.project().folder, tmp_path / "copies"
    copies.mkdir()
    folder.rename(tmp_path / "away")
    draw(annotate)
    asked = []

    def choose(*_):
        asked.extend(press("Close the project"))
        return str(copies)

    monkeypatch.setattr(QFileDialog, "getExistingDirectory", choose)
    told = press(COPY)
    cross(annotate)
    qtbot.waitUntil(lambda: bool(told) and not seen.layers and not seen.window.dock_widgets, timeout=10_000)
    assert "put it back" in told[0]
    [copy] = copies.rglob("*.geojson")
    assert copy == copies / "project-unsaved" / "slide_0.geojson"
    assert not folder.exists()
    with Project.open(tmp_path / "away") as project:
        assert project.import_annotations([geojson.read(copy)]) == 1


def test_a_project_that_became_read_only_keeps_edits_until_it_can_be_written(viewer, annotate_in, qtbot, monkeypatch):
    from napari_diatom.project.folder_lock import FolderLock

    annotate = annotate_in(viewer)
    draw(annotate)
    annotate.flush()
    [path] = annotate.project().folder.rglob("*.geojson")
    before, opened = path.read_bytes(), os.open

    def only_read(name, flags, *args, **named):
        if flags & (os.O_RDWR | os.O_WRONLY):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), name)
        return opened(name, flags, *args, **named)

    def refuse(lock):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", only_read)
        patch.setattr(FolderLock, "_acquire", refuse)
        # The journal of the edit before is closed, as after each writing.
        draw(annotate)
        assert "Read-only file system" in child_of(annotate, "message").text()
        annotate.open_image("slide_1")
        draw(annotate)
        annotate.open_image("slide_0")
        assert len(annotate.document().specimens) == 2
        assert not child_of(annotate, "not_stored").isHidden()
        assert path.read_bytes() == before
    qtbot.waitUntil(child_of(annotate, "not_stored").isHidden, timeout=10_000)
    annotate.flush()
    assert len(geojson.read(path)) == 2
    assert len(geojson.read(path.with_name("slide_1.geojson"))) == 1
