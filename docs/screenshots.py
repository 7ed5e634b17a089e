"""Take the pictures of the documentation: the widgets at work on example slides.

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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import napari
    import numpy as np
    from numpy.typing import NDArray
    from qtpy.QtWidgets import QWidget

    from napari_diatom.widgets.annotate.widget import AnnotateWidget
    from napari_diatom.widgets.detection.run_widget import RunWidget

_FOLDER = tempfile.TemporaryDirectory(prefix="napari-diatom-docs-", ignore_cleanup_errors=True)
os.environ["NAPARI_CONFIG"] = str(Path(_FOLDER.name) / "settings.yaml")
os.environ.setdefault("QT_API", "pyqt6")

SIZE = (1480, 920)
DOCKS = {
    "detect": ("Detect diatoms", "river"),
    "segment": ("Segment diatoms (DeepLabV3+)", "river"),
    "instances": ("Diatom instances (Mask R-CNN)", "stream"),
}
"""By picture, the widget and the example slide that it works on."""
SHOTS = (*DOCKS, "insides", "annotate", "count", "settings", "finetune", "tuning", "curves")
IN_PROGRESS = (1011.72, 1381.31, 276.88, 54.46, 1.1)
"""Specimen of the river slide that a box is being drawn round: cx, cy, length, width, angle."""
IN_VIEW = (1070, 1140)
"""What is in the middle of the view then, as x and y, ..."""
CLOSE_UP = 1.1
"""... and pixels of the screen per pixel of that slide."""


def spin(seconds: float = 0.0, until: Callable[[], bool] = lambda: False) -> None:
    """Run the event loop for a while, or until something is so."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop, start = QEventLoop(), time.monotonic()
    poll = QTimer()
    poll.setInterval(20)
    poll.timeout.connect(lambda: loop.quit() if until() or 0 < seconds <= time.monotonic() - start else None)
    poll.start()
    loop.exec()


def click(widget: QWidget, name: str) -> None:
    """Click a button of a widget, found by its name."""
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QAbstractButton

    button = widget.findChild(QAbstractButton, name)
    if button is None or not button.isEnabled():
        sys.exit(f"The button {name} is not there, or cannot be pressed.")
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def open_dock(viewer: napari.Viewer, title: str) -> Any:
    """Open one of the widgets as the menu Plugins does."""
    return viewer.window.add_plugin_dock_widget("napari-diatom", title)[1]


def find(widget: RunWidget) -> None:
    """Press the button that runs the model, and wait until all is drawn."""
    click(widget, "run")
    spin(until=lambda: not widget.value().running)
    spin(1.5)
    result = widget.result()
    if result is None:
        sys.exit("The run gave no result; see the message in the widget.")
    result.flush()
    spin(0.5)


def set_training(widget: Any, **values: float) -> None:
    """Choose the preset for few images, and set numbers of the training beside it."""
    from qtpy.QtWidgets import QComboBox, QDoubleSpinBox

    preset = widget.findChild(QComboBox, "preset")
    assert preset is not None
    preset.setCurrentIndex(preset.findData("few"))
    for name, value in values.items():
        spin_box = widget.findChild(QDoubleSpinBox, f"learning.{name}")
        assert spin_box is not None
        spin_box.setValue(value)


def take(widget: QWidget, path: Path) -> None:
    """Save a window, or a part of one, in 256 colours: the noise of a camera makes a file of all colours large."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    widget.grab().save(str(path))
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    print(path, flush=True)


def main() -> int:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images", help="folder of the pictures")
    parser.add_argument("--only", choices=SHOTS, help="pictures of one widget")
    options = parser.parse_args()

    from napari_diatom.analysis import worker_process

    for name, (title, slide) in DOCKS.items():
        if options.only in (None, name):
            shoot(name, title, slide, options.out)
    if options.only in (None, "insides"):
        insides(options.out)
    if options.only in (None, "annotate"):
        annotate(options.out)
    if options.only in (None, "count"):
        counting(options.out)
        agreement(options.out)
    if options.only in (None, "settings"):
        project_settings(options.out)
    if options.only in (None, "finetune"):
        finetune(options.out)
    if options.only in (None, "tuning"):
        tuning(options.out)
    if options.only in (None, "curves"):
        curves(options.out)
    worker_process.close()
    return 0


def shoot(name: str, title: str, slide: str, out: Path) -> None:
    """Take the pictures of one widget, in a viewer of its own."""
    import napari

    viewer = napari.Viewer(show=True)
    viewer.window._qt_window.resize(*SIZE)
    widget = open_dock(viewer, title)
    viewer.open_sample("napari-diatom", slide)
    spin(1)
    find(widget)
    take(viewer.window._qt_window, out / f"{name}.png")
    result = widget.result()
    if name == "detect" and result is not None and len(result.layer.data):
        longest = result.layer.features.sort_values("length_px").iloc[-1]
        click_row(widget, int(longest["specimen"]))
        spin(1)
        take(viewer.window._qt_window, out / "specimen.png")
    viewer.close()


def insides(out: Path) -> None:
    """Take the pictures of what the network sees of a specimen, on the screen of a small laptop."""
    import napari
    from qtpy.QtWidgets import QWidget

    from napari_diatom.widgets.canvas.viewer_camera import camera_of

    viewer = napari.Viewer(show=True)
    viewer.window._qt_window.resize(1366, 768)
    widget = open_dock(viewer, "Detect diatoms")
    viewer.open_sample("napari-diatom", "river")
    spin(1)
    find(widget)
    click_row(widget, int(widget.result().layer.features.sort_values("score").iloc[-2]["specimen"]))
    spin(0.5)
    seen = open_dock(viewer, "What the network sees")
    spin(0.5)
    click(seen, "explain")
    spin(until=lambda: not seen.progress.running)
    spin(0.5)
    click(seen, "map_grad-cam")
    camera_of(viewer).zoom *= 1.6
    spin(1)
    take(viewer.window._qt_window, out / "insides.png")
    maps = seen.findChild(QWidget, "map_deep_7")
    assert maps is not None
    take(maps.parentWidget(), out / "insides-maps.png")
    viewer.close()


def click_row(widget: RunWidget, number: int) -> None:
    """Click the row of a specimen in the table."""
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    from napari_diatom.widgets.detection.specimen_table import SpecimenTable

    table = widget.findChild(SpecimenTable)
    assert table is not None
    model = table.model()
    index = model.index(model.row(number), 0)
    table.scrollTo(index)
    spin(0.2)
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=table.visualRect(index).center())


def annotate(out: Path) -> None:
    """Take the pictures of an annotation project: a box in progress, the list of images, the review gallery."""
    import napari
    from qtpy.QtCore import QItemSelectionModel
    from qtpy.QtWidgets import QComboBox, QListView, QSplitter

    from napari_diatom.project import gallery_order

    viewer = napari.Viewer(show=True)
    window = viewer.window._qt_window
    window.resize(*SIZE)
    widget = open_dock(viewer, "Annotate diatoms")
    widget.open_project(make_project(Path(_FOLDER.name)))
    widget.open_image("river_bright_field_40x")
    spin(2)
    draw_two_clicks(viewer, widget)
    spin(1)
    take(window, out / "annotate.png")
    widget.cancel()
    splitter = widget.findChild(QSplitter)
    assert splitter is not None
    window.resize(SIZE[0], 1000)
    spin(0.5)
    splitter.setSizes([700, 100])
    spin(1)
    take(widget.browser(), out / "browser.png")

    click(widget, "show_gallery")
    gallery = widget.gallery()
    assert gallery is not None
    gallery.parentWidget().setFloating(True)
    gallery.parentWidget().resize(1212, 620)
    order, view = gallery.findChild(QComboBox, "gallery_order"), gallery.findChild(QListView, "gallery")
    assert order is not None
    assert view is not None
    order.setCurrentIndex(gallery_order.ORDERS.index("unlikeness"))
    spin(5)
    for row in (1, 2, 13):
        view.selectionModel().select(view.model().index(row, 0), QItemSelectionModel.SelectionFlag.Select)
    spin(1)
    take(gallery, out / "gallery.png")
    widget.close_project()
    viewer.close()


def counted_project(folder: Path) -> Path:
    """Make a project of one sample of six fields, whose facts are known, and one of the other slides."""
    from napari_diatom.project.project import Project
    from napari_diatom.samples.counting_files import keep_protocol
    from napari_diatom.samples.protocol_presets import poland

    made = make_project(folder)
    with Project.open(made) as project:
        own = ("river", "lake", "stream", "moor", "pond", "coast")
        for sample, ids in (
            ("Ouse 3", [image.id for image in project.images if image.slide in own]),
            ("Wye 1", [image.id for image in project.images if image.slide not in own]),
        ):
            project.facts.set(ids, sample=sample)
    keep_protocol(made, poland())
    return made


def counting(out: Path) -> None:
    """Take the picture of a sample that is being counted."""
    import napari

    from napari_diatom.widgets.sample_count.rarefaction_view import RarefactionView

    viewer = napari.Viewer(show=True)
    window = viewer.window._qt_window
    window.resize(1366, 768)
    annotate_dock = open_dock(viewer, "Annotate diatoms")
    curve = open_dock(viewer, "Count a sample").findChild(RarefactionView)
    annotate_dock.open_project(counted_project(Path(_FOLDER.name) / "count"))
    annotate_dock.open_image("stream_crowded_20x")
    assert curve is not None
    spin(until=lambda: bool(len(curve.curve()[0])))
    spin(1)
    take(window, out / "count.png")
    annotate_dock.close_project()
    viewer.close()


def agreement(out: Path) -> None:
    """Take the pictures of how far two counts of the same fields agree."""
    import napari
    from qtpy.QtWidgets import QApplication

    from napari_diatom.widgets.sample_count.agreement_dialog import AgreementDialog
    from napari_diatom.widgets.sample_count.seen_table import SeenTable

    # Who is logged in, and counts first.
    os.environ["LOGNAME"] = "Ada"
    viewer = napari.Viewer(show=True)
    window = viewer.window._qt_window
    window.resize(1366, 768)
    annotate_dock = open_dock(viewer, "Annotate diatoms")
    count_dock = open_dock(viewer, "Count a sample")
    annotate_dock.open_project(counted_twice(Path(_FOLDER.name) / "agreement"))
    spin(1)
    click(count_dock, "agreement")

    def shown() -> list[QWidget]:
        return [one for one in QApplication.topLevelWidgets() if isinstance(one, AgreementDialog) and one.isVisible()]

    spin(until=lambda: bool(shown()))
    [dialog] = shown()
    spin(1)
    take(dialog, out / "agreement.png")
    table = dialog.findChild(SeenTable)
    assert table is not None
    # A specimen that the first person alone has seen.
    table.clicked.emit(table.model().index(0, 0))
    spin(2)
    take(window, out / "agreement_specimen.png")
    dialog.close()
    annotate_dock.close_project()
    viewer.close()


def counted_twice(folder: Path) -> Path:
    """Make a project, and the second count of one of its samples: some specimens are missed or named otherwise."""
    import numpy as np

    from napari_diatom.project.project import Project
    from napari_diatom.project.specimen import Specimen
    from napari_diatom.samples.second_count import start_second_count

    first, second, random = counted_project(folder), folder / "second", np.random.default_rng(3)
    with Project.open(first) as project:
        for image in project.images:
            project.document(image.id).set_done(bool(project.contents(image.id).specimens))
    start_second_count(first, second, "Ben", ["Ouse 3"])
    with Project.open(first) as ours, Project.open(second) as theirs:
        names = [item.name for item in ours.settings.classes]
        for image in theirs.images:
            seen = [item for item in ours.contents(image.id).specimens if random.random() > 0.06]
            boxes = [np.asarray(item.box) + random.normal(0, 1, 5) * (1.5, 1.5, 1.5, 0.8, 0.01) for item in seen]
            called = [item.name if random.random() < 0.92 else str(random.choice(names)) for item in seen]
            document = theirs.document(image.id)
            document.add(
                Specimen.rectangle(box, name, status=item.status)
                for box, name, item in zip(boxes, called, seen, strict=True)
            )
            document.set_done(True)
    return second


def project_settings(out: Path) -> None:
    """Take the pictures of the settings of a project: its classes, its split, a dry look at annotations, a new one."""
    import shutil

    import napari
    from qtpy.QtWidgets import QApplication, QLineEdit

    from napari_diatom.widgets.project_settings.import_page import ImportPage

    viewer = napari.Viewer(show=True)
    window = viewer.window._qt_window
    window.resize(1366, 768)
    folder = make_project(Path(_FOLDER.name) / "settings", done=True)
    widget = open_dock(viewer, "Project settings")
    widget.open_project(folder)
    spin(1)
    take(widget, out / "project-classes.png")
    widget.show_page("Split")
    click(widget, "split_make")
    spin(1)
    take(widget, out / "project-split.png")
    widget.show_page("Import")
    page = widget.findChild(ImportPage)
    assert page is not None
    page.set_files([Path(__file__).parents[1] / "sample_data" / "truth"])
    click(widget, "import_look")
    spin(until=lambda: not widget.session().is_running)
    spin(0.5)
    take(widget, out / "project-import.png")
    for path in (Path(__file__).parents[1] / "sample_data" / "truth").iterdir():
        shutil.copy(path, folder.parent)
    click(widget, "settings_new")
    dialog = QApplication.activeModalWidget()
    images = None if dialog is None else dialog.findChild(QLineEdit, "images.path")
    assert dialog is not None
    assert images is not None
    images.setText(str(folder.parent))
    spin(2)
    spin(until=lambda: not dialog.isVisible() or "Looking" not in _preview(dialog))
    spin(0.5)
    take(dialog, out / "new-project.png")
    dialog.close()
    widget.session().close()
    viewer.close()


def _preview(dialog: QWidget) -> str:
    from qtpy.QtWidgets import QPlainTextEdit

    text = dialog.findChild(QPlainTextEdit, "new_project_preview")
    return "" if text is None else text.toPlainText()


def finetune(out: Path) -> None:
    """Take the pictures of a training: the slides, the settings, the curves of a short one."""
    import napari
    from qtpy.QtWidgets import QTabWidget

    os.environ["NAPARI_DIATOM_MODELS"] = str(Path(_FOLDER.name) / "models")
    viewer = napari.Viewer(show=True)
    window = viewer.window._qt_window
    window.resize(*SIZE)
    widget = open_dock(viewer, "Fine-tune a model")
    widget.slides.set_data(
        make_project(Path(_FOLDER.name) / "Microscopy" / "Benthic diatoms of 2025" / "Annotated", done=True)
    )
    spin(until=lambda: widget.slides.dataset() is not None)
    spin(1)
    take(widget, out / "finetune-slides.png")
    pages = widget.findChild(QTabWidget, "pages")
    assert pages is not None
    set_training(widget, epochs=8, crops=96, size=416)
    click(widget, "start_training")
    monitor = widget.progress.monitor
    spin(until=lambda: not monitor.is_running or (monitor.folder is not None and len(monitor.folder.history()) >= 6))
    spin(2)
    take(widget, out / "finetune-curves.png")
    spin(until=lambda: not monitor.is_running)
    spin(1)
    print(monitor.folder.state() if monitor.folder else "")
    viewer.close()


def tuning(out: Path) -> None:
    """Take the pictures of a range test of the learning rate and of a small search."""
    import napari
    from qtpy.QtCore import Qt
    from qtpy.QtWidgets import QDialog, QSpinBox, QTableWidget, QTabWidget

    os.environ["NAPARI_DIATOM_MODELS"] = str(Path(_FOLDER.name) / "models")
    viewer = napari.Viewer(show=True)
    viewer.window._qt_window.resize(*SIZE)
    widget = open_dock(viewer, "Fine-tune a model")
    widget.slides.set_data(make_project(Path(_FOLDER.name) / "Tuning", done=True))
    spin(until=lambda: widget.slides.dataset() is not None)
    set_training(widget, epochs=2, crops=16, size=256, batch=4, validation_crops=16, frozen_epochs=0)
    click(widget, "find_rate")
    dialog = widget.findChild(QDialog, "rate_finder")
    click(dialog, "rate_finder_start")
    spin(until=lambda: not dialog.is_running)
    spin(1)
    take(dialog, out / "rate-finder.png")
    click(dialog, "use_rate")
    dialog.close()
    click(widget, "tune_settings")
    dialog = widget.findChild(QDialog, "tune")
    settings = dialog.findChild(QTableWidget, "search_settings")
    trials = dialog.findChild(QSpinBox, "trials")
    assert settings is not None
    assert trials is not None
    trials.setValue(8)
    for row in range(settings.rowCount()):
        item = settings.item(row, 0)
        if item is not None and item.text() in ("Optimizer", "Backbone rate"):
            item.setCheckState(Qt.CheckState.Checked)
    click(dialog, "tune_start")
    spin(until=lambda: not dialog.is_running)
    pages = dialog.findChild(QTabWidget, "tune_pages")
    assert pages is not None
    pages.setCurrentIndex(2)
    spin(1)
    take(dialog, out / "tune.png")
    viewer.close()


def curves(out: Path) -> None:
    """Take the picture of the curves of a test, that of the bundled model on the example slides."""
    import napari
    from qtpy.QtWidgets import QComboBox

    from diatom_training.finetune.run_folder import REPORT, RunFolder
    from napari_diatom import api
    from napari_diatom.widgets.training.curve_dialog import CurveDialog

    samples = Path(__file__).parents[1] / "sample_data"
    run = RunFolder(Path(_FOLDER.name) / "diatom-obb")
    api.evaluate("diatom-obb", samples / "truth", run / REPORT, images=samples / "slides")
    viewer = napari.Viewer(show=True)
    dialog = CurveDialog(run, open_dock(viewer, "Fine-tune a model"))
    dialog.show()
    choice = dialog.findChild(QComboBox, "test_plot")
    assert choice is not None
    choice.setCurrentText("FROC: specimens found against false detections")
    spin(1)
    take(dialog, out / "test-curves.png")
    dialog.close()
    viewer.close()


def make_project(folder: Path, done: bool = False) -> Path:
    """Make a project of the example slides: all done, or some, one in work, one with proposals, some untouched."""
    import shutil

    from napari_diatom.formats.geojson import codec as geojson
    from napari_diatom.project.project import Project
    from napari_diatom.project.specimen import Specimen, from_annotations

    samples = Path(__file__).parents[1] / "sample_data"
    read = {path.stem: geojson.read(path) for path in sorted((samples / "truth").glob("*.geojson"))}
    paths = []
    for path in sorted((samples / "slides").iterdir()):
        place = folder / path.name.partition("_")[0] / path.name
        place.parent.mkdir(parents=True)
        paths.append(shutil.copy(path, place))
    classes = next(iter(read.values())).detections.classes
    with Project.create(folder / "Rivers and lakes", paths, classes) as project:
        sizes = {image.slide: read[Path(image.path).stem].pixel_size_um for image in project.images}
        project.update(project.settings.replace(pixel_sizes_um=sizes))
        for image in project.images:
            name, document = image.slide, project.document(image.id)
            found = [
                Specimen.rectangle(item.box, item.name, status=item.status)
                for item in from_annotations(read[Path(image.path).stem])
            ]
            if done or name in ("lake", "moor", "spring", "pond", "stream"):
                document.add(found)
                document.set_done(done or name != "stream")
            elif name == "river":
                document.add([item for item in found if abs(item.box[0] - IN_PROGRESS[0]) > 1])
            elif name == "bay":
                document.propose(found, "diatom-obb 1.0")
            project.release(image.id)
    return folder / "Rivers and lakes"


def draw_two_clicks(viewer: napari.Viewer, widget: AnnotateWidget) -> None:
    """Draw a rotated box up to its third click, with the mouse."""
    import numpy as np
    from qtpy.QtCore import QPoint, Qt
    from qtpy.QtTest import QTest

    from napari_diatom.core import geometry
    from napari_diatom.widgets.canvas.viewer_camera import camera_of

    canvas, camera = viewer.window._qt_viewer.canvas.native, camera_of(viewer)
    scale = widget.canvas().specimens.layer.scale[-1]
    corners = geometry.corners(IN_PROGRESS)[0]
    camera.center = (*camera.center[:-2], *(scale * np.array(IN_VIEW)[::-1]))
    camera.zoom = CLOSE_UP / scale

    def at(place: NDArray[np.float64]) -> QPoint:
        """Return where a pixel of the image is on the canvas."""
        middle = np.array([canvas.height(), canvas.width()]) / 2
        row, column = middle + (place[::-1] * scale - camera.center[-2:]) * camera.zoom
        return QPoint(round(column), round(row))

    widget.use_tool("three-clicks")
    for place in ((corners[0] + corners[3]) / 2, (corners[1] + corners[2]) / 2):
        QTest.mouseMove(canvas, at(place))
        QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=at(place))
        spin(0.4)
    QTest.mouseMove(canvas, at((corners[2] + corners[3]) / 2))


if __name__ == "__main__":
    sys.exit(main())
