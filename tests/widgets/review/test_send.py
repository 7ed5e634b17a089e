"""*Send to a project* in Detect, and a folder of ``count`` opened in Annotate, as a user does both."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from helpers.counting import count, save
from helpers.window import child_of, dock_of
from napari_diatom.project.project import Project
from napari_diatom.widgets.annotate.project_session import ProjectSession
from napari_diatom.widgets.review.send_dialog import SendDialog


@pytest.fixture
def slide(tmp_path):
    """Return an image file of the size that the stand-in for the network expects."""
    path = tmp_path / "slides" / "april" / "field.png"
    path.parent.mkdir(parents=True)
    Image.fromarray(np.random.default_rng(3).integers(0, 255, (300, 400), dtype=np.uint8)).save(path)
    return path


def in_new(folder, choose):
    def act(dialog):
        choose(folder)
        child_of(dialog, "send_new").click()

    return act


def annotate_of(viewer):
    return dock_of(viewer, "Annotate diatoms")


def test_what_was_found_goes_to_a_new_project_and_is_not_sent_twice(
    viewer, widget, run, slide, tmp_path, fill_in, choose
):
    viewer.open(str(slide), plugin="napari")
    child_of(widget, "pixel_size").setValue(0.25)
    run()
    result = widget.result()
    result.set_feature(int(result.specimens()[0]), "status", "broken")
    number = len(result.layer.data)
    said = fill_in(widget, in_new(tmp_path / "project", choose))
    assert f"1 specimen and {number - 1} proposals of 1 image. 1 image added. New classes: diatom" in said
    annotate = annotate_of(viewer)
    assert child_of(annotate, "message").text() == said
    document = annotate.document()
    assert (len(document.specimens), len(document.proposals)) == (1, number - 1)
    (specimen,) = document.specimens.values()
    assert (specimen.status, specimen.reviewed) == ("broken", True)
    assert {item.origin for item in document.proposals.values()} == {"diatom-obb 1.0.0"}
    assert annotate.project().settings.pixel_sizes_um == {"april": 0.25}

    assert not result.layer.visible
    before = document.contents
    annotate.undo()
    assert not document.specimens
    assert not document.proposals
    annotate.redo()
    said = fill_in(widget, lambda dialog: None)
    assert f"nothing new of 1 image. {number} specimens were there already" in said
    assert [item.id for item in annotate.document().contents.proposals] == [item.id for item in before.proposals]


def test_what_was_rejected_in_the_project_is_not_sent_again_unless_it_is_asked_for(
    viewer, widget, run, slide, tmp_path, fill_in, choose
):
    viewer.open(str(slide), plugin="napari")
    run()
    number = len(widget.result().layer.data)
    fill_in(widget, in_new(tmp_path / "project", choose))
    annotate = annotate_of(viewer)
    annotate.next_uncertain()
    annotate.reject()
    annotate.flush()
    said = fill_in(widget, lambda dialog: None)
    assert "nothing new of 1 image" in said
    assert "1 proposal that you rejected or deleted before was left out" in said
    assert len(annotate.document().proposals) == number - 1

    def act(dialog):
        child_of(dialog, "send_skip_rejected").click()

    assert "1 proposal of 1 image" in fill_in(widget, act)
    assert len(annotate.document().proposals) == number
    assert not annotate.document().rejected


def test_an_image_in_memory_is_saved_in_the_project(viewer, widget, image, run, tmp_path, fill_in, choose):
    image.data = np.arange(120000, dtype=np.uint16).reshape(300, 400) % 4096
    run()
    number = len(widget.result().layer.data)

    def act(dialog):
        in_new(tmp_path / "project", choose)(dialog)
        child_of(dialog, "send_save_images").click()
        assert "slide has no file" in child_of(dialog, "send_problem").text()
        child_of(dialog, "send_save_images").click()
        child_of(dialog, "send_as_all").click()

    assert "specimens of 1 image" in fill_in(widget, act)
    assert (tmp_path / "project" / "images" / "slide.tif").is_file()
    annotate = annotate_of(viewer)
    assert len(annotate.document().specimens) == number
    assert "nothing new" in fill_in(widget, lambda dialog: None)
    assert [path.name for path in (tmp_path / "project" / "images").iterdir()] == ["slide.tif"]


def test_classes_that_the_project_lacks_are_offered_and_nothing_of_it_changes(
    viewer, widget, run, slide, tmp_path, fill_in, choose
):
    with Project.create(tmp_path / "project", [slide], ["Navicula"], "Ada") as project:
        (image,) = project.images
    viewer.open(str(slide), plugin="napari")
    run()

    def act(dialog):
        choose(tmp_path / "project")
        child_of(dialog, "send_open").click()
        assert child_of(dialog, "send_add_classes").text().endswith(": diatom")
        child_of(dialog, "send_add_classes").click()
        child_of(dialog, "send_as_all").click()

    assert "proposals of 1 image." in fill_in(widget, act)
    annotate = annotate_of(viewer)
    assert annotate.project().images[0].replace(state=image.state) == image
    assert [item.name for item in annotate.project().settings.classes] == ["Navicula"]
    assert not annotate.document().specimens


def test_a_project_that_cannot_be_used_is_refused_in_the_dialog(
    viewer, widget, run, slide, tmp_path, choose, monkeypatch
):
    viewer.open(str(slide), plugin="napari")
    run()
    dialog = SendDialog(None, widget.panel.send.results())
    assert child_of(dialog, "send_problem").text() == "Choose a project, or make a new one."
    dialog.set_project(tmp_path)
    assert "is not a project" in child_of(dialog, "send_problem").text()
    child_of(dialog, "send_folder").click()
    dialog.set_project(tmp_path / "new", is_new=True)
    assert child_of(dialog, "send_problem").text() == "Choose a folder of results."
    assert not child_of(dialog, "send_send").isEnabled()
    dialog.deleteLater()
    for first, chosen in ((False, "shown"), (True, "folder")):
        dialog = SendDialog(None, widget.panel.send.results(), None, tmp_path, folder_first=first)
        assert child_of(dialog, f"send_{chosen}").isChecked()
        dialog.deleteLater()


def test_a_project_on_a_read_only_share_says_so_and_gets_nothing(
    viewer, widget, run, slide, tmp_path, fill_in, choose, monkeypatch
):
    from napari_diatom.project.folder_lock import FolderLock

    Project.create(tmp_path / "project", [slide], ["diatom"], "Ada").close()
    before = {path: path.read_bytes() for path in (tmp_path / "project").glob("*.yaml")}
    viewer.open(str(slide), plugin="napari")
    run()

    def refuse(lock):
        raise PermissionError(13, "Read-only file system")

    monkeypatch.setattr(FolderLock, "_acquire", refuse)

    def act(dialog):
        choose(tmp_path / "project")
        child_of(dialog, "send_open").click()

    assert "cannot be written" in fill_in(widget, act)
    assert {path: path.read_bytes() for path in before} == before
    monkeypatch.undo()


def test_annotate_opens_a_folder_of_count_for_review(viewer, dock, tmp_path, choose, qtbot):
    for number in range(2):
        save(tmp_path / "slides" / f"{number}.png", 3, seed=number)
    assert count(tmp_path / "slides", "-o", tmp_path / "out") == 0
    annotate = dock("Annotate diatoms")
    choose(tmp_path / "out")
    child_of(annotate, "open_project").click()
    qtbot.waitUntil(lambda: annotate.project() is not None, timeout=20_000)
    assert annotate.project().folder == tmp_path / "out" / "review"
    assert len(annotate.document().proposals) == 3
    assert "6 proposals of 2 images" in child_of(annotate, "message").text()
    annotate.next_uncertain()
    annotate.accept()
    annotate.reject()
    assert (len(annotate.document().specimens), len(annotate.document().proposals)) == (1, 1)

    (tmp_path / "slides").rename(tmp_path / "moved")
    annotate.close_project()
    choose(tmp_path / "out")
    child_of(annotate, "open_project").click()
    qtbot.waitUntil(lambda: annotate.project() is not None, timeout=20_000)
    assert "1 image on which people have worked is unchanged" in child_of(annotate, "message").text()


def test_a_folder_may_be_opened_as_soon_as_another_is_shown(viewer, dock, tmp_path, choose, qtbot, monkeypatch):
    opened = []

    def open_and_choose_again(session, folder):
        open_project(session, folder)
        opened.append(folder)
        if len(opened) == 1:
            choose(tmp_path / "second")
            child_of(annotate, "open_project").click()

    save(tmp_path / "slides" / "field.png", 3)
    for name in ("first", "second"):
        assert count(tmp_path / "slides", "-o", tmp_path / name) == 0
    annotate = dock("Annotate diatoms")
    open_project = ProjectSession.open
    monkeypatch.setattr(ProjectSession, "open", open_and_choose_again)
    choose(tmp_path / "first")
    child_of(annotate, "open_project").click()
    child_of(annotate, "open_project").click()
    assert "Results are being read already" in child_of(annotate, "message").text()
    qtbot.waitUntil(lambda: len(opened) == 2, timeout=20_000)
    assert annotate.project().folder == tmp_path / "second" / "review"
