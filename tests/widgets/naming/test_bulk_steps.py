"""Many slides are named while the window goes on; closing it, undoing and naming in the middle lose nothing."""

from __future__ import annotations

import gc
from collections import Counter

import pytest

from helpers.painted_valves import TAXA, painted_project
from helpers.window import child_of
from napari_diatom.project.project import Project

SLIDES, EACH = 6, 4


@pytest.fixture
def folder(tmp_path):
    return painted_project(tmp_path, SLIDES, EACH)


@pytest.fixture(autouse=True)
def short_turns(monkeypatch):
    """Have a turn of the event loop make one part, as on a slow machine."""
    monkeypatch.setattr("napari_diatom.widgets.naming.bulk_steps._TURN_S", 0.0)


@pytest.fixture
def names(annotate, looked_at):
    """The dock with all valves but one on its page of similar ones, selected."""
    child_of(annotate, "show_names").click()
    looked_at()
    dock = annotate.names_dock()
    annotate.canvas().select(["slide_0-0"])
    child_of(dock, "more_like_this").click()
    dock.similar.view.selectAll()
    child_of(dock, "name_all").setEditText(TAXA[0])
    return dock


def called(folder):
    """Return the names of all specimens as another program reads them."""
    with Project.open(folder, "Bo") as project:
        return {item.id: item.name for image in project.images for item in project.contents(image.id).specimens}


def test_closing_the_project_in_the_middle_loses_nothing(annotate, names, folder):
    child_of(names, "give_name").click()
    steps = annotate.names().steps
    assert steps.is_busy
    assert annotate.close_project()
    after = called(folder)
    assert after.pop("slide_0-0") == "diatom"
    assert set(after.values()) == {TAXA[0]}


def test_the_window_goes_on_and_the_step_is_undone_in_the_middle(annotate, names, folder, qtbot):
    steps, project = annotate.names().steps, annotate.project()
    turns = []
    steps.edited.connect(lambda changed: turns.append(changed[0]))
    child_of(names, "give_name").click()
    # The open slide is named first.
    qtbot.waitUntil(lambda: len(turns) > 0, timeout=10_000)
    assert turns == ["slide_0"]
    assert {item.name for id_, item in annotate.document().specimens.items() if id_ != "slide_0-0"} == {TAXA[0]}
    assert steps.is_busy
    child_of(annotate, "undo").click()
    qtbot.waitUntil(lambda: not steps.is_busy, timeout=20_000)
    assert {item.name for image in project.images for item in project.contents(image.id).specimens} == {"diatom"}
    child_of(names, "names_redo").click()
    qtbot.waitUntil(lambda: not steps.is_busy, timeout=20_000)
    assert annotate.names().names.counts() == {TAXA[0]: SLIDES * EACH - 1}
    assert "done again" in child_of(names, "names_message").text()
    listed = annotate.browser().tallies()
    assert annotate.browser().class_counts() == sum((tally.by_class() for tally in listed), Counter())
    tallies = {tally.image.id: tally.by_class()[TAXA[0]] for tally in listed}
    assert tallies == {f"slide_{n}": EACH - (n == 0) for n in range(SLIDES)}
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    annotate.close_project()
    assert gc.get_freeze_count() == 0


def test_a_slide_that_is_opened_in_the_middle_can_be_edited_at_once(annotate, names, folder, qtbot):
    steps = annotate.names().steps
    child_of(names, "give_name").click()
    annotate.open_image("slide_5")
    assert steps.is_busy
    document = annotate.document()
    assert {item.name for item in document.specimens.values()} == {TAXA[0]}
    annotate.canvas().select(["slide_5-2"])
    annotate.use_class(TAXA[2])
    qtbot.waitUntil(lambda: not steps.is_busy, timeout=20_000)
    assert annotate.document() is document
    assert document.specimens["slide_5-2"].name == TAXA[2]
    child_of(names, "names_undo").click()
    qtbot.waitUntil(lambda: not steps.is_busy, timeout=20_000)
    assert "1 specimen changed since" in child_of(names, "names_message").text()
    annotate.close_project()
    after = called(folder)
    assert after.pop("slide_5-2") == TAXA[2]
    assert set(after.values()) == {"diatom"}


def test_the_window_is_destroyed_in_the_middle(annotate, names, folder, qtbot):
    child_of(names, "give_name").click()
    assert annotate.names().steps.is_busy
    annotate.setParent(None)
    annotate.deleteLater()
    qtbot.waitUntil(lambda: list(called(folder).values()).count(TAXA[0]) == SLIDES * EACH - 1, timeout=10_000)
