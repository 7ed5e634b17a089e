"""Steps in several images that are made one after the other, each in small parts, while a person goes on working."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from napari_diatom.core.errors import DiatomError
from napari_diatom.project.bulk_edits import BulkEdits
from napari_diatom.project.bulk_work import BulkEdit, BulkWork, Changed
from napari_diatom.project.document import Document
from napari_diatom.project.edits import Edit
from napari_diatom.project.project import Project

AT_ONCE: Final = 2
"""Images in which a step is made at once, which takes less than a tenth of a second."""

Done = Callable[[BulkEdit | None, DiatomError | None], None]
"""Gets a step that was made, None where there was nothing to do, and why a part of it could not be made."""


class BulkQueue:
    """Makes and undoes steps of a project.

    A step in few images is made at once. One in many waits for :meth:`advance`, and those after it wait for it. What
    a person changes meanwhile stays: :meth:`hurry` says so before.

    Parameters
    ----------
    project : Project
        The open project.
    changed : callable
        Gets id and contents of each image that was edited.

    Attributes
    ----------
    bulk : BulkEdits
        The steps that can be undone.
    """

    def __init__(self, project: Project, changed: Callable[[Changed], None]) -> None:
        self.bulk = BulkEdits(project)
        self._changed = changed
        self._jobs: deque[_Job] = deque()

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def images_left(self) -> int:
        """Images that the step under way has not reached yet."""
        work = self._jobs[0].work if self._jobs else None
        return len(work.left) if work is not None else 0

    def name_each(self, taxa: Mapping[str, Mapping[str, str]], done: Done) -> None:
        """Name specimens, as :meth:`BulkEdits.name_each <napari_diatom.project.bulk_edits.BulkEdits.name_each>`."""
        work = self.bulk.naming(taxa)
        job = _Job(lambda: work, done)
        # What it does in an image may be wanted before its turn.
        job.start()
        if len(work.left) > AT_ONCE:
            self._add(job)
            return
        for image_id in taxa:
            self.hurry(image_id)
        self._make(job)

    def undo(self, step: BulkEdit | None, done: Done) -> None:
        """Undo a step, the last one by default."""
        self._add(_Job(lambda: self.bulk.undoing(step) if step is None or step in self.bulk.done else None, done))

    def redo(self, step: BulkEdit | None, done: Done) -> None:
        """Do a step again that was undone, the last one by default."""
        self._add(_Job(lambda: self.bulk.redoing(step) if step is None or step in self.bulk.undone else None, done))

    def undo_last_of(self, document: Document | None, done: Done) -> bool:
        """Undo the step that the last edit of a document belongs to; return False where it is an edit of its own."""
        last = document.history.done[-1] if document is not None and document.history.done else None
        maker = next((job for job in self._jobs if last is not None and job.has_made(last)), None)
        step = self.bulk.next_undo(document)
        if maker is not None:
            self._add(_Job(lambda: maker.undoing(self.bulk), done))
        elif step is not None:
            self.undo(step, done)
        return maker is not None or step is not None

    def redo_last_of(self, document: Document | None, done: Done) -> bool:
        """Do the step again that what was undone last in a document belongs to; as :meth:`undo_last_of`."""
        step = self.bulk.next_redo(document)
        if step is not None:
            self.redo(step, done)
        return step is not None

    def advance(self) -> None:
        """Go on for some tens of milliseconds."""
        if not self._jobs:
            return
        job = self._jobs[0]
        if not job.has_begun:
            job.start()
        elif job.work is not None and not job.work.is_made:
            self._tell(job.work.advance())
        else:
            self._jobs.popleft()
            self._make(job)

    def hurry(self, image_id: str, is_shown: bool = False) -> None:
        """Make what is left of all steps in an image that a person is about to change, and that may be shown now."""
        for job in list(self._jobs):
            if job.work is None:
                # An undo that waits takes back what was named before it, and leaves what is changed since.
                return
            self._tell(job.work.hurry(image_id, is_shown))

    def finish(self) -> None:
        """Make all steps now: the project is about to be closed."""
        while self._jobs:
            self.advance()

    def _add(self, job: _Job) -> None:
        """Make a step at once, unless it is a long one or others wait."""
        if self._jobs:
            self._jobs.append(job)
            return
        job.start()
        if job.work is None or len(job.work.left) <= AT_ONCE:
            self._make(job)
        else:
            self._jobs.append(job)

    def _make(self, job: _Job) -> None:
        """Make the rest of a step, and tell those who wait for it."""
        job.start()
        error = None
        if job.work is not None:
            while not job.work.is_made:
                self._tell(job.work.advance())
            try:
                job.work.finish()
            except DiatomError as failed:
                error = failed
        job.done(None if job.work is None else job.work.step, error)

    def _tell(self, changed: Changed | None) -> None:
        if changed is not None:
            self._changed(changed)


class _Job:
    """A step that waits, or that is under way."""

    def __init__(self, begin: Callable[[], BulkWork | None], done: Done) -> None:
        self._begin = begin
        self.done = done
        self.work: BulkWork | None = None
        self.has_begun = False

    def start(self) -> None:
        """Find out what is to be done."""
        if not self.has_begun:
            self.has_begun = True
            self.work = self._begin()

    def has_made(self, edit: Edit) -> bool:
        """Return whether an edit is one of its own."""
        return self.work is not None and self.work.has_made(edit)

    def undoing(self, bulk: BulkEdits) -> BulkWork | None:
        """Return the work that undoes it, None where that was done already."""
        step = None if self.work is None else self.work.step
        return None if step is None or step not in bulk.done else bulk.undoing(step)
