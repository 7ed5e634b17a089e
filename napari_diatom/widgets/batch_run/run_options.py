"""The options of a run over several images: the folder of results, the naming of taxa, and what is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QPushButton, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_diatom.core.detections import STATUSES
from napari_diatom.counting.count_choices import FOCUS_PLANES, CountChoices
from napari_diatom.counting.earlier_run import holds_results, is_finished
from napari_diatom.models import library
from napari_diatom.models.card import NAMING_TASK
from napari_diatom.widgets.batch_run.folder_edit import FolderEdit
from napari_diatom.widgets.common.model_events import news
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.forms.pydantic_adapter import options_form

_NO_TAXA: Final = "None"


class RunOptions(QWidget):
    """Edits the options.

    Attributes
    ----------
    out : FolderEdit
        The folder of results.
    choices : OptionsForm of CountChoices
        What is counted, and which files are written.
    """

    changed = Signal()
    showWanted = Signal()
    """The user wants to see the results of an earlier run."""

    def __init__(self) -> None:
        super().__init__()
        self.out = FolderEdit(
            "output_folder",
            "Folder of results",
            "Tables, annotations and overlays are written here; napari-diatom count --resume goes on with it",
        )
        self._earlier = text_label("earlier_results")
        self._show = named(QPushButton("Show its results"), "show_earlier")
        self._show.setToolTip("List the images and specimens of the finished run in this folder")
        self._show.clicked.connect(self.showWanted)
        self._namers: dict[str, Path] = {}
        self._namer = named(QComboBox(), "batch_classifier")
        self._namer.setAccessibleName("Taxa")
        self._namer.setToolTip("The model that names the taxa; taxa are counted then, not classes")
        self.choices = options_form(
            CountChoices,
            choices={"z": FOCUS_PLANES, "counted": [(status, status) for status in STATUSES]},
            advanced=("sample", "z", "counted", "overlays", "xlsx", "masks", "max_decode_mb", "all_tiles"),
            prefix="batch_",
        )
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Results in", self.out)
        form.addRow("Taxa", self._namer)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        layout.addWidget(self._earlier)
        layout.addWidget(self._show)
        layout.addWidget(self.choices.native)
        self.out.valueChanged.connect(lambda _: self.changed.emit())
        self.choices.changed.connect(self.changed.emit)
        news().changed.connect(self._list_namers)
        self._list_namers()
        self.showFolder(None)

    def namer(self) -> Path | None:
        """Return the folder of the model that names taxa, None if they are not named."""
        return self._namers.get(self._namer.currentData() or "")

    def showFolder(self, out: Path | None, shown: bool = False) -> None:
        """Say what the folder of results holds already, unless it is ``shown``."""
        earlier = out is not None and not shown and holds_results(out)
        finished = out is not None and earlier and is_finished(out)
        self._earlier.setText(
            "This folder holds the results of a finished run."
            if finished
            else "This folder holds the results of a run that is not finished."
        )
        self._earlier.setVisible(earlier)
        self._show.setVisible(finished)

    def _list_namers(self) -> None:
        """List the installed models for taxa, and keep the choice."""
        before = self._namer.currentData()
        models = [model for model in library.available() if model.card.task == NAMING_TASK]
        self._namers = {model.card.name: model.folder for model in models}
        with signals_blocked(self._namer):
            self._namer.clear()
            self._namer.addItem(_NO_TAXA, "")
            for model in models:
                self._namer.addItem(f"{model.card.name} {model.card.version}", model.card.name)
                self._namer.setItemData(self._namer.count() - 1, model.card.summary, Qt.ItemDataRole.ToolTipRole)
            self._namer.setCurrentIndex(max(self._namer.findData(before), 0))
