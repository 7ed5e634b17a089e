"""The way from *Count a sample* to a second count of it: started, compared, and looked at specimen by specimen."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qtpy.compat import isalive
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_diatom.core import geometry
from napari_diatom.core.errors import DiatomError
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.core.text import either, many
from napari_diatom.napari_layers.shapes_layer import to_points
from napari_diatom.project.second_count_record import SecondCountRecord, read_record
from napari_diatom.project.specimen import Specimen
from napari_diatom.review.known_specimens import specimen_place
from napari_diatom.samples.count_agreement import CountAgreement, SeenSpecimen
from napari_diatom.samples.count_comparison import compare_counts
from napari_diatom.widgets.annotate.slide_view import zoom_to
from napari_diatom.widgets.common.asking import ask, can_answer
from napari_diatom.widgets.naming.background_work import BackgroundWork
from napari_diatom.widgets.sample_count.agreement_dialog import AgreementDialog
from napari_diatom.widgets.sample_count.count_session import CountSession
from napari_diatom.widgets.sample_count.second_count_dialog import SecondCountDialog

if TYPE_CHECKING:
    from napari.layers import Shapes
    from napari.viewer import Viewer

_COLOUR: Final = "#ff4fd8"
"""Of the other person's box: no class has it."""
_WIDTH_PX: Final = 2.0


class AgreementLink(QObject):
    """Starts second counts, and shows how far two counts agree.

    Parameters
    ----------
    owner : QWidget
        The dock.
    viewer : napari.viewer.Viewer
        Shows the specimens.
    session : CountSession
        What is counted.
    """

    said = Signal(str)
    """What happened."""
    failed = Signal(str)
    """What went wrong."""
    running = Signal(bool)
    """Whether two counts are being compared."""

    def __init__(self, owner: QWidget, viewer: Viewer, session: CountSession) -> None:
        super().__init__(owner)
        self._owner, self._viewer, self._session = owner, viewer, session
        self._work = BackgroundWork(self)
        self._work.failed.connect(self.failed)
        self._dialog: AgreementDialog | None = None
        self._mark: Shapes | None = None
        self._marked = ""
        session.changed.connect(self._on_changed)

    def record(self) -> SecondCountRecord | None:
        """Return what the open project says of the count that it is the second one of; None where it is none."""
        project = self._session.project
        with contextlib.suppress(DiatomError):
            return None if project is None else read_record(project.folder)
        return None

    def start(self) -> None:
        """Ask who counts the sample a second time, and open the new project."""
        project, editor = self._session.project, self._session.editor
        if project is None or editor is None:
            return
        editor.flush()
        dialog = SecondCountDialog(project.folder, self._session.sample, self._owner)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.made.connect(self._on_made)
        dialog.open()

    def compare(self) -> None:
        """Show how far the open count agrees with the other one: its first one, or a second one that is chosen."""
        project, record = self._session.project, self.record()
        if project is None:
            return
        if record is None:
            chosen = QFileDialog.getExistingDirectory(
                self._owner, "Project of the second count", str(project.folder.parent)
            )
            if chosen:
                self.show(project.folder, Path(chosen))
        elif self._may_see(record):
            self.show(record.first_folder(project.folder), project.folder)

    def show(self, first: Path, second: Path) -> None:
        """Compare two counts in a thread, and show how far they agree."""
        if self._session.editor is not None:
            self._session.editor.flush()
        self.running.emit(True)
        self.said.emit("Comparing both counts ...")

        def work(monitor: ProgressMonitor) -> CountAgreement:
            return compare_counts(first, second, monitor=monitor)

        self._work.start(self, work, self._take, lambda: self.running.emit(False))

    def leave(self) -> None:
        """Close what is shown, and remove the other person's box."""
        self._unmark()
        if self._dialog is not None and isalive(self._dialog):  # type: ignore[no-untyped-call]
            self._dialog.close()
        self._dialog = None

    def _may_see(self, record: SecondCountRecord) -> bool:
        """Return whether the second person may see the first count, asked while they have not confirmed all fields."""
        editor = self._session.editor
        left = 0 if editor is None else sum(tally.state != "done" for tally in editor.browser().tallies())
        if not left or not can_answer(self._owner.window()):
            return True
        text = (
            f"{many(left, 'field')} {either(left, 'is', 'are')} not done. The agreement shows what the first person "
            f"saw and called it: after that, {record.person} does not count blind."
        )
        return ask(self._owner, "Agreement", text, "Go on counting", "Show the agreement") == 1

    def _on_made(self, folder: Path, text: str) -> None:
        if self._session.editor is not None:
            self._session.editor.open_project(folder)
        self.said.emit(text)

    def _take(self, found: CountAgreement) -> None:
        self.leave()
        dialog = AgreementDialog(found, self._session.sample, self._owner)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.specimenChosen.connect(lambda one: self._look_at(found, one))
        dialog.finished.connect(lambda *_: self._unmark())
        dialog.show()
        self._dialog = dialog
        self.said.emit("Both counts are compared: {} and {}.".format(*found.persons))

    def _look_at(self, found: CountAgreement, one: SeenSpecimen) -> None:
        """Show a specimen in the open project, with the box of the other person."""
        project, editor = self._session.project, self._session.editor
        if project is None or editor is None or project.folder not in found.folders:
            self.failed.emit("Open one of the two projects to see its specimens.")
            return
        self._unmark()
        mine = found.folders.index(project.folder)
        image, id_ = specimen_place(found.keys(one)[mine])
        if id_:
            editor.go_to(image, id_)
        else:
            editor.open_image(one.image if mine == 0 else found.images[one.image])
        box, layer = found.boxes(one)[1 - mine], editor.canvas().specimens.layer
        if box is None or editor.document() is None:
            return
        name, person = found.names(one)[1 - mine], found.persons[1 - mine]
        if not id_:
            zoom_to(self._viewer, layer, Specimen.rectangle(box, name))
        active = self._viewer.layers.selection.active
        self._mark = self._viewer.add_shapes(
            [to_points(geometry.corners(box)[0])],
            shape_type="polygon",
            name=f"{person}: {name}",
            edge_color=_COLOUR,
            face_color="transparent",
            edge_width=_WIDTH_PX,
            scale=layer.scale,
            units=layer.units,
        )
        self._mark.editable = False
        self._marked = self._session.open_field
        self._viewer.layers.selection.active = active

    def _on_changed(self) -> None:
        if self._session.open_field != self._marked:
            self._unmark()

    def _unmark(self) -> None:
        mark, self._mark = self._mark, None
        if mark is not None and mark in self._viewer.layers:
            self._viewer.layers.remove(mark)
