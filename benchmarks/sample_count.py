"""How long *Count a sample* takes in a project of 100,000 specimens: to open its count, and after a keystroke.

All specimens are of one sample, on 200 fields: that is the most that an update can have to do. The project is opened
as a window does it the second time, when what each field has stands beside it. Then statuses are given by keys, and
names are changed, while the dock is open; its part of each edit is timed in the window's own thread, by the clock and,
in brackets, by the processor time. A figure is judged by the processor time, because other programs lengthen the time
of the clock. In the end the figures of the dock are compared with those of ``napari-diatom tally``.

Needs ``.[test]`` too, and on Linux without a screen Xvfb and the system libraries of Qt, which ``scripts/test``
installs. Run with ``xvfb-run -a -s '-screen 0 1366x768x24' python benchmarks/sample_count.py``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from command import run
from fields import SET_UP
from gui import spin
from names_window import MADE_STEPS, Figure, Steps, taxon, typical

HEIGHT, WIDTH = 1500, 2000
OPEN_MS, UPDATE_MS = 3000.0, 50.0
STATUSES = ("valve", "valve", "valve", "girdle", "frustule", "broken")


def main() -> int:
    """Make the project, go through the steps, and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="sample_count.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--specimens", type=int, default=100_000, help="of the project (%(default)s)")
    parser.add_argument("--taxa", type=int, default=300, help="of these (%(default)s)")
    parser.add_argument("--images", type=int, default=200, help="on which they lie (%(default)s)")
    parser.add_argument("--keys", type=int, default=30, help="edits that are timed (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return run(parser, _run)


def _run(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="napari-diatom-benchmark-", ignore_cleanup_errors=True) as name:
        folder = make_project(Path(name), options.specimens, options.taxa, options.images)
        # What opening an image takes is napari's part, and `names_window.py` judges it.
        steps = Steps(is_judged=False)
        opening(steps, folder)
        is_same = in_the_window(steps, folder, options.keys)
    if options.json:
        rows = {title: figure._asdict() for title, figure in steps.figures.items()}
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return int(not is_same or not all(one.is_kept for one in steps.figures.values()))


def opening(steps: Steps, folder: Path) -> None:
    """Time the count of a project that is opened."""
    from napari_diatom.project.project import Project
    from napari_diatom.samples.live_tally import LiveTally
    from napari_diatom.samples.protocol_presets import plain

    began, had_worked = time.perf_counter(), time.thread_time()
    with Project.open(folder) as project:
        live = LiveTally(plain())
        live.note(project.summary())
        number = int(live.counted(live.samples[0]).numbers.sum())
        figure = Figure(
            1000 * (time.perf_counter() - began), 1000 * (time.thread_time() - had_worked), limit_ms=OPEN_MS
        )
    steps.note(f"a project is opened and counted ({number:,} specimens count)", figure)


def in_the_window(steps: Steps, folder: Path, number: int) -> bool:
    """Time what the dock does after edits; return whether its figures are those of ``tally`` in the end."""
    import napari
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    from napari_diatom.widgets.common.closing import canvas_of

    viewer = napari.Viewer(show=True)
    viewer.window._qt_window.resize(1366, 768)
    _, widget = viewer.window.add_plugin_dock_widget("napari-diatom", "Annotate diatoms")
    _, dock = viewer.window.add_plugin_dock_widget("napari-diatom", "Count a sample")
    spin(2)
    session, spent = dock.session(), Spent()
    with steps.stall("the project and its first field are opened"):
        widget.open_project(folder)
        spin(1)
    spent.watch(session.editor.browser().counted, session._note)
    spent.watch(session._timer.timeout, session._count)
    canvas, updates = canvas_of(viewer), []
    ids = list(widget.document().specimens)
    for k in range(number):
        widget.canvas().select([ids[k % len(ids)]])
        spin(0.2)
        spent.clear()
        key = (Qt.Key.Key_G, Qt.Key.Key_K, Qt.Key.Key_V)[k % 3]
        QTest.keyClick(canvas, key)
        spin(0.3)
        updates.append(spent.figure())
    spent.end()
    steps.note("the dock after a key: median", typical(updates)._replace(limit_ms=UPDATE_MS))
    steps.note("the dock after a key: longest", max(updates)._replace(limit_ms=UPDATE_MS))
    with steps.stall("a field is confirmed, and the next one opened"):
        QTest.keyClick(canvas, Qt.Key.Key_Space)
        spin(1)
    widget.flush()
    is_same = figures_of(dock) == tallied(folder)
    print(f"the figures of the dock are {'' if is_same else 'NOT '}those of tally", flush=True)
    widget.close_project()
    viewer.close()
    return is_same


class Spent:
    """The time that functions take in the window's own thread."""

    def __init__(self) -> None:
        self._times: list[tuple[float, float]] = []
        self._watched: list[tuple[Any, Callable[..., None], Callable[..., None]]] = []

    def watch(self, signal: Any, work: Callable[..., None]) -> None:
        """Time a function that a signal calls."""

        def timed(*arguments: Any) -> None:
            began, had_worked = time.perf_counter(), time.thread_time()
            work(*arguments)
            self._times.append((time.perf_counter() - began, time.thread_time() - had_worked))

        signal.disconnect(work)
        signal.connect(timed)
        self._watched.append((signal, work, timed))

    def end(self) -> None:
        """Have the signals call the functions as before."""
        for signal, work, timed in self._watched:
            signal.disconnect(timed)
            signal.connect(work)

    def clear(self) -> None:
        """Forget what was taken so far."""
        self._times.clear()

    def figure(self) -> Figure:
        """Return what was taken since then, in all."""
        return Figure(*(1000 * sum(times) for times in zip(*self._times, strict=True)))


def figures_of(dock: Any) -> list[tuple[str, str]]:
    """Return the taxa that the dock shows, with their counts."""
    from qtpy.QtWidgets import QTableView

    model = dock.findChild(QTableView, "counted_taxa").model()
    return [(model.index(row, 0).data(), model.index(row, 1).data()) for row in range(model.rowCount())]


def tallied(folder: Path) -> list[tuple[str, str]]:
    """Return the same of what ``napari-diatom tally`` counts."""
    from napari_diatom.samples.protocol_presets import plain
    from napari_diatom.samples.specimen_sources import read_source
    from napari_diatom.samples.tally import tally_specimens
    from napari_diatom.samples.taxon_counts import taxon_counts

    tally = tally_specimens(read_source(folder).specimens, plain())
    return [(row.taxon, f"{row.units:.10g}") for row in taxon_counts(tally, tally.samples[0])]


def make_project(folder: Path, specimens: int, taxa: int, images: int) -> Path:
    """Make a project of one sample; a twentieth of its specimens lies across edges of the fields."""
    from napari_diatom.project.project import Project
    from napari_diatom.project.specimen import Specimen

    rng = np.random.default_rng(0)
    ids = (taxa * rng.random(specimens) ** 3).astype(int)
    lengths = 20 + 60 * ids / taxa + rng.normal(0, 3, specimens)
    sizes = np.column_stack([lengths, lengths * rng.uniform(0.2, 0.4, specimens), rng.uniform(-1.5, 1.5, specimens)])
    boxes = np.column_stack([rng.uniform(0, (WIDTH, HEIGHT), (specimens, 2)), sizes])
    statuses = rng.integers(0, len(STATUSES), specimens)
    paths = []
    for image in range(images):
        paths.append(folder / "site" / f"field_{image:04}.png")
        paths[-1].parent.mkdir(exist_ok=True)
        cv2.imwrite(str(paths[-1]), np.full((HEIGHT, WIDTH, 3), 150 + image % 80, np.uint8))
    with (
        Project.create(folder / "project", paths, [taxon(k) for k in range(taxa)]) as project,
        project.documents.noting_states_at_the_end(),
    ):
        for number, image in enumerate(project.images):
            if number % (images // MADE_STEPS + 1) == 0:
                print(f"making the project: image {number} of {images}", flush=True)
            rows = range(number, specimens, images)
            project.document(image.id).add(
                [Specimen.rectangle(boxes[k], taxon(int(ids[k])), status=STATUSES[statuses[k]]) for k in rows]
            )
            project.release(image.id)
    return folder / "project"


if __name__ == "__main__":
    raise SystemExit(main())
