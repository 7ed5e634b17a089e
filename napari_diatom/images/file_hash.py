"""The hash of an image file, computed once and only where it is asked for."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

from napari_diatom.core.atomic_files import reason
from napari_diatom.core.errors import InputError

# Images are found and opened by one name.
from napari_diatom.images.image_files import RESULT_FOLDERS as RESULT_FOLDERS
from napari_diatom.images.image_files import RESULTS_MARK as RESULTS_MARK
from napari_diatom.images.image_files import SUFFIXES as SUFFIXES
from napari_diatom.images.image_files import find_images as find_images


class FileHash:
    """The SHA-256 of a file, worked out once for all its pages."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._digest: str | None = None

    def hexadecimal(self) -> str:
        """Return the hash. Raises InputError when the file cannot be read."""
        with self._lock:
            if self._digest is None:
                try:
                    with self._path.open("rb") as stream:
                        self._digest = hashlib.file_digest(stream, "sha256").hexdigest()
                except OSError as error:
                    raise InputError(f"{self._path} cannot be read: {reason(error)}") from error
            return self._digest
