"""The naming mode of Annotate: a key for a name, and the next specimen comes."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from helpers.painted_valves import TAXA, taxon_of
from helpers.window import child_of
from napari_diatom.project.suggestions import SuggestionLog
from napari_diatom.widgets.common.closing import canvas_of


@pytest.fixture
def press(annotate, viewer, qtbot):
    """Press a key while the image has the keyboard."""

    def go(key):
        canvas = canvas_of(viewer)
        canvas.setFocus()
        QTest.keyClick(canvas, key)
        qtbot.wait(1)

    return go


@pytest.fixture
def mode(annotate, press, looked_at):
    """The naming mode, with one specimen of each taxon named."""
    document = annotate.document()
    for number, taxon in enumerate(TAXA):
        document.set_class([f"slide_0-{number}"], taxon)
    press(Qt.Key.Key_E)
    looked_at()
    return annotate


def selected(annotate):
    [id_] = annotate.canvas().selection()
    return id_


def test_keys_take_suggestions_and_the_next_specimen_without_a_name_comes(mode, press, folder, qtbot):
    assert selected(mode) == "slide_0-3"
    bar = child_of(canvas_of(mode.canvas().viewer), "suggestions")
    qtbot.waitUntil(lambda: len(bar.texts()) == 3)
    assert TAXA[0] in bar.texts()[0]
    # No genus has several species yet.
    press(Qt.Key.Key_0)
    assert mode.document().specimens["slide_0-3"].name == "diatom"
    press(Qt.Key.Key_Return)
    assert mode.document().specimens["slide_0-3"].name == TAXA[0]
    assert selected(mode) == "slide_0-4"
    press(Qt.Key.Key_2)
    wrong = mode.document().specimens["slide_0-4"].name
    assert wrong in (TAXA[0], TAXA[2])
    mode.undo()
    assert mode.document().specimens["slide_0-4"].name == "diatom"
    answers = SuggestionLog(folder).read()
    assert [(one.specimen_id, one.taxon, one.place) for one in answers] == [
        ("slide_0-3", TAXA[0], 1),
        ("slide_0-4", wrong, 2),
    ]
    assert answers[0].annotator == mode.project().annotator


def test_all_valves_of_all_images_are_named_by_enter_alone(mode, press):
    while mode.canvas().selection():
        press(Qt.Key.Key_Return)
    assert child_of(mode, "message").text() == "Every specimen has a name."
    for image in mode.project().images:
        for item in mode.project().contents(image.id).specimens:
            assert item.name == taxon_of(item.id)


def test_digits_and_enter_do_what_they_did_outside_the_mode(mode, press):
    press(Qt.Key.Key_E)
    assert not child_of(mode, "naming_mode").isChecked()
    mode.canvas().select(["slide_0-5"])
    press(Qt.Key.Key_Return)
    assert mode.document().specimens["slide_0-5"].name == "diatom"
    press(Qt.Key.Key_2)
    assert mode.document().specimens["slide_0-5"].name == TAXA[0]
    assert mode.canvas().selection() == ("slide_0-5",)


def test_a_class_is_found_by_typing_and_the_next_specimen_comes(mode, press, qtbot):
    press(Qt.Key.Key_C)
    search = child_of(mode, "class_search")
    qtbot.keyClicks(search, "vau")
    qtbot.keyClick(search, Qt.Key.Key_Return)
    assert mode.document().specimens["slide_0-3"].name == TAXA[2]
    assert selected(mode) == "slide_0-4"


def test_suggestions_are_hidden_by_a_tick(mode, press, qtbot):
    bar = child_of(canvas_of(mode.canvas().viewer), "suggestions")
    qtbot.waitUntil(lambda: not bar.isHidden())
    child_of(mode, "suggest_names").setChecked(False)
    assert bar.isHidden()
    # A digit is a class again, and nothing is kept of what was not shown.
    press(Qt.Key.Key_3)
    assert mode.document().specimens["slide_0-3"].name == TAXA[1]
    assert SuggestionLog(mode.project().folder).read() == []
    assert selected(mode) == "slide_0-4"


def test_a_click_on_a_card_takes_its_name(mode, qtbot):
    bar = child_of(canvas_of(mode.canvas().viewer), "suggestions")
    qtbot.waitUntil(lambda: not bar.isHidden())
    card = child_of(bar, "suggestion_1").parentWidget()
    qtbot.mouseClick(card, Qt.MouseButton.LeftButton)
    assert mode.document().specimens["slide_0-3"].name == TAXA[0]


@pytest.fixture
def unsure(mode, qtbot):
    """Three species of one genus look alike: a specimen of theirs is selected, and its genus is offered."""
    document = mode.document()
    for number, species in enumerate(("gregaria", "tripunctata", "veneta")):
        mode.project().classes.add(f"Navicula {species}")
        document.set_class([f"slide_0-{3 * number}"], f"Navicula {species}")
    mode.canvas().select(["slide_0-9"])
    button = child_of(canvas_of(mode.canvas().viewer), "suggestion_genus")
    qtbot.waitUntil(lambda: not button.isHidden(), timeout=5000)
    return button


def test_a_genus_is_taken_by_its_key_where_no_species_is_sure(mode, unsure, press, folder):
    assert unsure.text() == "0  Navicula sp."
    classes = lambda: [entry.name for entry in mode.project().settings.classes]  # noqa: E731
    assert "Navicula sp." not in classes()
    press(Qt.Key.Key_0)
    assert mode.document().specimens["slide_0-9"].name == "Navicula sp."
    assert classes()[-1] == "Navicula sp."
    assert selected(mode) == "slide_0-10"
    [answer] = SuggestionLog(folder).read()
    assert (answer.taxon, answer.place) == ("Navicula sp.", 4)
    mode.undo()
    assert mode.document().specimens["slide_0-9"].name == "diatom"


def test_a_genus_is_taken_by_a_click_outside_the_mode_too_and_its_key_does_nothing_there(mode, unsure, press, qtbot):
    press(Qt.Key.Key_E)
    mode.canvas().select(["slide_0-9"])
    press(Qt.Key.Key_0)
    assert mode.document().specimens["slide_0-9"].name == "diatom"
    assert unsure.text() == "Navicula sp."
    qtbot.mouseClick(unsure, Qt.MouseButton.LeftButton)
    assert mode.document().specimens["slide_0-9"].name == "Navicula sp."


def test_a_specimen_that_is_drawn_is_looked_at(mode, colour_embedder, qtbot):
    before = len(colour_embedder.images)
    item = mode.document().specimens["slide_0-7"]
    moved = item.replace(box=(item.box[0] + 1, *item.box[1:]))
    mode.document().reshape({"slide_0-7": moved})
    qtbot.waitUntil(lambda: len(colour_embedder.images) > before, timeout=5000)
    qtbot.waitUntil(lambda: mode.names().names.specimens.table.has_vector("slide_0/slide_0-7"), timeout=5000)
