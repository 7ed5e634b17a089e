"""How alive the window stays: stalls during a run, time to cancel, time to redraw.

Set-up: ``pip install -e '.[test]'``, and on Linux without a screen Xvfb and the system libraries of Qt, which
``scripts/test`` installs. Run with ``xvfb-run -a -s '-screen 0 1600x1000x24' python benchmarks/gui.py``.

The heartbeat is a timer of 10 ms on the main thread; a stall is a gap between two beats. A redraw lasts from moving
the slider until the viewer has drawn the new boxes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from napari_diatom.core.detections import Detections

_FOLDER = tempfile.TemporaryDirectory(prefix="napari-diatom-benchmark-", ignore_cleanup_errors=True)
_SETTINGS = _FOLDER.name
os.environ["NAPARI_CONFIG"] = str(Path(_SETTINGS) / "settings.yaml")
os.environ.setdefault("QT_API", "pyqt6")


class Heartbeat:
    """Counts the gaps between the beats of a 10 ms timer."""

    def __init__(self) -> None:
        from qtpy.QtCore import QTimer

        self._beats: list[float] = []
        self._timer = QTimer()
        self._timer.setInterval(10)
        self._timer.timeout.connect(lambda: self._beats.append(time.perf_counter()))

    def __enter__(self) -> Heartbeat:
        self._beats = [time.perf_counter()]
        self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._timer.stop()
        self._beats.append(time.perf_counter())

    @property
    def longest_ms(self) -> float:
        """The longest stall in milliseconds, less the timer's own interval."""
        return float(np.diff(self._beats).max()) * 1000 - 10


def spin(seconds: float = 0.0, until: Callable[[], bool] = lambda: False) -> float:
    """Run the event loop for a while or until something is so; return the seconds it took."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop, start = QEventLoop(), time.perf_counter()
    poll = QTimer()
    poll.setInterval(5)
    poll.timeout.connect(lambda: loop.quit() if until() or 0 < seconds <= time.perf_counter() - start else None)
    poll.start()
    loop.exec()
    return time.perf_counter() - start


def many(number: int, height: int, width: int) -> Detections:
    """Return boxes spread over an image, with scores spread evenly from 0.99 to 0.1."""
    rng = np.random.default_rng(0)
    length = rng.lognormal(4, 0.5, number)
    boxes = np.column_stack(
        [
            rng.uniform(0, width, number),
            rng.uniform(0, height, number),
            length,
            length * rng.uniform(0.1, 0.6, number),
            rng.uniform(-1.5, 1.5, number),
        ]
    )
    return Detections.of(boxes, scores=np.linspace(0.99, 0.1, number))


def untrained(folder: Path) -> None:
    """Write a network of the bundled models' size, for a checkout without their weights."""
    import torch

    from napari_diatom.engines import yolo_net
    from napari_diatom.engines.model_writer import write_model
    from napari_diatom.models.card import ModelFacts

    write_model(
        folder / "untrained",
        yolo_net.build("yolo11n-obb", 1),
        ModelFacts(
            name="untrained",
            version="0",
            task="oriented-boxes",
            engine="yolo",
            architecture="yolo11n-obb",
            classes=("diatom",),
            tile_size=640,
            licence="AGPL-3.0-or-later",
            training={"torch": torch.__version__},
        ),
    )


def moved(viewer: Any) -> dict[str, float]:
    """Return the longest stall in ms while the view is panned and zoomed, and while the mouse goes over the boxes."""
    from qtpy.QtCore import QPoint
    from qtpy.QtTest import QTest

    native = viewer.window._qt_viewer.canvas.native
    centre, zoom = np.array(viewer.camera.center), viewer.camera.zoom
    stalls = {}
    with Heartbeat() as heart:
        for step in range(40):
            viewer.camera.center = tuple(centre + np.array([0.0, 5.0, 5.0]) * (step % 20))
            spin(0.02)
    stalls["panning"] = heart.longest_ms
    with Heartbeat() as heart:
        for step in range(40):
            viewer.camera.zoom = zoom * 1.1 ** (step % 20)
            spin(0.02)
    stalls["zooming"] = heart.longest_ms
    viewer.camera.center, viewer.camera.zoom = tuple(centre), zoom
    with Heartbeat() as heart:
        for step in range(60):
            QTest.mouseMove(native, QPoint(native.width() // 4 + 5 * step, native.height() // 2 + 2 * (step % 30)))
            spin(0.02)
    stalls["hovering over"] = heart.longest_ms
    return stalls


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--boxes", type=int, default=2000, help="boxes to redraw")
    parser.add_argument("--image", type=Path, help="image to analyse; a rendered slide by default")
    arguments = parser.parse_args()

    from napari_diatom.analysis import worker_process
    from napari_diatom.models import library

    if not library.available():
        os.environ["NAPARI_DIATOM_MODELS"] = _SETTINGS
        # In a process of its own: with torch in this one, Python's garbage collector alone stalls it.
        make = multiprocessing.get_context("spawn").Process(target=untrained, args=(Path(_SETTINGS),))
        make.start()
        make.join()
        print("No bundled model in this checkout; an untrained network of the same size stands for it.")

    import napari
    from qtpy.QtWidgets import QApplication

    from napari_diatom.widgets.detection.detect import DetectWidget

    viewer = napari.Viewer(show=True)
    if arguments.image is not None:
        viewer.open(arguments.image)
    else:
        from napari_diatom.widgets.common.sample_data import river

        for data, kwargs, _ in river():
            viewer.add_image(data, **kwargs)
    widget = DetectWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Detect diatoms", area="right")
    spin(3)
    fine = True

    def verdict(what: str, value: float, limit: float, unit: str = "ms") -> None:
        nonlocal fine
        good = value <= limit
        fine &= good
        print(f"{what:<58} {value:8.0f} {unit}   limit {limit:.0f}   {'ok' if good else 'MISSED'}", flush=True)

    def run(title: str) -> None:
        with Heartbeat() as heart:
            widget.run()
            seconds = spin(until=lambda: not widget.value().running)
            spin(0.5)
        verdict(f"Longest stall, {title} ({seconds:.1f} s)", heart.longest_ms, 200)

    with Heartbeat() as heart:
        spin(3)
    verdict("Longest stall, nothing to do (the machine's own)", heart.longest_ms, 200)
    run("first run, loads the model")
    run("second run, model is warm")

    for title, wait in (("while the model loads", 0.3), ("while tiles are analysed", 1.5)):
        if wait < 1:
            worker_process.close()
        widget.run()
        spin(wait)
        running = widget.value().running
        with Heartbeat() as heart:
            widget.cancel()
            seconds = spin(until=lambda: not widget.value().running)
        verdict(f"Cancel {title}" + ("" if running else " (was done already)"), seconds * 1000, 2000)
        verdict(f"Longest stall, cancelling {title}", heart.longest_ms, 200)

    result = widget.result()
    assert result is not None
    height, width = result.facts.height or 1, result.facts.width or 1
    canvas = viewer.window._qt_viewer.canvas

    def redraw(threshold: float) -> float:
        start = time.perf_counter()
        result.set_threshold(threshold)
        result.flush()
        canvas.on_draw(None)
        QApplication.processEvents()
        return (time.perf_counter() - start) * 1000

    from napari_diatom.widgets.detection.result_layer import ResultLayer

    image = next(layer for layer in viewer.layers if layer.name != result.layer.name)
    with Heartbeat() as heart:
        result = ResultLayer.create(image, result.facts, many(arguments.boxes, height, width))
        widget.shared.add(result, image, widget.shown.owner)
        viewer.add_layer(result.layer)
        spin(0.03)
        result.layer.visible = True
        result.set_threshold(0.1, at_once=False)
        spin(until=lambda: len(result.layer.data) == arguments.boxes)
        spin(0.3)
    verdict(f"Longest stall, showing {arguments.boxes} boxes for the first time", heart.longest_ms, 200)
    widget.panel.setResult(result)
    spin(0.5)
    for old, new in ((0.1, 0.15), (0.15, 0.1), (0.1, 0.3), (0.3, 0.1), (0.1, 0.5), (0.5, 0.1)):
        redraw(old)
        spin(0.3)
        verdict(f"Slider {old:.2f} to {new:.2f}: {arguments.boxes} boxes at most", redraw(new), 200)
        spin(0.3)
    with Heartbeat() as heart:
        for threshold in np.concatenate([np.linspace(0.1, 0.9, 40), np.linspace(0.9, 0.1, 40)]):
            widget.panel.setThreshold(float(threshold))
            spin(0.03)
        spin(1)
    verdict("Longest stall, dragging the slider there and back", heart.longest_ms, 200)

    redraw(0.1)
    shown = moved(viewer)
    polygons = [np.asarray(polygon)[:, -2:] for polygon in result.layer.data]
    viewer.layers.remove(result.layer)
    viewer.add_shapes(polygons, shape_type="polygon", edge_width=2, face_color="transparent")
    spin(1)
    for what, plain_ms in moved(viewer).items():
        limit = max(100.0, 1.2 * plain_ms)
        title = f"Longest stall, {what} {arguments.boxes} boxes ({plain_ms:.0f} ms in plain napari)"
        verdict(title, shown[what], limit)
    viewer.close()
    worker_process.close()
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
