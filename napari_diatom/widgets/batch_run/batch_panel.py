"""What a run over several images has found: the list of images, the table of specimens, and their export."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QTabWidget, QVBoxLayout, QWidget

from napari_diatom.core.text import many
from napari_diatom.counting.counted_specimens import CountedSpecimens
from napari_diatom.counting.folder_export import FOLDER_FORMATS
from napari_diatom.counting.image_states import CountState, ImageState, pixel_size_note
from napari_diatom.widgets.batch_run.image_list import ImageList
from napari_diatom.widgets.batch_run.specimen_list import SpecimenList
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.text_labels import text_label

_LEAST_HEIGHT: Final = 200
_NO_TABLE: Final = "The table is written when all images are counted; press the button above to go on with the run"


class BatchPanel(QWidget):
    """Shows a run. It reads nothing itself but the visible rows of the table.

    Attributes
    ----------
    images : ImageList
        The images.
    specimens : SpecimenList
        The specimens of all images.
    """

    chosen = Signal(object, int)
    """An image with its state, and the number of the specimen to show, 0 for none."""
    exportWanted = Signal(object)
    """The file to export to."""
    failed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._out: Path | None = None
        self.images = ImageList()
        self.specimens = SpecimenList()
        self._summary = text_label("batch_summary", is_html=True)
        self._tabs = named(QTabWidget(), "batch_tabs")
        self._tabs.addTab(self.images, "Images")
        self._tabs.addTab(self.specimens, "Specimens")
        self._tabs.setTabToolTip(0, "The images of the run, and what has become of each")
        self._tabs.setTabToolTip(1, "The specimens of all images")
        self._tabs.setMinimumHeight(_LEAST_HEIGHT)
        self._export = named(QPushButton("Export all…"), "export_all")
        self._export.clicked.connect(self._ask_and_export)
        self._show = named(QPushButton("Show files"), "show_results_folder")
        self._show.setToolTip("Show the folder of results in the file manager")
        self._show.clicked.connect(self._show_folder)
        buttons = QHBoxLayout()
        buttons.addWidget(self._export, 2)
        buttons.addWidget(self._show, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._summary)
        layout.addWidget(self._tabs, 1)
        layout.addLayout(buttons)
        self.images.chosen.connect(self._on_image)
        self.specimens.chosen.connect(self._on_specimen)
        self.specimens.specimens.failed.connect(self.failed)
        self.setSpecimens(None)

    def begin(self, out: Path, states: Iterable[ImageState] = ()) -> None:
        """Show a run that writes, or has written, to a folder."""
        self._out = out
        self._show.setEnabled(True)
        self.images.images.setStates(states)
        self.setSpecimens(None)
        self._tabs.setCurrentIndex(0)
        self.summarise()

    def setSpecimens(self, found: CountedSpecimens | None) -> None:
        """Show the specimens of the finished run, or none."""
        self.specimens.setSpecimens(found)
        self._tabs.setTabEnabled(1, found is not None)
        self._tabs.setTabText(1, "Specimens" if found is None else f"Specimens ({len(found):,})")
        self._export.setEnabled(found is not None)
        self._export.setToolTip(
            _NO_TABLE if found is None else "Save all specimens with their sample, file and plane as CSV or XLSX"
        )

    def take(self, news: Iterable[ImageState]) -> None:
        """Show what has become of images."""
        self.images.images.take(news)
        self.summarise()

    def summarise(self) -> None:
        """Show how many images and specimens there are, and what the user should know of them."""
        states = self.images.images.states()
        done = [state for state in states if state.state in (CountState.COUNTED, CountState.KEPT)]
        skipped = sum(state.state is CountState.SKIPPED for state in states)
        found = sum(state.specimens for state in done)
        text = f"<b>{found:,}</b> specimens in {many(len(done), 'image')}"
        text += f", {skipped:,} skipped" if skipped else ""
        note = pixel_size_note(done)
        self._summary.setText(text + (f"<br>{note}" if note else ""))

    def _on_image(self, state: ImageState) -> None:
        if state.state in (CountState.COUNTED, CountState.KEPT):
            self.specimens.show_image(state.image)
            self.chosen.emit(state, 0)

    def _on_specimen(self, image: str, number: int) -> None:
        row = self.images.images.row(image)
        if row is not None:
            self.chosen.emit(self.images.images.state(row), number)

    def _ask_and_export(self) -> None:
        assert self._out is not None
        filters = ";;".join(f"{title} (*{suffix})" for suffix, title in FOLDER_FORMATS.items())
        start = self._out.parent / f"{self._out.name}.csv"
        chosen, kind = QFileDialog.getSaveFileName(self, "Export all specimens", str(start), filters)
        if chosen:
            path = Path(chosen)
            if not path.suffix:
                path = path.with_suffix(next(suffix for suffix in FOLDER_FORMATS if suffix in kind))
            self.exportWanted.emit(path)

    def _show_folder(self) -> None:
        if self._out is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._out)))
