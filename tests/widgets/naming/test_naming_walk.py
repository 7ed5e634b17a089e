"""Names by example in a window of 1366 x 768, from the menu to the map, by mouse and keys; then from the files."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QWidget

from helpers import hand as hands
from helpers.desk import Desk
from helpers.valve_pictures import TAXA, draw_field
from helpers.window import child_of
from napari_diatom.project.project import Project
from napari_diatom.project.suggestions import SuggestionLog
from napari_diatom.review.known_specimens import specimen_key
from napari_diatom.widgets.common.closing import canvas_of
from napari_diatom.widgets.naming.names_page import keys_of

pytestmark = pytest.mark.skipif(bool(hands.missing()), reason=hands.missing())

SLIDES, EACH, NAMED = 3, 30, 40
WRONG = 9
"""The number of the valve that gets a wrong name."""
MANY = 5
"""So many of one taxon are found together at least."""
PATIENCE = 120
"""Seconds that the network may take on a busy machine."""
PAGES = ("Similar", "Groups", "Name next", "Check", "Taxa", "Map")


@pytest.fixture
def valves(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A project of drawn valves without names, and what each is, by its key."""
    names = [TAXA[k % 3] for k in range(EACH)]
    drawn = {f"s{k}f0": draw_field(tmp_path / f"s{k}" / f"s{k}f0.png", names, k) for k in range(SLIDES)}
    paths = [tmp_path / name[:2] / f"{name}.png" for name in drawn]
    truth = {}
    with Project.create(tmp_path / "project", paths, ("diatom", *TAXA), "Ada") as project:
        for image in project.images:
            truth |= {specimen_key(image.id, item.id): item.name for item in drawn[image.id]}
            project.document(image.id).add([item.replace(name="diatom") for item in drawn[image.id]])
    return tmp_path / "project", truth


@pytest.fixture
def desk(make_napari_viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Napari with the embedder that is shipped, in a process of its own."""
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1366, 768)
    return Desk(viewer, qtbot, monkeypatch)


def click_picture(view: Any, row: int) -> None:
    """Click on a picture of a view."""
    index = view.specimens.index(row)
    view.scrollTo(index)
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=view.visualRect(index).center())


def type_name(desk: Desk, hand: hands.Hand, names: Any, taxon: str) -> None:
    """Type the name of the selected specimens, and press Enter: the list of completions gets that first."""
    field = desk.seen(names, "name_all").lineEdit()
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, taxon)
    hand.key("Return")


def place_on(canvas: Any, axes: Any, place: np.ndarray) -> QPoint:
    """Return where a place of the map is on its canvas."""
    across, up = axes.transData.transform(place) / canvas.device_pixel_ratio
    return QPoint(round(across), round(canvas.height() - up))


def test_valves_are_named_from_the_menu_to_the_map(
    desk: Desk, valves: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    folder, truth = valves
    annotate = desk.open("annotate")
    desk.answer(folder)
    desk.click(annotate, "open_project")
    desk.until(lambda: annotate.document() is not None)
    called = dict.fromkeys(truth, "diatom")

    # Forty valves in the naming mode: where a card has the right name its key, else C and a part of the name.
    hand = hands.Hand(desk.viewer)
    hand.click(2, 2)
    hand.key("e")
    assert child_of(annotate, "naming_mode").isChecked()
    session = annotate.names()
    desk.until(lambda: session.names is not None and not session.is_reading)
    desk.until(lambda: session.names.specimens.table.known.all(), PATIENCE)
    search = child_of(annotate, "class_search")
    taken = 0
    for number in range(NAMED):
        [id_] = annotate.canvas().selection()
        key = specimen_key(annotate.canvas().image.name, id_)
        if number == WRONG:
            wrong = key
        called[key] = TAXA[1] if number == WRONG else truth[key]
        bar = canvas_of(desk.viewer).findChild(QWidget, "suggestions")
        cards = [] if bar is None or bar.isHidden() else bar.texts()
        place = next((place for place, text in enumerate(cards, 1) if called[key] in text), 0)
        if place:
            hand.key(str(place))
            taken += 1
        else:
            hand.key("c")
            assert search.hasFocus()
            QTest.keyClicks(search, called[key][:6])
            QTest.keyClick(search, Qt.Key.Key_Return)
        hand.wait(lambda id_=id_: annotate.canvas().selection() != (id_,))
    assert taken >= NAMED - 2 * len(TAXA)
    hand.key("e")
    assert not child_of(annotate, "naming_mode").isChecked()

    # More like the next one, and all up to the last of its taxon.
    [id_] = annotate.canvas().selection()
    taxon = truth[specimen_key(annotate.canvas().image.name, id_)]
    desk.click(annotate, "show_names")
    names = annotate.names_dock()
    desk.click(names, "more_like_this")
    view = names.similar.view
    keys = keys_of(view.entries())
    assert len(keys) == len(truth) - NAMED - 1
    same = list(itertools.takewhile(lambda key: truth[key] == taxon, keys))
    assert len(same) >= MANY
    click_picture(view, len(same) - 1)
    desk.click(names, "up_to_here")
    type_name(desk, hand, names, taxon)
    called |= dict.fromkeys(same, taxon)
    hand.wait(lambda: not set(same) & set(keys_of(view.entries())))

    # A group of what is left, without those that are picked out.
    desk.page(names, "names_pages", PAGES.index("Groups"))
    view = names.groups.view
    desk.until(lambda: view.entries() and not names.groups.is_working)
    group = keys_of(view.entries())
    [(taxon, _)] = Counter(truth[key] for key in group).most_common(1)
    for row, key in enumerate(group):
        if truth[key] != taxon:
            click_picture(view, row)
    type_name(desk, hand, names, taxon)
    named = {key: taxon for key in group if truth[key] == taxon}
    hand.wait(lambda: not named.keys() & set(keys_of(view.entries())))
    called |= named

    # The wrong name is found, and corrected by a key.
    desk.page(names, "names_pages", PAGES.index("Check"))
    view = names.check.view
    desk.until(lambda: wrong in keys_of(view.entries()))
    row = keys_of(view.entries()).index(wrong)
    assert truth[wrong] in view.specimens.index(row).data()
    click_picture(view, row)
    hand.key("x")
    called[wrong] = truth[wrong]
    desk.until(lambda: wrong not in keys_of(view.entries()))

    # The map: a click shows a valve on its slide.
    desk.page(names, "names_pages", PAGES.index("Map"))
    desk.until(lambda: names.map._axes is not None)
    canvas, axes, places = child_of(names, "map"), names.map._axes, names.map._map.places
    canvas.draw()
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=place_on(canvas, axes, places[0]))
    [entry] = names.map.view.entries()
    assert annotate.canvas().image.name == entry.image_id
    assert annotate.canvas().selection() == (entry.id,)
    desk.viewer.close()

    # What the files say.
    with Project.open(folder) as project:
        listed = {
            specimen_key(image.id, item.id): item.name
            for image in project.images
            for item in project.contents(image.id).specimens
        }
    assert listed == called
    answers = SuggestionLog(folder).read()
    assert [called[specimen_key(one.image_id, one.specimen_id)] for one in answers if one.place]
    assert sum(one.place > 0 for one in answers) == taken
