"""Names for specimens of many images: one step back, whatever was closed, edited or killed meanwhile."""

from __future__ import annotations

import os

import numpy as np
import pytest

from helpers.projects import box, crashed, new_project
from napari_diatom.core.errors import InputError
from napari_diatom.project.bulk_edits import BulkEdits
from napari_diatom.project.project import Project

ACTIONS = int(os.environ.get("NAPARI_DIATOM_TEST_EDITS", "30"))
"""Random actions; NAPARI_DIATOM_TEST_EDITS=200 has more of them."""
NAMES = ("Navicula", "Nitzschia")


@pytest.fixture
def project(tmp_path):
    """Three images, of which each has six specimens and two proposals."""
    with new_project(tmp_path, fields=3) as made:
        for image in made.images:
            document = made.document(image.id)
            document.add([box(n, "diatom", id=f"{image.id}-{n}") for n in range(6)])
            document.propose([box(n, "diatom", id=f"{image.id}-p{n}", score=0.2) for n in range(2)], "finder 1")
            made.release(image.id)
        yield made


def everything(project):
    """Return all that is in memory or in the files."""
    return {
        image.id: (
            sorted((item.id, item.name, item.annotator, item.changed, item.reviewed) for item in contents.specimens),
            sorted(item.id for item in contents.proposals),
            contents.state,
        )
        for image in project.images
        for contents in [project.contents(image.id)]
    }


def called(project):
    return {id_: name for specimens, _, _ in everything(project).values() for id_, name, *_ in specimens}


def by_image(project, ids=None):
    return {image.id: [f"{image.id}-{n}" for n in (ids or (0, 1, "p0"))] for image in project.images}


def test_a_step_names_specimens_and_proposals_of_all_images_and_is_undone_at_once(project):
    before, bulk = everything(project), BulkEdits(project)
    step = bulk.name("Navicula", by_image(project))
    assert step.image_ids == ["s0f0", "s0f1", "s0f2"]
    assert sorted(id_ for id_, name in called(project).items() if name == "Navicula") == sorted(
        id_ for ids in by_image(project).values() for id_ in ids
    )
    assert not any(project.is_open(image.id) for image in project.images)
    after = everything(project)
    bulk.undo()
    assert everything(project) == before
    bulk.redo()
    assert everything(project) == after
    assert bulk.undo() is not None
    assert bulk.undo() is None
    assert everything(project) == before


def test_what_was_changed_since_stays(project):
    bulk = BulkEdits(project)
    bulk.name("Navicula", by_image(project))
    project.document("s0f0").set_class(["s0f0-0"], "Nitzschia")
    project.document("s0f1").remove(["s0f1-1"])
    back = bulk.undo()
    assert back.kept == 2
    names = called(project)
    assert names["s0f0-0"] == "Nitzschia"
    assert "s0f1-1" not in names
    assert [name for id_, name in names.items() if id_ != "s0f0-0"] == ["diatom"] * 16


def test_undo_in_an_image_finds_the_step_of_its_last_edit(project):
    bulk = BulkEdits(project)
    document = project.document("s0f0")
    first = bulk.name("Navicula", by_image(project))
    assert bulk.next_undo(document) is first
    bulk.name("Nitzschia", {"s0f1": ["s0f1-5"]})
    assert bulk.next_undo(document) is first
    bulk.undo(first)
    assert bulk.next_redo(document) is bulk.undone[-1]
    assert called(project)["s0f1-5"] == "Nitzschia"
    document.set_class(["s0f0-0"], "Nitzschia")
    assert bulk.next_undo(document) is None
    assert bulk.next_undo(None) is None


def test_an_image_that_cannot_be_read_is_told_and_the_others_are_named(project):
    bulk = BulkEdits(project)
    with pytest.raises(InputError, match="gone"):
        bulk.name("Navicula", {"gone": ["x"], **by_image(project)})
    assert list(called(project).values()).count("Navicula") == 9
    bulk.undo()
    assert set(called(project).values()) == {"diatom"}


def test_a_done_image_stays_done(project):
    bulk = BulkEdits(project)
    bulk.name("Navicula", by_image(project))
    project.document("s0f0").set_done(True)
    bulk.undo()
    assert project.document("s0f0").state == "done"


def test_a_kill_loses_nothing(tmp_path, project):
    for item in project.images[:2]:
        # The journal alone has the edits of images that are open.
        project.document(item.id)
    BulkEdits(project).name("Navicula", by_image(project))
    now = everything(project)
    with Project.open(crashed(project), "Ada") as again:
        assert everything(again) == now


def test_random_actions_are_undone_to_the_first_state(project):
    rng = np.random.default_rng(1)
    bulk = BulkEdits(project)
    first = everything(project)
    states = []
    for _ in range(ACTIONS):
        choice = rng.random()
        if choice < 0.6 or not bulk.done:
            ids = [n for n in (*range(6), "p0", "p1") if rng.random() < 0.4]
            states.append(everything(project))
            step = bulk.name(NAMES[rng.integers(2)], by_image(project, ids or [0]))
            if not step.edits:
                states.pop()
        elif choice < 0.8:
            after = everything(project)
            bulk.undo()
            assert everything(project) == states[-1]
            bulk.redo()
            assert everything(project) == after
        else:
            image = project.images[rng.integers(3)].id
            _ = project.release(image) if project.is_open(image) else project.document(image)
    while bulk.done:
        bulk.undo()
        assert everything(project) == states.pop()
    assert everything(project) == first
    project.flush()
    for tally in project.summary():
        specimens, proposals, _ = everything(project)[tally.image.id]
        assert (sum(tally.by_class().values()), tally.proposals) == (len(specimens), len(proposals))
