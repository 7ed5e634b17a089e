"""How fluent the review gallery is with 20,000 specimens: opening, scrolling, jumping, sorting; and what it reads.

Set-up: ``pip install -e '.[test]'``, and on Linux without a screen Xvfb and the system libraries of Qt, which
``scripts/test`` installs. Run with ``xvfb-run -a -s '-screen 0 1600x1000x24' python benchmarks/gallery.py``.

A step of scrolling lasts from moving the scroll bar until the gallery has drawn what it shows now, be it grey where
pictures are still being read. Between two steps the event loop runs as it does while somebody looks, and the longest
turn of it, in which pictures arrive, is told too. In brackets: the processor time of the window's own thread, which a
busy machine does not lengthen as much.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from qtpy.QtWidgets import QListView

    from napari_diatom.project.gallery_order import Entry
    from napari_diatom.widgets.annotate.gallery import Gallery
    from napari_diatom.widgets.annotate.widget import AnnotateWidget

_FOLDER = tempfile.TemporaryDirectory(prefix="napari-diatom-benchmark-", ignore_cleanup_errors=True)
os.environ["NAPARI_CONFIG"] = str(Path(_FOLDER.name) / "settings.yaml")
os.environ.setdefault("QT_API", "pyqt6")

HEIGHT, WIDTH = 3000, 4000
CLASSES = ("Navicula", "Nitzschia", "Fragilaria", "Achnanthidium", "Gomphonema", "Cymbella", "Cocconeis", "Ulnaria")
OPENING_S, STEP_S, WORST_S = 2.0, 0.05, 0.1
LONGEST_WAIT_S = 60.0


class Took(NamedTuple):
    """Seconds by the clock, and of the processor for this thread."""

    clock: float
    processor: float


class Watch:
    """Takes the time from its making on."""

    def __init__(self) -> None:
        self._clock, self._processor = time.perf_counter(), time.thread_time()

    def read(self) -> Took:
        """Return the time since then."""
        return Took(time.perf_counter() - self._clock, time.thread_time() - self._processor)


class Steps(NamedTuple):
    """Times of a way through the gallery: of each step, each longest turn after it, and until each page was filled."""

    step: list[Took]
    turn: list[Took]
    filled: list[Took]


def median(some: Sequence[Took]) -> Took:
    """Return the median of either time."""
    return Took(*(statistics.median(column) for column in zip(*some, strict=True)))


def worst(some: Sequence[Took]) -> Took:
    """Return the longest of either time."""
    return Took(*(max(column) for column in zip(*some, strict=True)))


def main() -> int:
    """Time the gallery and print it with its limits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--specimens", type=int, default=20_000, help="of the project (%(default)s)")
    parser.add_argument("--slides", type=int, default=40, help="of 4000 x 3000 px (%(default)s)")
    parser.add_argument("--steps", type=int, default=40, help="pages, and jumps, in each order (%(default)s)")
    options = parser.parse_args()

    import napari
    from qtpy.QtWidgets import QApplication, QComboBox, QListView

    from napari_diatom.project import gallery_order
    from napari_diatom.widgets.annotate import gallery as module
    from napari_diatom.widgets.annotate.widget import AnnotateWidget

    project = make_project(Path(_FOLDER.name), options.specimens, options.slides)
    read: Counter[object] = Counter()
    crop = module._Slides.crop

    def counted(self: Any, path: Path, page: int, box: Sequence[float]) -> Any:
        read[path, tuple(box)] += 1
        return crop(self, path, page, box)

    module._Slides.crop = counted
    viewer = napari.Viewer(show=True)
    viewer.window._qt_window.resize(1480, 920)
    widget = AnnotateWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Annotate diatoms")
    widget.open_project(project)
    spin(1)
    before_mb = peak_mb()
    print(f"{options.specimens} specimens of {options.slides} slides of {WIDTH} x {HEIGHT} px\n")
    opening, stall = open_gallery(widget, options.specimens)
    over = row("open", opening, OPENING_S)
    row("open: worst turn of the event loop", stall)
    gallery = widget.gallery()
    assert gallery is not None
    gallery.parentWidget().setFloating(True)
    gallery.parentWidget().resize(1300, 850)
    view, order = gallery.findChild(QListView, "gallery"), gallery.findChild(QComboBox, "gallery_order")
    assert view is not None
    assert order is not None
    spin(1)
    for name in gallery_order.ORDERS:
        order.setCurrentIndex(order.findData("image" if name != "image" else "score"))
        spin(0.2)
        watch = Watch()
        order.setCurrentIndex(order.findData(name))
        QApplication.processEvents()
        row(f"sort by {name}", watch.read())

    seen: set[tuple[str, str]] = set()
    read.clear()
    gallery._model.forget_pictures()
    for name in ("image", "unlikeness"):
        order.setCurrentIndex(order.findData(name))
        spin(0.2)
        bar = view.verticalScrollBar()
        pages = [number * bar.pageStep() for number in range(options.steps)]
        jumps = np.random.default_rng(0).integers(0, bar.maximum() + 1, options.steps).tolist()
        for way, values in (("page by page", pages), ("jumping", jumps)):
            times = scroll(gallery, view, values, seen)
            label = f"by {name}, {way}"
            over = max(over, row(f"{label}: a step", median(times.step), STEP_S))
            over = max(over, row(f"{label}: worst step", worst(times.step), WORST_S))
            over = max(over, row(f"{label}: worst turn", worst(times.turn), WORST_S))
            row(f"{label}: page filled", median(times.filled))
    print(f"{'specimens seen':44}{len(seen):10}")
    print(f"{'crops read':44}{len(read):10}")
    print(f"{'crops read more than once':44}{sum(number > 1 for number in read.values()):10}")
    print(f"{'peak memory, and before opening':44}{peak_mb():7.0f} MB{before_mb:7.0f} MB")
    widget.close_project()
    viewer.close()
    return 0 if over <= 1 and len(read) <= 1.1 * len(seen) else 1


def row(title: str, took: Took, limit: float | None = None) -> float:
    """Print a time with its limit, where it has one, and return their ratio."""
    text = f"{title:44}{1000 * took.clock:7.0f} ms ({1000 * took.processor:.0f} ms)"
    print(text if limit is None else f"{text:70}limit {1000 * limit:5.0f} ms{took.clock / limit:8.2f}", flush=True)
    return 0.0 if limit is None else took.clock / limit


def open_gallery(widget: AnnotateWidget, number: int) -> tuple[Took, Took]:
    """Open the gallery; return the time until it shows all, and the longest turn of the event loop."""
    from qtpy.QtWidgets import QApplication

    watch, turns = Watch(), []
    while True:
        turn = Watch()
        gallery = widget.gallery()
        if gallery is None:
            widget.show_gallery()
        is_there = gallery is not None and gallery._model.rowCount() == number
        QApplication.processEvents()
        turns.append(turn.read())
        if is_there:
            return watch.read(), worst(turns)


def scroll(gallery: Gallery, view: QListView, values: Iterable[int], seen: set[tuple[str, str]]) -> Steps:
    """Move the scroll bar to each of the values; wait after each until all pictures are there."""
    from qtpy.QtWidgets import QApplication

    times = Steps([], [], [])
    for value in values:
        watch = Watch()
        view.verticalScrollBar().setValue(value)
        QApplication.processEvents()
        times.step.append(watch.read())
        visible = [gallery._model.entry(number) for number in visible_rows(view)]
        seen |= {(entry.image_id, entry.id) for entry in visible}
        turns = [Took(0, 0)]
        while not are_there(gallery, visible) and watch.read().clock < LONGEST_WAIT_S:
            turn = Watch()
            QApplication.processEvents()
            turns.append(turn.read())
            time.sleep(0.001)
        times.turn.append(worst(turns))
        times.filled.append(watch.read())
    return times


def visible_rows(view: QListView) -> list[int]:
    """Return the rows that are at least partly seen."""
    area, model = view.viewport().rect(), view.model()
    low, high = 0, model.rowCount()
    while low < high:
        middle = (low + high) // 2
        above = view.visualRect(model.index(middle, 0)).bottom() < area.top()
        low, high = (middle + 1, high) if above else (low, middle)
    rows = itertools.takewhile(
        lambda number: view.visualRect(model.index(number, 0)).top() <= area.bottom(), range(low, model.rowCount())
    )
    return list(rows)


def are_there(gallery: Gallery, some: Iterable[Entry]) -> bool:
    """Tell whether the pictures of specimens have been read."""
    kept = gallery._model._pictures._kept
    return all((entry.image_id, entry.id, entry.box) in kept for entry in some)


def spin(seconds: float) -> None:
    """Run the event loop for a while."""
    from qtpy.QtWidgets import QApplication

    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        QApplication.processEvents()
        time.sleep(0.001)


def peak_mb() -> float:
    """Return the most memory that this process has held, in MB; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0.0
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (1 << 20) if sys.platform == "darwin" else size / 1024


def make_project(folder: Path, number: int, slides: int) -> Path:
    """Make a project of slides full of plain valves, in classes of their own sizes."""
    import cv2

    from napari_diatom.project.project import Project
    from napari_diatom.project.specimen import Specimen

    rng = np.random.default_rng(0)
    noise = rng.integers(170, 200, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    paths, items = [], []
    for slide in range(slides):
        pixels, found = np.roll(noise, 97 * slide, axis=1), []
        for k in range(slide, number, slides):
            kind = k % len(CLASSES)
            length = rng.lognormal(3.6 + 0.15 * kind, 0.12)
            width = length * rng.uniform(0.9, 1.1) / (1.6 + 0.7 * kind)
            place, angle = rng.uniform(60, (WIDTH - 60, HEIGHT - 60)), rng.uniform(-1.5, 1.5)
            axes = (round(length / 2), max(round(width / 2), 1))
            cv2.ellipse(pixels, place.astype(int).tolist(), axes, np.degrees(angle), 0, 360, (90, 105, 110), -1)
            cv2.ellipse(pixels, place.astype(int).tolist(), axes, np.degrees(angle), 0, 360, (50, 60, 60), 2)
            box = (*place, length, width, angle)
            found.append(Specimen.rectangle(box, CLASSES[kind], score=float(rng.uniform(0.3, 1))))
        paths.append(folder / f"slide_{slide:03}.jpg")
        cv2.imwrite(str(paths[-1]), pixels, [cv2.IMWRITE_JPEG_QUALITY, 85])
        items.append(found)
    with Project.create(folder / "project", paths, CLASSES) as project:
        for image, found in zip(project.images, items, strict=True):
            project.document(image.id).add(found)
            project.release(image.id)
    return folder / "project"


if __name__ == "__main__":
    sys.exit(main())
