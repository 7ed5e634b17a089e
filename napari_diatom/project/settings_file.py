"""The settings of a project on disk, which several windows read and write."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.core.text_files import LARGEST_YAML_BYTES, read_bytes
from napari_diatom.project import backups
from napari_diatom.project.edit_conflicts import ConflictError
from napari_diatom.project.folder_lock import FolderLock, check_there
from napari_diatom.project.settings import PROJECT_FILE, Settings
from napari_diatom.project.settings_merging import merged

_parsed = lru_cache(maxsize=4)(Settings.of_text)
"""Reads settings; several docks of a window have one project open, and read the same text."""


class SettingsFile:
    """``diatom-project.yaml``, as this window knows it and as it is on disk.

    Parameters
    ----------
    folder : Path
        The project's folder.
    lock : FolderLock
        Held while it is written.

    Raises
    ------
    InputError
        When there is no project, or its settings are damaged (every problem is named).
    """

    def __init__(self, folder: Path, lock: FolderLock) -> None:
        self.folder = folder
        self._lock = lock
        self._settings, self._revision = self._read()

    @property
    def settings(self) -> Settings:
        """What the project has agreed on, as this window knows it."""
        return self._settings

    def refresh(self) -> Settings:
        """Read what another window may have written, and return it. Raises InputError as on opening."""
        self._settings, self._revision = self._read()
        return self._settings

    def catch_up(self) -> bool:
        """Read the settings where another window has written them, and return whether one has. Raises as on opening."""
        if self._is_current():
            return False
        check_there(self.folder)
        self.refresh()
        return True

    def update(self, settings: Settings) -> None:
        """Write settings; what another window changed besides is kept, and so is how far images are.

        Raises
        ------
        ConflictError
            When another window changed the same entries; nothing is written then.
        OutputError
            When they cannot be written.
        """

        def change(there: Settings) -> Settings:
            # How far images are is the documents' to say; the settings may have been taken before the last of it.
            mine = _with_states(settings, {image.id: image.state for image in self._settings.images})
            both, clashes = merged(self._settings, mine, there)
            if clashes:
                raise ConflictError(
                    f"The settings of {self.folder.name} were also changed by somebody else: {', '.join(clashes)}. "
                    "Nothing was overwritten: look at the present settings (refresh), then make your change again."
                )
            return both

        self.change(change)

    def note_states(self, states: Mapping[str, str]) -> None:
        """Write how far images are, by their ids, where that is news."""
        news = {image.id for image in self._settings.images if states.get(image.id, image.state) != image.state}
        if news:
            # Each image's own file says so, too: where this finds no room, the next flush tries again.
            with suppress(OutputError):
                self.change(lambda settings: _with_states(settings, {id_: states[id_] for id_ in news}))

    def change(self, change: Callable[[Settings], Settings]) -> None:
        """Change the settings as they are on disk now.

        Raises
        ------
        InputError
            When those on disk are damaged.
        OutputError
            When they cannot be written.
        """
        with self._lock.held():
            there, revision = (self._settings, self._revision) if self._is_current() else self._read()
            new = change(there)
            if new != there:
                text = new.to_text()
                backups.rewrite(self.folder, self.folder / PROJECT_FILE, text)
                revision = hashlib.sha256(text.encode("utf-8")).hexdigest()
            self._settings, self._revision = new, revision

    def _read(self) -> tuple[Settings, str]:
        """Return the settings on disk and their hash."""
        path = self.folder / PROJECT_FILE
        if not os.path.lexists(path):
            raise InputError(f"{self.folder} is not a project: {PROJECT_FILE} is missing.")
        data = read_bytes(path, LARGEST_YAML_BYTES)
        return _parsed(data, str(path)), hashlib.sha256(data).hexdigest()

    def _is_current(self) -> bool:
        """Return whether the settings on disk are those that this window knows."""
        try:
            data = read_bytes(self.folder / PROJECT_FILE, LARGEST_YAML_BYTES)
        except InputError:
            return False
        return hashlib.sha256(data).hexdigest() == self._revision


def _with_states(settings: Settings, states: Mapping[str, str]) -> Settings:
    return settings.replace(
        images=tuple(
            image.replace(state=states[image.id]) if image.id in states else image for image in settings.images
        )
    )
