"""The dock widget *Count a sample*: how far the count of a sample is, and its fields one after the other."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_diatom.core.errors import DiatomError
from napari_diatom.samples.protocol import SampleProtocol, read_protocol
from napari_diatom.samples.protocol_presets import PRESETS
from napari_diatom.samples.tally_folder import tally_files
from napari_diatom.samples.taxon_counts import taxon_counts
from napari_diatom.statistics.rarefaction import rarefaction_curve
from napari_diatom.widgets.common.asking import ask, can_answer
from napari_diatom.widgets.common.closing import attach_while_docked, delete_when_closed
from napari_diatom.widgets.common.dock_keys import MOUSE, ButtonKey, DockKeys
from napari_diatom.widgets.common.dock_tabs import share_area
from napari_diatom.widgets.common.message_line import MessageLine
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.plugin_docks import open_dock
from napari_diatom.widgets.common.scrolled import Scrolled
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.naming.background_work import BackgroundWork
from napari_diatom.widgets.review.sender import ANNOTATE
from napari_diatom.widgets.sample_count.agreement_link import AgreementLink
from napari_diatom.widgets.sample_count.count_session import CountSession
from napari_diatom.widgets.sample_count.facts_dialog import FactsDialog
from napari_diatom.widgets.sample_count.fields_table import FieldsTable
from napari_diatom.widgets.sample_count.rarefaction_view import RarefactionView
from napari_diatom.widgets.sample_count.tally_writer import TallyWriter
from napari_diatom.widgets.sample_count.taxa_table import TaxaTable

if TYPE_CHECKING:
    from napari.viewer import Viewer

_BUTTON_KEYS: Final = (
    ButtonKey("Alt+D", "next_field", "open the next field that is not done"),
    ButtonKey("Alt+B", "take_back", "go back to the field that was confirmed last, and undo that"),
    ButtonKey("Alt+S", "review_sample", "show all specimens of the sample as pictures, by class"),
    ButtonKey("Alt+T", "write_tally", "write the tally"),
)
_ON_CANVAS: Final = (("Space", "on the image: confirm the field, and open the next one"),)
_FROM_FILE, _OWN = "from a file", "own"
"""Data of the protocols that are no presets."""
_STEPS: Final = 1000
"""Of the bar of progress."""
_CURVE_MS: Final = 200
"""Time without a change after which the rarefaction curve is worked out again."""


class SampleCountWidget(QWidget):
    """Counts the samples of the project that is open in *Annotate diatoms*.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer it belongs to.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._session = session = CountSession(self, napari_viewer)
        self._own: SampleProtocol | None = None
        self._writer = TallyWriter(self)
        self._link = AgreementLink(self, napari_viewer, session)
        self._background = BackgroundWork(self)
        self._curve_timer = QTimer(self)
        self._curve_timer.setSingleShot(True)
        self._curve_timer.setInterval(_CURVE_MS)
        self._curve_timer.timeout.connect(self._draw_curve)
        self._build()
        for part in (session, self._writer, self._link):
            part.said.connect(self.line.say)
            part.failed.connect(self.line.warn)
        self._writer.running.connect(lambda on: self._write.setEnabled(not on))
        self._link.running.connect(lambda on: self._agreement.setEnabled(not on))
        session.listed.connect(self._show_choices)
        session.changed.connect(self._show_count)
        self.next_field, self.confirm, self.take_back = session.next_field, session.confirm, session.take_back
        DockKeys(self, napari_viewer, _BUTTON_KEYS, lambda: [*_ON_CANVAS, *MOUSE])
        share_area(self, "Count")
        attach_while_docked(self, session.attach, self._leave)
        delete_when_closed(self)

    def session(self) -> CountSession:
        """Return what is counted."""
        return self._session

    def open_project(self) -> None:
        """Let the user open a project in *Annotate diatoms*."""
        editor = open_dock(self._viewer, ANNOTATE)
        editor.ask_for_project()
        if self._session.project is not None:
            # A new dock comes to the front in the next turn of the event loop, and this one has to follow.
            QTimer.singleShot(0, partial(open_dock, self._viewer, COUNT))

    def use_protocol(self, path: Path) -> None:
        """Count by the protocol of a file, and keep it in the project."""
        try:
            self._session.set_protocol(read_protocol(path))
        except DiatomError as error:
            self.line.warn(str(error))
            self._show_choices()

    def show_specimens(self, taxon: str = "") -> None:
        """Show the specimens of the sample as pictures, all by class or those of one taxon."""
        editor, sample = self._session.editor, self._session.sample
        if editor is not None and sample:
            editor.show_gallery(sample, taxon)

    def show_facts(self) -> None:
        """Show the facts of the sample in a form."""
        project = self._session.project
        if project is not None:
            dialog = FactsDialog(project, self._session.sample, self)
            dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            dialog.taken.connect(self._on_facts)
            dialog.open()

    def write_tally(self, out: Path) -> None:
        """Write the tally of the project into a folder, in a thread; a tally that is there is replaced."""
        editor, project = self._session.editor, self._session.project
        if editor is not None and project is not None:
            editor.flush()
            self._writer.start(project.folder, out)

    def sizeHint(self) -> QSize:
        """Return a size that leaves room for the image on a small screen."""
        return QSize(400, 600)

    def _leave(self) -> None:
        """Let the project and the image go when the dock is closed."""
        self._link.leave()
        self._session.detach()

    def _build(self) -> None:
        self._title = text_label("count_project")
        self._open = named(QPushButton("Open a project..."), "count_open", "Open a project in Annotate diatoms")
        self._sample = named(QComboBox(), "sample", "Which sample is counted", "Sample")
        self._protocol = named(
            QComboBox(), "protocol", "The rules: what counts, the target, and the order of the fields", "Protocol"
        )
        self._facts = named(QPushButton("Facts..."), "sample_facts", "Site, date, volumes and areas of the sample")
        self._bar = named(QProgressBar(), "count_progress", spoken="Progress towards the target")
        self._rule = text_label("stop_rule")
        self._next = named(QPushButton("Next field"), "next_field", "Open the next field that is not done (Alt+D)")
        self._confirm = named(
            QPushButton("Confirm field"),
            "confirm_field",
            "Accept what is proposed, mark the field as done, and open the next one (Space on the image)",
        )
        self._back = named(QPushButton("Take back"), "take_back", "Go back to the last field, and undo that (Alt+B)")
        self._taxa, self._curve, self._fields = TaxaTable(), RarefactionView(), FieldsTable()
        self._review = named(
            QPushButton("Review the sample"), "review_sample", "Show all its specimens as pictures, by class (Alt+S)"
        )
        self._write = named(QPushButton("Write the tally..."), "write_tally", "Write the tables of all samples (Alt+T)")
        self._second = named(
            QPushButton("Second count..."),
            "second_count",
            "Have another person count the same fields, without your names",
        )
        self._agreement = named(
            QPushButton("Agreement..."), "agreement", "How far the counts of two persons agree, and who saw what"
        )
        self.line = named(MessageLine(), "count_message")
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Sample", _row(self._sample, self._facts))
        form.addRow("Protocol", self._protocol)
        parts = QSplitter(Qt.Orientation.Vertical)
        named(parts, "count_parts")
        for part, share in ((self._taxa, 4), (self._curve, 1), (self._fields, 3)):
            parts.addWidget(part)
            parts.setStretchFactor(parts.count() - 1, share)
        parts.setChildrenCollapsible(False)
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addLayout(_row(self._title, self._open))
        layout.addLayout(form)
        layout.addWidget(self._bar)
        layout.addWidget(self._rule)
        layout.addLayout(_row(self._next, self._confirm, self._back))
        layout.addWidget(parts, 1)
        layout.addLayout(_row(self._review, self._write))
        layout.addLayout(_row(self._second, self._agreement))
        layout.addWidget(self.line)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(Scrolled(content))
        self._open.clicked.connect(lambda *_: self.open_project())
        self._sample.activated.connect(lambda *_: self._session.set_sample(self._sample.currentData()))
        self._protocol.activated.connect(lambda *_: self._on_protocol())
        self._facts.clicked.connect(lambda *_: self.show_facts())
        self._next.clicked.connect(lambda *_: self._session.next_field())
        self._confirm.clicked.connect(lambda *_: self._session.confirm())
        self._back.clicked.connect(lambda *_: self._session.take_back())
        self._taxa.taxonChosen.connect(self.show_specimens)
        self._fields.fieldChosen.connect(self._session.open)
        self._review.clicked.connect(lambda *_: self.show_specimens())
        self._write.clicked.connect(lambda *_: self._ask_for_folder())
        self._second.clicked.connect(lambda *_: self._link.start())
        self._agreement.clicked.connect(lambda *_: self._link.compare())

    def _show_choices(self) -> None:
        """Offer the samples of the project, and the protocols."""
        session = self._session
        project, own = session.project, session.protocol
        if project is None:
            self._own = None
        record = self._link.record()
        if project is None:
            self._title.setText("No project is open.")
        elif record is not None:
            self._title.setText(f"Second count, by {record.person}. The first one is not shown.")
        self._title.setVisible(project is None or record is not None)
        self._open.setVisible(project is None)
        if not any(make() == own for make in PRESETS.values()):
            self._own = own
        preset = next((name for name, make in PRESETS.items() if make() == own), "")
        with signals_blocked(self._sample), signals_blocked(self._protocol):
            self._sample.clear()
            for sample in session.samples:
                self._sample.addItem(sample, sample)
            self._sample.setCurrentIndex(self._sample.findData(session.sample))
            self._protocol.clear()
            if self._own is not None:
                # It can be chosen again after another one.
                self._protocol.addItem(f"{self._own.name} (of this project)", _OWN)
            for name, make in PRESETS.items():
                self._protocol.addItem(f"{name}: {_rules(make())}", name)
            self._protocol.addItem("from a file ...", _FROM_FILE)
            self._protocol.setCurrentIndex(self._protocol.findData(preset or _OWN))
        counting = (self._sample, self._protocol, self._facts, self._next, self._confirm, self._review, self._write)
        for part in (*counting, self._second, self._agreement):
            part.setEnabled(project is not None and bool(session.samples))
        # A third person counts what the first one did.
        self._second.setVisible(record is None)

    def _show_count(self) -> None:
        """Show the count of the sample as it is now."""
        session, found = self._session, self._session.counted
        self._back.setEnabled(session.can_take_back)
        if self._sample.currentData() != session.sample:
            with signals_blocked(self._sample):
                self._sample.setCurrentIndex(self._sample.findData(session.sample))
        if found is None:
            self._bar.setRange(0, 1)
            self._bar.setValue(0)
            self._bar.setFormat("")
            self._rule.setText("")
            self._taxa.set_rows([])
            self._fields.set_rows([], "", "")
        else:
            progress = found.progress(session.sample)
            self._bar.setRange(0, _STEPS)
            self._bar.setValue(int(_STEPS * min(progress.counted / progress.target, 1)))
            self._bar.setFormat(f"{progress.counted:.10g} of {progress.target}")
            self._rule.setText(_told(session))
            self._taxa.set_rows(list(taxon_counts(found, session.sample)))
            field = session.open_field
            following = found.next_field(field, session.others.fields) or ""
            self._fields.set_rows(found.fields, field, following, session.others.fields)
        self._curve_timer.start()

    def _draw_curve(self) -> None:
        """Work the rarefaction curve out in a thread: that of thousands of specimens takes a while."""
        found, sample = self._session.counted, self._session.sample
        numbers = None if found is None else found.numbers[0, found.is_shared]
        if found is None or numbers is None or not numbers.any():
            self._curve.clear()
            return
        progress = found.progress(sample)

        def take(curve: tuple[NDArray[np.int64], NDArray[np.float64]]) -> None:
            sizes, taxa = curve
            if self._session.counted is found:
                self._curve.set_curve(sizes, taxa, progress.coverage, progress.target)

        self._background.start(self, lambda _: rarefaction_curve(numbers), take)

    def _on_protocol(self) -> None:
        chosen = self._protocol.currentData()
        if chosen == _FROM_FILE:
            self._show_choices()
            path, _ = QFileDialog.getOpenFileName(self, "Protocol", "", "Protocols (*.yaml *.yml)")
            if path:
                self.use_protocol(Path(path))
        elif chosen == _OWN and self._own is not None:
            self._session.set_protocol(self._own)
        elif chosen in PRESETS:
            self._session.set_protocol(PRESETS[chosen]())

    def _on_facts(self, text: str) -> None:
        self._session.reread()
        self.line.say(text)

    def _ask_for_folder(self) -> None:
        out = QFileDialog.getExistingDirectory(self, "Folder for the tables of the tally")
        if not out:
            return
        if tally_files(Path(out)) and can_answer(self.window()):
            text = f"{out} holds a tally already. Replace it?"
            if ask(self, "Tally", text, "Cancel", "Replace the tally") == 0:
                return
        self.write_tally(Path(out))


COUNT: Final = "Count a sample"
"""Name of the dock in the menu."""


def _told(session: CountSession) -> str:
    """Return what the stop rule says, and the figures that it goes by."""
    found, sample = session.counted, session.sample
    assert found is not None
    progress = found.progress(sample)
    said = "Enough is counted." if progress.may_stop else f"To do: {progress.missing}."
    parts = [] if progress.coverage != progress.coverage else [f"coverage {100 * progress.coverage:.1f} %"]
    if progress.relative_error == progress.relative_error:
        parts.append(f"relative error of the commonest taxon {100 * progress.relative_error:.1f} %")
    waiting = sum(field.proposals for field in found.fields)
    parts += [f"{waiting} proposed and not counted yet"] if waiting else []
    done = sum(field.is_done for field in found.fields)
    fields = f"{done} of {len(found.fields)} fields done"
    return f"{said} {'; '.join([fields, *parts])}."


def _rules(protocol: SampleProtocol) -> str:
    """Return target and unit of a protocol in words."""
    of = " non-planktic" if protocol.target_of == "non_planktic" else ""
    return f"{protocol.target}{of} {protocol.unit}s"


def _row(*parts: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for number, part in enumerate(parts):
        row.addWidget(part, 1 if not number else 0)
    return row
