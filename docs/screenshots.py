"""Take the pictures of the README: the widgets at work on example slides.

Set-up: as for the tests (``scripts/test`` installs what is missing). Run with
``xvfb-run -a -s '-screen 0 1600x1000x24' python docs/screenshots.py``; the pictures go to ``docs/images``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import napari

    from napari_diatom.widgets.run import RunWidget

_FOLDER = tempfile.TemporaryDirectory(prefix="napari-diatom-docs-", ignore_cleanup_errors=True)
os.environ["NAPARI_CONFIG"] = str(Path(_FOLDER.name) / "settings.yaml")
os.environ.setdefault("QT_API", "pyqt6")

SIZE = (1480, 920)


def spin(seconds: float = 0.0, until: Callable[[], bool] = lambda: False) -> None:
    """Run the event loop for a while, or until something is so."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop, start = QEventLoop(), time.monotonic()
    poll = QTimer()
    poll.setInterval(20)
    poll.timeout.connect(lambda: loop.quit() if until() or 0 < seconds <= time.monotonic() - start else None)
    poll.start()
    loop.exec()


def find(widget: RunWidget) -> None:
    """Run the widget and wait until all is drawn."""
    widget.run()
    spin(until=lambda: not widget.value().running)
    spin(1.5)
    result = widget.result()
    if result is None:
        sys.exit("The run gave no result; see the message in the widget.")
    result.flush()
    spin(0.5)


def take(viewer: napari.Viewer, path: Path) -> None:
    """Save the whole window."""
    path.parent.mkdir(parents=True, exist_ok=True)
    viewer.screenshot(str(path), canvas_only=False, flash=False)
    print(path)


def main() -> int:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images", help="folder of the pictures")
    parser.add_argument("--only", choices=("detect", "segment", "instances"), help="pictures of one widget")
    options = parser.parse_args()

    from napari_diatom import child
    from napari_diatom.widgets.detect import DetectWidget
    from napari_diatom.widgets.instances import InstancesWidget
    from napari_diatom.widgets.segment import SegmentWidget

    shots: dict[str, tuple[type[RunWidget], str, str]] = {
        "detect": (DetectWidget, "Detect diatoms", "river"),
        "segment": (SegmentWidget, "Segment diatoms (DeepLabV3+)", "river"),
        "instances": (InstancesWidget, "Diatom instances (Mask R-CNN)", "stream"),
    }
    for name, (kind, title, slide) in shots.items():
        if options.only in (None, name):
            shoot(name, kind, title, slide, options.out)
    child.close()
    return 0


def shoot(name: str, kind: type[RunWidget], title: str, slide: str, out: Path) -> None:
    """Take the pictures of one widget, in a viewer of its own."""
    import napari

    from napari_diatom import contributions

    viewer = napari.Viewer(show=True)
    viewer.window._qt_window.resize(*SIZE)
    widget = kind(viewer, list_devices=lambda: ("auto", "cpu"))
    viewer.window.add_dock_widget(widget, name=title, area="right")
    for data, kwargs, _ in getattr(contributions, slide)():
        viewer.add_image(data, **kwargs)
    spin(1)
    find(widget)
    take(viewer, out / f"{name}.png")
    result = widget.result()
    if name == "detect" and result is not None and len(result.layer.data):
        longest = result.layer.features.sort_values("length_px").iloc[-1]
        widget._panel._show_specimens([int(longest["specimen"])])
        result.selectionChanged.emit(result.selection())
        spin(1)
        take(viewer, out / "specimen.png")
    viewer.close()


if __name__ == "__main__":
    sys.exit(main())
