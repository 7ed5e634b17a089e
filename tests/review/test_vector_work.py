"""Vectors are computed image by image, beside the window, and what is done is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.named_projects import DIMENSIONS, named_project, unloaded_embedder
from napari_diatom.core.errors import Stopped
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.core.specimen_vectors import SpecimenVectors
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import Specimen
from napari_diatom.review import vector_work
from napari_diatom.review.project_names import ProjectNames
from napari_diatom.review.vector_cache import VectorCache
from napari_diatom.review.vector_work import compute_all, compute_vectors, outline_of, serve_vectors


class Counting:
    """Stands for an embedder; counts the specimens that it was given, and sees none that is shorter than 21 px."""

    card = unloaded_embedder().card
    device = "cpu"

    def __init__(self) -> None:
        self.seen = 0

    def embed(self, image, detections, monitor=UNWATCHED, outlines=None) -> SpecimenVectors:
        monitor.check()
        assert len(outlines) == len(detections)
        assert image.height == 60
        self.seen += len(detections)
        is_short = detections.boxes[:, 2] < 21
        vectors = np.where(is_short[:, None, None], np.nan, np.ones((len(detections), 2, DIMENSIONS)))
        problems = tuple("It is short." if short else "" for short in is_short)
        return SpecimenVectors(vectors.astype(np.float32), problems, "embedder 0")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return named_project(tmp_path)[0]


def works_of(project: Project) -> list[vector_work.VectorWork]:
    names = ProjectNames(project, unloaded_embedder())
    names.read()
    return list(names.specimens.work())


def test_nothing_is_computed_again_that_is_there(project: Project) -> None:
    embedder, works = Counting(), works_of(project)
    assert sum(map(len, works)) == 30
    cache = VectorCache.of_project(project.folder, embedder.card)
    assert compute_all(works, embedder, cache) == []
    assert embedder.seen == 30
    assert works_of(project) == []
    again = VectorCache.of_project(project.folder, embedder.card)
    assert [compute_vectors(work, embedder, again) for work in works] == [0] * 6
    names = ProjectNames(project, unloaded_embedder())
    names.read()
    # One of the four named ones of each image is 20 px long.
    assert len(names.named()) == 18
    # What was computed beside is taken over by a window that is open.
    assert not names.take_vectors()


def test_what_is_done_before_a_stop_is_kept(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_work, "PART", 2)
    embedder, work = Counting(), works_of(project)[0]
    cache = VectorCache.of_project(project.folder, embedder.card)
    with pytest.raises(Stopped):
        compute_vectors(work, embedder, cache, ProgressMonitor(should_stop=lambda: embedder.seen >= 4))
    assert len(VectorCache.of_project(project.folder, embedder.card)) == 4
    assert compute_vectors(work, embedder, cache) == 1
    assert embedder.seen == 5


def test_the_process_beside_computes_for_the_window(project: Project) -> None:
    embedder = Counting()

    class Kept:
        def embedder(self, model: Path, device: str, monitor: ProgressMonitor) -> Counting:
            return embedder

    names = ProjectNames(project, unloaded_embedder())
    names.read()
    for work in names.specimens.work():
        assert serve_vectors(work, Kept(), UNWATCHED, lambda _: None) == 5
    assert names.take_vectors()
    assert names.specimens.table.known.sum() == 24
    lengths = names.specimens.table.lengths_um(names.examples("Navicula gregaria"))
    # The pixel size of one of the two slides is known.
    assert sorted(lengths[np.isfinite(lengths)]) == pytest.approx([2.1, 2.2, 2.3], rel=1e-5)
    assert len(lengths) == 6


def test_an_image_that_is_gone_is_told_and_the_others_are_done(project: Project) -> None:
    gone = project.images[0]
    project.path(gone.id).unlink()
    embedder, works = Counting(), works_of(project)
    unread = compute_all(works, embedder, VectorCache.of_project(project.folder, embedder.card))
    assert len(unread) == 1
    assert Path(gone.path).name in unread[0]
    assert "cannot be read" in unread[0] or "does not exist" in unread[0]
    assert embedder.seen == 25


def test_vectors_that_cannot_be_put_on_disk_are_there_for_the_time_being(project: Project) -> None:
    embedder, works = Counting(), works_of(project)
    cache = VectorCache.of_project(project.folder, embedder.card)
    # As in a project that may only be read.
    cache.path.parent.parent.mkdir(exist_ok=True)
    cache.path.parent.write_bytes(b"")
    (said,) = compute_all(works, embedder, cache)
    assert "not kept for the next time" in said
    assert "cannot be written" in said
    assert embedder.seen == 30
    assert len(cache) == 30


def test_specimens_are_cut_out_along_their_largest_part() -> None:
    small, large = (np.array([[0.0, 0], [side, 0], [side, side], [0, side]]) for side in (3, 9))
    drawn = Specimen.polygon(((small,), (large + 20,)), "Navicula")
    np.testing.assert_array_equal(outline_of(drawn), large + 20)
    assert outline_of(Specimen.rectangle((10, 10, 8, 4, 0), "Navicula")).shape == (4, 2)
