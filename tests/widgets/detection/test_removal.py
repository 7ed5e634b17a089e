"""Taking layers of specimens away, in a window that draws: napari's own fault here ends the whole program."""

import subprocess
import sys

import pytest

from helpers import TESTS
from helpers import hand as hands
from helpers.window import detections
from napari_diatom.core.annotations import Annotations
from napari_diatom.formats.geojson import codec as geojson

pytestmark = pytest.mark.skipif(bool(hands.missing()), reason=hands.missing())

PROGRAM = """
import sys, time
import numpy as np
import napari
from qtpy.QtWidgets import QApplication
from helpers.window import FakeAnalysis, model
from napari_diatom.analysis import worker_process
from napari_diatom.models import library

PATH, WAYS = sys.argv[1], sys.argv[2:]

def spin(seconds=0.1, until=lambda: True):
    end = time.monotonic() + seconds
    while time.monotonic() < end or not until():
        QApplication.processEvents()
        time.sleep(0.005)

worker_process.analyse, worker_process.devices = FakeAnalysis(tiles=1), lambda: ("auto",)
known = [model("diatom-obb", "oriented-boxes")]
library.available = lambda: known
viewer = napari.Viewer(show=True)
viewer.window._qt_window.resize(900, 700)

def image():
    if not any(type(layer).__name__ == "Image" for layer in viewer.layers):
        viewer.add_image(np.random.default_rng(0).integers(0, 255, (300, 400), np.uint8), name="slide")

for way in WAYS:
    image()
    if way == "opened":
        [layer] = viewer.open(PATH, plugin="napari-diatom")
        layer.text.string = {"array": [str(i) for i in range(len(layer.data))], "default": ""}
        spin()
        viewer.layers.remove(layer)
    else:
        dock, widget = viewer.window.add_plugin_dock_widget("napari-diatom", "Detect diatoms")
        spin()
        widget.run()
        spin(until=lambda: not widget.value().running)
        result = widget.result()
        result.flush()
        assert result.layer.text.values[0]
        spin()
        if way == "cleared":
            viewer.layers.clear()
        elif way == "selected":
            viewer.layers.selection = {result.layer}
            viewer.layers.remove_selected()
        elif way == "dock closed":
            dock.destroyOnClose()
            spin()
            viewer.layers.remove(result.layer)
        else:
            viewer.layers.remove(result.layer)
    spin()
    print(way, flush=True)
viewer.close()
spin()
print("end", flush=True)
"""


def test_layers_of_specimens_are_taken_away_without_a_crash(tmp_path):
    path = tmp_path / "slide.geojson"
    geojson.write(path, Annotations.of(detections(20), image="slide.png", height=300, width=400))
    program = tmp_path / "program.py"
    program.write_text(f"import sys; sys.path[:0] = {[str(TESTS), *sys.path]!r}\n{PROGRAM}")
    ways = [
        "opened",
        "removed",
        "removed",
        "removed",
        "cleared",
        "selected",
        "dock closed",
        "cleared",
        "opened",
        "removed",
    ]
    run = subprocess.run(
        [sys.executable, str(program), str(path), *ways], capture_output=True, text=True, timeout=180, check=False
    )
    assert run.stdout.splitlines() == [*ways, "end"], f"{run.returncode}: {run.stderr[-2000:]}"
    assert run.returncode == 0, run.stderr[-2000:]
