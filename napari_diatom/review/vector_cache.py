"""Vectors of specimens that were computed once, kept in the hidden folder of a project.

There is a file for each embedder. A specimen is known by its geometry and by the content of its image, so that one that
changes is another one, and one that is renamed is not. Records are only ever appended, under a lock; each has a check
sum, and what a killed program left of its last one is cut off by the next that appends.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from napari_diatom.core.atomic_files import reason
from napari_diatom.core.errors import OutputError
from napari_diatom.models.card import ModelCard
from napari_diatom.project.folder_lock import HIDDEN, make_hidden
from napari_diatom.project.settings import ProjectImage
from napari_diatom.project.specimen import Specimen

VECTORS: Final = "vectors"
"""Folder in the hidden one of a project."""
SUFFIX: Final = ".vectors"
DIGEST_BYTES: Final = 16
LOCK_SECONDS: Final = 10.0
"""How long to wait for another process that appends."""
_KIND: Final = b"vectors of specimens, 1"
"""Part of each digest; another number stands for other pictures of the same specimens."""
_SEED: Final = 0x5EED
"""Added to check sums, so that a block of zeros is not a record."""

_BLOCK: Final = 2048
"""Records that are summed up at once."""

Float32 = NDArray[np.float32]


def specimen_digest(image: ProjectImage, specimen: Specimen) -> bytes:
    """Return by what the vectors of a specimen are known: the content of its image and its geometry."""
    found = hashlib.blake2b(_KIND, digest_size=DIGEST_BYTES)
    found.update(f"\0{image.sha256}\0{image.page}\0{image.division}\0".encode())
    found.update(struct.pack("<5f", *specimen.box))
    if specimen.shape == "polygon":
        for polygon in specimen.polygons:
            for ring in polygon:
                found.update(struct.pack("<I", len(ring)))
                found.update(np.ascontiguousarray(ring, dtype="<f8").tobytes())
    return found.digest()


class VectorCache:
    """The vectors of an embedder that are known.

    Parameters
    ----------
    folder : Path
        Where its file lies, see :meth:`of_project`.
    card : ModelCard
        Of the embedder.
    """

    def __init__(self, folder: Path, card: ModelCard) -> None:
        self.dimensions: Final = card.embedding.dimensions if card.embedding else 0
        self.path: Final = folder / f"{card.sha256[:24]}-{self.dimensions}{SUFFIX}"
        # Words of four bytes: the digest, both vectors, the check sum.
        self._words = DIGEST_BYTES // 4 + 2 * self.dimensions + 1
        self._rows: dict[bytes, int] = {}
        self._vectors: Float32 = np.empty((0, 2, self.dimensions), np.float32)
        self._read = 0
        self.refresh()

    @classmethod
    def of_project(cls, project: Path, card: ModelCard) -> VectorCache:
        """Return the cache of a project, by its folder."""
        return cls(project / HIDDEN / VECTORS, card)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, digest: object) -> bool:
        return digest in self._rows

    def vectors(self, digests: Sequence[bytes]) -> Float32:
        """Return vectors, shape (N, 2, D); NaN of specimens that are not known, or that the embedder cannot see."""
        rows = np.array([self._rows.get(digest, -1) for digest in digests], dtype=np.intp)
        found = np.full((len(rows), 2, self.dimensions), np.nan, dtype=np.float32)
        found[rows >= 0] = self._vectors[rows[rows >= 0]]
        return found

    def refresh(self) -> bool:
        """Read what was appended since the last time, by any process; return whether anything was."""
        try:
            with self.path.open("rb") as stream:
                size = stream.seek(0, os.SEEK_END)
                if size < self._read:
                    # Somebody has removed the file, and another one has begun.
                    self._read = 0
                stream.seek(self._read)
                data = stream.read((size - self._read) // self._record_bytes * self._record_bytes)
        except OSError:
            return False
        self._read += len(data)
        return self._take(np.frombuffer(data, dtype="<u4").reshape(-1, self._words))

    def add(self, digests: Sequence[bytes], vectors: Float32) -> None:
        """Append vectors, shape (N, 2, D); those of specimens that are known already are left out.

        A specimen that the embedder cannot see has NaN, and is not looked at again.

        Raises
        ------
        OutputError
            When the file cannot be written; the vectors are known here nevertheless.
        """
        new = [k for k, digest in enumerate(digests) if digest not in self._rows]
        records = np.empty((len(new), self._words), dtype="<u4")
        named = np.frombuffer(b"".join(digests[k] for k in new), dtype="<u4")
        records[:, : DIGEST_BYTES // 4] = named.reshape(len(new), DIGEST_BYTES // 4)
        numbers = np.ascontiguousarray(vectors[new], dtype="<f4").reshape(len(new), 2 * self.dimensions)
        records[:, DIGEST_BYTES // 4 : -1] = numbers.view("<u4")
        records[:, -1] = _sums(records)
        self._take(records)
        if new:
            with self._locked():
                self._append(records.tobytes())

    def _append(self, data: bytes) -> None:
        """Append whole records behind the last whole one."""
        try:
            make_hidden(self.path.parent)
            with self.path.open("ab") as stream:
                whole = stream.tell() // self._record_bytes * self._record_bytes
                if whole < stream.tell():
                    stream.truncate(whole)
                    stream.seek(whole)
                stream.write(data)
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {reason(error)}") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(self.path.with_suffix(".lock"), timeout=LOCK_SECONDS)
        try:
            make_hidden(self.path.parent)
            lock.acquire()
        except Timeout:
            raise OutputError(
                f"{self.path} is being written by another process for {LOCK_SECONDS:.0f} s: try again."
            ) from None
        except (OSError, NotImplementedError) as error:
            said = reason(error) if isinstance(error, OSError) else "its file system knows no locks."
            raise OutputError(f"{self.path} cannot be written: {said}") from error
        try:
            yield
        finally:
            lock.release()

    @property
    def _record_bytes(self) -> int:
        return 4 * self._words

    def _take(self, records: NDArray[np.uint32]) -> bool:
        """Take records that are whole, of specimens that are not known yet."""
        data = records[:, : DIGEST_BYTES // 4].tobytes()
        is_whole = (records[:, -1] == _sums(records)).tolist()
        new: dict[bytes, int] = {}
        for row, whole in enumerate(is_whole):
            digest = data[row * DIGEST_BYTES : (row + 1) * DIGEST_BYTES]
            if whole and digest not in self._rows:
                new[digest] = row
        if not new:
            return False
        first, end = len(self._rows), len(self._rows) + len(new)
        if end > len(self._vectors):
            # Room for as many again, so that the vectors of many images are not copied for each of them.
            room = np.empty((max(end, 2 * len(self._vectors)), 2, self.dimensions), np.float32)
            room[:first] = self._vectors[:first]
            self._vectors = room
        found = records[list(new.values()), DIGEST_BYTES // 4 : -1].view("<f4")
        self._vectors[first:end] = found.reshape(-1, 2, self.dimensions)
        self._rows |= {digest: first + k for k, digest in enumerate(new)}
        return True


def _sums(records: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return the check sums of records: of their words, each multiplied by an odd number of its place."""
    factors = 2 * np.arange(records.shape[1] - 1, dtype=np.uint32) + 1
    sums = np.empty(len(records), dtype=np.uint32)
    for start in range(0, len(records), _BLOCK):
        block = records[start : start + _BLOCK, :-1]
        sums[start : start + _BLOCK] = (block * factors).sum(axis=1, dtype=np.uint32)
    return sums + np.uint32(_SEED)
