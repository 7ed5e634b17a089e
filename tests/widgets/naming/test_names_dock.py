"""The dock Names: similar ones, groups, what to name next, checks, the table and the map; each name is one step."""

from __future__ import annotations

import gc
import os

import numpy as np
import pytest
from qtpy.QtCore import QItemSelectionModel, Qt

from helpers.painted_valves import COLOURS, TAXA, taxon_of
from helpers.window import child_of
from napari_diatom.naming.next_to_name import Reason
from napari_diatom.project.suggestions import SuggestionLog
from napari_diatom.widgets.common.closing import canvas_of

ACTIONS = int(os.environ.get("NAPARI_DIATOM_TEST_EDITS", "20"))
"""Random bulk actions; NAPARI_DIATOM_TEST_EDITS=200 has more of them."""
VALVES = 40


@pytest.fixture
def names(annotate, looked_at, qtbot):
    """The dock, opened by its button, when all valves have been looked at."""
    child_of(annotate, "show_names").click()
    looked_at()
    found = annotate.names_dock()
    found.resize(900, 400)
    return found


def called(annotate):
    """Return the names of all specimens."""
    project = annotate.project()
    return {item.id: item.name for image in project.images for item in project.contents(image.id).specimens}


def name_as(names, taxon, qtbot):
    """Write a name and press Enter."""
    field = child_of(names, "name_all").lineEdit()
    field.setText(taxon)
    qtbot.keyClick(field, Qt.Key.Key_Return)


def taxa_shown(names):
    """Return the texts of the table of taxa, row by row as it is sorted."""
    model = names.taxa.table.model()
    columns = range(model.columnCount())
    return [[str(model.index(row, k).data()) for k in columns] for row in range(model.rowCount())]


def teach(annotate, number=3):
    """Name the first valves of each taxon."""
    document = annotate.document()
    for taxon in TAXA:
        document.set_class([id_ for id_ in document.specimens if taxon_of(id_) == taxon][:number], taxon)


def test_more_like_this_ranks_all_slides_and_all_up_to_here_are_one_step(annotate, names, qtbot):
    annotate.canvas().select(["slide_0-0"])
    child_of(names, "more_like_this").click()
    view = names.similar.view
    assert len(view.entries()) == VALVES - 1
    same = [entry for entry in view.entries() if taxon_of(entry.id) == TAXA[0]]
    assert view.entries()[: len(same)] == same
    assert {entry.image_id for entry in same} == {"slide_0", "slide_1"}
    last = view.specimens.index(len(same) - 1)
    view.selectionModel().select(last, QItemSelectionModel.SelectionFlag.Select)
    child_of(names, "up_to_here").click()
    name_as(names, TAXA[0], qtbot)
    after = called(annotate)
    assert [id_ for id_, name in after.items() if name == TAXA[0]] == sorted(
        (entry.id for entry in same), key=list(after).index
    )
    assert not any(taxon_of(entry.id) == TAXA[0] for entry in view.entries())
    # The step is undone in the image as a whole, and done again in the dock.
    child_of(annotate, "undo").click()
    assert set(called(annotate).values()) == {"diatom"}
    child_of(names, "names_redo").click()
    assert called(annotate) == after
    child_of(names, "names_undo").click()
    assert set(called(annotate).values()) == {"diatom"}


def test_weak_proposals_are_ranked_and_accepted_by_a_name(annotate, names, qtbot):
    document = annotate.document()
    offered = [document.specimens[f"slide_0-{n}"].replace(id=f"p{n}", score=0.05) for n in (3, 6)]
    document.remove(["slide_0-3", "slide_0-6"])
    document.propose(offered, "finder 1")
    annotate.canvas().select(["slide_0-0"])
    qtbot.waitUntil(lambda: len(annotate.names().names.list_keys(proposals=True)) == VALVES)
    child_of(names, "more_like_this").click()
    proposed = [entry for entry in names.similar.view.entries() if entry.proposed]
    assert {entry.id for entry in proposed} == {"p3", "p6"}
    annotate.names().name(TAXA[0], proposed)
    assert {document.specimens[id_].name for id_ in ("p3", "p6")} == {TAXA[0]}
    assert not document.proposals
    child_of(names, "names_undo").click()
    assert set(document.proposals) == {"p3", "p6"}


def test_groups_are_named_at_once_but_for_those_that_are_picked_out(annotate, names, qtbot):
    names.show_page(names.groups)
    child_of(names.groups, "group_size").setValue(13)
    child_of(names.groups, "make_groups").click()
    view = names.groups.view
    qtbot.waitUntil(lambda: child_of(names.groups, "group").count() == 3, timeout=10_000)
    first = view.entries()
    assert len({taxon_of(entry.id) for entry in first}) == 1
    assert len(view.selected()) == len(first)
    view.scrollTo(view.specimens.index(0))
    place = view.visualRect(view.specimens.index(0)).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert view.selected() == first[1:]
    name_as(names, taxon_of(first[0].id), qtbot)
    after = called(annotate)
    assert after[first[0].id] == "diatom"
    assert all(after[entry.id] == taxon_of(entry.id) for entry in first[1:])
    # What was picked out stays in a group of its own.
    qtbot.waitUntil(lambda: [entry.id for entry in names.groups.view.entries()] == [first[0].id])
    assert child_of(names, "name_all").currentText() == taxon_of(first[0].id)
    child_of(names.groups, "next_group").click()
    assert len(view.entries()) > 1


def test_what_to_name_next(annotate, names, qtbot):
    teach(annotate)
    names.show_page(names.next)
    reason = child_of(names.next, "next_reason")
    for number in range(len(Reason)):
        reason.setCurrentIndex(number)
        names.next.refresh()
        qtbot.waitUntil(lambda: not names.next.is_working and len(names.next.view.entries()) == 20, timeout=10_000)
        found = names.next.view.entries()
        assert all(called(annotate)[entry.id] == "diatom" for entry in found)


def test_a_wrong_name_is_doubted_and_corrected_by_a_key(annotate, names, qtbot):
    teach(annotate, 6)
    document = annotate.document()
    document.set_class(["slide_0-0"], TAXA[1])
    names.show_page(names.check)
    names.check.refresh()
    view = names.check.view
    qtbot.waitUntil(lambda: any(entry.id == "slide_0-0" for entry in view.entries()), timeout=10_000)
    assert view.entries()[0].id == "slide_0-0"
    before = len(view.entries())
    assert view.selected_rows() == [0]
    child_of(names.check, "check_correct").click()
    assert document.specimens["slide_0-0"].name == TAXA[0]
    assert len(view.entries()) == before - 1
    child_of(names, "names_undo").click()
    assert document.specimens["slide_0-0"].name == TAXA[1]
    names.check.refresh()
    qtbot.waitUntil(lambda: any(entry.id == "slide_0-0" for entry in view.entries()), timeout=10_000)
    view.setCurrentIndex(view.specimens.index([entry.id for entry in view.entries()].index("slide_0-0")))
    child_of(names.check, "check_accept").click()
    assert "slide_0-0" not in [entry.id for entry in view.entries()]
    child_of(names.check, "check_slider").setValue(100)
    assert all(doubt.doubt == 1 for doubt in names.check._shown)


def test_the_table_says_how_good_names_are_and_what_would_help(annotate, names, qtbot):
    teach(annotate, 5)
    names.show_page(names.taxa)
    names.taxa.refresh()
    qtbot.waitUntil(lambda: [row[1] for row in taxa_shown(names)] == ["5"] * 3, timeout=20_000)
    rows = taxa_shown(names)
    assert [row[0] for row in rows] == sorted(TAXA)
    assert [row[3:5] for row in rows] == [["100", "5"]] * 3
    assert sum(int(row[2]) for row in rows) == VALVES - 15
    text = child_of(names.taxa, "taxa_text")
    assert "15 are named rightly" in text.text()
    assert "taken" not in text.text()


def test_the_table_says_what_is_joined_and_which_names_are_no_classes(annotate, names, qtbot):
    teach(annotate)
    girdle = next(id_ for id_, name in called(annotate).items() if name == "diatom" and id_.startswith("slide_0"))
    annotate.document().set_status([girdle], "girdle")
    project = annotate.project()
    classes = [item.replace(synonym_of=TAXA[0]) if item.name == TAXA[1] else item for item in project.settings.classes]
    project.update(project.settings.replace(classes=tuple(item for item in classes if item.name != TAXA[2])))
    annotate.names().reread()
    qtbot.waitUntil(lambda: not annotate.names().is_reading, timeout=20_000)
    names.show_page(names.taxa)
    names.taxa.refresh()
    text = child_of(names.taxa, "taxa_text")
    qtbot.waitUntil(lambda: "synonym" in text.text(), timeout=20_000)
    assert f"{TAXA[1]} is learnt as {TAXA[0]}, of which it is a synonym." in text.text()
    assert f"Specimens are named {TAXA[2]}, which is not a class of the project." in text.text()
    # Nothing in girdle view is named, so nothing is suggested for the one that is seen so.
    assert sum(int(row[2]) for row in taxa_shown(names)[:2]) == VALVES - 9 - 1


def test_the_table_says_what_people_took_of_the_suggestions(annotate, names, qtbot):
    teach(annotate)
    annotate.canvas().select(["slide_0-9"])
    child_of(annotate, "naming_mode").click()
    for place in "1121":
        annotate.use_class(place)
    assert [called(annotate)[f"slide_0-{n}"] for n in (9, 10, 12)] == [TAXA[0], TAXA[1], TAXA[0]]
    wrong = called(annotate)["slide_0-11"]
    # One name is changed afterwards.
    annotate.document().set_class(["slide_0-12"], TAXA[1])
    names.show_page(names.taxa)
    names.taxa.refresh()
    text = child_of(names.taxa, "taxa_text")
    qtbot.waitUntil(lambda: "taken unchanged" in text.text(), timeout=20_000)
    assert f"First suggestion taken unchanged: {annotate.project().annotator} 50 % of 4." in text.text()
    assert "1 specimen got another name since" in text.toolTip()
    shares = {row[0]: row[6] for row in taxa_shown(names)}
    right = {TAXA[0]: 1, TAXA[1]: 1, TAXA[2]: 0}
    asked = {TAXA[0]: 2, TAXA[1]: 1, TAXA[2]: 0}
    asked[wrong] += 1
    assert shares == {taxon: f"{100 * right[taxon] / asked[taxon]:.0f}" if asked[taxon] else "" for taxon in TAXA}
    # A log that cannot be read takes nothing else from the page.
    log = SuggestionLog(annotate.project().folder).path
    log.unlink()
    log.mkdir()
    qtbot.waitUntil(lambda: not names.taxa.is_working, timeout=20_000)
    names.taxa.refresh()
    qtbot.waitUntil(lambda: "suggestions.jsonl" in text.text(), timeout=20_000)
    assert len(taxa_shown(names)) == 3


def test_the_map_shows_a_valve_by_a_click_and_several_by_a_lasso(annotate, names, qtbot):
    teach(annotate)
    names.show_page(names.map)
    names.map.refresh()
    qtbot.waitUntil(lambda: names.map._axes is not None, timeout=20_000)
    places = names.map._map.places
    low, high = places.min(axis=0) - 1, places.max(axis=0) + 1
    names.map.select_inside(np.array([low, (high[0], low[1]), high, (low[0], high[1])]))
    assert len(names.map.view.selected()) == VALVES
    name_as(names, TAXA[2], qtbot)
    assert set(called(annotate).values()) == {TAXA[2]}
    # The legend follows the names.
    legend = child_of(names, "map_legend")
    names.map.refresh()
    qtbot.waitUntil(lambda: TAXA[2] in legend.text() and TAXA[1] not in legend.text(), timeout=20_000)
    child_of(names, "names_undo").click()
    names.map.refresh()
    qtbot.waitUntil(lambda: TAXA[1] in legend.text(), timeout=20_000)
    row = names.map._keys.index("slide_1/slide_1-4")
    names.map._plot.canvas.draw()
    names.map.select_near(*names.map._axes.transData.transform(places[row]))
    assert taxon_of(names.map.view.entries()[0].id) == TAXA[1]
    assert annotate.canvas().selection() == (names.map.view.entries()[0].id,)


def test_plots_are_loaded_when_they_are_seen(annotate, names, qtbot):
    assert names.taxa._plot.canvas is None
    assert names.map._plot.canvas is None
    teach(annotate)
    names.show_page(names.taxa)
    names.taxa.refresh()
    qtbot.waitUntil(lambda: names.taxa._plot.canvas is not None, timeout=20_000)
    assert names.map._plot.canvas is None


def test_lasting_specimens_are_left_out_of_the_search_for_garbage_until_the_project_is_closed(
    annotate, looked_at, monkeypatch, qtbot
):
    monkeypatch.setattr("napari_diatom.widgets.common.garbage_pause.MANY", 30)
    child_of(annotate, "show_names").click()
    looked_at()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    annotate.close_project()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_random_bulk_actions_are_undone_to_the_first_state(annotate, names, qtbot):
    rng = np.random.default_rng(2)
    session = annotate.names()
    states = [called(annotate)]
    for _ in range(ACTIONS):
        entries = [session.entry(key) for key in session.names.list_keys()]
        chosen = [entries[k] for k in rng.choice(len(entries), rng.integers(1, 12), replace=False)]
        made = []
        session.name(TAXA[rng.integers(3)], chosen, made.append)
        if made[0].edits:
            states.append(called(annotate))
        if rng.random() < 0.3:
            annotate.open_image(f"slide_{rng.integers(2)}")
        if rng.random() < 0.3 and len(states) > 1:
            child_of(names, "names_undo").click()
            assert called(annotate) == states[-2]
            child_of(names, "names_redo").click()
            assert called(annotate) == states[-1]
    while len(states) > 1:
        states.pop()
        child_of(names, "names_undo").click()
        assert called(annotate) == states[-1]
    annotate.flush()
    assert {tally.image.id: tally.total for tally in annotate.project().summary()} == {"slide_0": 20, "slide_1": 20}
    counts = session.names.counts()
    assert sum(counts.values()) == 0
    assert len(COLOURS) == 3


def test_a_name_that_is_no_class_yet_becomes_one(annotate, names, qtbot):
    annotate.canvas().select(["slide_0-0"])
    child_of(names, "more_like_this").click()
    names.similar.view.select([0])
    name_as(names, "Navicula sp. 1", qtbot)
    assert "Navicula sp. 1" in {entry.name for entry in annotate.project().settings.classes}
    assert list(called(annotate).values()).count("Navicula sp. 1") == 1
    assert "Navicula sp. 1" in [child_of(names, "name_all").itemText(k) for k in range(5)]


def test_nothing_is_named_without_a_selection_or_a_name(annotate, names, qtbot):
    name_as(names, TAXA[0], qtbot)
    assert "Select specimens first" in child_of(names, "names_message").text()
    child_of(names, "more_like_this").click()
    assert "Select a specimen" in child_of(names.similar, "similar_text").text()
    assert set(called(annotate).values()) == {"diatom"}


def test_without_the_model_a_message_says_what_is_missing(annotate, monkeypatch):
    from napari_diatom.core.errors import ModelError
    from napari_diatom.models import library

    def missing(name):
        raise ModelError("There is no model diatom-embed.")

    monkeypatch.setattr(library, "resolve_embedder", missing)
    child_of(annotate, "show_names").click()
    assert annotate.names_dock() is None
    assert "diatom-embed" in child_of(annotate, "message").text()
    child_of(annotate, "suggest_names").setChecked(True)
    assert not child_of(annotate, "suggest_names").isChecked()


def test_another_project_clears_the_pages_and_is_read_in_turn(annotate, names, looked_at, folder, qtbot):
    teach(annotate)
    annotate.canvas().select(["slide_0-0"])
    child_of(names, "more_like_this").click()
    assert names.similar.view.entries()
    annotate.close_project()
    assert not names.similar.view.entries()
    assert taxa_shown(names) == []
    annotate.open_project(folder)
    looked_at()
    assert len(annotate.names().names.list_keys(without_name=True)) == VALVES - 9


def test_suggestions_are_weighed_by_counts_only_if_a_person_wants_it(annotate, names, qtbot):
    document = annotate.document()
    document.set_class(["slide_0-0"], TAXA[0])
    document.set_class([f"slide_0-{n}" for n in (1, 4, 7, 10, 13, 16)], TAXA[1])
    annotate.canvas().select(["slide_0-3"])
    child_of(annotate, "suggest_names").setChecked(True)
    plain = dict(annotate.names().suggest(["slide_0/slide_0-3"], 3)[0].names)
    child_of(names.taxa, "by_counts").setChecked(True)
    weighed = dict(annotate.names().suggest(["slide_0/slide_0-3"], 3)[0].names)
    assert weighed[TAXA[1]] > plain[TAXA[1]]
    remark = child_of(canvas_of(annotate.canvas().viewer), "suggestion_remark")
    assert "Weighed by the counts" in remark.text()


def test_a_part_of_a_name_is_enough_if_it_says_which(annotate, names, qtbot):
    annotate.canvas().select(["slide_0-0"])
    child_of(names, "more_like_this").click()
    names.similar.view.select([0])
    name_as(names, "a", qtbot)
    assert "Several classes contain" in child_of(names, "names_message").text()
    name_as(names, "palea", qtbot)
    assert list(called(annotate).values()).count("Nitzschia palea") == 1
