"""The dock widget *Models*: all installed models, their cards, and models that others made."""

from __future__ import annotations

import re
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari.qt.threading import create_worker
from qtpy.QtCore import QSize, Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QHeaderView,
    QInputDialog,
    QLabel,
    QPushButton,
    QSplitter,
    QTextBrowser,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_diatom.core.errors import DiatomError
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.engines.incoming_model import CHECKPOINT_SUFFIX, incoming_model
from napari_diatom.models import library
from napari_diatom.models.library import ARCHIVE_SUFFIX, ModelFolder
from napari_diatom.models.own_models import is_own, remove_model, rename_model
from napari_diatom.widgets.common.asking import ask
from napari_diatom.widgets.common.closing import delete_when_closed, when_destroyed
from napari_diatom.widgets.common.dock_keys import ButtonKey, DockKeys
from napari_diatom.widgets.common.dock_tabs import share_area
from napari_diatom.widgets.common.model_events import news
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.text_tone import set_tone
from napari_diatom.widgets.common.worker import ReportingWorker
from napari_diatom.widgets.models.card_text import TASKS, card_html, origin_text
from napari_diatom.widgets.models.import_dialog import ImportDialog

if TYPE_CHECKING:
    from napari.viewer import Viewer

_FILES: Final = f"Models (*{ARCHIVE_SUFFIX} *{CHECKPOINT_SUFFIX})"
_BUTTON_KEYS: Final = (
    ButtonKey("Alt+I", "import_file", "import a model"),
    ButtonKey("Alt+E", "export_model", "export the model"),
)
Scratch = tempfile.TemporaryDirectory[str]
"""A folder that goes with the program, at the latest."""
_OWN_ONLY: Final = "Bundled models stay as they are; choose one of your own"


class ModelsWidget(QWidget):
    """Lists the models; imports, exports, renames and removes them.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer it belongs to.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._models: dict[str, ModelFolder] = {}
        self._workers: list[ReportingWorker] = []
        self._report: Path | None = None
        self._build()
        self._list()
        news().changed.connect(self._list)
        DockKeys(self, napari_viewer, _BUTTON_KEYS)
        share_area(self, "Models")
        delete_when_closed(self)
        when_destroyed(self, _quit_all, self._workers)

    def sizeHint(self) -> QSize:
        """Return a size that leaves room for the image on a small screen."""
        return QSize(400, 560)

    def model(self) -> ModelFolder | None:
        """Return the chosen model."""
        items = self._tree.selectedItems()
        return self._models.get(items[0].text(0)) if items else None

    def choose(self, name: str) -> None:
        """Choose a model by its name."""
        for item in self._tree.findItems(name, Qt.MatchFlag.MatchExactly):
            self._tree.setCurrentItem(item)

    def import_from(self, path: Path) -> None:
        """Read a model, show its card, and take it if the user wants it."""
        if self._workers:
            self._say("A model is being read; wait until that ends.", error=True)
            return
        # It also goes when the window is closed before the model is shown.
        scratch = tempfile.TemporaryDirectory(prefix="napari-diatom-", ignore_cleanup_errors=True)
        worker = create_worker(_read, path, scratch, _worker_class=ReportingWorker, _ignore_errors=True)
        assert isinstance(worker, ReportingWorker)
        worker.returned.connect(partial(self._show_incoming, path, scratch))
        worker.errored.connect(self._complain)
        worker.finished.connect(self._on_read)
        self._workers.append(worker)
        self._say(f"Reading {path.name}...")
        self._refresh()
        worker.start()

    def _build(self) -> None:
        self._tree = named(QTreeWidget(), "models")
        self._tree.setHeaderLabels(["Model", "Gives", "From"])
        self._tree.setRootIsDecorated(False)
        self._tree.setUniformRowHeights(True)
        self._tree.setToolTip("All models that are installed; click one to see its card")
        self._tree.setAccessibleName("Models")
        header = self._tree.header()
        assert header is not None
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self._tree.itemSelectionChanged.connect(self._show_card)
        self._card = named(QTextBrowser(), "card")
        self._card.setToolTip("What the model says of itself")
        self._card.setAccessibleName("Card of the model")
        self._message = named(QLabel(), "message")
        self._message.setWordWrap(True)
        buttons = (
            (
                "import_file",
                "Import file...",
                "Add a .diatom-model file or an Ultralytics .pt file",
                self._ask_for_file,
            ),
            (
                "import_run",
                "Import training...",
                "Add the model of a training, by the folder of its run",
                self._ask_for_run,
            ),
            ("export_model", "Export...", "Save the model as one .diatom-model file, for others", self._export),
            ("report_model", "Test report", "Open the report of its test", self._open_report),
            ("rename_model", "Rename...", "Give the model another name", self._rename),
            ("remove_model", "Remove...", "Delete the model", self._remove),
        )
        grid = QGridLayout()
        self._buttons: dict[str, QPushButton] = {}
        for number, (name, title, tip, act) in enumerate(buttons):
            button = named(QPushButton(title), name)
            button.setToolTip(tip)
            button.clicked.connect(partial(_call, act))
            self._buttons[name] = button
            grid.addWidget(button, *divmod(number, 2))
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(self._tree)
        split.addWidget(self._card)
        split.setStretchFactor(1, 1)
        layout = QVBoxLayout(self)
        layout.addWidget(split, 1)
        layout.addLayout(grid)
        layout.addWidget(self._message)

    def _list(self) -> None:
        """List the models, and keep the choice."""
        before = self.model()
        models, damaged = library.list_models()
        self._models = {model.card.name: model for model in models}
        with signals_blocked(self._tree):
            self._tree.clear()
            for name, model in self._models.items():
                item = QTreeWidgetItem([name, TASKS[model.card.task], origin_text(model)])
                item.setToolTip(0, model.card.summary or name)
                self._tree.addTopLevelItem(item)
            names = list(self._models)
            if names:
                at = names.index(before.card.name) if before is not None and before.card.name in names else 0
                self._tree.setCurrentItem(self._tree.topLevelItem(at))
        if damaged:
            self._say(f"Left out: {damaged[0]}", error=True)
        self._show_card()

    def _show_card(self) -> None:
        model = self.model()
        self._report = report = None if model is None else _report_of(model)
        self._card.setHtml(
            "" if model is None else card_html(model, None if report is None else report / "report.json")
        )
        self._refresh()

    def _refresh(self) -> None:
        """Enable the buttons that can be used, or show in a tooltip why not."""
        model = self.model()
        own = model is not None and is_own(model)
        for name in ("rename_model", "remove_model"):
            self._buttons[name].setEnabled(own)
            tip = "Give the model another name" if name == "rename_model" else "Delete the model"
            self._buttons[name].setToolTip(tip if own else _OWN_ONLY)
        for name in ("import_file", "import_run"):
            self._buttons[name].setEnabled(not self._workers)
        self._buttons["export_model"].setEnabled(model is not None)
        has_report = self._report is not None
        self._buttons["report_model"].setEnabled(has_report)
        self._buttons["report_model"].setToolTip(
            "Open the report of its test"
            if has_report
            else "Its report is not on this computer; the card has its figures"
        )

    def _ask_for_file(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Import a model", "", _FILES)
        if name:
            self.import_from(Path(name))

    def _ask_for_run(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose the folder of a training or of a model")
        if folder:
            self.import_from(Path(folder))

    def _show_incoming(self, path: Path, scratch: Scratch, model: ModelFolder | None) -> None:
        """Show the card of a model that was read, and install it if the user wants it."""
        try:
            if model is not None:
                self._offer(path, model)
        finally:
            scratch.cleanup()

    def _offer(self, path: Path, model: ModelFolder) -> None:
        known = next((item for item in self._models.values() if item.card.sha256 == model.card.sha256), None)
        if known is not None:
            self.choose(known.card.name)
            self._say(f"This model is installed already, as {known.card.name}.")
            return
        dialog = ImportDialog(self.window(), _with_free_name(model), path.suffix.lower() == CHECKPOINT_SUFFIX)
        is_wanted = bool(dialog.exec())
        wanted = dialog.value()
        dialog.deleteLater()
        if not is_wanted:
            self._say("Nothing was imported.")
            return
        try:
            known = library.install(wanted)
        except DiatomError as error:
            self._complain(error)
            return
        news().changed.emit()
        self.choose(known.card.name)
        self._say(f"{known.card.name} is now one of your models.")

    def _on_read(self) -> None:
        self._workers.clear()
        self._refresh()

    def _export(self) -> None:
        model = self.model()
        if model is None:
            return
        name, _ = QFileDialog.getSaveFileName(
            self, "Export a model", f"{model.card.name}{ARCHIVE_SUFFIX}", f"Model (*{ARCHIVE_SUFFIX})"
        )
        if not name:
            return
        path = Path(name)
        path = path if path.suffix == ARCHIVE_SUFFIX else path.with_name(f"{path.name}{ARCHIVE_SUFFIX}")
        try:
            library.pack_model(model, path)
        except DiatomError as error:
            self._complain(error)
            return
        self._say(f"{model.card.name} was written to {path}.")

    def _rename(self) -> None:
        model = self.model()
        if model is None:
            return
        name, is_given = QInputDialog.getText(self, "Rename a model", "New name", text=model.card.name)
        if not is_given or name.strip() == model.card.name:
            return
        try:
            known = rename_model(model, name.strip())
        except DiatomError as error:
            self._complain(error)
            return
        news().changed.emit()
        self.choose(known.card.name)
        self._say(f"{model.card.name} is now called {known.card.name}. Results that it has made keep its old name.")

    def _remove(self) -> None:
        model = self.model()
        if model is None:
            return
        question = f"Delete the model {model.card.name}?\n\nIt is in {model.folder}. To keep a copy, export it first."
        if ask(self.window(), "Remove model", question, "Keep the model", "Delete the model") != 1:
            return
        try:
            remove_model(model)
        except DiatomError as error:
            self._complain(error)
        else:
            self._say(f"{model.card.name} was deleted.")
        news().changed.emit()

    def _open_report(self) -> None:
        if self._report is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._report / "report.html")))

    def _complain(self, error: Exception) -> None:
        self._say(str(error), error=True)

    def _say(self, message: str, error: bool = False) -> None:
        self._message.setText(message)
        set_tone(self._message, "error" if error else "plain")


def _read(path: Path, scratch: Scratch, monitor: ProgressMonitor) -> ModelFolder:
    """Return the model in a file or folder; the scratch folder goes if there is none, or nobody wants it any more."""
    try:
        model = incoming_model(path, Path(scratch.name), monitor)
        monitor.check()
        return model
    except BaseException:
        scratch.cleanup()
        raise


def _report_of(model: ModelFolder) -> Path | None:
    """Return the folder of the report of a model's test, None if its training is not on this computer."""
    from diatom_training.finetune import recent_runs
    from diatom_training.finetune.run_folder import run_of

    runs = [run for run in (run_of(model), *recent_runs.list_runs()) if run is not None]
    for run in runs:
        try:
            has_report = (run / "report" / "report.html").is_file()
            if has_report and library.resolve_model(run / "model").card.sha256 == model.card.sha256:
                return run / "report"
        except DiatomError:
            continue
    return None


def _with_free_name(model: ModelFolder) -> ModelFolder:
    """Return a model with a number after its name if that is taken."""
    taken = {known.card.name.casefold() for known in library.available()}
    name, number = model.card.name, 1
    stem = re.sub(r"-\d+$", "", name)
    while name.casefold() in taken:
        number += 1
        name = f"{stem}-{number}"
    return ModelFolder(model.card.model_copy(update={"name": name}), model.folder)


def _call(act: object, *_: object) -> None:
    """Call what a button does, without the state of the button."""
    assert callable(act)
    act()


def _quit_all(workers: list[ReportingWorker]) -> None:
    """Ask workers to stop."""
    for worker in workers:
        worker.quit()
