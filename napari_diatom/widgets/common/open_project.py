"""The project that is open in a viewer, for all its docks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from psygnal import Signal

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_diatom.project.settings import ProjectClass


class OpenProject:
    """Which project is open in a viewer; :meth:`of` returns the same object to all docks.

    Attributes
    ----------
    folder : Path or None
        The folder of the project, None while no project is open.
    classes : callable
        Returns its classes, none while no project is open.
    editor : QWidget or None
        The dock *Annotate diatoms* in which it is open.
    """

    changing = Signal(Path)
    """The settings of the project in a folder are about to be changed: whoever has edits of it writes them."""
    opened = Signal()
    """Another project was opened, or the project was closed."""
    changed = Signal(Path)
    """The settings or annotations of the project in a folder were changed, by another dock than the one that edits."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.classes: Callable[[], tuple[ProjectClass, ...]] = tuple
        self.editor: Any = None

    @classmethod
    def of(cls, viewer: Viewer) -> OpenProject:
        """Return the object that all docks of a viewer share."""
        # Each plugin gets its own proxy of the viewer.
        return _of_viewers.setdefault(getattr(viewer, "__wrapped__", viewer), cls())

    def close(self) -> None:
        """Note that no project is open."""
        self.folder = None
        self.classes = tuple
        self.editor = None
        self.opened.emit()


_of_viewers: Final[WeakKeyDictionary[Any, OpenProject]] = WeakKeyDictionary()
