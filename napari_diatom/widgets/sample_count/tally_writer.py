"""Writes the tally of a project in a thread."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QObject, Signal

from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.samples.tally_folder import WrittenTally, write_tally
from napari_diatom.samples.tally_options import TallyOptions
from napari_diatom.widgets.naming.background_work import BackgroundWork


class TallyWriter(QObject):
    """Has ``napari-diatom tally`` written, one at a time.

    Parameters
    ----------
    parent : QObject
        Its owner.
    """

    said = Signal(str)
    """What was written."""
    failed = Signal(str)
    """Why nothing was."""
    running = Signal(bool)
    """Whether a tally is being written."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._work = BackgroundWork(self)
        self._work.failed.connect(self.failed)

    def start(self, project: Path, out: Path) -> None:
        """Write the tally of a project by its own protocol, with the facts of its samples; one that is there goes."""
        self.running.emit(True)
        self.said.emit("Writing the tally ...")
        options = TallyOptions(project, out, overwrite=True)

        def work(monitor: ProgressMonitor) -> WrittenTally:
            return write_tally(options, monitor)

        self._work.start(self, work, self._take, lambda: self.running.emit(False))

    def _take(self, written: WrittenTally) -> None:
        remarks = "".join(f" Note: {remark}." for remark in written.remarks)
        self.said.emit(f"The tally of {many(len(written.tally.samples), 'sample')} is in {written.folder}.{remarks}")
