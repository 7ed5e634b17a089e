"""The names of taxa that the docks of a viewer know: of the open project and of a taxon list."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from napari_diatom.project.settings import ProjectClass
from napari_diatom.project.taxon_codes import search_words, taxa_called
from napari_diatom.project.taxon_list import read_taxa
from napari_diatom.widgets.common.open_project import OpenProject

if TYPE_CHECKING:
    from napari.viewer import Viewer


class KnownNames:
    """Knows names; :meth:`of` returns the same object to all docks of a viewer."""

    def __init__(self, project: OpenProject) -> None:
        self._project = project
        self._listed: tuple[ProjectClass, ...] = ()

    @classmethod
    def of(cls, viewer: Viewer) -> KnownNames:
        """Return the object that all docks of a viewer share."""
        # Each plugin gets its own proxy of the viewer.
        return _of_viewers.setdefault(getattr(viewer, "__wrapped__", viewer), cls(OpenProject.of(viewer)))

    def names(self) -> tuple[str, ...]:
        """Return the classes of the open project and the taxa of the list."""
        return tuple(dict.fromkeys(item.name for item in self._taxa()))

    def words(self) -> dict[str, str]:
        """Return all by which each name is found, such as codes and synonyms."""
        return {item.name: " | ".join(search_words(item)) for item in reversed(self._taxa())}

    def meant(self, text: str) -> str:
        """Return the name of the one taxon that has some text as a code or synonym; else the text."""
        names = self.names()
        found = [] if text in names else list(dict.fromkeys(taxa_called(self._taxa(), text)))
        return found[0] if len(found) == 1 else text

    def use_list(self, path: Path) -> int:
        """Take the names of a taxon list in place of those of an earlier one; return how many there are.

        Raises
        ------
        InputError
            When the file is not a list of taxa. The earlier list stays.
        """
        self._listed = read_taxa(path)
        return len(self._listed)

    def _taxa(self) -> tuple[ProjectClass, ...]:
        return (*self._project.classes(), *self._listed)


_of_viewers: Final[WeakKeyDictionary[Any, KnownNames]] = WeakKeyDictionary()
