"""Long steps are made in small parts: what a person changes meanwhile stays, and nothing is lost at the end."""

from __future__ import annotations

import pytest

from helpers.painted_valves import TAXA, painted_project
from napari_diatom.project.project import Project
from napari_diatom.review.bulk_queue import BulkQueue

SLIDES, EACH = 5, 4


@pytest.fixture
def project(tmp_path):
    with Project.open(painted_project(tmp_path, SLIDES, EACH), "Ada") as opened:
        yield opened


@pytest.fixture
def made():
    """The steps that were made."""
    return []


@pytest.fixture
def queue(project):
    return BulkQueue(project, lambda changed: None)


def called(project):
    return {item.id: item.name for image in project.images for item in project.contents(image.id).specimens}


def as_taxon(project, taxon, slides=SLIDES):
    """Return what names all valves of some slides."""
    return {
        image.id: {item.id: taxon for item in project.contents(image.id).specimens} for image in project.images[:slides]
    }


def begin(queue, taxa, made, advances=4):
    """Begin to name, and go on for some parts of the work."""
    queue.name_each(taxa, lambda step, error: made.append(step))
    for _ in range(advances):
        queue.advance()
    assert len(queue) == 1
    assert not made


def test_a_step_in_few_images_is_made_at_once_and_one_in_many_in_parts(project, queue, made):
    queue.name_each(as_taxon(project, TAXA[0], 2), lambda step, error: made.append(step))
    assert [len(step.specimen_ids) for step in made] == [2 * EACH]
    made.clear()
    begin(queue, as_taxon(project, TAXA[1]), made)
    assert list(called(project).values()).count(TAXA[1]) == 2 * EACH - EACH
    while len(queue):
        queue.advance()
    assert set(called(project).values()) == {TAXA[1]}
    assert len(queue.bulk.done) == 2
    assert not any(project.is_open(image.id) for image in project.images)
    assert {image.state for image in project.images} == {"work"}


def test_all_of_a_step_is_made_and_undone_after_it_was_begun(project, queue, made):
    before = called(project)
    begin(queue, as_taxon(project, TAXA[0]), made)
    queue.undo(None, lambda step, error: made.append(step))
    queue.redo(None, lambda step, error: made.append(step))
    queue.undo(None, lambda step, error: made.append(step))
    queue.finish()
    assert [len(step.specimen_ids) for step in made] == [SLIDES * EACH] * 4
    assert called(project) == before
    assert (len(queue.bulk.done), len(queue.bulk.undone)) == (0, 1)


def test_what_is_named_meanwhile_stays_and_is_not_undone_with_the_step(project, queue, made):
    begin(queue, as_taxon(project, TAXA[0]), made)
    last = project.images[-1].id
    queue.name_each({last: {f"{last}-0": TAXA[2]}}, lambda step, error: made.append(step))
    assert called(project)[f"{last}-0"] == TAXA[2]
    queue.finish()
    names = called(project)
    assert names.pop(f"{last}-0") == TAXA[2]
    assert set(names.values()) == {TAXA[0]}
    long_step = max(made, key=lambda step: len(step.specimen_ids))
    queue.undo(long_step, lambda step, error: made.append(step))
    queue.finish()
    assert made[-1].kept == 1
    assert called(project) == {**dict.fromkeys(names, "diatom"), f"{last}-0": TAXA[2]}


def test_an_image_that_is_opened_meanwhile_is_named_first_and_stays_open(project, queue, made):
    begin(queue, as_taxon(project, TAXA[0]), made)
    last = project.images[-1].id
    document = project.document(last)
    queue.hurry(last, is_shown=True)
    assert {item.name for item in document.specimens.values()} == {TAXA[0]}
    assert queue.undo_last_of(document, lambda step, error: made.append(step))
    queue.finish()
    assert set(called(project).values()) == {"diatom"}
    assert project.document(last) is document
    assert queue.redo_last_of(document, lambda step, error: made.append(step))
    document.set_status([f"{last}-1"], "broken")
    assert not queue.undo_last_of(project.document(project.images[0].id), lambda step, error: None)


def test_an_image_that_cannot_be_read_keeps_no_other_from_being_named(project, queue):
    taxa = as_taxon(project, TAXA[0])
    broken = project.images[2].id
    (project.folder / "annotations" / f"{broken}.geojson").write_text("{", encoding="utf-8")
    errors = []
    queue.name_each(taxa, lambda step, error: errors.append((step, error)))
    queue.finish()
    [(step, error)] = errors
    assert broken in str(error)
    assert sorted(step.image_ids) == sorted(image.id for image in project.images if image.id != broken)
    assert queue.bulk.done == [step]
