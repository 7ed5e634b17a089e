"""Specimens come back as they were written; any edits can be undone and done again; merges are specimen by specimen."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.projects import blob, box, polygon
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.formats.geojson.feature_writer import geojson_features
from napari_diatom.project.document import Document
from napari_diatom.project.edit_codec import Codec, edit_of
from napari_diatom.project.edit_conflicts import ConflictError
from napari_diatom.project.edits import Contents, Edit, joined_edits
from napari_diatom.project.specimen import Specimen, from_annotations, to_annotations

NOON = "2026-05-01T12:00:00+00:00"


class Shelf:
    """An edit log that remembers the edits, and may have no room."""

    def __init__(self, contents: Contents | None = None) -> None:
        self.edits: list[Edit] = []
        self.contents = contents or Contents()
        self.full = False

    def append(self, edit: Edit) -> None:
        if self.full:
            raise OutputError("No room.")
        self.edits.append(edit)

    def latest(self) -> Contents:
        return self.contents

    def restart(self, edit: Edit) -> None:
        self.edits = [edit]


def document(*specimens: Specimen, edit_log: Shelf | None = None) -> Document:
    return Document(Contents(specimens, (), "untouched"), "Ada", edit_log, lambda: NOON)


def text(doc: Document) -> str:
    codec = Codec(60, 80, {})
    return json.dumps([codec.texts(doc.specimens.values()), codec.texts(doc.proposals.values())])


boxes = st.tuples(
    st.floats(-50, 5000, width=32),
    st.floats(-50, 5000, width=32),
    st.floats(0.5, 900, width=32),
    st.floats(0.5, 900, width=32),
    st.floats(-9, 9, width=32),
)


@settings(max_examples=60)
@given(st.lists(boxes, max_size=5), st.sampled_from(["Navicula", "Übrige: =1"]), st.floats(0, 1))
def test_boxes_come_back(found, name, score):
    written = [Specimen.rectangle(item, name, score=score, annotator="Ada", changed=NOON) for item in found]
    read = from_annotations(geojson.loads(geojson.dumps(to_annotations(written))))
    assert [item.id for item in read] == [item.id for item in written]
    for one, other in zip(written, read, strict=True):
        assert one.is_like(other)
        assert one.box == other.box


@pytest.mark.parametrize("made", [polygon(), blob()], ids=["outline", "mask"])
def test_outlines_and_masks_come_back(made):
    (read,) = from_annotations(geojson.loads(geojson.dumps(to_annotations([made, box()]))))[:1]
    assert read.is_like(made)
    assert made.mask is not None
    assert read.mask is not None
    assert read.mask.area == made.mask.area
    (line,) = Codec(60, 80, {"Navicula": "#010203"}).texts([made])
    (again,) = from_annotations(geojson.of_data([json.loads(line)], "a line", masks=False))
    assert again.is_like(made)


def test_other_attributes_do_not_cost_the_mask_again():
    made = polygon()
    mask = made.mask
    assert made.replace(name="Eunotia").mask is mask
    assert made.replace(box=(1, 2, 30, 4, 0)).mask is not mask


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "dead"}, "unknown status"),
        ({"name": " "}, "no class"),
        ({"score": 2.0}, "score"),
        ({"box": (1, 2, 0, 4, 0)}, "above 0"),
        ({"box": (1, 2, float("nan"), 4, 0)}, "finite"),
        ({"shape": "polygon"}, "outline or a mask"),
        ({"id": "", "name": ""}, "no id; it has no class"),
    ],
)
def test_bad_specimens_are_refused(changes, words):
    with pytest.raises(InputError, match=words):
        box().replace(**changes)


def test_ids_of_a_file_have_to_differ():
    one = box()
    line = json.loads(Codec(60, 80, {}).texts([one])[0])
    with pytest.raises(InputError, match="2 features have the id"):
        geojson.loads(json.dumps([line, line]))
    line["id"] = "PathAnnotationObject"
    # QuPath up to 0.2 gave this one to all.
    assert geojson.loads(json.dumps([line, line])).ids == ("", "")


def test_files_without_ids_are_as_ever():
    found = to_annotations([box().replace(annotator="", changed="")])
    plain = geojson.dumps(found)
    assert '"id"' in plain
    (feature,) = geojson_features(type(found).of(found.detections))
    assert set(feature) == {"type", "geometry", "properties"}
    assert not {"annotator", "changed"} & set(feature["properties"])


def test_edits_are_stamped_kept_and_told():
    shelf = Shelf()
    doc = document(edit_log=shelf)
    told: list[tuple[Edit, int]] = []
    doc.edited.connect(lambda edit: told.append((edit, len(shelf.edits))))
    one = box()
    doc.add([one])
    doc.set_class([one.id], "Nitzschia")
    doc.set_status([one.id], "girdle")
    doc.reshape({one.id: polygon()})
    now = doc.specimens[one.id]
    assert (now.name, now.status, now.shape, now.id) == ("Nitzschia", "girdle", "polygon", one.id)
    assert (now.annotator, now.changed, now.reviewed) == ("Ada", NOON, True)
    assert [edit.label for edit, _ in told] == ["add", "class", "status", "reshape"]
    # The journal has an edit before anybody hears of it.
    assert [number for _, number in told] == [1, 2, 3, 4]
    assert (doc.history.undo_label, doc.history.redo_label, doc.state) == ("reshape", None, "work")


def test_the_inverse_of_an_edit_undoes_it():
    doc = document(box(1), polygon())
    doc.propose([box(2)], "model 1")
    before = text(doc), doc.state
    edit = doc.accept(list(doc.proposals))
    back = edit.inverse()
    assert back.inverse().after == edit.after
    assert doc.replay(back) is not None
    assert (text(doc), doc.state) == before


def test_proposals_are_accepted_rejected_and_replaced():
    doc = document()
    first, second, third = box(1), box(2), box(3)
    doc.propose([first, second], "model 1")
    assert (doc.state, doc.history.undo_label) == ("machine", None)
    doc.accept([first.id], reviewed=False)
    taken = doc.specimens[first.id]
    assert (taken.origin, taken.reviewed, taken.annotator) == ("model 1", False, "Ada")
    assert list(doc.proposals) == [second.id]
    doc.propose([third], "model 1")
    doc.propose([box(4)], "model 2")
    assert len(doc.proposals) == 2
    assert list(doc.specimens) == [first.id]
    doc.undo()
    assert not doc.specimens
    assert first.id in doc.proposals
    assert doc.undo() is None
    assert len(doc.proposals) == 3
    doc.redo()
    doc.accept([third.id], name="Nitzschia")
    assert doc.specimens[third.id].name == "Nitzschia"
    doc.undo()
    assert doc.proposals[third.id].name == "Navicula"
    doc.reject(list(doc.proposals))
    assert not doc.proposals
    with pytest.raises(InputError, match="no proposal"):
        doc.accept([third.id])
    with pytest.raises(InputError, match="name of the model"):
        doc.propose([], "person")


def test_done_is_an_edit():
    doc = document(box())
    doc.set_done(True)
    doc.set_class(list(doc.specimens), "Eunotia")
    assert doc.state == "done"
    doc.undo()
    doc.undo()
    assert doc.state == "untouched"
    doc.set_done(True)
    doc.set_done(False)
    assert doc.state == "work"


def test_unknown_ids_and_repeated_ones():
    one = box()
    doc = document(one)
    for call in (doc.remove, lambda ids: doc.set_class(ids, "a"), lambda ids: doc.set_status(ids, "valve")):
        with pytest.raises(InputError, match="no specimen"):
            call(["nobody"])
    with pytest.raises(InputError, match="in use"):
        doc.add([one])
    two = box()
    with pytest.raises(InputError, match="in use"):
        doc.add([two, two])
    with pytest.raises(InputError, match="status"):
        doc.set_status([one.id], "dead")
    assert doc.history.undo_label is None


def test_an_edit_without_room_is_made_and_told():
    shelf = Shelf()
    doc = document(edit_log=shelf)
    told: list[Edit] = []
    doc.edited.connect(told.append)
    shelf.full = True
    with pytest.raises(OutputError):
        doc.add([box()])
    assert len(told) == len(doc.specimens) == 1
    assert not doc.is_saved
    assert doc.history.undo_label == "add"


steps = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5), st.integers(0, 5)), max_size=25)


def play(doc: Document, step: tuple[int, int, int]) -> None:
    """Do something that depends on the numbers."""
    kind, first, second = step
    ids = list(doc.specimens)[first : first + second]
    if kind in (0, 1):
        doc.add([box(first), polygon(second)])
    elif kind == 2:
        doc.remove(ids)
    elif kind == 3:
        doc.set_class(ids, f"class {second}")
    elif kind == 4:
        doc.set_status(ids, "broken")
    elif kind == 5:
        doc.reshape({id_: box(second) for id_ in ids})
    elif kind == 6:
        doc.propose([box(number) for number in range(second)], f"model {first % 2}")
    elif kind == 7:
        doc.accept(list(doc.proposals)[first : first + second])
    elif kind == 8:
        doc.reject(list(doc.proposals)[first : first + second])
    else:
        doc.set_done(bool(first % 2))


@settings(max_examples=60)
@given(steps, st.integers(0, 30))
def test_any_edits_can_be_undone_and_done_again(sequence, back):
    doc = Document(Contents((box(1), blob(), polygon()), tuple(map(box, range(6))), "work"), "Ada")
    versions = [(text(doc), doc.state)]
    made: list[Edit] = []
    doc.edited.connect(made.append)
    for step in sequence:
        if step[0] == 6:
            continue
        play(doc, step)
        if len(made) == len(versions):
            versions.append((text(doc), doc.state))
    for version in versions[-2::-1]:
        doc.undo()
        assert (text(doc), doc.state) == version
    assert doc.undo() is None
    for version in versions[1:][:back]:
        doc.redo()
        assert (text(doc), doc.state) == version


@settings(max_examples=60)
@given(steps, st.lists(st.booleans(), max_size=10))
def test_the_journal_alone_gives_the_same_document(sequence, turns):
    start = (box(1), blob(), polygon())
    shelf = Shelf()
    doc = document(*start, edit_log=shelf)
    for step in sequence:
        play(doc, step)
    for back in turns:
        doc.undo() if back else doc.redo()
    codec = Codec(60, 80, {})
    left = joined_edits((edit_of(codec.line(edit).encode(), "a line") for edit in shelf.edits), "recover")
    again = document(*start)
    if left is not None:
        again.replay(left)
    assert set(again.specimens) == set(doc.specimens)
    assert all(again.specimens[id_].is_like(item) for id_, item in doc.specimens.items())
    assert all(again.proposals[id_].is_like(item) for id_, item in doc.proposals.items())
    assert (list(again.proposals), again.state) == (list(doc.proposals), doc.state)
    # What is made already is not made again.
    assert left is None or again.replay(left) is None


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"[]",
        b'{"label": "add"}',
        b'{"label": "add", "state": ["work", "gone"]}',
        b'{"label": "add", "state": ["work", "work"], "after": {"a": null}}',
        b'{"label": "add", "state": ["work", "work"], "before": {"a": null}, "after": {"a": {"type": "Feature"}}}',
        b'\xff{"label": "add"}',
    ],
)
def test_damaged_lines_are_refused(damage):
    with pytest.raises(InputError):
        edit_of(damage, "Line 2")


def test_rebase_merges_other_specimens_and_asks_about_the_same():
    one, two, three = box(1), box(2), box(3)
    shelf = Shelf(Contents((one, two), (), "work"))
    doc = document(one, two, edit_log=shelf)
    doc.set_class([one.id], "mine")
    doc.add([three])
    view = doc.specimens
    shelf.contents = Contents((one, two.replace(name="theirs"), box(4)), (), "work")
    told: list[Edit] = []
    doc.edited.connect(told.append)
    merged = doc.rebase()
    assert merged is not None
    assert told == [merged]
    assert view is doc.specimens
    assert [item.name for item in view.values()] == ["mine", "theirs", "Navicula", "Navicula"]
    assert [edit.label for edit in shelf.edits] == ["unsaved edits"]
    doc.undo()
    assert three.id not in view

    shelf.contents = Contents((one.replace(name="theirs"), two), (), "work")
    before = text(doc)
    with pytest.raises(ConflictError, match=r"Navicula to mine; somebody changed the class .* Choose whose") as clash:
        doc.rebase()
    (found,) = clash.value.clashes
    assert (found.id, found.changed_here, found.changed_there) == (
        one.id,
        (("class", "Navicula", "mine"),),
        (("class", "Navicula", "theirs"),),
    )
    assert text(doc) == before
    doc.rebase("theirs")
    assert view[one.id].name == "theirs"
    # An edit of what somebody else changed cannot be undone over their head.
    assert doc.history.undo_label is None


def test_rebase_keeps_mine_where_that_is_asked_for():
    one = box(1)
    shelf = Shelf(Contents((one,), (), "work"))
    doc = document(one, edit_log=shelf)
    doc.remove([one.id])
    shelf.contents = Contents((one.replace(name="theirs"),), (), "done")
    doc.rebase("mine")
    assert not doc.specimens
    assert doc.state == "work"
    assert document().rebase() is None


def test_masks_are_cut_by_the_edge():
    found = to_annotations([box(), box().replace(box=(2.0, 20.0, 12.0, 5.0, 0.0))], height=60, width=80)
    assert found.detections.cut.tolist() == [0, 1]
    assert found.detections.masks is None
    assert np.array_equal(found.reviewed, [False, False])
