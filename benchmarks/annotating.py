"""How fluent annotation is with thousands of boxes on a slide: opening, selecting, dragging, relabelling, undoing.

Set-up: ``pip install -e '.[test]'``, and on Linux without a screen Xvfb and the system libraries of Qt, which
``scripts/test`` installs. Run with ``xvfb-run -a -s '-screen 0 1600x1000x24' python benchmarks/annotating.py``.

Each time goes from the action until the viewer has drawn what it did, on disk included; medians over some repeats.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_diatom.widgets.annotate.widget import AnnotateWidget

_FOLDER = tempfile.TemporaryDirectory(prefix="napari-diatom-benchmark-", ignore_cleanup_errors=True)
os.environ["NAPARI_CONFIG"] = str(Path(_FOLDER.name) / "settings.yaml")
os.environ.setdefault("QT_API", "pyqt6")

SIDE = 8000
OPENING_S = 3.0
ACTION_MS = 100.0


def main() -> int:
    """Time the actions and print them with their limits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boxes", type=int, default=5000, help="on the slide (%(default)s)")
    parser.add_argument("--repeats", type=int, default=9, help="of each action (%(default)s)")
    options = parser.parse_args()

    import napari
    from qtpy.QtWidgets import QApplication

    from napari_diatom.widgets.annotate.widget import AnnotateWidget

    project = make_project(Path(_FOLDER.name), options.boxes)
    viewer = napari.Viewer(show=True)
    viewer.window._qt_window.resize(1480, 920)
    widget = AnnotateWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Annotate diatoms")
    widget.open_project(project)
    widget.open_image("empty")

    def draw() -> None:
        viewer.window._qt_viewer.canvas.native.update()
        QApplication.processEvents()
        QApplication.processEvents()

    def timed(action: Callable[[int], object], repeats: int) -> float:
        """Return the median seconds of an action until it is drawn."""
        seconds = []
        for number in range(repeats):
            draw()
            began = time.perf_counter()
            action(number)
            draw()
            seconds.append(time.perf_counter() - began)
            settle()
        return statistics.median(seconds)

    def settle() -> None:
        end = time.perf_counter() + 0.15
        while time.perf_counter() < end:
            QApplication.processEvents()

    settle()
    opening = timed(lambda _: widget.open_image("crowded"), 1)
    ids = list(widget.canvas().specimens.ids)
    actions: dict[str, Callable[[int], object]] = {
        "select": lambda n: widget.canvas().select([ids[(37 * n + 5) % len(ids)]]),
        "drag, a move of the mouse": lambda n: move(widget),
        "drag, let go": lambda n: let_go(widget),
        "relabel": lambda n: widget.use_class("2" if n % 2 else "1"),
        "status": lambda n: widget.set_status("broken" if n % 2 else "girdle"),
        "undo": lambda n: widget.undo(),
        "draw in three clicks": lambda n: clicks(widget, n),
        "delete": lambda n: widget.delete(),
    }
    print(f"{options.boxes} boxes on {SIDE} x {SIDE} px\n")
    print(f"{'action':28}{'time':>12}{'limit':>12}{'time/limit':>12}")
    print(f"{'open':28}{opening:10.2f} s{OPENING_S:10.2f} s{opening / OPENING_S:12.2f}")
    worst = opening / OPENING_S
    for name, action in actions.items():
        milliseconds = 1000 * timed(action, options.repeats)
        worst = max(worst, milliseconds / ACTION_MS)
        print(f"{name:28}{milliseconds:9.1f} ms{ACTION_MS:9.0f} ms{milliseconds / ACTION_MS:12.2f}")
    widget.close_project()
    viewer.close()
    return 0 if worst <= 1 else 1


def make_project(folder: Path, number: int) -> Path:
    """Make a project of a crowded slide and an empty one."""
    import cv2

    from napari_diatom.project.specimen import Specimen
    from napari_diatom.project.store import Project

    rng = np.random.default_rng(0)
    images = []
    for name, side in (("crowded", SIDE), ("empty", 500)):
        images.append(folder / f"{name}.png")
        cv2.imwrite(str(images[-1]), np.full((side, side), 120, np.uint8))
    length = rng.lognormal(4, 0.4, number)
    sizes = np.column_stack([length, length * rng.uniform(0.1, 0.6, number), rng.uniform(-1.5, 1.5, number)])
    boxes = np.column_stack([rng.uniform(0, SIDE, (number, 2)), sizes])
    with Project.create(folder / "project", images, ("Navicula", "Nitzschia")) as project:
        names = ("Navicula", "Nitzschia")
        items = [Specimen.rectangle(box, names[k % 2]) for k, box in enumerate(boxes)]
        project.document("crowded").add(items)
    return folder / "project"


def move(widget: AnnotateWidget) -> None:
    """Move the selected box as napari's own tool does at each move of the mouse."""
    layer = widget.canvas().specimens.layer
    for row in layer.selected_data:
        layer._data_view.shift(row, np.array([2.0, 3.0]))
    layer.refresh()


def let_go(widget: AnnotateWidget) -> None:
    """End the drag."""
    layer = widget.canvas().specimens.layer
    move(widget)
    rows = tuple(layer.selected_data)
    layer.events.data(value=layer.data, action="changed", data_indices=rows, vertex_indices=((),) * len(rows))
    widget.canvas().flush()


def clicks(widget: AnnotateWidget, number: int) -> None:
    """Draw a box; only the last click is more than a line that follows the mouse."""
    widget.use_tool("three-clicks")
    x = 100.0 + 60 * number
    for point in ((x, 100.0), (x + 40, 180.0), (x + 10, 150.0)):
        widget.canvas().three_clicks.click(np.array(point))


if __name__ == "__main__":
    sys.exit(main())
