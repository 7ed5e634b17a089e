"""Take pictures of every dock, empty and at work, in the dark and the light theme, to look at them.

A dock of a laptop's window has to be readable in both themes, without anything cut. With ``--font-size 16`` the same is
looked at in a large font. ``--docks`` keeps the docks alone, as ``docs/reference/docks.md`` shows them.

Set-up: as for the tests (``scripts/test`` installs what is missing). Run with
``xvfb-run -a -s '-screen 0 1366x768x24' python docs/dock_pictures.py FOLDER``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

sys.path.insert(0, str(Path(__file__).parent))
import screenshots
from screenshots import click, click_row, find, make_project, open_dock, set_training, spin, take

if TYPE_CHECKING:
    import napari
    from qtpy.QtWidgets import QWidget

SIZE: Final = (1366, 768)
THEMES: Final = ("dark", "light")
_PAGES: Final = {
    "finetune": ("slides", "settings"),
    "settings": ("classes", "images", "split", "import", "people", "optics"),
}
"""By picture, the pages of a dock, of which each gets a picture."""
_FOLDER: Final = Path(screenshots._FOLDER.name)
_SAMPLES: Final = _FOLDER / "sample_data"
"""A copy: a picture shows no folder of the computer that it was taken on."""

Work = Callable[["napari.Viewer", Any], Any]
"""Brings a dock to work, and returns what has to be left open until the picture is taken."""


def main() -> int:
    """Take the pictures, and print what is wider than a dock may be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of the pictures")
    parser.add_argument("--only", nargs="+", choices=tuple(_DOCKS), help="pictures of some docks")
    parser.add_argument("--themes", nargs="+", choices=THEMES, default=THEMES)
    parser.add_argument("--docks", action="store_true", help="the dock alone, not the whole window")
    parser.add_argument("--font-size", type=int, help="napari's font size, in points")
    options = parser.parse_args()
    os.environ["NAPARI_DIATOM_MODELS"] = str(_FOLDER / "models")
    shutil.copytree(Path(__file__).parents[1] / "sample_data", _SAMPLES)

    import napari
    from napari.settings import get_settings

    from napari_diatom.analysis import worker_process

    if options.font_size:
        get_settings().appearance.font_size = options.font_size
    for name in options.only or _DOCKS:
        title, work = _DOCKS[name]
        viewer = napari.Viewer(show=True)
        viewer.window._qt_window.resize(*SIZE)
        widget = open_dock(viewer, title)
        spin(1)
        _take(viewer, widget, options, f"{name}-empty")
        kept = work(viewer, widget)
        spin(1)
        _take(viewer, widget, options, f"{name}-work")
        for number, page in enumerate(_PAGES.get(name, ())):
            _pages(widget, name).setCurrentIndex(number)
            spin(0.5)
            _take(viewer, widget, options, f"{name}-{page}")
        del kept
        viewer.close()
        spin(0.2)
    worker_process.close()
    return 0


def _take(viewer: napari.Viewer, widget: QWidget, options: argparse.Namespace, name: str) -> None:
    """Take one picture in each theme."""
    for theme in options.themes:
        viewer.theme = theme
        spin(0.5)
        shown = widget.parentWidget() if options.docks else viewer.window._qt_window
        take(shown, options.out / f"{name}-{theme}.png")
    print(name, widget.parentWidget().width(), viewer.window._qt_window.height())


def _sample(slide: str) -> Work:
    """Return what runs a dock on an example slide."""

    def work(viewer: napari.Viewer, widget: Any) -> None:
        viewer.open_sample("napari-diatom", slide)
        spin(1)
        find(widget)

    return work


def _annotate(viewer: napari.Viewer, widget: Any) -> None:
    widget.open_project(_project("annotate"))
    widget.open_image("stream_crowded_20x")
    spin(2)


def _count(viewer: napari.Viewer, widget: Any) -> None:
    annotate = open_dock(viewer, "Annotate diatoms")
    annotate.open_project(screenshots.counted_project(_FOLDER / "count"))
    annotate.open_image("stream_crowded_20x")
    widget.parentWidget().raise_()
    spin(2)


def _settings(viewer: napari.Viewer, widget: Any) -> None:
    widget.open_project(_project("settings", done=True))


def _models(viewer: napari.Viewer, widget: Any) -> None:
    from qtpy.QtWidgets import QTreeWidget

    tree = widget.findChild(QTreeWidget)
    tree.setCurrentItem(tree.topLevelItem(0))


def _finetune(viewer: napari.Viewer, widget: Any) -> None:
    widget.slides.set_data(_project("finetune", done=True))
    spin(until=lambda: widget.slides.dataset() is not None)
    set_training(widget, epochs=2, crops=8, size=256)
    click(widget, "start_training")
    spin(until=lambda: not widget.progress.monitor.is_running)
    spin(1)


def _command(**texts: str) -> Work:
    """Return what fills in paths of the form of a command, and runs it."""

    def work(viewer: napari.Viewer, widget: Any) -> None:
        from qtpy.QtWidgets import QLineEdit, QPushButton

        for name, text in texts.items():
            line = widget.findChild(QLineEdit, f"{name}.path")
            if line is not None:
                line.setText(text)
        click(widget, "run")
        button = widget.findChild(QPushButton, "cancel")
        spin(300, until=lambda: button is None or not button.isEnabled())

    return work


def _tables(viewer: napari.Viewer, widget: Any) -> None:
    _command(project=str(_project("tables", done=True)), out=str(_FOLDER / "tables.csv"))(viewer, widget)


def _compose(viewer: napari.Viewer, widget: Any) -> None:
    from qtpy.QtWidgets import QDoubleSpinBox

    from napari_diatom.api import convert_annotations

    count = widget.findChild(QDoubleSpinBox, "count")
    assert count is not None
    count.setValue(3)
    notes = _FOLDER / "compose" / "coco.json"
    project = _project("compose", done=True)
    convert_annotations(project, notes, "coco")
    _command(coco=str(notes), images=str(_SAMPLES / "slides"), out=str(_FOLDER / "composed"))(viewer, widget)


def _insides(viewer: napari.Viewer, widget: Any) -> Any:
    """Explain a specimen of an example slide."""
    detect = open_dock(viewer, "Detect diatoms")
    _sample("river")(viewer, detect)
    click_row(detect, int(detect.result().layer.features.sort_values("score").iloc[-2]["specimen"]))
    widget.parentWidget().raise_()
    spin(0.5)
    click(widget, "explain")
    spin(until=lambda: not widget.progress.running)
    return detect


def _about(viewer: napari.Viewer, widget: Any) -> None:
    from qtpy.QtWidgets import QPushButton

    button = widget.findChild(QPushButton, "copy")
    assert button is not None
    spin(300, until=button.isEnabled)


def _pages(widget: QWidget, name: str) -> Any:
    from qtpy.QtWidgets import QTabWidget

    return widget.findChild(QTabWidget, "pages" if name == "finetune" else "settings_pages")


def _project(name: str, done: bool = False) -> Path:
    """Return a project of the example slides."""
    return make_project(_FOLDER / name, done=done)


_TRUTH: Final = str(_SAMPLES / "truth")
_DOCKS: Final[dict[str, tuple[str, Work]]] = {
    "detect": ("Detect diatoms", _sample("river")),
    "segment": ("Segment diatoms (DeepLabV3+)", _sample("river")),
    "instances": ("Diatom instances (Mask R-CNN)", _sample("stream")),
    "annotate": ("Annotate diatoms", _annotate),
    "count": ("Count a sample", _count),
    "settings": ("Project settings", _settings),
    "finetune": ("Fine-tune a model", _finetune),
    "models": ("Models", _models),
    "insides": ("What the network sees", _insides),
    "convert": ("Export and convert annotations", _command(source=_TRUTH, out=str(_FOLDER / "converted"))),
    "tables": ("Write tables of a project", _tables),
    "compose": ("Compose slides", _compose),
    "render": ("Render example slides", _command(folder=str(_FOLDER / "rendered"))),
    "about": ("About and help", _about),
}
"""By picture, the name of the dock in the menu, and what brings it to work."""

if __name__ == "__main__":
    sys.exit(main())
