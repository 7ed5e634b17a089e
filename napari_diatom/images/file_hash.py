"""The hash of an image file, computed once and only where it is asked for."""

from __future__ import annotations

import threading
from pathlib import Path

from napari_diatom.images.image_content import content_digest


class FileHash:
    """The SHA-256 of an image, worked out once for all its pages."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._digest: str | None = None

    def hexadecimal(self) -> str:
        """Return the hash. Raises InputError when the file cannot be read."""
        with self._lock:
            if self._digest is None:
                self._digest, _ = content_digest(self._path)
            return self._digest
