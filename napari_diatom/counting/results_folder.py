"""The folder of results of ``count``: what a run has written there, what a later one takes of it, and what goes.

``OUT/.napari-diatom/`` holds ``settings.json``, the options of the run; ``written.txt``, the results of images that
were written, a path a line, each before the file itself; and ``<key>.json``, the result of an image, after its files.
What ``written.txt`` does not name was not written by ``count``, and is neither replaced nor removed. Shards have a
``written-I-of-N.txt`` each, and say at their end in ``I-of-N.record`` what came of their images.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from napari_diatom.core.atomic_files import put, reason, temporary_of, write_atomically
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.core.text import folded, printable
from napari_diatom.core.text_files import read_json, read_text
from napari_diatom.counting import tables
from napari_diatom.counting.image_outputs import Outputs
from napari_diatom.counting.image_result import ImageResult
from napari_diatom.counting.result_names import Source
from napari_diatom.counting.run_lock import AnotherRunError, held, held_shortly, lock_of
from napari_diatom.counting.shards import Shard
from napari_diatom.counting.written_files import SETTINGS, WRITTEN, WrittenFiles, refused
from napari_diatom.images.image_files import RESULTS_MARK
from napari_diatom.images.orientation import AS_STORED
from napari_diatom.images.slide_image import SlideImage

TABLES: Final = (tables.SPECIMENS_CSV, tables.COUNTS_CSV, tables.IMAGES_CSV, tables.TABLES_XLSX, tables.RUN_JSON)
ERRORS: Final = "errors.log"
RECORD: Final = ".record"
"""Ending of the files in which shards say what came of their images."""

_STAGE: Final = "tables"
_UNRECORDED: Final = ("focus planes (--z)", "all tiles")
"""Settings that an earlier version did not write down. Its results are taken where no choice of them would matter."""
_ONCE_FIXED: Final = {"precision": "single"}
"""Settings that an earlier version did not write down, because it knew one value alone."""
_LONGEST_VALUE: Final = 80
_CHECKSUM: Final = re.compile("[0-9a-f]{64}")
FULL: Final = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
"""What a system says when there is no room left."""


class ResultsFolder:
    """The folder of results of a run.

    Parameters
    ----------
    out : Path
        The folder.
    shard : Shard, optional
        Which of the images the run counts, while others count the rest into the same folder.
    """

    def __init__(self, out: Path, shard: Shard | None = None) -> None:
        self.out = out
        self._shard = shard
        self._journal = out / RESULTS_MARK
        self._made: list[Path] = []
        self._written = WrittenFiles(out, shard)

    @property
    def errors(self) -> Path:
        """Where the details of unforeseen errors are."""
        return self._journal / (ERRORS if self._shard is None else f"errors-{self._shard.name}.log")

    def can_resume(self) -> bool:
        """Return whether there are results of images that a resumed run would take."""
        try:
            with os.scandir(self._journal) as entries:
                return any(entry.name.endswith(".json") and entry.name != SETTINGS for entry in entries)
        except OSError:
            return False

    def prepare(self, resume: bool, overwrite: bool) -> None:
        """Make the folder and try to write to it.

        Raises
        ------
        InputError
            When it holds results, and neither ``resume`` nor ``overwrite`` says what is to become of them.
        OutputError
            When it cannot be written to.
        """
        out = self.out
        # Shards try at the same time.
        probe = temporary_of(out / (tables.RUN_JSON if self._shard is None else self._shard.name))
        try:
            if out.exists() and not out.is_dir():
                raise OutputError(f"{out} is not a folder: name a folder for the results.")
            finished = any((out / name).exists() for name in TABLES)
            if self._shard is None and not resume and not overwrite and (finished or self.can_resume()):
                raise InputError(
                    f"{out} already holds results: continue with --resume, start again with --overwrite, or name "
                    "another folder."
                )
            self._made = [folder for folder in (out, *out.parents) if not folder.exists()]
            out.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"\0" * 4096)
            probe.unlink()
            self._journal.mkdir(exist_ok=True)
        except OSError as error:
            with contextlib.suppress(OSError):
                probe.unlink(missing_ok=True)
            raise OutputError(f"{out} cannot be written to: {reason(error)}") from error

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other runs from the folder while the block runs; one that fails without a result leaves nothing behind.

        Raises
        ------
        InputError
            When another run is writing there.
        """
        try:
            with held(self._journal, self.out, self._shard):
                yield
        except AnotherRunError:
            raise
        except BaseException:
            self.discard_empty()
            raise

    def open(self, sources: Sequence[Source], overwrite: bool, settings: Mapping[str, Any]) -> None:
        """Begin a run: :meth:`begin`, then :meth:`settle`; shards do so one after the other.

        Raises
        ------
        InputError, OutputError
            As these two do, or when a run that is no shard is writing there.
        """
        with contextlib.nullcontext() if self._shard is None else held_shortly(self._journal, self.out):
            self.begin(sources, overwrite)
            self.settle(settings)

    def settle(self, now: Mapping[str, Any]) -> None:
        """Write down what the results depend on, or check it against the run that is resumed.

        Raises
        ------
        InputError
            When the results that are there depend on something else.
        OutputError
            When it cannot be written.
        """
        path = self._journal / SETTINGS
        # Other shards have begun by the first one's settings before there is a result.
        if not self._parts() and (self._shard is None or not path.exists()):
            write_atomically(path, json.dumps(now, indent=2, ensure_ascii=False) + "\n")
            return
        try:
            before = read_json(path, "the settings of a run")
        except InputError:
            before = None
        if not isinstance(before, dict):
            raise _damaged(path)
        unrecorded = [name for name in (*_UNRECORDED, *_ONCE_FIXED) if name not in before]
        known = _ONCE_FIXED | before
        free = [name for name in _UNRECORDED if name not in before]
        changed = [name for name in now if known.get(name) != now[name] and name not in free]
        if changed:
            details = ", ".join(f"{name} was {_told(known.get(name))}, is {_told(now[name])}" for name in changed)
            raise InputError(
                f"{self.out} was started with other settings ({details}): go on with the same settings, choose another "
                f"folder of results, or start again (--overwrite)."
            )
        if unrecorded:
            write_atomically(path, json.dumps(now, indent=2, ensure_ascii=False) + "\n")

    def begin(self, sources: Sequence[Source], overwrite: bool) -> None:
        """Find out what earlier runs have written, and remove it for ``overwrite``.

        Raises
        ------
        InputError
            When the earlier run should be resumed and its lists are not files.
        OutputError
            When the folder cannot be written to.
        """
        self._written.recall(sources, self._parts())
        with refused(self.out):
            self.errors.unlink(missing_ok=True)
            if self._shard is None:
                shutil.rmtree(self.stage(), ignore_errors=True)
            if overwrite:
                for path in (*(self.out / name for name in TABLES), *self._parts(), *self.records()):
                    path.unlink(missing_ok=True)
        lists = [self._journal / name for name in (SETTINGS, WRITTEN)]
        damaged = [path for path in lists if os.path.lexists(path) and not path.is_file()]
        if damaged and not overwrite:
            raise _damaged(damaged[0])
        if overwrite:
            self.remove(self._written.paths)
            with refused(self.out):
                # What is neither a file nor a folder, such as a pipe, is not replaced by a file as files are.
                for path in damaged:
                    path.unlink()
        self._written.settle(() if overwrite else self._written.paths)

    def claim(self, outputs: Outputs) -> None:
        """Write down that the files of an image are about to be written. Raises as :meth:`WrittenFiles.claim`."""
        self._written.claim(outputs.all)

    def part(self, source: Source, image: SlideImage) -> Path:
        """Return where the result of an image is stored: it depends on its names and its content.

        Raises
        ------
        InputError
            When the image cannot be read.
        """
        identity = json.dumps([image.name, source.stem, source.sample, image.sha256()])
        return self._journal / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.json"

    def stored(
        self, part: Path, outputs: Outputs, source: Source, image: SlideImage, named: bool, outlined: bool
    ) -> ImageResult | None:
        """Return the result of an image from an earlier run, if it and its files are there and sound."""
        if not all((self.out / path).exists() for path in outputs.all):
            return None
        try:
            result = read_part(part, named, outlined)
        except InputError:
            return None
        facts = (image.name, source.sample, image.sha256(), image.height, image.width)
        stored = (result.image, result.sample, *(result.facts.get(name) for name in ("sha256", "height", "width")))
        if stored != facts or not ("notices" in result.facts or _is_read_as_before(source, image, result.facts)):
            return None
        return result

    def remove(self, paths: Iterable[str]) -> None:
        """Remove results of images, and the folders that are empty then.

        Raises
        ------
        OutputError
            When that is not possible.
        """
        gone = [self.out / path for path in paths]
        with refused(self.out):
            for path in gone:
                if not path.is_dir() or path.is_symlink():
                    path.unlink(missing_ok=True)
                temporary_of(path).unlink(missing_ok=True)
        for folder in sorted({folder for path in gone for folder in path.parents}, key=lambda f: len(f.parts))[::-1]:
            if self.out in folder.parents:
                with contextlib.suppress(OSError):  # it holds something, or is gone
                    folder.rmdir()

    def stage(self) -> Path:
        """Return a folder for the tables, from which :meth:`finish` takes them when all are there."""
        return self._journal / _STAGE

    def finish(self, kept: Sequence[Outputs], parts: Sequence[Path]) -> None:
        """Put the tables in their places, and remove all that is not of this run.

        Parameters
        ----------
        kept : sequence of Outputs
            Of the images of this run.
        parts : sequence of Path
            Their stored results.

        Raises
        ------
        OutputError
            When that is not possible.
        """
        own = {path for outputs in kept for path in outputs.all}
        alike = {folded(path): path for path in own}
        self.remove(path for path in self._written.paths - own if not self._are_one(path, alike.get(folded(path))))
        self._written.settle(own)
        for name in TABLES:
            staged, place = self.stage() / name, self.out / name
            if staged.exists():
                put(staged, place)
            else:
                with refused(self.out):
                    place.unlink(missing_ok=True)
        mine = set(parts)
        with refused(self.out):
            for path in (*(path for path in self._parts() if path not in mine), *self._journal.glob(".*.part")):
                path.unlink(missing_ok=True)
        shutil.rmtree(self.stage(), ignore_errors=True)

    def record(self) -> Path:
        """Return where a shard writes what came of its images."""
        return self._journal / f"{'whole' if self._shard is None else self._shard.name}{RECORD}"

    def records(self) -> list[Path]:
        """Return what shards have written of their images."""
        return sorted(self._journal.glob(f"*{RECORD}"))

    def forget_shards(self) -> None:
        """Remove what earlier shards have written of their images; the results stay."""
        with refused(self.out):
            for path in self.records():
                path.unlink(missing_ok=True)

    def note_error(self, image: str) -> None:
        """Append the error that is being handled, with all its details, to the log beside the results."""
        # A full disk must not hide the error.
        with contextlib.suppress(OSError), self.errors.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"{image}\n{traceback.format_exc()}\n")

    def discard_empty(self) -> None:
        """Remove what a run without results made; other files in the folder stay, and so does the folder."""
        if self._shard is not None or self._parts():
            return
        with contextlib.suppress(OSError, OutputError):
            self.remove(self._written.listed(self._parts())[0])
            shutil.rmtree(self.stage(), ignore_errors=True)
            for path in (self._journal / SETTINGS, self._journal / WRITTEN, lock_of(self._journal)):
                path.unlink(missing_ok=True)
            self._journal.rmdir()
            for folder in self._made:
                folder.rmdir()

    def _parts(self) -> list[Path]:
        """Return the stored results of images."""
        return [path for path in self._journal.glob("*.json") if path.name != SETTINGS]

    def _are_one(self, path: str, other: str | None) -> bool:
        """Return whether two names are of one file, as on systems that make no difference between cases."""
        try:
            return other is not None and os.path.samefile(self.out / path, self.out / other)
        except OSError:
            return False


def read_part(part: Path, named: bool, outlined: bool) -> ImageResult:
    """Return the stored result of an image.

    Raises
    ------
    InputError
        When it is not there, or damaged.
    """
    return ImageResult.from_json(read_text(part, "the stored result of an image"), named, outlined)


def _is_read_as_before(source: Source, image: SlideImage, facts: Mapping[str, Any]) -> bool:
    """Return whether an image is read as it was by a version whose results do not say how it was read.

    That version took each page of a stack for a field, did not turn images and believed other pixel sizes.
    """
    before = (facts.get("pixel_size_um"), facts.get("pixel_size_source"))
    return (
        image.name == source.name
        and image.orientation == AS_STORED
        and before == (image.pixel_size_um, image.pixel_size_source)
        and not image.notices
    )


def _told(value: Any) -> str:
    """Return a setting in a few words."""
    if value is None:
        return "not set"
    text = printable(str(value))
    if _CHECKSUM.fullmatch(text):
        return f"{text[:8]}..."
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is damaged, so the run cannot be resumed: start again with --overwrite.")
