"""The gallery of Annotate suggests names, and keys take them."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QShortcut

from helpers.painted_valves import TAXA, taxon_of
from helpers.window import child_of
from napari_diatom.project.suggestions import SuggestionLog


@pytest.fixture
def gallery(annotate, looked_at, qtbot):
    """The gallery with suggestions, image by image, when one valve of each taxon is named."""
    for number, taxon in enumerate(TAXA):
        annotate.document().set_class([f"slide_0-{number}"], taxon)
    child_of(annotate, "suggest_names").setChecked(True)
    looked_at()
    child_of(annotate, "show_gallery").click()
    gallery = annotate.gallery()
    child_of(gallery, "gallery_order").setCurrentIndex(child_of(gallery, "gallery_order").findData("image"))
    qtbot.waitUntil(lambda: len(gallery.entries()) == 40, timeout=10_000)
    qtbot.waitUntil(lambda: "?" in label(gallery, 3), timeout=10_000)
    return gallery


def label(gallery, row):
    view = child_of(gallery, "gallery")
    return view.model().data(view.model().index(row, 0), Qt.ItemDataRole.DisplayRole)


def press(gallery, key):
    """Do what a key of the gallery does: the window that tests have is never active, so that keys do not reach it."""
    keys = {short.key().toString(): short for short in child_of(gallery, "gallery").findChildren(QShortcut)}
    keys[key].activated.emit()


def test_suggestions_are_written_under_the_pictures_and_taken_by_keys(annotate, gallery, folder, qtbot):
    assert [gallery.entries()[row].id for row in range(5)] == [f"slide_0-{n}" for n in range(5)]
    assert label(gallery, 0) == f"{TAXA[0]}\n"
    assert label(gallery, 3).startswith(f"diatom\n{TAXA[0]}? ")
    line = child_of(gallery, "gallery_suggestions")
    assert line.isHidden()
    child_of(gallery, "gallery").go_to(3)
    assert line.text().startswith(f"1  {TAXA[0]}, ")
    gallery.take(1)
    assert annotate.document().specimens["slide_0-3"].name == TAXA[0]
    # The next one without a name is selected, and stays so when the gallery is listed again.
    qtbot.waitUntil(lambda: label(gallery, 3) == f"{TAXA[0]}\n", timeout=5000)
    assert [entry.id for entry in gallery.selected()] == ["slide_0-4"]
    press(gallery, "2")
    taken = annotate.document().specimens["slide_0-4"].name
    assert taken not in ("diatom", taxon_of("slide_0-4"))
    places = [(one.specimen_id, one.place) for one in SuggestionLog(folder).read()]
    assert places == [("slide_0-3", 1), ("slide_0-4", 2)]
    annotate.undo()
    assert annotate.document().specimens["slide_0-4"].name == "diatom"


def test_suggestions_are_hidden_in_the_gallery_by_the_same_tick(annotate, gallery, folder, qtbot):
    child_of(gallery, "gallery").go_to(3)
    child_of(annotate, "suggest_names").setChecked(False)
    qtbot.waitUntil(lambda: "?" not in label(gallery, 3), timeout=5000)
    assert child_of(gallery, "gallery_suggestions").isHidden()
    gallery.take(1)
    gallery.select_all()
    gallery.take(1)
    assert annotate.document().specimens["slide_0-3"].name == "diatom"
    assert SuggestionLog(folder).read() == []
