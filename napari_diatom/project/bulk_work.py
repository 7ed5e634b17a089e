"""A step in several images at once, made in small parts: a window can do something else between two of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from napari_diatom.core.errors import DiatomError, OutputError
from napari_diatom.project.document import Document
from napari_diatom.project.edits import Contents, Edit
from napari_diatom.project.project import Project

Part = Callable[[Document, list[Edit]], int]
"""Edits a document, adds the edits that were made to the list, and returns how many specimens were left out."""
Changed = tuple[str, Contents]
"""Id of an image that was edited, and what it holds now."""


@dataclass(frozen=True, eq=False)
class BulkEdit:
    """Edits of several images that belong together.

    Attributes
    ----------
    label : str
        What was done.
    edits : tuple of (str, Edit)
        The edits with the ids of their images, in the order in which they were made.
    kept : int
        Specimens that were left as they are, because they have been changed since.
    """

    label: str
    edits: tuple[tuple[str, Edit], ...]
    kept: int = 0

    @property
    def image_ids(self) -> list[str]:
        """Ids of the images, each once."""
        return list(dict.fromkeys(image_id for image_id, _ in self.edits))

    @property
    def specimen_ids(self) -> list[tuple[str, str]]:
        """Ids of the images and specimens that it has to do with, each once."""
        found = ((image, id_) for image, edit in self.edits for id_ in {**edit.after, **edit.proposals_after})
        return list(dict.fromkeys(found))


class BulkWork:
    """A step that is made in small parts.

    Images that are open are edited first, because a person sees them. All others are opened for it, written and
    forgotten again.

    Parameters
    ----------
    project : Project
        The open project.
    label : str
        What is done.
    parts : mapping of str to callable
        What is done in each image, by its id.
    note : callable
        Gets the step when all of it is made.

    Attributes
    ----------
    left : dict of str to callable
        What has not been begun yet.
    step : BulkEdit or None
        The step, None before :meth:`finish`.
    """

    def __init__(
        self, project: Project, label: str, parts: Mapping[str, Part], note: Callable[[BulkEdit], None]
    ) -> None:
        self._project = project
        self._label = label
        self._note = note
        self._edits: list[tuple[str, Edit]] = []
        self._kept = 0
        self._attempts = Attempts()
        self._noting: contextlib.ExitStack | None = None
        self._under_way: tuple[str, Iterator[Changed | None]] | None = None
        self._shown: set[str] = set()
        self.left = {image_id: parts[image_id] for image_id in sorted(parts, key=lambda id_: not project.is_open(id_))}
        self.step: BulkEdit | None = None

    @property
    def is_made(self) -> bool:
        """Whether only :meth:`finish` is left."""
        return not self.left and self._under_way is None

    def advance(self) -> Changed | None:
        """Open, edit or write the next image, and return its id and contents where it was edited."""
        if self._under_way is None:
            image_id = next(iter(self.left))
            self._under_way = image_id, self._parts(image_id)
        try:
            return next(self._under_way[1])
        except StopIteration:
            self._under_way = None
        return None

    def hurry(self, image_id: str, is_shown: bool = False) -> Changed | None:
        """Edit an image now, because a person is about to change it; one that is shown stays open. As `advance`."""
        if is_shown:
            self._shown.add(image_id)
        if self._under_way is not None and self._under_way[0] == image_id:
            parts = self._under_way[1]
            self._under_way = None
        elif image_id in self.left:
            parts = self._parts(image_id)
        else:
            return None
        return next((changed for changed in list(parts) if changed is not None), None)

    def has_made(self, edit: Edit) -> bool:
        """Return whether an edit is one of those that were made so far."""
        return any(made is edit for _, made in self._edits)

    def finish(self) -> BulkEdit:
        """Make all that is left, and return the step.

        Raises
        ------
        DiatomError
            The first error. All other images are edited, and the step can be undone.
        """
        while not self.is_made:
            self.advance()
        if self._noting is not None:
            with self._attempts.attempt():
                self._noting.close()
        self.step = BulkEdit(self._label, tuple(self._edits), self._kept)
        self._note(self.step)
        if self._attempts.error is not None:
            raise self._attempts.error
        return self.step

    def _parts(self, image_id: str) -> Iterator[Changed | None]:
        """Open, edit and write an image, and stop after each."""
        if self._noting is None:
            # How far images are stands in the settings, which name all images: they are written once.
            self._noting = contextlib.ExitStack()
            self._noting.enter_context(self._project.documents.noting_states_at_the_end())
        make, was_open = self.left.pop(image_id), self._project.is_open(image_id)
        with self._attempts.attempt():
            self._project.document(image_id)
            try:
                if not was_open:
                    yield None
                document, edits = self._project.document(image_id), list[Edit]()
                with self._attempts.attempt():
                    try:
                        self._kept += make(document, edits)
                    finally:
                        self._edits += [(image_id, edit) for edit in edits]
                yield image_id, document.contents
            finally:
                if not was_open and image_id not in self._shown:
                    with contextlib.suppress(OutputError):
                        self._project.release(image_id)


class Attempts:
    """Tries things one after the other, and remembers the first error."""

    def __init__(self) -> None:
        self.error: DiatomError | None = None

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """Keep an error of what is done inside."""
        try:
            yield
        except DiatomError as error:
            self.error = self.error or error
