"""How long the window stands still while valves are named by example, in a project of 100,000 specimens.

The valves are drawn ones on small slides; their vectors are drawn from a distribution of each taxon, so no network
runs. A tenth of them has names. The window reads the project in the naming mode, names are given by keys, and the
pages of the dock *Names* are opened one after the other. The heartbeat is that of ``gui.py``; in brackets is the
processor time of the window's own thread in its longest turn, which a busy machine does not lengthen as much, and which
leaves out the time that other threads of Python take.

Needs ``.[test]`` too, and on Linux without a screen Xvfb and the system libraries of Qt, which ``scripts/test``
installs. Run with ``xvfb-run -a -s '-screen 0 1366x768x24' python benchmarks/names_window.py``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from command import run
from fields import SET_UP
from gui import Heartbeat, spin

HEIGHT, WIDTH = 1500, 2000
STALL_MS, RANKED_MS, PICTURE_MS, METHOD_MS = 100.0, 50.0, 300.0, 10_000.0
LONGEST_WAIT_S = 600.0
UP_TO_HERE = 200
"""Specimens that are named in one step."""


class Figure(NamedTuple):
    """A time in ms, the processor time of the window's thread in it, and what it may be at most."""

    ms: float
    processor_ms: float = 0.0
    limit_ms: float | None = None


class Turns(Heartbeat):
    """A heartbeat that also takes the processor time of the window's thread between two beats."""

    def __init__(self) -> None:
        super().__init__()
        self._worked: list[float] = []
        self._timer.timeout.connect(lambda: self._worked.append(time.thread_time()))

    def __enter__(self) -> Turns:
        self._worked = [time.thread_time()]
        super().__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._worked.append(time.thread_time())

    @property
    def figure(self) -> Figure:
        """The longest stall."""
        return Figure(self.longest_ms, float(np.diff(self._worked).max()) * 1000, STALL_MS)


class Steps:
    """Takes figures of steps, and prints them."""

    def __init__(self) -> None:
        self.figures: dict[str, Figure] = {}

    def note(self, title: str, figure: Figure) -> None:
        """Keep and print a figure."""
        self.figures[title] = figure
        text = f"{title:58}{figure.ms:9.0f} ms ({figure.processor_ms:.0f} ms)"
        limit = figure.limit_ms
        verdict = "" if limit is None else f"limit {limit:6.0f} ms  {'ok' if figure.ms <= limit else 'MISSED'}"
        print(f"{text:86}{verdict}", flush=True)

    @contextmanager
    def stall(self, title: str) -> Iterator[None]:
        """Take the longest stall of a step, and how long the step lasts."""
        began = time.perf_counter()
        with Turns() as turns:
            yield
        self.note(f"{title}: longest stall", turns.figure)
        self.note(f"{title}: in all", Figure(1000 * (time.perf_counter() - began)))


def main() -> int:
    """Make the project, go through the steps, and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="names_window.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--specimens", type=int, default=100_000, help="of the project (%(default)s)")
    parser.add_argument("--named", type=int, help="of these with a name; a tenth by default")
    parser.add_argument("--taxa", type=int, default=300, help="of the named ones (%(default)s)")
    parser.add_argument("--images", type=int, default=200, help="on which they lie (%(default)s)")
    parser.add_argument("--keys", type=int, default=30, help="names that are given by keys (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return run(parser, _run)


def _run(options: argparse.Namespace) -> int:
    import napari

    steps = Steps()
    with tempfile.TemporaryDirectory(prefix="napari-diatom-benchmark-", ignore_cleanup_errors=True) as name:
        named = options.specimens // 10 if options.named is None else options.named
        project = make_project(Path(name), options.specimens, named, options.taxa, options.images)
        viewer = napari.Viewer(show=True)
        viewer.window._qt_window.resize(1366, 768)
        _, widget = viewer.window.add_plugin_dock_widget("napari-diatom", "Annotate diatoms")
        spin(2)
        with steps.stall("plain napari and the dock, nothing to do"):
            spin(2)
        with steps.stall("a project and its first image are opened"):
            widget.open_project(project)
            spin(1)
        in_naming_mode(steps, widget, options.keys)
        in_the_dock(steps, widget)
        widget.close_project()
        viewer.close()
    if options.json:
        rows = {title: figure._asdict() for title, figure in steps.figures.items()}
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return int(any(one.limit_ms is not None and one.ms > one.limit_ms for one in steps.figures.values()))


def in_naming_mode(steps: Steps, widget: Any, number: int) -> None:
    """Read the project, and give names by keys."""
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    from napari_diatom.review.project_names import ProjectNames
    from napari_diatom.widgets.common.closing import canvas_of

    session, canvas = widget.names(), canvas_of(widget.canvas().viewer)
    spent: list[float] = []

    def timed(work: Callable[..., Any]) -> Callable[..., Any]:
        def do(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return work(*arguments, **named)
            finally:
                spent.append(time.perf_counter() - began)

        return do

    with steps.stall("the naming mode is switched on, and reads the project"):
        QTest.keyClick(canvas, Qt.Key.Key_E)
        wait(lambda: session.names is not None and not session.is_reading)
        spin(0.5)
    with steps.stall("the method is chosen and calibrated"):
        wait(lambda: is_settled(session))
    former = ProjectNames.take, ProjectNames.suggest
    ProjectNames.take, ProjectNames.suggest = map(timed, former)  # type: ignore[method-assign]
    until_ranked, until_shown = [], []
    with steps.stall(f"{number} names are given by keys"):
        for _ in range(number):
            spent.clear()
            began = time.perf_counter()
            QTest.keyClick(canvas, Qt.Key.Key_1)
            until_shown.append(1000 * (time.perf_counter() - began))
            until_ranked.append(1000 * sum(spent))
            spin(0.3)
    ProjectNames.take, ProjectNames.suggest = former  # type: ignore[method-assign]
    steps.note("a name by a key: refit and re-rank, median", Figure(statistics.median(until_ranked), 0, RANKED_MS))
    steps.note("a name by a key: refit and re-rank, worst", Figure(max(until_ranked)))
    steps.note("a name by a key: next specimen with suggestions, median", Figure(statistics.median(until_shown)))
    with steps.stall("the method is chosen again, in the background"):
        wait(lambda: is_settled(session))
    method = steps.figures["the method is chosen again, in the background: in all"]
    steps.note("until the method is chosen", method._replace(limit_ms=METHOD_MS))


def in_the_dock(steps: Steps, widget: Any) -> None:
    """Open the pages of the dock, and name many at once."""
    with steps.stall("the dock Names is opened"):
        widget.show_names()
        dock = widget.names_dock()
        spin(1)
    view = dock.similar.view
    began = time.perf_counter()
    with steps.stall("Show more like this"):
        dock.similar.show_like()
        wait(lambda: bool(view.entries()) and has_picture(view))
        first = 1000 * (time.perf_counter() - began)
        spin(0.5)
    steps.note("Show more like this: first picture", Figure(first, 0, PICTURE_MS))
    chosen = list(range(min(UP_TO_HERE, len(view.entries()))))
    view.select(chosen)
    spin(0.5)
    bulk = widget.names().bulk
    with steps.stall(f"{len(chosen)} specimens are named at once"):
        dock.findChild(object, "name_all").setEditText(taxon(0))
        dock.give_name()
        wait(lambda: bool(bulk.done))
        spin(1)
    with steps.stall("that is undone"):
        dock.findChild(object, "names_undo").click()
        wait(lambda: not bulk.done)
        spin(1)
    wait(lambda: is_settled(widget.names()))
    pages: tuple[tuple[str, Any, Callable[[], bool]], ...] = (
        ("Groups", dock.groups, lambda: bool(dock.groups._groups)),
        ("Name next", dock.next, lambda: bool(dock.next.view.entries())),
        ("Check", dock.check, lambda: not dock.check._is_stale and not dock.check.is_working),
        ("Taxa", dock.taxa, lambda: dock.taxa.table.rowCount() > 0),
        ("Map", dock.map, lambda: dock.map._axes is not None),
    )
    for title, page, is_there in pages:
        with steps.stall(f"page {title}"):
            dock.show_page(page)
            wait(is_there)
            spin(1)


def is_settled(session: Any) -> bool:
    """Return whether nothing goes on in the background, nor is about to."""
    return not (session.is_looking or session._settle_timer.isActive() or session.background._workers)


def has_picture(view: Any) -> bool:
    """Return whether the picture of the first specimen has been read."""
    entry = view.specimens.entry(0)
    return (entry.image_id, entry.id, entry.box) in view.specimens._pictures._kept


def wait(until: Callable[[], bool]) -> None:
    """Run the event loop until something is so."""
    from napari_diatom.core.errors import DiatomError

    end = time.perf_counter() + LONGEST_WAIT_S
    spin(until=lambda: until() or time.perf_counter() > end)
    if time.perf_counter() > end:
        raise DiatomError(f"Nothing happened for {LONGEST_WAIT_S:.0f} s.")


def taxon(number: int) -> str:
    """Return the name of a taxon; ten are of one genus."""
    return f"Genus{number // 10} species{number}"


def make_project(folder: Path, specimens: int, named: int, taxa: int, images: int) -> Path:
    """Make a project whose specimens have known vectors, and some of them names."""
    from napari_diatom.models import library
    from napari_diatom.project.project import Project
    from napari_diatom.project.specimen import Specimen
    from napari_diatom.review.vector_cache import VectorCache, specimen_digest

    card = library.resolve_embedder(library.EMBEDDER).card
    rng = np.random.default_rng(0)
    ids = rng.integers(0, taxa, specimens)
    lengths = 20 + 60 * ids / taxa + rng.normal(0, 3, specimens)
    sizes = np.column_stack([lengths, lengths * rng.uniform(0.2, 0.4, specimens), rng.uniform(-1.5, 1.5, specimens)])
    boxes = np.column_stack([rng.uniform(50, (WIDTH - 50, HEIGHT - 50), (specimens, 2)), sizes])
    has_name = rng.permutation(specimens) < named
    paths = []
    for image in range(images):
        pixels = np.full((HEIGHT, WIDTH, 3), 150 + image % 80, np.uint8)
        for x, y, length, width, angle in boxes[image::images]:
            axes = (round(length / 2), max(round(width / 2), 1))
            cv2.ellipse(pixels, (round(x), round(y)), axes, np.degrees(angle), 0, 360, (90, 105, 110), -1)
        paths.append(folder / f"slide_{image:04}.jpg")
        cv2.imwrite(str(paths[-1]), pixels)
    dimensions = VectorCache(folder, card).dimensions
    means = rng.normal(0, 1, (taxa, dimensions)) / np.sqrt(dimensions)
    mixing = rng.normal(0, 1, (dimensions, dimensions)) / dimensions
    with Project.create(folder / "project", paths, ("diatom", *map(taxon, range(taxa)))) as project:
        project.update(project.settings.replace(pixel_sizes_um={image.slide: 0.1 for image in project.images}))
        cache = VectorCache.of_project(project.folder, card)
        for number, image in enumerate(project.images):
            rows = range(number, specimens, images)
            some = [Specimen.rectangle(boxes[k], taxon(ids[k]) if has_name[k] else "diatom") for k in rows]
            project.document(image.id).add(some)
            project.release(image.id)
            near = means[ids[rows]] + rng.normal(0, 1, (len(some), dimensions)) @ mixing
            pairs = np.repeat(near[:, None], 2, axis=1).astype(np.float32)
            cache.add([specimen_digest(image, item) for item in some], pairs)
    return folder / "project"


if __name__ == "__main__":
    raise SystemExit(main())
