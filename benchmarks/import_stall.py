"""How long the window stands still while many specimens are imported into the image that is open in *Annotate*.

Plain napari gets the same boxes as a layer of shapes, in the same run. Each window is a process of its own.

Set-up: as for ``window.py``. Run with ``xvfb-run -a -s '-screen 0 1366x768x24' python benchmarks/import_stall.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from command import run
from gui import Heartbeat, spin

SHAPE = (4000, 5000)
IMAGE = "a.png"
MOST_STALL_MS = 100
MOST_SHARE = 1.2


def main() -> int:
    """Import, and compare the longest stall with that of plain napari."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--specimens", type=int, default=50_000, help="(%(default)s)")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--window", choices=("plain", "import"), help=argparse.SUPPRESS)
    return run(parser, _run)


def _run(options: argparse.Namespace) -> int:
    if options.window:
        stall = _plain(options.specimens) if options.window == "plain" else _imported(options.specimens)
        print(json.dumps(stall), flush=True)
        # The window is not closed: that takes as long as its layer has shapes.
        os._exit(0)
    stalls = {}
    for window in ("plain", "import"):
        command = [sys.executable, __file__, "--window", window, "--specimens", str(options.specimens)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        stalls[window] = float(json.loads(told[-1]))
        print(f"{window}: longest stall {stalls[window]:.0f} ms", flush=True)
    limit = max(MOST_STALL_MS, MOST_SHARE * stalls["plain"])
    print(f"limit {limit:.0f} ms: {'kept' if stalls['import'] <= limit else 'exceeded'}")
    if options.json:
        options.json.write_text(json.dumps(stalls, indent=1) + "\n", encoding="utf-8")
    return int(stalls["import"] > limit)


def _specimens(number: int) -> Any:
    """Return boxes of the sizes of valves, by chance."""
    from napari_diatom.project.specimen import Specimen

    rng = np.random.default_rng(0)
    lengths = rng.lognormal(4, 0.4, number)
    widths, angles = lengths * rng.uniform(0.1, 0.6, number), rng.uniform(-1.5, 1.5, number)
    boxes = np.column_stack([rng.uniform(0, SHAPE[::-1], (number, 2)), lengths, widths, angles])
    return [Specimen.rectangle(box, "Navicula").replace(id=f"n{k}") for k, box in enumerate(boxes)]


def _opened() -> Any:
    """Return a viewer at the size of a laptop's screen."""
    import napari

    viewer = napari.Viewer(show=True)
    viewer.window._qt_window.resize(1366, 768)
    spin(2)
    return viewer


def _plain(number: int) -> float:
    """Return the longest stall in ms while plain napari adds the boxes over an image."""
    from napari_diatom.napari_layers import project_layer

    shapes = project_layer.to_shapes(_specimens(number))
    viewer = _opened()
    viewer.add_image(np.full(SHAPE, 120, np.uint8))
    spin(1)
    with Heartbeat() as heart:
        spin(0.1)
        corners, kinds = [shape for shape, _ in shapes], [kind for _, kind in shapes]
        viewer.add_shapes(corners, shape_type=kinds, edge_width=3, face_color="transparent")
        spin(3)
    return heart.longest_ms


def _imported(number: int) -> float:
    """Return the longest stall in ms from the press on *Import* until all boxes are shown."""
    from qtpy.QtWidgets import QWidget

    from napari_diatom.formats.registry import by_name
    from napari_diatom.project.project import Project
    from napari_diatom.project.specimen import to_annotations
    from napari_diatom.widgets.project_settings.import_page import ImportPage

    with tempfile.TemporaryDirectory(prefix="napari-diatom-import-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        cv2.imwrite(str(folder / IMAGE), np.full(SHAPE, 120, np.uint8))
        Project.create(folder / "project", [folder / IMAGE], ["Navicula"], "Ada").close()
        file = folder / "many.geojson"
        by_name("geojson").write(file, [to_annotations(_specimens(number), IMAGE, *SHAPE)])
        viewer = _opened()
        _, annotate = viewer.window.add_plugin_dock_widget("napari-diatom", "Annotate diatoms")
        annotate.open_project(folder / "project")
        annotate.open_image("a")
        _, settings = viewer.window.add_plugin_dock_widget("napari-diatom", "Project settings")
        settings.open_project(folder / "project")
        settings.show_page("Import")
        settings.findChild(ImportPage).set_files([file])
        spin(2)
        with Heartbeat() as heart:
            settings.findChild(QWidget, "import_start").click()
            spin(until=lambda: not settings.session().is_running)
            spin(until=lambda: annotate.canvas().layer.nshapes == number)
            spin(3)
        return heart.longest_ms


if __name__ == "__main__":
    raise SystemExit(main())
