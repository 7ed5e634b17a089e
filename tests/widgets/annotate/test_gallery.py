"""The review gallery of a large project: only what is seen is read, once, slide by slide; selections stay."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest
from qtpy.QtCore import QItemSelectionModel, Qt
from qtpy.QtWidgets import QListView

from helpers.window import child_of
from napari_diatom.project import gallery_order
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import Specimen

SLIDES, EACH = 4, 300


@pytest.fixture
def project(tmp_path):
    """Four slides of three hundred specimens each."""
    rng = np.random.default_rng(0)
    images = []
    for number in range(SLIDES):
        images.append(tmp_path / f"slide_{number}.png")
        cv2.imwrite(str(images[-1]), np.full((300, 400), 60 + 40 * number, np.uint8))
    with Project.create(tmp_path / "project", images, ("Navicula", "Nitzschia"), "Ada") as project:
        for image in project.images:
            boxes = np.column_stack([rng.uniform(30, 270, (EACH, 2)), rng.uniform(10, 60, (EACH, 2))])
            items = [Specimen.rectangle((*box, 0.3), "Navicula", score=float(rng.random())) for box in boxes]
            project.document(image.id).add(items)
            project.release(image.id)
        yield project


@pytest.fixture
def read(monkeypatch):
    """Specimens that pictures were cut out of, as image and box, in that order."""
    from napari_diatom.widgets.common.specimen_pictures import GallerySlides

    found, crop = [], GallerySlides.small

    def noted(self, path, page, box):
        found.append((path.stem, tuple(box)))
        return crop(self, path, page, box)

    monkeypatch.setattr(GallerySlides, "small", noted)
    return found


@pytest.fixture
def gallery(project, read, qtbot):
    from napari_diatom.widgets.annotate.gallery import Gallery

    gallery = Gallery()
    qtbot.addWidget(gallery)
    gallery.resize(700, 500)
    gallery.show()
    gallery.set_project(project)
    qtbot.waitUntil(lambda: len(gallery.entries()) == SLIDES * EACH, timeout=10_000)
    return gallery


def view_of(gallery) -> QListView:
    return child_of(gallery, "gallery")


def seen(gallery) -> set:
    """Return what is in the view, by image and box."""
    view = view_of(gallery)
    area = view.viewport().rect()
    return {
        (entry.image_id, entry.box)
        for row, entry in enumerate(gallery.entries())
        if view.visualRect(view.model().index(row, 0)).intersects(area)
    }


def test_only_what_is_seen_is_read_and_only_once(gallery, read, qtbot):
    child_of(gallery, "gallery_order").setCurrentIndex(gallery_order.ORDERS.index("image"))
    gallery._model.forget_pictures()
    read.clear()
    looked_at: set = set()
    bar = view_of(gallery).verticalScrollBar()
    for value in (0, bar.pageStep(), bar.maximum(), 0):
        bar.setValue(value)
        view_of(gallery).viewport().update()
        looked_at.update(seen(gallery))
        qtbot.waitUntil(lambda: looked_at <= set(read), timeout=10_000)
    qtbot.wait(50)
    assert set(read) == looked_at
    assert len(read) == len(looked_at) < SLIDES * EACH / 4


def test_what_is_selected_stays_so_in_another_order(gallery):
    view, order = view_of(gallery), child_of(gallery, "gallery_order")
    for row in (0, 1, 5, 700):
        view.selectionModel().select(view.model().index(row, 0), QItemSelectionModel.SelectionFlag.Select)
    before = {entry.id for entry in gallery.selected()}
    for name in ("score", "image"):
        order.setCurrentIndex(gallery_order.ORDERS.index(name))
        assert {entry.id for entry in gallery.selected()} == before
    gallery.select_all()
    order.setCurrentIndex(gallery_order.ORDERS.index("length"))
    assert len(gallery.selected()) == SLIDES * EACH
    assert child_of(gallery, "gallery_counts").text() == "1200 specimens, 1200 selected"


def test_pictures_of_one_source_are_read_together(qtbot):
    from napari_diatom.widgets.common.thumbnail_loader import ThumbnailLoader

    pictures, order, begin = ThumbnailLoader(), [], threading.Event()

    def reads(name):
        def read():
            begin.wait(5)
            order.append(name)
            return np.zeros((4, 4, 3), np.uint8)

        return read

    arrived = []
    pictures.arrived.connect(arrived.append)
    pictures.get("first", reads("first"), "other")
    qtbot.wait(50)
    for name in ("a1", "b1", "a2", "b2", "a3"):
        pictures.get(name, reads(name), name[0])
    # What is being read already is not read again.
    pictures.get("first", reads("again"), "other")
    begin.set()
    qtbot.waitUntil(lambda: len(arrived) == 6, timeout=5000)
    assert order == ["first", "a1", "a2", "a3", "b1", "b2"]
    assert pictures.get("a1", reads("a1"), "a") is not None
    pictures.stop()


def test_what_is_seen_last_is_read_first_from_the_top_of_the_view(qtbot):
    from napari_diatom.widgets.common.thumbnail_loader import ThumbnailLoader

    pictures, order, begin = ThumbnailLoader(), [], threading.Event()

    def reads(name):
        def read():
            begin.wait(5)
            order.append(name)
            return np.zeros((4, 4, 3), np.uint8)

        return read

    for name in ("first", "1", "2", "3"):
        pictures.get(name, reads(name), name)
        if name == "first":
            qtbot.wait(50)
    qtbot.wait(50)
    for name in ("scrolled to 1", "scrolled to 2"):
        pictures.get(name, reads(name), name)
    qtbot.wait(50)
    begin.set()
    qtbot.waitUntil(lambda: len(order) == 6, timeout=5000)
    assert order == ["first", "scrolled to 1", "scrolled to 2", "1", "2", "3"]
    pictures.stop()


def test_pictures_that_arrive_after_they_were_forgotten_are_dropped(qtbot):
    from napari_diatom.widgets.common.thumbnail_loader import ThumbnailLoader

    pictures, begin, ended = ThumbnailLoader(), threading.Event(), threading.Event()

    def read():
        begin.wait(5)
        ended.set()
        return np.zeros((4, 4, 3), np.uint8)

    arrived = []
    pictures.arrived.connect(arrived.append)
    pictures.get("old", read)
    qtbot.wait(50)
    pictures.clear()
    begin.set()
    assert ended.wait(5)
    qtbot.wait(50)
    assert arrived == []
    pictures.stop()


def test_the_tooltip_of_a_specimen_gets_its_close_up(gallery, qtbot):
    index = view_of(gallery).model().index(0, 0)
    entry = gallery.entries()[0]
    assert "<img" not in index.data(Qt.ItemDataRole.ToolTipRole)
    qtbot.waitUntil(lambda: "<img" in index.data(Qt.ItemDataRole.ToolTipRole), timeout=10_000)
    assert f"{entry.name}, {entry.status}" in index.data(Qt.ItemDataRole.ToolTipRole)
