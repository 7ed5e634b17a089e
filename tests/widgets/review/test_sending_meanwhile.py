"""Results are being sent while the user cancels, closes the project, or changes it in another dock."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from PIL import Image

from helpers.window import child_of, dock_of
from napari_diatom.core.progress import UNWATCHED
from napari_diatom.project.project import Project
from napari_diatom.widgets.review import sender
from napari_diatom.widgets.review.send_form import SendForm

FIELDS = 4


@pytest.fixture
def project(tmp_path):
    """Return the folder of a project without images."""
    Project.create(tmp_path / "project", (), ["diatom"], "Ada").close()
    return tmp_path / "project"


@pytest.fixture
def found(viewer, widget, run, tmp_path):
    """Find specimens in several images."""
    for number in range(FIELDS):
        path = tmp_path / "slides" / f"f{number}.png"
        path.parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (300, 400), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        viewer.open(str(path), plugin="napari")
        run()


@pytest.fixture
def send(widget, found, project):
    """Send all results, as the dialog does when it is closed with *Send*."""

    def go():
        button = widget.panel.send
        button.setEnabled(False)
        button._sender.send(SendForm(project=project, what="all", results=button.results()))
        return button._sender

    return go


def after_first(sender_, act):
    """Do something once, when the first image was sent."""
    done = []

    def look(text):
        if text.startswith("Sent") and not done:
            done.append(text)
            act()

    sender_.said.connect(look)


def sent_in(project):
    with Project.open(project) as opened:
        return [tally.total + tally.proposals for tally in opened.summary()]


def said(widget):
    return child_of(widget, "message").text()


def test_cancel_while_images_are_compared_sends_nothing_and_it_can_be_sent_again(
    widget, send, project, qtbot, monkeypatch
):
    go_on = threading.Event()
    prepare = sender.prepare_sending

    def slow(form, monitor):
        # It does not notice that it should stop.
        prepared = prepare(form, UNWATCHED)
        go_on.wait(10)
        return prepared

    monkeypatch.setattr(sender, "prepare_sending", slow)
    send()
    assert child_of(widget, "cancel").isEnabled()
    child_of(widget, "cancel").click()
    go_on.set()
    qtbot.waitUntil(child_of(widget, "send").isEnabled, timeout=20_000)
    assert said(widget) == "Sending was stopped. Nothing was sent."
    assert not child_of(widget, "cancel").isEnabled()
    assert sent_in(project) == []
    monkeypatch.setattr(sender, "prepare_sending", prepare)
    send()
    qtbot.waitUntil(child_of(widget, "send").isEnabled, timeout=20_000)
    assert len(sent_in(project)) == FIELDS


def test_cancel_between_images_keeps_what_was_sent_and_says_how_much(widget, send, project, qtbot):
    after_first(send(), child_of(widget, "cancel").click)
    qtbot.waitUntil(child_of(widget, "send").isEnabled, timeout=20_000)
    assert said(widget) == "Sending was stopped: 1 of 4 images were sent. Send again to go on."
    send()
    qtbot.waitUntil(child_of(widget, "send").isEnabled, timeout=20_000)
    assert "3 images" in said(widget) or "there already" in said(widget)


@pytest.mark.parametrize("way", ["closed", "other"])
def test_a_project_that_is_closed_meanwhile_gets_no_more_and_loses_nothing(
    viewer, widget, send, project, qtbot, tmp_path, way
):
    def leave():
        annotate = dock_of(viewer, "Annotate diatoms")
        if way == "closed":
            annotate.close_project()
        else:
            Project.create(tmp_path / "other", (), ["diatom"]).close()
            annotate.open_project(tmp_path / "other")

    after_first(send(), leave)
    qtbot.waitUntil(child_of(widget, "send").isEnabled, timeout=20_000)
    assert said(widget).startswith("The project was closed in Annotate diatoms: 1 of 4 images were sent.")
    if way == "other":
        assert dock_of(viewer, "Annotate diatoms").project().images == ()
    dock_of(viewer, "Annotate diatoms").close_project()
    numbers = sent_in(project)
    assert numbers[0] > 0
    assert not any(numbers[1:])
    assert not list((project / ".project" / "journals").glob("*.jsonl"))
    send()
    qtbot.waitUntil(child_of(widget, "send").isEnabled, timeout=20_000)
    assert all(tally.total + tally.proposals for tally in dock_of(viewer, "Annotate diatoms").project().summary())


def test_classes_are_renamed_while_results_are_sent(viewer, widget, send, dock, project, qtbot, tmp_path):
    settings = dock("Project settings")
    settings.open_project(project)

    def rename():
        settings.session().apply(lambda opened: opened.classes.rename("diatom", "valve", None))

    after_first(send(), rename)
    qtbot.waitUntil(child_of(widget, "send").isEnabled, timeout=20_000)
    dock_of(viewer, "Annotate diatoms").close_project()
    settings.session().close()
    with Project.open(project) as opened:
        contents = [opened.contents(image.id) for image in opened.images]
        assert [item.name for item in opened.settings.classes] == ["valve"]
    assert len(contents) == FIELDS
    assert all(found.proposals for found in contents)
    assert {item.name for found in contents for item in found.proposals} == {"valve"}
