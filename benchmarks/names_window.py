"""How long the window stands still while valves are named by example, in a project of 100,000 specimens.

The valves are drawn ones on small slides; their vectors are drawn from a distribution of each taxon, so no network
runs. A tenth of them has names. Plain napari shows the image and the boxes of a slide first: its longest stall is what
that of the window is compared with. Then the window reads the project in the naming mode, names are given by keys, and
the pages of the dock *Names* are opened one after the other.

The heartbeat is that of ``gui.py``. In brackets is the processor time of the window's own thread in the turn that takes
most of it. A stall is judged by that time, because other programs lengthen the time of the clock; it leaves out the
time that other threads of Python take. So is the work in the background, by the time of all threads. The first picture
is judged by the clock.

Needs ``.[test]`` too, and on Linux without a screen Xvfb and the system libraries of Qt, which ``scripts/test``
installs. Run with ``xvfb-run -a -s '-screen 0 1366x768x24' python benchmarks/names_window.py``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from command import run
from fields import SET_UP
from gui import Heartbeat, spin

HEIGHT, WIDTH = 1500, 2000
STALL_MS, PLAIN_SHARE = 100.0, 1.2
RANKED_MS, PICTURE_MS, METHOD_MS = 50.0, 300.0, 10_000.0
LONGEST_WAIT_S = 600.0
PLAIN_SHOWS = "plain napari shows a slide with its boxes"
PLAIN_LABELS = "plain napari: labels of the boxes are shown for the first time"
PLAIN_CHANGES = "plain napari: boxes are selected, coloured and zoomed to"
PLAIN_DOCK = "plain napari: an empty dock is opened"
UP_TO_HERE = 200
"""Specimens that are named in one step."""
MADE_STEPS = 10
"""Lines that say how much of the project is made."""


class Figure(NamedTuple):
    """A time in ms, the processor time of the window's thread in it, and what it may be at most.

    Where the processor time is known, the limit is one of it.
    """

    ms: float
    processor_ms: float | None = None
    limit_ms: float | None = None

    @property
    def is_kept(self) -> bool:
        """Whether it keeps its limit."""
        judged = self.ms if self.processor_ms is None else self.processor_ms
        return self.limit_ms is None or judged <= self.limit_ms


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
    def processor_ms(self) -> float:
        """The processor time of the turn that takes most of it."""
        return float(np.diff(self._worked).max()) * 1000


class Steps:
    """Takes figures of steps, judges stalls by the limit if wanted, and prints them."""

    def __init__(self, is_judged: bool = True) -> None:
        self.figures: dict[str, Figure] = {}
        self.is_judged = is_judged

    def note(self, title: str, figure: Figure) -> None:
        """Keep and print a figure."""
        self.figures[title] = figure
        worked = "" if figure.processor_ms is None else f"({figure.processor_ms:.0f} ms)"
        limit = figure.limit_ms
        verdict = "" if limit is None else f"limit {limit:6.0f} ms  {'ok' if figure.is_kept else 'MISSED'}"
        print(f"{title:70}{figure.ms:7.0f} ms {worked:10}  {verdict}".rstrip(), flush=True)

    @contextmanager
    def stall(self, title: str, plain: Figure | None = None) -> Iterator[None]:
        """Take the longest stall of a step, which plain napari may have too, and how long the step lasts."""
        began = time.perf_counter()
        with Turns() as turns:
            yield
        limit = max(STALL_MS, PLAIN_SHARE * (plain.processor_ms or 0 if plain else 0)) if self.is_judged else None
        self.note(f"{title}: longest stall", Figure(turns.longest_ms, turns.processor_ms, limit))
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
    parser.add_argument("--plain", type=Path, metavar="PROJECT", help=argparse.SUPPRESS)
    return run(parser, _run)


def _run(options: argparse.Namespace) -> int:
    if options.plain:
        steps = Steps(is_judged=False)
        in_plain_napari(steps, options.plain)
        return _end(steps, options.json)
    with tempfile.TemporaryDirectory(prefix="napari-diatom-benchmark-", ignore_cleanup_errors=True) as name:
        named = options.specimens // 10 if options.named is None else options.named
        project = make_project(Path(name), options.specimens, named, options.taxa, options.images)
        plain = plain_stalls(project)
        steps = Steps()
        import napari

        viewer = napari.Viewer(show=True)
        viewer.window._qt_window.resize(1366, 768)
        _, widget = viewer.window.add_plugin_dock_widget("napari-diatom", "Annotate diatoms")
        spin(2)
        with steps.stall("the dock, nothing to do"):
            spin(2)
        with steps.stall("a project and its first image are opened", plain[f"{PLAIN_SHOWS}: longest stall"]):
            widget.open_project(project)
            spin(1)
        with steps.stall("a specimen is selected for the first time", plain[f"{PLAIN_LABELS}: longest stall"]):
            widget.canvas().select(list(widget.document().specimens)[:1])
            spin(1)
        in_naming_mode(steps, widget, options.keys, plain[f"{PLAIN_CHANGES}: longest stall"])
        in_the_dock(steps, widget, plain[f"{PLAIN_DOCK}: longest stall"])
        widget.close_project()
        viewer.close()
    return _end(steps, options.json)


def _end(steps: Steps, path: Path | None) -> int:
    """Write the figures to a file, if wanted, and return the exit code."""
    if path:
        rows = {title: figure._asdict() for title, figure in steps.figures.items()}
        path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return int(not all(one.is_kept for one in steps.figures.values()))


def in_plain_napari(steps: Steps, folder: Path) -> None:
    """Show the image and the boxes of the first slide, and select and change some."""
    import napari
    from qtpy.QtWidgets import QWidget

    from napari_diatom.core.geometry import corners
    from napari_diatom.project.project import Project
    from napari_diatom.widgets.canvas.viewer_camera import camera_of

    with Project.open(folder) as project:
        path, contents = project.path(project.images[0].id), project.contents(project.images[0].id)
    pixels = cv2.imread(str(path))
    polygons = corners([item.box for item in contents.specimens])[..., ::-1]
    names = [item.name for item in contents.specimens]
    viewer = napari.Viewer(show=True)
    viewer.window._qt_window.resize(1366, 768)
    spin(2)
    with steps.stall(PLAIN_SHOWS):
        viewer.add_image(pixels, rgb=True)
        layer = viewer.add_shapes(polygons, shape_type="polygon", features={"name": names})
        spin(1)
    with steps.stall(PLAIN_LABELS):
        layer.text = "name"
        spin(1)
    with steps.stall(PLAIN_CHANGES):
        for number in range(10):
            layer.selected_data = {number}
            layer.current_edge_color = "red"
            camera_of(viewer).center = (0, *polygons[number].mean(axis=0))
            spin(0.3)
    with steps.stall(PLAIN_DOCK):
        viewer.window.add_dock_widget(QWidget(), name="empty", area="bottom")
        spin(1)
    viewer.close()


def plain_stalls(folder: Path) -> dict[str, Figure]:
    """Return the figures of plain napari, which has a process of its own."""
    with tempfile.TemporaryDirectory(prefix="napari-diatom-benchmark-") as name:
        told = Path(name) / "plain.json"
        subprocess.run([sys.executable, __file__, "--plain", str(folder), "--json", str(told)], check=True)
        return {title: Figure(**figure) for title, figure in json.loads(told.read_text(encoding="utf-8")).items()}


def in_naming_mode(steps: Steps, widget: Any, number: int, plain: Figure) -> None:
    """Read the project, and give names by keys; ``plain`` is the longest stall of plain napari meanwhile."""
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    from napari_diatom.review.project_names import ProjectNames
    from napari_diatom.widgets.common.closing import canvas_of

    session, canvas = widget.names(), canvas_of(widget.canvas().viewer)
    spent: list[tuple[float, float]] = []

    def timed(work: Callable[..., Any]) -> Callable[..., Any]:
        def do(*arguments: Any, **named: Any) -> Any:
            began, had_worked = time.perf_counter(), time.thread_time()
            try:
                return work(*arguments, **named)
            finally:
                spent.append((1000 * (time.perf_counter() - began), 1000 * (time.thread_time() - had_worked)))

        return do

    with steps.stall("the naming mode is switched on, and reads the project", plain):
        QTest.keyClick(canvas, Qt.Key.Key_E)
        wait(lambda: session.names is not None and not session.is_reading)
        spin(0.5)
    with steps.stall("the method is chosen and calibrated"):
        wait(lambda: is_settled(session))
    former = ProjectNames.take, ProjectNames.suggest
    ProjectNames.take, ProjectNames.suggest = map(timed, former)  # type: ignore[method-assign]
    until_ranked, until_shown = [], []
    with steps.stall(f"{number} names are given by keys", plain):
        for _ in range(number):
            spent.clear()
            began, had_worked = time.perf_counter(), time.thread_time()
            QTest.keyClick(canvas, Qt.Key.Key_1)
            until_shown.append(Figure(1000 * (time.perf_counter() - began), 1000 * (time.thread_time() - had_worked)))
            until_ranked.append(Figure(*(sum(times) for times in zip(*spent, strict=True))))
            spin(0.3)
    ProjectNames.take, ProjectNames.suggest = former  # type: ignore[method-assign]
    for title, figures, limit in (
        ("refit and re-rank", until_ranked, RANKED_MS),
        ("next specimen with suggestions", until_shown, None),
    ):
        steps.note(f"a name by a key: {title}, median", typical(figures)._replace(limit_ms=limit))
        steps.note(f"a name by a key: {title}, longest", max(figures))
    had_worked = time.process_time()
    with steps.stall("the method is chosen again, in the background"):
        wait(lambda: is_settled(session))
    lasted = steps.figures["the method is chosen again, in the background: in all"].ms
    worked = 1000 * (time.process_time() - had_worked)
    steps.note("until the method is chosen", Figure(lasted, worked, METHOD_MS))


def typical(figures: Sequence[Figure]) -> Figure:
    """Return the medians."""
    return Figure(*(statistics.median(times) for times in zip(*(figure[:2] for figure in figures), strict=True)))


def in_the_dock(steps: Steps, widget: Any, plain: Figure) -> None:
    """Open the pages of the dock, and name many at once; ``plain`` is the longest stall of an empty dock's opening."""
    with steps.stall("the dock Names is opened", plain):
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
    steps.note("Show more like this: first picture", Figure(first, limit_ms=PICTURE_MS))
    chosen = list(range(min(UP_TO_HERE, len(view.entries()))))
    view.select(chosen)
    spin(0.5)
    named_steps = widget.names().steps
    with steps.stall(f"{len(chosen)} specimens are named at once"):
        dock.findChild(object, "name_all").setEditText(taxon(0))
        dock.give_name()
        wait(lambda: bool(named_steps.bulk.done))
        spin(1)
    with steps.stall("that is undone"):
        dock.findChild(object, "names_undo").click()
        wait(lambda: not named_steps.bulk.done and not named_steps.is_busy)
        spin(1)
    wait(lambda: is_settled(widget.names()))
    pages: tuple[tuple[str, Any, Callable[[], bool]], ...] = (
        ("Groups", dock.groups, lambda: bool(dock.groups._groups)),
        ("Name next", dock.next, lambda: bool(dock.next.view.entries())),
        ("Check", dock.check, lambda: not dock.check._is_stale and not dock.check.is_working),
        ("Taxa", dock.taxa, lambda: dock.taxa.rows.rowCount() > 0),
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
    with (
        Project.create(folder / "project", paths, ("diatom", *map(taxon, range(taxa)))) as project,
        # They name all images and all taxa, so writing them anew for each image takes most of the time.
        project.documents.noting_states_at_the_end(),
    ):
        project.update(project.settings.replace(pixel_sizes_um={image.slide: 0.1 for image in project.images}))
        cache = VectorCache.of_project(project.folder, card)
        for number, image in enumerate(project.images):
            if number % (images // MADE_STEPS + 1) == 0:
                print(f"making the project: image {number} of {images}", flush=True)
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
