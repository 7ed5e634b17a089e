"""Images of a project that were moved are found again, and images are removed from it, by the dock's buttons."""

import contextlib
import shutil

import cv2
import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog

from helpers.window import child_of, press
from napari_diatom.cli import main
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import Specimen

HEIGHT, WIDTH = 300, 400
KEEP, REMOVE = "Keep the image", "Remove the image"


def make_project(folder):
    slides = folder / "slides"
    slides.mkdir()
    images = []
    for number in range(3):
        images.append(slides / f"slide_{number}.png")
        cv2.imwrite(str(images[-1]), np.full((HEIGHT, WIDTH), 90 + 40 * number, np.uint8))
    with Project.create(folder / "project", images, ["Navicula"], "Ada") as project:
        project.document("slide_0").add([Specimen.rectangle([80, 70, 60, 20, 0.3], "Navicula")])
    return folder / "project"


def states(annotate):
    images = child_of(annotate, "images").model()
    return [images.index(row, 0).data() for row in range(images.rowCount())]


def select(annotate, row):
    images = child_of(annotate, "images")
    images.setCurrentIndex(images.model().index(row, 0))


def say(annotate):
    return child_of(annotate, "message").text()


@pytest.fixture
def annotate_in(dock, monkeypatch):
    """Open a project in the dock that the menu opens."""
    # An error that is also shown by napari would fail the test.
    monkeypatch.setattr("napari_diatom.widgets.common.message_line.show_error", lambda text: None)
    opened = []

    def open_(folder):
        annotate = dock("Annotate diatoms")
        annotate.open_project(folder)
        opened.append(annotate)
        return annotate

    yield open_
    for annotate in opened:
        with contextlib.suppress(RuntimeError):
            annotate.close_project()


@pytest.fixture
def choose(monkeypatch):
    """Choose a folder in the next dialog."""
    return lambda folder: monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))


def test_images_whose_folder_was_moved_and_renamed_are_found_by_the_button(annotate_in, choose, tmp_path, qtbot):
    folder = make_project(tmp_path)
    (tmp_path / "archive").mkdir()
    shutil.move(tmp_path / "slides", tmp_path / "archive" / "2019")
    (tmp_path / "archive" / "2019" / "slide_1.png").rename(tmp_path / "archive" / "renamed.png")
    annotate = annotate_in(folder)
    assert all("file is missing" in text for text in states(annotate))
    assert "Find moved images" in say(annotate)
    choose(tmp_path / "archive")
    child_of(annotate, "find_moved").click()
    qtbot.waitUntil(lambda: "3 images found" in say(annotate), timeout=10_000)
    assert not any("missing" in text for text in states(annotate))
    assert annotate.document() is not None
    qtbot.waitUntil(lambda: not child_of(annotate, "find_moved").isEnabled())
    assert annotate.project().path("slide_1") == tmp_path / "archive" / "renamed.png"
    assert Project.open(folder).path("slide_0").is_file()


def test_images_that_are_not_in_the_chosen_folder_stay_missing_and_are_counted(annotate_in, choose, tmp_path, qtbot):
    folder = make_project(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    for name in ("slide_0.png", "slide_1.png"):
        shutil.move(tmp_path / "slides" / name, tmp_path / "elsewhere" / name)
    (tmp_path / "elsewhere" / "slide_1.png").write_bytes(b"another file")
    annotate = annotate_in(folder)
    choose(tmp_path / "elsewhere")
    child_of(annotate, "find_moved").click()
    qtbot.waitUntil(lambda: "1 image found" in say(annotate), timeout=10_000)
    assert "1 image is still missing" in say(annotate)
    assert ["file is missing" in text for text in states(annotate)] == [False, True, False]
    assert child_of(annotate, "find_moved").isEnabled()


def test_missing_images_can_be_listed_alone(annotate_in, tmp_path):
    folder = make_project(tmp_path)
    (tmp_path / "slides" / "slide_1.png").unlink()
    annotate = annotate_in(folder)
    states_of = child_of(annotate, "state_filter")
    states_of.setCurrentText("file is missing")
    [text] = states(annotate)
    assert text.startswith("slide_1")


def test_nothing_is_looked_for_while_no_image_is_missing(annotate_in, tmp_path):
    annotate = annotate_in(make_project(tmp_path))
    assert not child_of(annotate, "find_moved").isEnabled()


def test_an_image_is_removed_after_a_question_and_its_annotations_are_kept(annotate_in, tmp_path):
    folder = make_project(tmp_path)
    annotate = annotate_in(folder)
    assert annotate.browser().current() == "slide_0"
    asked = press(REMOVE)
    child_of(annotate, "remove_image").click()
    assert "1 specimen" in asked[0]
    assert "is not deleted" in asked[0]
    assert [image.id for image in annotate.project().images] == ["slide_1", "slide_2"]
    assert (tmp_path / "slides" / "slide_0.png").is_file()
    assert not (folder / "annotations" / "slide_0.geojson").exists()
    [kept] = (folder / ".history" / "annotations" / "slide_0").glob("*.geojson")
    assert "Navicula" in kept.read_text(encoding="utf-8")
    assert annotate.browser().current() == "slide_1"
    assert len(states(annotate)) == 2


def test_an_image_stays_when_the_person_keeps_it(annotate_in, tmp_path):
    annotate = annotate_in(make_project(tmp_path))
    press(KEEP)
    child_of(annotate, "remove_image").click()
    assert len(annotate.project().images) == 3
    assert len(annotate.document().specimens) == 1


def test_a_missing_image_can_be_removed_while_another_one_is_open(annotate_in, tmp_path):
    folder = make_project(tmp_path)
    (tmp_path / "slides" / "slide_1.png").unlink()
    annotate = annotate_in(folder)
    select(annotate, 1)
    asked = press(REMOVE)
    child_of(annotate, "remove_image").click()
    assert "slide_1" in asked[0]
    assert [image.id for image in annotate.project().images] == ["slide_0", "slide_2"]
    assert annotate.browser().current() == "slide_0"


def test_an_image_that_waits_for_proposals_can_be_removed(annotate_in, tmp_path, analysis, qtbot):
    annotate = annotate_in(make_project(tmp_path))
    analysis.seconds = 0.2
    child_of(annotate, "propose_all").click()
    select(annotate, 2)
    press(REMOVE)
    child_of(annotate, "remove_image").click()
    qtbot.waitUntil(lambda: not annotate.proposer().is_running, timeout=60_000)
    assert [job.name for job in analysis.jobs] == ["slide_1"]
    assert main(["project", "check", str(annotate.project().folder)]) == 0


def test_an_image_that_is_opened_again_keeps_what_is_edited_then(annotate_in, tmp_path):
    folder = make_project(tmp_path)
    annotate = annotate_in(folder)
    for number in range(2):
        annotate.open_image("slide_0")
        annotate.document().add([Specimen.rectangle([200, 70 + 50 * number, 60, 20, 0.3], "Navicula")])
    annotate.go_to("slide_1", "")
    with Project.open(folder) as other:
        assert len(other.contents("slide_0").specimens) == 3
