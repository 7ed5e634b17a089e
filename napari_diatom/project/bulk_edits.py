"""Names for specimens of many images at once: one step, which is undone and done again as a whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

from napari_diatom.project.bulk_work import Attempts, BulkEdit, BulkWork, Part
from napari_diatom.project.document import Document
from napari_diatom.project.edits import Change, Edit
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import Specimen

MOST_STEPS: Final = 1000
"""Steps that can be undone."""


class BulkEdits:
    """Makes steps in a project, and undoes them.

    Each image has its own part of a step in the history of its document. A step can be undone after images were closed
    and opened again, and after other edits. What somebody has changed since then stays as it is.

    Parameters
    ----------
    project : Project
        The open project.

    Attributes
    ----------
    done, undone : list of BulkEdit
        The steps that can be undone, and done again, the last one at the end.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self.done: list[BulkEdit] = []
        self.undone: list[BulkEdit] = []

    def name(self, taxon: str, by_image: Mapping[str, Sequence[str]]) -> BulkEdit:
        """Name specimens, and accept proposals under the name.

        Parameters
        ----------
        taxon : str
            The class.
        by_image : mapping of str to sequence of str
            Ids of specimens and proposals by the ids of their images. Those that are gone are left out.

        Raises
        ------
        DiatomError
            When an image cannot be read or an edit cannot be put on disk. All other images are named, and can be
            undone.
        """
        return self.name_each({image_id: dict.fromkeys(ids, taxon) for image_id, ids in by_image.items()})

    def name_each(self, taxa: Mapping[str, Mapping[str, str]]) -> BulkEdit:
        """Name each specimen as it should be called: ``taxa`` has their classes by image and id. As :meth:`name`."""
        return self.naming(taxa).finish()

    def naming(self, taxa: Mapping[str, Mapping[str, str]]) -> BulkWork:
        """Return the work of :meth:`name_each`, to be done in small parts."""
        given = {name for names in taxa.values() for name in names.values()}
        label = f"name {given.pop()}" if len(given) == 1 else "name specimens"

        def part(names: Mapping[str, str]) -> Part:
            def make(document: Document, edits: list[Edit]) -> int:
                before = len(document.history.done)
                try:
                    _name(document, names)
                finally:
                    edits += document.history.done[before:]
                return 0

            return make

        def note(step: BulkEdit) -> None:
            self.undone.clear()
            _note(self.done, step)

        return BulkWork(self._project, label, {image_id: part(names) for image_id, names in taxa.items()}, note)

    def undo(self, step: BulkEdit | None = None) -> BulkEdit | None:
        """Undo a step, the last one by default. Return what was done, None where there is no step.

        Raises as :meth:`name`.
        """
        work = self.undoing(step)
        return None if work is None else work.finish()

    def redo(self, step: BulkEdit | None = None) -> BulkEdit | None:
        """Do a step again that was undone, the last one by default. As :meth:`undo`."""
        work = self.redoing(step)
        return None if work is None else work.finish()

    def undoing(self, step: BulkEdit | None = None) -> BulkWork | None:
        """Return the work of :meth:`undo`, to be done in small parts; None where there is no step."""
        return self._turning(self.done, self.undone, step, is_undone=True)

    def redoing(self, step: BulkEdit | None = None) -> BulkWork | None:
        """Return the work of :meth:`redo`, to be done in small parts; None where there is no step."""
        return self._turning(self.undone, self.done, step, is_undone=False)

    def next_undo(self, document: Document | None) -> BulkEdit | None:
        """Return the step that the last edit of a document belongs to, None where it is an edit of its own."""
        return None if document is None else _with_last(self.done, document.history.done)

    def next_redo(self, document: Document | None) -> BulkEdit | None:
        """Return the step that was undone last in a document, None where that was an edit of its own."""
        return None if document is None else _with_last(self.undone, document.history.undone)

    def _turning(
        self, taken: list[BulkEdit], given: list[BulkEdit], step: BulkEdit | None, is_undone: bool
    ) -> BulkWork | None:
        """Return the work that makes the inverse of a step of one list, and puts it on the other."""
        if not taken:
            return None
        step = taken[-1] if step is None else step
        taken.remove(step)
        by_image: dict[str, list[Edit]] = {}
        for image_id, edit in reversed(step.edits):
            by_image.setdefault(image_id, []).append(edit)

        def part(edits: Sequence[Edit]) -> Part:
            return lambda document, made: sum(_turn(document, edit, is_undone, made) for edit in edits)

        parts = {image_id: part(edits) for image_id, edits in by_image.items()}
        return BulkWork(self._project, step.label, parts, lambda made: _note(given, made))


def _note(steps: list[BulkEdit], step: BulkEdit) -> None:
    """Put a step that changed something on a list."""
    if step.edits:
        steps.append(step)
        del steps[:-MOST_STEPS]


def _turn(document: Document, edit: Edit, is_undone: bool, made: list[Edit]) -> int:
    """Make the inverse of an edit, and return how many specimens were left as they are."""
    part, left = _unchanged(edit, document)
    lists = document.history.done, document.history.undone
    source, target = lists if is_undone else lists[::-1]
    if edit in source:
        source.remove(edit)
    if not part.is_empty:
        source.append(part)
        before = len(target)
        try:
            _ = document.undo() if is_undone else document.redo()
        finally:
            made += target[before:]
    return left


def _name(document: Document, names: Mapping[str, str]) -> None:
    """Name the specimens of an image that are not called so yet, and accept its proposals."""
    errors = Attempts()
    for taxon in dict.fromkeys(names.values()):
        ids = [id_ for id_, name in names.items() if name == taxon]
        present = [id_ for id_ in ids if id_ in document.specimens and document.specimens[id_].name != taxon]
        proposed = [id_ for id_ in ids if id_ in document.proposals]
        with errors.attempt():
            if present:
                document.set_class(present, taxon)
        with errors.attempt():
            if proposed:
                document.accept(proposed, name=taxon)
    if errors.error is not None:
        raise errors.error


def _unchanged(edit: Edit, document: Document) -> tuple[Edit, int]:
    """Return the part of an edit whose specimens are as it left them, and of how many others it was."""
    parts = ((edit.after, document.specimens), (edit.proposals_after, document.proposals))
    changed = {id_ for after, now in parts for id_, item in after.items() if not _alike(item, now.get(id_))}

    def rest(change: Change) -> Change:
        return {id_: item for id_, item in change.items() if id_ not in changed}

    kept = dataclasses.replace(
        edit,
        before=rest(edit.before),
        after=rest(edit.after),
        proposals_before=rest(edit.proposals_before),
        proposals_after=rest(edit.proposals_after),
        rejected_before=rest(edit.rejected_before),
        rejected_after=rest(edit.rejected_after),
        state=edit.state if edit.state[1] == document.state and not changed else (document.state, document.state),
    )
    return (kept if changed or kept.state != edit.state else edit), len(changed)


def _alike(first: Specimen | None, second: Specimen | None) -> bool:
    return first is second if first is None or second is None else first.is_like(second)


def _with_last(steps: list[BulkEdit], edits: list[Edit]) -> BulkEdit | None:
    last = edits[-1] if edits else None
    return next((step for step in reversed(steps) if any(edit is last for _, edit in step.edits)), None)
