"""The count of a sample in the window: the project that *Annotate diatoms* has open, its protocol and its fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal

from napari_diatom.core.errors import DiatomError
from napari_diatom.project.bulk_edits import BulkEdits
from napari_diatom.project.bulk_work import BulkEdit
from napari_diatom.project.project import Project
from napari_diatom.project.summary import Tally
from napari_diatom.samples.counting_files import keep_protocol, protocol_of_project
from napari_diatom.samples.live_tally import CountedSample, LiveTally
from napari_diatom.samples.protocol import SampleProtocol
from napari_diatom.samples.protocol_presets import plain
from napari_diatom.samples.tally_taxa import TallyTaxa
from napari_diatom.widgets.canvas.key_bindings import bind_one, unbind
from napari_diatom.widgets.common.closing import focus_image, when_destroyed
from napari_diatom.widgets.common.open_project import OpenProject
from napari_diatom.widgets.sample_count.other_windows import OtherWindows

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_diatom.widgets.annotate.widget import AnnotateWidget

CONFIRM_KEY: Final = "Space"
"""napari's name of the key that confirms a field on the canvas."""
_NOTHING_YET: Final = "Nobody has looked at this field yet. Press Space again if it is empty; Alt+R runs the model."


class CountSession(QObject):
    """Follows what is open in *Annotate diatoms*, and counts it.

    Parameters
    ----------
    parent : QObject
        Its owner.
    viewer : napari.viewer.Viewer
        The viewer of both docks.

    Attributes
    ----------
    sample : str
        Code of the sample that is counted, empty for none.
    others : OtherWindows
        Who has which field of the project open in another window.
    """

    listed = Signal()
    """The samples or the protocol are others: another project was opened, or facts of its images were changed."""
    changed = Signal()
    """The count of the sample, or the open field, has changed."""
    said = Signal(str)
    """What happened."""
    failed = Signal(str)
    """What went wrong."""

    def __init__(self, parent: QObject, viewer: Viewer) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._shared = OpenProject.of(viewer)
        self._editor: AnnotateWidget | None = None
        self._tally = LiveTally(plain())
        self._counted: CountedSample | None = None
        self._folder: object = None
        self._steps: BulkEdits | None = None
        self._asked = ""
        self.sample = ""
        self.others: Final = OtherWindows(self)
        self.others.changed.connect(self.changed)
        # Several images may be edited in one step.
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._count)
        # A window that is closed destroys its docks without removing them from it.
        when_destroyed(self, self._shared.opened.disconnect, self._follow)

    @property
    def editor(self) -> AnnotateWidget | None:
        """The dock *Annotate diatoms*, None while it has no project."""
        return self._editor

    @property
    def project(self) -> Project | None:
        """The open project."""
        return None if self._editor is None else self._editor.project()

    @property
    def protocol(self) -> SampleProtocol:
        """The protocol by which the project is counted."""
        return self._tally.protocol

    @property
    def samples(self) -> tuple[str, ...]:
        """Codes of the samples of the project."""
        return self._tally.samples

    @property
    def counted(self) -> CountedSample | None:
        """The count of the sample as it is now; None without a project."""
        return self._counted

    @property
    def open_field(self) -> str:
        """Id of the image that is open, empty for none."""
        return "" if self._editor is None or self._editor.document() is None else self._editor.browser().current()

    @property
    def can_take_back(self) -> bool:
        """Whether a field was confirmed that can be taken back."""
        return self._steps is not None and bool(self._steps.done)

    def set_sample(self, sample: str) -> None:
        """Count another sample."""
        if sample in self.samples and sample != self.sample:
            self.sample = sample
            self._count()

    def set_protocol(self, protocol: SampleProtocol) -> None:
        """Count by another protocol, and keep it in the project."""
        project = self.project
        if project is None or protocol == self.protocol:
            return
        try:
            keep_protocol(project.folder, protocol)
        except DiatomError as error:
            self.failed.emit(str(error))
        else:
            self._tally.protocol = protocol
            self._count()
        self.listed.emit()

    def open(self, image_id: str) -> None:
        """Show a field, and give the keys to its image."""
        if self._editor is not None:
            self._editor.open_image(image_id)
            focus_image(self._viewer)

    def next_field(self) -> None:
        """Show the next field of the sample that is not done, in the protocol's order."""
        self.others.look()
        following = None if self._counted is None else self._counted.next_field(self.open_field, self.others.fields)
        if following is None:
            self.said.emit(f"All fields of {self.sample} are done." if self._counted else "No project is open.")
        else:
            self.open(following)
            if following in self.others.fields:
                self.said.emit(f"{self.others.fields[following]} has {following} open, too. No other field is left.")

    def confirm(self) -> None:
        """Confirm the open field as it stands, and show the next one.

        A field of another sample is left as it is. One in which nobody has looked for anything is confirmed as empty
        only when this is called twice.
        """
        field = self.open_field
        if self._editor is None or not field or self._tally.sample_of(field) != self.sample:
            self.next_field()
            return
        document = self._editor.document()
        assert document is not None
        if not document.specimens and not document.proposals and document.state == "untouched" and self._asked != field:
            self._asked = field
            self.said.emit(_NOTHING_YET)
            return
        before = self._editor.message()
        edit, news = self._editor.confirm(), self._editor.message()
        if edit is None:
            self.failed.emit(news)
            return
        if not edit.is_empty and self._steps is not None:
            self._steps.done.append(BulkEdit("confirm field", ((field, edit),)))
        self._count()
        self.next_field()
        self._say_progress()
        if news and news != before:
            # Such as which classes of the model the project does not have.
            self.said.emit(news)

    def take_back(self) -> None:
        """Show the field that was confirmed last, and undo that: its proposals are proposals again."""
        if self._steps is None or not self._steps.done:
            self.said.emit("No field was confirmed since the project was opened.")
            return
        step = self._steps.done[-1]
        self.open(step.image_ids[0])
        try:
            turned = self._steps.undo(step)
        except DiatomError as error:
            self.failed.emit(str(error))
            return
        self._count()
        kept = 0 if turned is None else turned.kept
        also = f" {kept} specimens changed since stay as they are." if kept else ""
        self.said.emit(f"{step.image_ids[0]} is not confirmed any more.{also}")

    def reread(self) -> None:
        """Read the protocol and the samples of the project again, after the facts of its images were changed here."""
        project = self.project
        if project is not None:
            self._shared.changed.emit(project.folder)

    def attach(self) -> None:
        """Follow the project that is open in the viewer, and have the key on its image confirm fields."""
        self._shared.opened.connect(self._follow)
        self._follow()
        self._list()

    def detach(self) -> None:
        """Follow no project, and give the key back to napari."""
        self._shared.opened.disconnect(self._follow)
        self._watch(None)

    def _say_progress(self) -> None:
        found = self._counted
        if found is not None and found.progress(self.sample).may_stop:
            left = sum(not field.is_done for field in found.fields)
            more = f" {left} fields are not done: go on as you like." if left else ""
            self.said.emit(f"Enough of {self.sample} is counted.{more}")

    def _follow(self) -> None:
        """Look which project is open, and in which dock."""
        if isalive(self):  # type: ignore[no-untyped-call]
            self._watch(self._shared.editor)

    def _watch(self, editor: Any) -> None:
        """Follow a dock *Annotate diatoms*, and no other."""
        if editor is self._editor:
            return
        before, self._editor = self._editor, editor
        if before is not None and isalive(before):  # type: ignore[no-untyped-call]
            browser = before.browser()
            browser.listed.disconnect(self._list)
            browser.counted.disconnect(self._note)
            browser.shown.disconnect(self._on_shown)
            for synced in (before.canvas().specimens, before.canvas().proposals):
                unbind(synced.layer, CONFIRM_KEY)
        if self._editor is not None:
            browser = self._editor.browser()
            browser.listed.connect(self._list)
            browser.counted.connect(self._note)
            browser.shown.connect(self._on_shown)
            for synced in (self._editor.canvas().specimens, self._editor.canvas().proposals):
                bind_one(synced.layer, CONFIRM_KEY, self.confirm)
        else:
            self._list()

    def _list(self) -> None:
        """Count all images of the project."""
        project = self.project
        protocol = plain()
        if project is not None:
            try:
                protocol = protocol_of_project(project.folder)
            except DiatomError as error:
                self.failed.emit(str(error))
        if project is None or project.folder != self._folder:
            self._folder = None if project is None else project.folder
            self._steps = None if project is None else BulkEdits(project)
        settings = None if project is None else project.settings
        taxa = None if settings is None else TallyTaxa.of(settings.classes, settings.no_taxon)
        self._tally = LiveTally(protocol, taxa)
        if self._editor is not None and project is not None:
            self._tally.note(self._editor.browser().tallies())
        if self.sample not in self.samples:
            self.sample = self._tally.sample_of(self.open_field) or next(iter(self.samples), "")
        self._count()
        self.others.watch(project)
        self.listed.emit()

    def _note(self, tally: Tally) -> None:
        """Count an image again that has changed."""
        self._tally.note([tally])
        self._timer.start()

    def _on_shown(self, image_id: str) -> None:
        """Show the sample of the image that was opened."""
        self._asked = ""
        self.others.look()
        sample = self._tally.sample_of(image_id)
        if sample and sample != self.sample:
            self.sample = sample
            self._count()
            self.listed.emit()
        else:
            self.changed.emit()

    def _count(self) -> None:
        self._timer.stop()
        self._counted = self._tally.counted(self.sample) if self.samples else None
        self.changed.emit()
