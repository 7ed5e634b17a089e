"""How fluent annotation is with thousands of boxes on a slide: opening, selecting, dragging, relabelling, undoing.

Set-up: ``pip install -e '.[test]'``, and on Linux without a screen Xvfb and the system libraries of Qt, which
``scripts/test`` installs. Run with ``xvfb-run -a -s '-screen 0 1600x1000x24' python benchmarks/annotating.py``.

The slide is a field of 20 megapixels, in the upper range of what cameras on microscopes give, and all of it is in view.
Each time goes from the action until the viewer has drawn what it did, on disk included; medians over some repeats. The
mouse goes the way of napari's own events, from the layer on. Another busy process makes times longer; those of the
processor, which are of all threads together, suffer less.
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
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from napari_diatom.widgets.annotate.widget import AnnotateWidget

_FOLDER = tempfile.TemporaryDirectory(prefix="napari-diatom-benchmark-", ignore_cleanup_errors=True)
os.environ["NAPARI_CONFIG"] = str(Path(_FOLDER.name) / "settings.yaml")
os.environ.setdefault("QT_API", "pyqt6")

HEIGHT, WIDTH = 4000, 5000
OPENING_S = 3.0
ACTION_MS = 100.0


class Action(NamedTuple):
    """What is timed, and what is done before."""

    name: str
    run: Callable[[int], object]
    prepare: Callable[[int], object] = lambda number: None


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

    def timed(action: Action, repeats: int) -> tuple[float, float]:
        """Return the median seconds of an action until it is drawn, and those of the processor."""
        seconds = []
        for number in range(repeats):
            action.prepare(number)
            settle()
            draw()
            began = time.perf_counter(), time.process_time()
            action.run(number)
            draw()
            seconds.append((time.perf_counter() - began[0], time.process_time() - began[1]))
        wall, processor = (statistics.median(column) for column in zip(*seconds, strict=True))
        return wall, processor

    def settle() -> None:
        end = time.perf_counter() + 0.15
        while time.perf_counter() < end:
            QApplication.processEvents()

    def select(number: int) -> None:
        widget.canvas().select([ids[(37 * number + 5) % len(ids)]])

    def drag(number: int) -> None:
        hand.press(ids[(41 * number + 7) % len(ids)])
        hand.move()

    def drop(number: int) -> None:
        drag(number)
        hand.release()

    print(f"{options.boxes} boxes on {HEIGHT} x {WIDTH} px\n")
    print(f"{'action':28}{'time':>12}{'limit':>12}{'time/limit':>12}{'processor':>15}")
    opening, processor = timed(Action("open", lambda _: widget.open_image("crowded")), 1)
    print(f"{'open':28}{opening:10.2f} s{OPENING_S:10.2f} s{opening / OPENING_S:12.2f}{processor:13.2f} s")
    worst = opening / OPENING_S
    ids, hand = list(widget.canvas().specimens.ids), Hand(widget)
    for action in (
        Action("nothing but drawing", lambda _: None),
        Action("select", lambda n: hand.press(ids[(37 * n + 5) % len(ids)]), lambda _: hand.release()),
        Action("drag, a move of the mouse", lambda _: hand.move(), drag),
        Action("drag, let go", lambda _: hand.release(), drag),
        Action("relabel", lambda n: widget.use_class("2" if n % 2 else "1"), lambda _: select(0)),
        Action("status", lambda n: widget.set_status("broken" if n % 2 else "girdle"), select),
        Action("undo a drag", lambda _: widget.undo(), drop),
        Action("draw in three clicks", lambda n: clicks(widget, n)),
        Action("delete", lambda _: widget.delete(), select),
    ):
        wall, processor = (1000 * seconds for seconds in timed(action, options.repeats))
        worst = max(worst, wall / ACTION_MS)
        print(f"{action.name:28}{wall:9.1f} ms{ACTION_MS:9.0f} ms{wall / ACTION_MS:12.2f}{processor:12.1f} ms")
    widget.close_project()
    viewer.close()
    return 0 if worst <= 1 else 1


def make_project(folder: Path, number: int) -> Path:
    """Make a project of a crowded slide and an empty one."""
    import cv2

    from napari_diatom.project.project import Project
    from napari_diatom.project.specimen import Specimen

    rng = np.random.default_rng(0)
    images = []
    for name, size in (("crowded", (HEIGHT, WIDTH)), ("empty", (500, 500))):
        images.append(folder / f"{name}.png")
        cv2.imwrite(str(images[-1]), rng.normal(120, 6, size).astype(np.uint8))
    length = rng.lognormal(4, 0.4, number)
    sizes = np.column_stack([length, length * rng.uniform(0.1, 0.6, number), rng.uniform(-1.5, 1.5, number)])
    boxes = np.column_stack([rng.uniform(0, (WIDTH, HEIGHT), (number, 2)), sizes])
    with Project.create(folder / "project", images, ("Navicula", "Nitzschia")) as project:
        names = ("Navicula", "Nitzschia")
        items = [Specimen.rectangle(box, names[k % 2]) for k, box in enumerate(boxes)]
        project.document("crowded").add(items)
    return folder / "project"


class Hand:
    """Uses the mouse on the specimens, as napari tells its layers of it."""

    def __init__(self, widget: AnnotateWidget) -> None:
        self._widget = widget
        self._layer = widget.canvas().specimens.layer
        self._event = SimpleNamespace(button=1, modifiers=(), handled=False, position=(0.0, 0.0))
        self._event.dims_displayed = [0, 1]
        self._event.view_direction = self._event.up_direction = None

    def press(self, id_: str) -> None:
        """Press on the middle of a specimen."""
        from napari.utils.interactions import mouse_press_callbacks

        document = self._widget.document()
        assert document is not None
        x, y = document.specimens[id_].box[:2]
        self._tell(mouse_press_callbacks, "mouse_press", (y, x))

    def move(self) -> None:
        """Move a little."""
        from napari.utils.interactions import mouse_move_callbacks

        y, x = self._event.position
        self._tell(mouse_move_callbacks, "mouse_move", (y + 2, x + 3))

    def release(self) -> None:
        """Let go, and have what was dragged taken in."""
        from napari.utils.interactions import mouse_release_callbacks

        self._tell(mouse_release_callbacks, "mouse_release", self._event.position)
        self._widget.canvas().flush()

    def _tell(self, callbacks: Callable[..., None], kind: str, position: tuple[float, float]) -> None:
        # One event for all: napari's generators look at the one of the press, which its canvas keeps up to date.
        event = self._event
        event.type, event.position, event.pos = kind, position, np.array(position)
        event.is_dragging = kind == "mouse_move"
        callbacks(self._layer, event)


def clicks(widget: AnnotateWidget, number: int) -> None:
    """Draw a box; only the last click is more than a line that follows the mouse."""
    widget.use_tool("three-clicks")
    x = 100.0 + 60 * number
    for point in ((x, 100.0), (x + 40, 180.0), (x + 10, 150.0)):
        widget.canvas().three_clicks.click(np.array(point))


if __name__ == "__main__":
    sys.exit(main())
